package rdd

// Distinct gives each element once, in the order in which they first came in. Shuffle, combined on the map side: what
// is sent is each element once for each map partition.
func Distinct[T comparable](r *RDD[T], opts ...ShuffleOption) *RDD[T] {
	type nothing = struct{}
	keyed := Map(r, func(v T) Pair[T, nothing] { return Pair[T, nothing]{Key: v} })
	create := func(*TaskContext) func(nothing) nothing { return func(n nothing) nothing { return n } }
	first := func(n, _ nothing) nothing { return n }
	out := Keys(combineByKey(keyed, "distinct", create, first, first, opts))
	out.node.Op = "distinct"
	return out
}
