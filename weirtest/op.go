package weirtest

import (
	"errors"
	"testing"

	"github.com/weirstream/weir/dstream"
)

// Op tests a function from a stream to a stream: given the batches of in, one after the other, it must answer with
// those of want. Each row runs with 1, 2 and 7 partitions, as it is and in the honest mode, each time in a bubble of
// its own; op is called once for each. If want is longer than in, empty batches follow those of in, as windows need
// them; if it is shorter, the rest of the answer must be empty. The comparison is by bags unless Ordered.
//
// t is a *testing.T, or inside of a bubble, where a row runs once, any other.
func Op[T, U any](t testing.TB, in [][]T, op func(*dstream.DStream[T]) *dstream.DStream[U], want [][]U,
	opts ...Option,
) {
	t.Helper()
	c := configure(opts)
	c.batches = max(len(in), len(want))
	runOp(t, c, want, func(ssc *dstream.Context) *dstream.DStream[U] { return op(source(ssc, c, in)) })
}

// Op2 is Op of a function of two streams. The shorter one of a and b is followed by empty batches.
func Op2[T, U, V any](t testing.TB, a [][]T, b [][]U,
	op func(*dstream.DStream[T], *dstream.DStream[U]) *dstream.DStream[V], want [][]V, opts ...Option,
) {
	t.Helper()
	c := configure(opts)
	c.batches = max(len(a), len(b), len(want))
	runOp(t, c, want, func(ssc *dstream.Context) *dstream.DStream[V] {
		return op(source(ssc, c, a), source(ssc, c, b))
	})
}

func source[T any](ssc *dstream.Context, c *config, in [][]T) *dstream.DStream[T] {
	return dstream.FromSource(ssc, "weirtest.Op", dstream.Source[T](&memory[T]{in, c.failures}))
}

func runOp[U any](t testing.TB, c *config, want [][]U, op func(ssc *dstream.Context) *dstream.DStream[U]) {
	t.Helper()
	if len(c.inputs)+len(c.answers) > 0 {
		c.err = errors.New("Input, Want and Collect are for Run and Start: Op has its batches as arguments")
	}
	inModes(t, c, func(t testing.TB, m mode) error {
		e := &expectation[U]{name: "the answer", want: want}
		return runOnce(t, c, m, []answer{e}, func(ssc *dstream.Context) error {
			e.watch(op(ssc), c)
			return nil
		})
	})
}
