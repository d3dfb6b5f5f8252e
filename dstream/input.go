package dstream

import (
	"context"
	"fmt"

	"github.com/weirstream/weir/internal/checkpoint"
)

// An input is a source in the batch loop: where its next range begins, and how fast it may go.
type input struct {
	node   *node
	number int
	source any
	from   []byte
	rate   *rateControl
	logged checkpoint.Rate // what the log has of it
	// substituted tells that source is not the one that the stream was made from.
	substituted bool

	resolve   func(ctx context.Context, from []byte) ([]byte, error)
	plan      func(ctx context.Context, from []byte, l Limit) ([]byte, int64, error)
	committed func(ctx context.Context, b *Batch, rng []byte) error
	released  func(ctx context.Context, upTo []byte) error
}

func newInput[T any](n *node, s Source[T]) *input {
	return &input{node: n, number: len(n.ssc.inputs), source: s,
		resolve: s.Resolve, plan: s.Plan, committed: s.Committed, released: s.Released}
}

// label is the input's name in pages and errors.
func (in *input) label() string {
	if in.node.name != "" {
		return in.node.name
	}
	return fmt.Sprintf("%s [%d]", in.node.op, in.number)
}

func (in *input) where() string { return fmt.Sprintf("%s (%s)", in.label(), in.node.site) }

// describe asks a source what a range holds; one that panics describes nothing.
func (in *input) describe(rng []byte) (lines []string) {
	if d, ok := in.source.(SourceDescriber); ok {
		defer func() { _ = recover() }()
		lines = d.Describe(rng)
	}
	return lines
}

// pending is what a receiving source holds that no batch has taken.
func (in *input) pending() (n int64) {
	if d, ok := in.source.(SourceDrainer); ok {
		defer func() { _ = recover() }()
		n = d.Pending(in.from)
	}
	return n
}

func (in *input) drain(ctx context.Context) error {
	if d, ok := in.source.(SourceDrainer); ok {
		return tell(ctx, d.Drain)
	}
	return nil
}

// counted corrects what a source said of the records of a range when it planned it.
func (in *input) counted(p planned) (n int64) {
	n = p.records
	if c, ok := in.source.(SourceCounter); ok {
		defer func() { _ = recover() }()
		if counted, known := c.Counted(p.rng); known {
			n = counted
		}
	}
	return n
}

// slowed is what slows a source down from outside.
func (in *input) slowed() (why string) {
	if s, ok := in.source.(SourceSlowed); ok {
		defer func() { _ = recover() }()
		why = s.Slowed()
	}
	return why
}

func (in *input) setRate(rate float64) (err error) {
	if r, ok := in.source.(SourceRated); ok {
		defer recovered(&err)
		r.Rate(rate)
	}
	return err
}

func (in *input) close(ctx context.Context) error {
	if c, ok := in.source.(SourceCloser); ok {
		return tell(ctx, c.Close)
	}
	return nil
}
