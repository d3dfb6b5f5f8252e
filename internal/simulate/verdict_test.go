package simulate

import (
	"errors"
	"fmt"
	"slices"
)

// compare tells where an execution differs from the definition.
func (x *execution) compare() error {
	if err := x.checkBatches(); err != nil {
		return err
	}
	a := x.g.answer(x.batches)
	for i, o := range x.g.Outputs {
		seen := &x.outputs[i]
		if err := errors.Join(seen.errs...); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		if !x.g.Steps[o.Step].defined {
			continue
		}
		for n, b := range x.batches {
			want, due := a.texts(o.Step, n)
			got, saw := seen.texts(o.How, b.time)
			if saw != due && !(len(want) == 0 && (o.How == partitioned || o.How == sunk)) {
				return fmt.Errorf("output %d, batch %d (%v): due %v, seen %v", i, n, b.time, due, saw)
			}
			if x.g.Steps[o.Step].order != list {
				got = slices.Sorted(slices.Values(got))
			}
			if !slices.Equal(got, want) {
				return fmt.Errorf("output %d, batch %d (%v):\ngot  %q\nwant %q", i, n, b.time, got, want)
			}
		}
	}
	return nil
}

// checkBatches holds what is known of the batches themselves.
func (x *execution) checkBatches() error {
	nominal := x.g.nominal()
	if !x.g.stalls() && !slices.Equal(x.batches, nominal) {
		return fmt.Errorf("the batches are %v, want %v", x.batches, nominal)
	}
	for i, b := range x.batches {
		switch {
		case b.sequence != int64(i), i > 0 && b.time <= x.batches[i-1].time, !b.time.IsMultipleOf(x.g.Interval):
			return fmt.Errorf("batch %d is number %d at %v, after %v", i, b.sequence, b.time, x.batches[:i])
		case x.g.timed() && b.time != nominal[0].time.Add(b.time.Sub(nominal[0].time)):
			return fmt.Errorf("batch %d is at %v, although each time is to have one", i, b.time)
		}
	}
	return nil
}

// same tells where two executions differ: they must be equal in order, whatever the definition says of it.
func (x *execution) same(y *execution) error {
	if !slices.Equal(x.batches, y.batches) {
		if x.g.stalls() && !x.g.timed() {
			return nil // How many times are missed, and merged, follows from how long the outputs take together.
		}
		return fmt.Errorf("the batches of one run are %v, of the other %v", x.batches, y.batches)
	}
	for i, o := range x.g.Outputs {
		for n, b := range x.batches {
			one, _ := x.outputs[i].texts(o.How, b.time)
			other, _ := y.outputs[i].texts(o.How, b.time)
			if !slices.Equal(one, other) {
				return fmt.Errorf("output %d, batch %d (%v): the runs give other orders:\none   %q\nother %q", i, n,
					b.time, one, other)
			}
		}
	}
	return nil
}
