package rdd

// KeyBy pairs each element with the key that f makes of it. Narrow; no memory.
func KeyBy[T, K any](r *RDD[T], f func(T) K) *RDD[Pair[K, T]] {
	out := Map(r, func(v T) Pair[K, T] { return Pair[K, T]{f(v), v} })
	out.node.Op = "keyBy"
	return out.needs(f == nil)
}

// GroupBy groups the elements by the key that f makes of each: those of a partition in their order, the partitions in
// order. Shuffle without combining; see [GroupByKey].
func GroupBy[T any, K comparable](r *RDD[T], f func(T) K, opts ...ShuffleOption) *RDD[Pair[K, []T]] {
	out := GroupByKey(KeyBy(r, f), opts...)
	out.node.Op = "groupBy"
	return out
}
