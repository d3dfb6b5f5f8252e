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
	vectored(r, out, func(*TaskContext) func([]T) []T {
		var buf []T
		return func(in []T) []T {
			out, n := room(buf, len(in))[:len(in)], 0
			for _, v := range in {
				out[n] = v
				if keep(v) {
					n++
				}
			}
			buf = out
			return out[:n]
		}
	})
	out.keysOf(r.dealt, r.sorted)
	return out
}
