package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// GroupByKey gives the values of each key: those of a partition in their order, the partitions in order. Shuffle
// without combining: all values are sent. What does not fit into weir.memory.budget goes to disk, but the values of one
// key must fit into memory. ReduceByKey is cheaper where it does. Keys come out in the order in which they first came
// in.
func GroupByKey[K comparable, V any](r *RDD[Pair[K, V]], opts ...ShuffleOption) *RDD[Pair[K, []V]] {
	d, err := defaultDealing(r.sc, opts, r.asParent())
	if err != nil {
		d = &dealing{n: 1}
	}
	var sh *exec.Shuffle
	if err == nil && !r.dealt.same(d) {
		sh, err = dealRows(r, d)
	}
	out := shuffled(r.sc, r.node, "groupByKey", d, func(tc *TaskContext, p int) iter.Seq[Pair[K, []V]] {
		return func(yield func(Pair[K, []V]) bool) {
			in := newGathering[K](tc, r.sc, p)
			defer in.sp.Close()
			vs := groupSide[K, V]{r: r, sh: sh}.of(in)
			in.g.Keys()(func(n int, k K) bool { return yield(Pair[K, []V]{k, vs.Of(n)}) })
		}
	})
	out.reads(err, r.node, sh)
	return out
}
