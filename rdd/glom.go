package rdd

import "iter"

// Glom gives each partition as one slice. Narrow; a partition must fit into memory.
func Glom[T any](r *RDD[T]) *RDD[[]T] {
	return narrow(r, "glom", func(tc *TaskContext, p int) iter.Seq[[]T] {
		return func(yield func([]T) bool) {
			vs := []T{}
			r.iterate(tc, p)(func(v T) bool {
				vs = append(vs, v)
				return true
			})
			yield(vs)
		}
	})
}
