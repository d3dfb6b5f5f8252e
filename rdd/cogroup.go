package rdd

import (
	"errors"
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// CoGroup gives, for each key of either RDD, the values of both. A side that is not dealt as the result is gets
// shuffled. What does not fit into weir.memory.budget goes to disk, but the values of one key must fit into memory.
// Keys come out in the order in which they first came, the left side's before those that only the right side has.
func CoGroup[K comparable, V, W any](
	a *RDD[Pair[K, V]],
	b *RDD[Pair[K, W]],
	opts ...ShuffleOption,
) *RDD[Pair[K, CoGrouped[V, W]]] {
	d, err := defaultDealing(a.sc, opts, a.asParent(), b.asParent())
	left, right := newGroupSide(a, d, err), newGroupSide(b, d, err)
	out := cogrouped(a.sc, a.node, d, func(in gathering[K]) func(n int) CoGrouped[V, W] {
		vs, ws := left.of(in), right.of(in)
		return func(n int) CoGrouped[V, W] { return CoGrouped[V, W]{Left: vs.Of(n), Right: ws.Of(n)} }
	})
	left.attach(out.sc, out.reads)
	right.attach(out.sc, out.reads)
	return out
}

// CoGroup3 is [CoGroup] of three RDDs.
func CoGroup3[K comparable, V, W, X any](a *RDD[Pair[K, V]], b *RDD[Pair[K, W]], c *RDD[Pair[K, X]],
	opts ...ShuffleOption,
) *RDD[Pair[K, CoGrouped3[V, W, X]]] {
	d, err := defaultDealing(a.sc, opts, a.asParent(), b.asParent(), c.asParent())
	sa, sb, sc := newGroupSide(a, d, err), newGroupSide(b, d, err), newGroupSide(c, d, err)
	out := cogrouped(a.sc, a.node, d, func(in gathering[K]) func(n int) CoGrouped3[V, W, X] {
		vs, ws, xs := sa.of(in), sb.of(in), sc.of(in)
		return func(n int) CoGrouped3[V, W, X] { return CoGrouped3[V, W, X]{vs.Of(n), ws.Of(n), xs.Of(n)} }
	})
	sa.attach(out.sc, out.reads)
	sb.attach(out.sc, out.reads)
	sc.attach(out.sc, out.reads)
	return out
}

// CoGroup4 is [CoGroup] of four RDDs.
func CoGroup4[K comparable, V, W, X, Y any](a *RDD[Pair[K, V]], b *RDD[Pair[K, W]], c *RDD[Pair[K, X]],
	d *RDD[Pair[K, Y]], opts ...ShuffleOption,
) *RDD[Pair[K, CoGrouped4[V, W, X, Y]]] {
	by, err := defaultDealing(a.sc, opts, a.asParent(), b.asParent(), c.asParent(), d.asParent())
	sa, sb := newGroupSide(a, by, err), newGroupSide(b, by, err)
	sc, sd := newGroupSide(c, by, err), newGroupSide(d, by, err)
	out := cogrouped(a.sc, a.node, by, func(in gathering[K]) func(n int) CoGrouped4[V, W, X, Y] {
		vs, ws, xs, ys := sa.of(in), sb.of(in), sc.of(in), sd.of(in)
		return func(n int) CoGrouped4[V, W, X, Y] {
			return CoGrouped4[V, W, X, Y]{vs.Of(n), ws.Of(n), xs.Of(n), ys.Of(n)}
		}
	})
	sa.attach(out.sc, out.reads)
	sb.attach(out.sc, out.reads)
	sc.attach(out.sc, out.reads)
	sd.attach(out.sc, out.reads)
	return out
}

// SubtractByKey gives the pairs of a whose keys b does not hold. Shuffle of both; of b only the keys are sent.
func SubtractByKey[K comparable, V, W any](a *RDD[Pair[K, V]], b *RDD[Pair[K, W]], opts ...ShuffleOption,
) *RDD[Pair[K, V]] {
	type nothing = struct{}
	there := MapValues(b, func(W) nothing { return nothing{} })
	return joined("subtractByKey", CoGroup(a, there, opts...), func(g CoGrouped[V, nothing], yield func(V) bool) bool {
		for _, v := range g.Left {
			if len(g.Right) == 0 && !yield(v) {
				return false
			}
		}
		return true
	})
}

// A gathering is a task that takes the sides of partition p into groups.
type gathering[K comparable] struct {
	tc *TaskContext
	sp *shuffle.Space
	p  int
	g  *shuffle.Groups[K]
}

func newGathering[K comparable](tc *TaskContext, sc *Context, p int) gathering[K] {
	in := gathering[K]{tc, sc.space(tc), p, shuffle.NewGroups[K](nil)}
	in.g.Within(in.sp, wireOf[K, struct{}]().Keys)
	return in
}

// cogrouped makes the RDD of a cogroup: groups takes the sides of a partition in and gives what a key's number has.
func cogrouped[K comparable, G any](sc *Context, from *exec.Node, d *dealing,
	groups func(in gathering[K]) func(n int) G,
) *RDD[Pair[K, G]] {
	return shuffled(sc, from, "cogroup", d, func(tc *TaskContext, p int) iter.Seq[Pair[K, G]] {
		return func(yield func(Pair[K, G]) bool) {
			in := newGathering[K](tc, sc, p)
			defer in.sp.Close()
			of := groups(in)
			in.g.Keys()(func(n int, k K) bool { return yield(Pair[K, G]{k, of(n)}) })
		}
	})
}

// A groupSide is one RDD of a cogroup.
type groupSide[K comparable, V any] struct {
	r   *RDD[Pair[K, V]]
	sh  *exec.Shuffle // nil if its keys lie where they must already
	err error
}

func newGroupSide[K comparable, V any](r *RDD[Pair[K, V]], d *dealing, err error) groupSide[K, V] {
	s := groupSide[K, V]{r: r, err: err}
	if err == nil {
		s.sh, s.err = dealSide(r, d, err)
	}
	return s
}

// attach makes the side a parent of the cogroup.
func (s groupSide[K, V]) attach(sc *Context, reads func(error, *exec.Node, *exec.Shuffle)) {
	if s.err == nil && s.r.sc != sc {
		s.err = errors.New("the RDDs belong to different contexts")
	}
	reads(s.err, s.r.node, s.sh)
}

// of takes the side's rows of a partition in.
func (s groupSide[K, V]) of(in gathering[K]) *shuffle.Side[K, V] {
	vs, err := shuffle.AddSide(in.g, wireOf[K, V](), side(in.tc, in.sp, s.r, s.sh, in.p))
	if err != nil {
		in.tc.Fail(err)
	}
	return vs
}
