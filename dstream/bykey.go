package dstream

import "github.com/weirstream/weir/rdd"

// ReduceByKey folds the values of each key of a batch by f, which must be associative. Shuffle, combined on the
// map side; see [rdd.ReduceByKey].
func ReduceByKey[K comparable, V any](
	d *DStream[rdd.Pair[K, V]],
	f func(V, V) V,
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "reduceByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, V]] {
		return rdd.ReduceByKey(r, f, opts...)
	}).needs(f == nil).sound(rdd.CheckShuffle[K, V](opts...))
}

// GroupByKey gives the values of each key of a batch, in order. Shuffle; see [rdd.GroupByKey].
func GroupByKey[K comparable, V any](
	d *DStream[rdd.Pair[K, V]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, []V]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "groupByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, []V]] {
		return rdd.GroupByKey(r, opts...)
	}).sound(rdd.CheckShuffle[K, V](opts...))
}

// dealt puts Spark's default for streams before the options of a shuffle: spark.default.parallelism partitions,
// whatever the number of partitions upstream, which in a stream changes from batch to batch.
func (ssc *Context) dealt(opts []rdd.ShuffleOption) []rdd.ShuffleOption {
	return append([]rdd.ShuffleOption{rdd.Partitions(ssc.sc.DefaultParallelism())}, opts...)
}

// sound keeps what is wrong with the making of the stream.
func (d *DStream[T]) sound(err error) *DStream[T] {
	if err != nil {
		d.node.refuse("%s: %w", d.node.op, err)
	}
	return d
}
