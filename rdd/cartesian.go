package rdd

import "iter"

// Cartesian gives every pair of an element of a and an element of b. It has a partition for each pair of partitions of
// the two; b's partition is computed anew for each element of a's, so persist b if it costs anything. Narrow; no
// memory.
func Cartesian[T, U any](a *RDD[T], b *RDD[U]) *RDD[Pair[T, U]] {
	width := b.node.Partitions
	n := a.sc.node("cartesian", a.node.Partitions*width, a.node, b.node)
	n.AddNarrow(a.node, b.node)
	out := newRDD(a.sc, n, func(tc *TaskContext, p int) iter.Seq[Pair[T, U]] {
		return func(yield func(Pair[T, U]) bool) {
			more := true
			var v T
			each := func(u U) bool {
				more = yield(Pair[T, U]{v, u})
				return more
			}
			a.iterate(tc, p/width)(func(t T) bool {
				v = t
				b.iterate(tc, p%width)(each)
				return more
			})
		}
	})
	if a.sc != b.sc {
		out.refuse("cartesian of RDDs of different contexts")
	}
	return out
}
