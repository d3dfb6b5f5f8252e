package rdd

import "iter"

// FilterMap gives what f makes of the elements for which it tells true: Spark's collect with a partial function.
// Narrow; no memory.
func FilterMap[T, U any](r *RDD[T], f func(T) (U, bool)) *RDD[U] {
	return narrow(r, "filterMap", func(tc *TaskContext, p int) iter.Seq[U] {
		in := r.iterate(tc, p)
		return func(yield func(U) bool) {
			in(func(v T) bool {
				u, ok := f(v)
				return !ok || yield(u)
			})
		}
	}).needs(f == nil)
}
