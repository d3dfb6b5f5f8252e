package dstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstream/weir/internal/checkpoint"
)

// A planned batch runs again as its plan says, or not at all: what of it is in a sink already was dealt by that plan.
// But where every output of it is a sink that can be asked, and none has anything of it, another plan of the same
// records supersedes the first, and a program that would split it differently may go on at once.

// anew tells whether a batch may be planned anew, so far as is known before its sinks are asked: its inputs and outputs
// are there, at the same interval, and all outputs are sinks.
func (f *fitting) anew(b *checkpoint.Batch) bool {
	if b.Plan.Split == nil || len(b.Plan.Split.Operators) == 0 || len(b.Done) > 0 {
		return false
	}
	now := f.ssc.operators()
	for _, o := range b.Plan.Split.Operators {
		output := o.Type == "" // It has no elements.
		switch at := find(now, o.ID); {
		case !output && len(o.From) > 0: // What is between may be another thing.
		case output && o.Op != writeTo:
			return false // It may have done anything.
		case at < 0 || now[at].Op != o.Op || now[at].Type != o.Type:
			return false
		case !output && now[at].Slide != o.Slide:
			return false // Windows of the other interval do not look at its time.
		}
	}
	return !slices.ContainsFunc(f.ssc.outputs, func(o *Output) bool { return o.node.op != writeTo })
}

// A resplit is a batch that the program would split differently, and why it is refused if a sink has anything of it.
type resplit struct {
	batch   *checkpoint.Batch
	refusal error
}

// replan plans batches anew, when the sinks have been opened and have said what they hold.
func (ssc *Context) replan(ctx context.Context) error {
	for _, r := range ssc.durable.anew {
		for _, o := range ssc.outputs {
			if err := ssc.hasNothing(o, r.batch.Plan.Sequence); err != nil {
				return fmt.Errorf("%w (%s):\n%w\n%w", ErrUnfit, ssc.durable.dir, r.refusal, err)
			}
		}
	}
	var entries []checkpoint.Entry
	for _, r := range ssc.durable.anew {
		r.batch.Plan.Split = ssc.split()
		entries = append(entries, checkpoint.Replan{Plan: r.batch.Plan})
	}
	if len(entries) == 0 {
		return nil
	}
	if err := ssc.log.Append(ctx, entries...); err != nil {
		return fmt.Errorf("log that planned batches are planned anew: %w", err)
	}
	for _, r := range ssc.durable.anew {
		ssc.durable.found.Split = r.batch.Plan.Split
		ssc.logger.Info("a planned batch is split anew, for no sink has anything of it", "batch", r.batch.Plan.Sequence)
	}
	return nil
}

// hasNothing is an error if the sink of an output may have something of a batch: also if it does not know that for all
// partitions at once, for the batch may have others now.
func (ssc *Context) hasNothing(o *Output, sequence int64) error {
	output := ssc.outputIDs()[o.number]
	ssc.sinks.mu.Lock()
	kept := ssc.sinks.known[effectOf{output, ""}]
	ssc.sinks.mu.Unlock()
	switch {
	case kept == nil || kept.asked == nil || kept.sink == nil && kept.back == nil && !is[BatchCommitter](o.sink):
		return errors.New("the sink of the output " + o.label() + " does not say what it holds")
	case kept.held && kept.last.Sequence >= sequence:
		return fmt.Errorf("the sink of the output %s holds batches up to %d", o.label(), kept.last.Sequence)
	}
	return nil
}
