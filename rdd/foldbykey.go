package rdd

// FoldByKey is [ReduceByKey] that begins each key with zero, once in each partition of r: zero should be neutral. It is
// copied for each, so that f may change and give back its first argument. Shuffle, combined on the map side.
func FoldByKey[K comparable, V any](r *RDD[Pair[K, V]], zero V, f func(V, V) V, opts ...ShuffleOption,
) *RDD[Pair[K, V]] {
	return aggregateByKey(r, "foldByKey", zero, f, f, opts).needs(f == nil)
}

// AggregateByKey folds the values of each key into a U: seq adds a value, comb joins what partitions made. zero begins
// each key in each partition of r and is copied for it, so that both may change and give back their first argument.
// Shuffle, combined on the map side.
func AggregateByKey[K comparable, V, U any](r *RDD[Pair[K, V]], zero U, seq func(U, V) U, comb func(U, U) U,
	opts ...ShuffleOption,
) *RDD[Pair[K, U]] {
	return aggregateByKey(r, "aggregateByKey", zero, seq, comb, opts).needs(seq == nil || comb == nil)
}

func aggregateByKey[K comparable, V, U any](r *RDD[Pair[K, V]], op string, zero U, seq func(U, V) U, comb func(U, U) U,
	opts []ShuffleOption,
) *RDD[Pair[K, U]] {
	clones := newMutableCloner[U]()
	create := func(tc *TaskContext) func(V) U {
		clone := clones(tc)
		if clone == nil {
			return func(v V) U { return seq(zero, v) }
		}
		return func(v V) U { return seq(clone(zero), v) }
	}
	return combineByKey(r, op, create, seq, comb, opts)
}
