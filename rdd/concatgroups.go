package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/shuffle"
)

// ConcatGroups joins groups: each key has the values of the first RDD, then those of the second and so on. The RDDs
// must be dealt alike, as those that one GroupByKey makes in each batch of a stream are; others are refused. Narrow;
// the values of a partition must fit into memory. Keys come out in the order in which they first came in.
func ConcatGroups[K comparable, V any](first *RDD[Pair[K, []V]], others ...*RDD[Pair[K, []V]]) *RDD[Pair[K, []V]] {
	rs := append([]*RDD[Pair[K, []V]]{first}, others...)
	n := first.sc.node("concatGroups", first.node.Partitions, first.node)
	out := newRDD(first.sc, n, func(tc *TaskContext, p int) iter.Seq[Pair[K, []V]] {
		return func(yield func(Pair[K, []V]) bool) {
			all := shuffle.NewTable[K, []V](newCloner[K]()(tc))
			for _, r := range rs {
				r.iterate(tc, p)(func(g Pair[K, []V]) bool {
					vs, _ := all.Slot(g.Key)
					*vs = append(*vs, g.Value...)
					return true
				})
			}
			if err := all.Err(); err != nil {
				tc.Fail(err)
			}
			all.All()(func(k K, vs []V) bool { return yield(Pair[K, []V]{k, vs}) })
		}
	})
	out.dealt = first.dealt
	for _, r := range rs {
		n.AddNarrow(r.node)
		if r.sc != first.sc || !first.dealt.same(r.dealt) {
			out.refuse("concatGroups needs RDDs that are dealt alike: repartition them by one partitioner first")
		}
	}
	return out
}
