package rdd

import "iter"

// FlatMap gives all that f yields for each element, in order. Narrow; no memory. strings.SplitSeq,
// strings.FieldsSeq and slices.Values make such sequences.
func FlatMap[T, U any](r *RDD[T], f func(T) iter.Seq[U]) *RDD[U] {
	return narrow(r, "flatMap", func(tc *TaskContext, p int) iter.Seq[U] {
		in := r.iterate(tc, p)
		return func(yield func(U) bool) {
			// One closure for the partition, not one for each element; it remembers that the reader has
			// had enough, which the user's sequence cannot pass on.
			more := true
			inner := func(u U) bool {
				more = yield(u)
				return more
			}
			in(func(v T) bool {
				f(v)(inner)
				return more
			})
		}
	}).needs(f == nil)
}
