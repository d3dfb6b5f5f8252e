package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// GroupByKey gives the values of each key: those of a partition in their order, the partitions in order. Shuffle
// without combining: all values are sent, and all values of a key must fit into memory. ReduceByKey is cheaper
// where it does. Keys come out in the order in which they first came in.
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
			t := shuffle.NewTable[K, []V](cloner[K]())
			each(tc, r, sh, p, func(kv Pair[K, V]) {
				vs, _ := t.Slot(kv.Key)
				*vs = append(*vs, kv.Value)
			})
			emit(tc, t, yield)
		}
	})
	out.reads(err, r.node, sh)
	return out
}

// each calls f with every pair that lies in partition p after the shuffle, or in r's partition p if there is
// none because r is dealt that way already.
func each[K comparable, V any](tc *TaskContext, r *RDD[Pair[K, V]], sh *exec.Shuffle, p int, f func(Pair[K, V])) {
	if sh == nil {
		r.compute(tc, p)(func(kv Pair[K, V]) bool { f(kv); return true })
		return
	}
	for b := range rows[Pair[K, V]](tc, sh, p) {
		for i := range b {
			f(b[i])
		}
	}
}
