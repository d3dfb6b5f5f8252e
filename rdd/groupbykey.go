package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// GroupByKey gives the values of each key: those of a partition in their order, the partitions in order. Shuffle
// without combining: all values are sent, and all values of a partition must fit into memory. ReduceByKey is
// cheaper where it does. Keys come out in the order in which they first came in.
func GroupByKey[K comparable, V any](r *RDD[Pair[K, V]], opts ...ShuffleOption) *RDD[Pair[K, []V]] {
	d, err := defaultDealing(r.sc, opts, r.asParent())
	if err != nil {
		d = &dealing{n: 1}
	}
	var sh *exec.Shuffle
	if err == nil && !r.dealt.same(d) {
		sh, err = dealRows(r, d)
	}
	out := shuffled(r.sc, "groupByKey", d, func(tc *TaskContext, p int) iter.Seq[Pair[K, []V]] {
		return func(yield func(Pair[K, []V]) bool) {
			groups, err := shuffle.Group(side(tc, r, sh, p), nil)
			if err != nil {
				tc.Fail(err)
			}
			groups(func(k K, vs []V) bool { return yield(Pair[K, []V]{k, vs}) })
		}
	})
	out.reads(err, r.node, sh)
	return out
}
