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
	fold := func(acc rdd.Optional[T], v T) rdd.Optional[T] {
		if acc.Present {
			return rdd.Some(f(acc.Value, v))
		}
		return rdd.Some(v)
	}
	return derive(d, "reduce", func(r *rdd.RDD[T]) *rdd.RDD[T] {
		return rdd.Merged(r, func(in iter.Seq[T]) (acc rdd.Optional[T]) {
			in(func(v T) bool { acc = fold(acc, v); return true })
			return acc
		}, func(parts []rdd.Optional[T]) iter.Seq[T] {
			var acc rdd.Optional[T]
			for _, p := range parts {
				if p.Present {
					acc = fold(acc, p.Value)
				}
			}
			return func(yield func(T) bool) {
				if acc.Present {
					yield(acc.Value)
				}
			}
		})
	}).needs(f == nil).sound(rdd.CheckShuffle[int, T]())
}

// CountByValue gives how often each element occurs in a batch. Shuffle, combined on the map side.
func CountByValue[T comparable](d *DStream[T], opts ...rdd.ShuffleOption) *DStream[rdd.Pair[T, int64]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "countByValue", func(r *rdd.RDD[T]) *rdd.RDD[rdd.Pair[T, int64]] {
		ones := rdd.Map(r, func(v T) rdd.Pair[T, int64] { return rdd.KV(v, int64(1)) })
		return rdd.ReduceByKey(ones, func(a, b int64) int64 { return a + b }, opts...)
	}).sound(rdd.CheckShuffle[T, int64](opts...))
}
