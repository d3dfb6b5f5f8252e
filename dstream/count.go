package dstream

import (
	"iter"

	"github.com/weirstream/weir/rdd"
)

// Count gives the number of elements of each batch as the one element of its RDD: 0 for an empty batch.
// Shuffle of one number a partition.
func Count[T any](d *DStream[T]) *DStream[int64] {
	return derive(d, "count", func(r *rdd.RDD[T]) *rdd.RDD[int64] {
		return rdd.Merged(r, func(in iter.Seq[T]) int64 {
			var n int64
			in(func(T) bool { n++; return true })
			return n
		}, func(ns []int64) iter.Seq[int64] {
			var total int64
			for _, n := range ns {
				total += n
			}
			return func(yield func(int64) bool) { yield(total) }
		})
	})
}

// Reduce folds the elements of each batch by f, which must be associative, to the one element of its RDD; an
// empty batch gives an empty RDD. Shuffle of one element a partition.
func Reduce[T any](d *DStream[T], f func(T, T) T) *DStream[T] {
	type all struct{} // the one key
	return derive(d, "reduce", func(r *rdd.RDD[T]) *rdd.RDD[T] {
		keyed := rdd.Map(r, func(v T) rdd.Pair[all, T] { return rdd.KV(all{}, v) })
		return rdd.Values(rdd.ReduceByKey(keyed, f, rdd.Partitions(1)))
	}).needs(f == nil).sound(rdd.CheckShuffle[all, T]())
}

// CountByValue gives how often each element occurs in a batch. Shuffle, combined on the map side.
func CountByValue[T comparable](d *DStream[T], opts ...rdd.ShuffleOption) *DStream[rdd.Pair[T, int64]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "countByValue", func(r *rdd.RDD[T]) *rdd.RDD[rdd.Pair[T, int64]] {
		ones := rdd.Map(r, func(v T) rdd.Pair[T, int64] { return rdd.KV(v, int64(1)) })
		return rdd.ReduceByKey(ones, func(a, b int64) int64 { return a + b }, opts...)
	}).shuffles(opts, rdd.CheckShuffle[T, int64](opts...))
}
