package dstream

import (
	"errors"

	"github.com/weirstream/weir/rdd"
)

// pairs is an RDD of pairs, shorter.
type pairs[K, V any] = rdd.RDD[rdd.Pair[K, V]]

// CoGroup gives what both streams hold for each key of either in the same batch. Shuffle; see [rdd.CoGroup].
func CoGroup[K comparable, V, W any](a *DStream[rdd.Pair[K, V]], b *DStream[rdd.Pair[K, W]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, rdd.CoGrouped[V, W]]] {
	opts = a.node.ssc.dealt(opts)
	return combine(a, b, "cogroup",
		func(ra *pairs[K, V], rb *pairs[K, W]) *pairs[K, rdd.CoGrouped[V, W]] {
			return rdd.CoGroup(ra, rb, opts...)
		}).shuffles(opts, errors.Join(rdd.CheckShuffle[K, V](opts...), rdd.CheckShuffle[K, W](opts...)))
}

// Join gives every pair of values of a key that both streams hold in the same batch; to join over time,
// window both sides. Shuffle; see [rdd.Join].
func Join[K comparable, V, W any](a *DStream[rdd.Pair[K, V]], b *DStream[rdd.Pair[K, W]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, rdd.Pair[V, W]]] {
	opts = a.node.ssc.dealt(opts)
	return combine(a, b, "join",
		func(ra *pairs[K, V], rb *pairs[K, W]) *pairs[K, rdd.Pair[V, W]] {
			return rdd.Join(ra, rb, opts...)
		}).shuffles(opts, errors.Join(rdd.CheckShuffle[K, V](opts...), rdd.CheckShuffle[K, W](opts...)))
}

// LeftOuterJoin is Join that keeps the left side's values without partner. Shuffle; see [rdd.LeftOuterJoin].
func LeftOuterJoin[K comparable, V, W any](a *DStream[rdd.Pair[K, V]], b *DStream[rdd.Pair[K, W]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, rdd.Pair[V, rdd.Optional[W]]]] {
	opts = a.node.ssc.dealt(opts)
	return combine(a, b, "leftOuterJoin",
		func(ra *pairs[K, V], rb *pairs[K, W]) *pairs[K, rdd.Pair[V, rdd.Optional[W]]] {
			return rdd.LeftOuterJoin(ra, rb, opts...)
		}).shuffles(opts, errors.Join(rdd.CheckShuffle[K, V](opts...), rdd.CheckShuffle[K, W](opts...)))
}

// RightOuterJoin is Join that keeps the right side's values without partner. Shuffle; see [rdd.RightOuterJoin].
func RightOuterJoin[K comparable, V, W any](a *DStream[rdd.Pair[K, V]], b *DStream[rdd.Pair[K, W]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, rdd.Pair[rdd.Optional[V], W]]] {
	opts = a.node.ssc.dealt(opts)
	return combine(a, b, "rightOuterJoin",
		func(ra *pairs[K, V], rb *pairs[K, W]) *pairs[K, rdd.Pair[rdd.Optional[V], W]] {
			return rdd.RightOuterJoin(ra, rb, opts...)
		}).shuffles(opts, errors.Join(rdd.CheckShuffle[K, V](opts...), rdd.CheckShuffle[K, W](opts...)))
}

// FullOuterJoin is Join that keeps the values of both sides without partner. Shuffle; see [rdd.FullOuterJoin].
func FullOuterJoin[K comparable, V, W any](a *DStream[rdd.Pair[K, V]], b *DStream[rdd.Pair[K, W]],
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, rdd.Pair[rdd.Optional[V], rdd.Optional[W]]]] {
	opts = a.node.ssc.dealt(opts)
	return combine(a, b, "fullOuterJoin",
		func(ra *pairs[K, V], rb *pairs[K, W]) *pairs[K, rdd.Pair[rdd.Optional[V], rdd.Optional[W]]] {
			return rdd.FullOuterJoin(ra, rb, opts...)
		}).shuffles(opts, errors.Join(rdd.CheckShuffle[K, V](opts...), rdd.CheckShuffle[K, W](opts...)))
}
