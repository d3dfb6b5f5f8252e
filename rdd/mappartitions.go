package rdd

import "iter"

// MapPartitions gives what f makes of each whole partition: for work that has a cost per partition, such as
// a connection. f is called once for each attempt at a partition, with its task context, and may read its
// input once. Narrow; the memory is f's.
func MapPartitions[T, U any](r *RDD[T], f func(*TaskContext, iter.Seq[T]) iter.Seq[U]) *RDD[U] {
	return narrow(r, "mapPartitions", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(tc, r.iterate(tc, p))
	}).needs(f == nil)
}

// MapPartitionsWithIndex is MapPartitions whose function is told the partition's number.
func MapPartitionsWithIndex[T, U any](r *RDD[T], f func(p int, in iter.Seq[T]) iter.Seq[U]) *RDD[U] {
	return narrow(r, "mapPartitionsWithIndex", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(p, r.iterate(tc, p))
	}).needs(f == nil)
}
