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
	}).needs(f == nil).shuffles(opts, rdd.CheckShuffle[K, V](opts...))
}

// GroupByKey gives the values of each key of a batch, in order. Shuffle; see [rdd.GroupByKey].
func GroupByKey[K comparable, V any](
	d *DStream[rdd.Pair[K, V]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, []V]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "groupByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, []V]] {
		return rdd.GroupByKey(r, opts...)
	}).shuffles(opts, rdd.CheckShuffle[K, V](opts...))
}

// CombineByKey folds the values of each key of a batch into a C. Shuffle, combined on the map side; see
// [rdd.CombineByKey].
func CombineByKey[K comparable, V, C any](d *DStream[rdd.Pair[K, V]], create func(V) C, mergeValue func(C, V) C,
	mergeCombiners func(C, C) C, opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, C]] {
	opts = d.node.ssc.dealt(opts)
	out := derive(d, "combineByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, C]] {
		return rdd.CombineByKey(r, create, mergeValue, mergeCombiners, opts...)
	})
	return out.needs(create == nil || mergeValue == nil || mergeCombiners == nil).
		shuffles(opts, rdd.CheckShuffle[K, C](opts...))
}

// Repartition deals the elements of each batch to n partitions in turn. Shuffle; see [rdd.Repartition].
func Repartition[T any](d *DStream[T], n int) *DStream[T] {
	out := derive(d, "repartition", func(r *rdd.RDD[T]) *rdd.RDD[T] { return rdd.Repartition(r, n) })
	if n < 1 {
		out.node.refuse("repartition needs at least one partition, not %d", n)
	}
	out.node.deals = []rdd.ShuffleOption{rdd.Partitions(n)}
	return out.sound(rdd.CheckShuffle[int, T](rdd.Partitions(max(n, 1))))
}

// RepartitionByKey deals the pairs of each batch as the options say: Spark's partitionBy. Shuffle; see
// [rdd.RepartitionByKey].
func RepartitionByKey[K comparable, V any](d *DStream[rdd.Pair[K, V]], opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, V]] {
	opts = d.node.ssc.dealt(opts)
	return derive(d, "repartitionByKey", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, V]] {
		return rdd.RepartitionByKey(r, opts...)
	}).shuffles(opts, rdd.CheckShuffle[K, V](opts...))
}

// dealt puts Spark's default for streams before the options of a shuffle: spark.default.parallelism partitions,
// whatever the number of partitions upstream, which in a stream changes from batch to batch.
func (ssc *Context) dealt(opts []rdd.ShuffleOption) []rdd.ShuffleOption {
	n, _ := rdd.DealingOf(opts...)
	ssc.byDefault = ssc.byDefault || n == 0
	return append([]rdd.ShuffleOption{rdd.PartitionsLater(func() int { return ssc.width })}, opts...)
}

// shuffles keeps how the stream's shuffle deals keys, as dealt gives it, for the plan, and what is wrong with it.
func (d *DStream[T]) shuffles(opts []rdd.ShuffleOption, err error) *DStream[T] {
	d.node.deals = opts[1:] // The first one is the default, which stands in the plan by itself.
	return d.sound(err)
}

// sound keeps what is wrong with the making of the stream.
func (d *DStream[T]) sound(err error) *DStream[T] {
	if err != nil {
		d.node.refuse("%s: %w", d.node.op, err)
	}
	return d
}
