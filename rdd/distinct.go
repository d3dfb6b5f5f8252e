package rdd

// Distinct gives each element once, in the order in which they first came in. Shuffle, combined on the map side: what
// is sent is each element once for each map partition.
func Distinct[T comparable](r *RDD[T], opts ...ShuffleOption) *RDD[T] {
	type nothing = struct{}
	keyed := Map(r, func(v T) Pair[T, nothing] { return Pair[T, nothing]{Key: v} })
	out := Keys(ReduceByKey(keyed, func(nothing, nothing) nothing { return nothing{} }, opts...))
	out.node.Op = "distinct"
	return out
}
