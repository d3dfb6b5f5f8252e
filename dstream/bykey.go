package dstream

import "github.com/weirstream/weir/rdd"

// ReduceByKey folds the values of each key of a batch by f, which must be associative. Shuffle, combined on the
// map side; see [rdd.ReduceByKey].
func ReduceByKey[K comparable, V any](
	d *DStream[rdd.Pair[K, V]],
	f func(V, V) V,
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	return derive(d, "reduceByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, V]] {
		return rdd.ReduceByKey(r, f, opts...)
	}).needs(f == nil)
}

// GroupByKey gives the values of each key of a batch, in order. Shuffle; see [rdd.GroupByKey].
func GroupByKey[K comparable, V any](
	d *DStream[rdd.Pair[K, V]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, []V]] {
	return derive(d, "groupByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, []V]] {
		return rdd.GroupByKey(r, opts...)
	})
}
