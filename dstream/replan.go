package dstream

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/weirstream/weir/internal/checkpoint"
)

// A planned batch runs again as its plan says, or not at all: what of it is in a sink already was dealt by that plan. But
// where every output of it is a sink that can be asked, and none has anything of it, another plan of the same records
// supersedes the first, and a program that would split it differently may go on at once.

// anew tells whether a batch may be planned anew, so far as is known before its sinks are asked.
func (f *fitting) anew(b *checkpoint.Batch) bool {
	if b.Plan.Split == nil || len(b.Plan.Split.Operators) == 0 || len(b.Done) > 0 {
		return false
	}
	for id, rng := range b.Plan.Ranges {
		there := slices.ContainsFunc(f.ssc.inputs, func(in *input) bool { return f.ids[in.node] == id })
		if rng.Records > 0 && !there {
			return false // Its records are in no other batch.
		}
	}
	for _, id := range outputsOf(b.Plan.Split.Operators) {
		there := slices.ContainsFunc(f.ssc.outputs, func(o *Output) bool { return f.ids[o.node] == id })
		if !there {
			return false
		}
	}
	return !slices.ContainsFunc(f.ssc.outputs, func(o *Output) bool { return !o.tells() })
}

// outputsOf gives the ids of a graph's outputs, which have no elements.
func outputsOf(operators []checkpoint.Operator) (ids []string) {
	for _, o := range operators {
		if o.Type == "" {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// tells tells whether the output is a sink that knows of which batches it has anything, whatever their partitions were.
func (o *Output) tells() bool {
	whole := is[Transactor](o.sink) || is[BatchCommitter](o.sink) || is[SinkRewinder](o.sink)
	return whole && is[laster](o.sink) && promiseOf(o.sink) == ""
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
	for _, r := range ssc.durable.anew {
		plan := r.batch.Plan
		plan.Split = ssc.split()
		if err := ssc.log.Append(ctx, checkpoint.Replan{Plan: plan}); err != nil {
			return fmt.Errorf("log that batch %d is planned anew: %w", plan.Sequence, err)
		}
		r.batch.Plan = plan
		ssc.durable.found.Split = plan.Split
		ssc.logger.Info("a planned batch is split anew, for no sink has anything of it", "batch", plan.Sequence)
	}
	return nil
}

// hasNothing is an error if the sink of an output may have something of a batch.
func (ssc *Context) hasNothing(o *Output, sequence int64) error {
	output := ssc.outputIDs()[o.number]
	ssc.sinks.mu.Lock()
	kept := ssc.sinks.known[effectOf{output, ""}]
	ssc.sinks.mu.Unlock()
	switch {
	case kept == nil || kept.asked == nil:
		return errors.New("the sink of the output " + o.label() + " does not say what it holds")
	case kept.held && kept.last.Sequence >= sequence:
		return fmt.Errorf("the sink of the output %s holds batches up to %d", o.label(), kept.last.Sequence)
	}
	return nil
}
