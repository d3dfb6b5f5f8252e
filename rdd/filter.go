package rdd

import "iter"

// Filter gives the elements for which keep is true. Narrow; no memory; keeps the partitioner.
func Filter[T any](r *RDD[T], keep func(T) bool) *RDD[T] {
	out := narrow(r, "filter", func(tc *TaskContext, p int) iter.Seq[T] {
		in := r.iterate(tc, p)
		return func(yield func(T) bool) {
			in(func(v T) bool { return !keep(v) || yield(v) })
		}
	}).needs(keep == nil)
	out.dealt = r.dealt
	return out
}
