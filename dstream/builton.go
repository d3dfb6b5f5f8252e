package dstream

import (
	"context"
	"fmt"
	"slices"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// What a batch leaves in states and windows, later batches build on, and these may be in sinks before it is: where
// batches run ahead of transactions, outputs that do not wait for one finish later batches. To give the batch up then
// would have states and windows without it, and sinks that hold what was made with it.

// builtOn refuses to give a batch up if the log says that an output of the program has finished a later one. Of outputs
// that keep no identities nothing else tells.
func (l *loop) builtOn(b *Batch) error {
	found := l.ssc.durable.found
	if found == nil || l.ssc.keepsRecords() == nil {
		return nil
	}
	for _, later := range found.Opened() {
		if later.Plan.Sequence <= b.Sequence {
			continue
		}
		for _, done := range later.Done {
			i := slices.Index(l.outputIDs, done.Output)
			if i >= 0 && l.mayHaveWritten(i, done) {
				o := l.ssc.outputs[i]
				return fmt.Errorf("output %s (%s) has finished batch %d, %s", o.label(), o.node.site,
					later.Plan.Sequence, unlessItRuns(b))
			}
		}
	}
	return nil
}

// mayHaveWritten tells whether an output that is done has let anything out: of a body nobody knows.
func (l *loop) mayHaveWritten(i int, done checkpoint.Done) bool {
	wrote := func(e checkpoint.Effect) bool { return e.Wrote }
	return l.ssc.outputs[i].sink == nil || slices.ContainsFunc(done.Effects, wrote)
}

// builtOnIn is builtOn for what a sink says, of which last is the newest batch that it holds.
func (l *loop) builtOnIn(b *Batch, last int64) error {
	if last <= b.Sequence || l.ssc.keepsRecords() == nil {
		return nil
	}
	return fmt.Errorf("its sink holds batch %d, %s", last, unlessItRuns(b))
}

func unlessItRuns(b *Batch) string {
	return fmt.Sprintf("whose records build on the states and windows that batch %d has left, so that it would hold "+
		"what they never were: let the batch run, without %s and with %s=%s", b.Sequence, conf.CheckpointSkip.Name(),
		conf.Failed.Name(), conf.RetryFailed)
}

// builtOnByDone asks the sinks of an output that has finished the batch.
func (l *loop) builtOnByDone(b *Batch, output string) error {
	if l.ssc.keepsRecords() == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.life), commitTimeout)
	defer cancel()
	for _, kept := range append(l.ssc.sinks.of(output), l.ssc.sinks.restingOf(output)...) {
		if kept.asked == nil {
			continue
		}
		e := checkpoint.Effect{Output: output, Name: kept.last.Name}
		last, err := lastOf(ctx, kept.asked, kept.last, max(l.ssc.sinks.log.partitionsOf(e), 1))
		if err != nil {
			return fmt.Errorf("ask the sink what it holds: %w", err)
		}
		if err := l.builtOnIn(b, last); err != nil {
			return err
		}
	}
	return nil
}
