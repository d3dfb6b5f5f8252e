package rdd

import "iter"

// Join gives every pair of values of each key that both RDDs hold. Shuffle; see CoGroup.
func Join[K comparable, V, W any](
	a *RDD[Pair[K, V]],
	b *RDD[Pair[K, W]],
	opts ...ShuffleOption,
) *RDD[Pair[K, Pair[V, W]]] {
	return joined("join", CoGroup(a, b, opts...), func(g CoGrouped[V, W], yield func(Pair[V, W]) bool) bool {
		for _, v := range g.Left {
			for _, w := range g.Right {
				if !yield(Pair[V, W]{v, w}) {
					return false
				}
			}
		}
		return true
	})
}

// LeftOuterJoin is Join that keeps the left values without partner. Shuffle; see CoGroup.
func LeftOuterJoin[K comparable, V, W any](
	a *RDD[Pair[K, V]],
	b *RDD[Pair[K, W]],
	opts ...ShuffleOption,
) *RDD[Pair[K, Pair[V, Optional[W]]]] {
	return joined(
		"leftOuterJoin",
		CoGroup(a, b, opts...),
		func(g CoGrouped[V, W], yield func(Pair[V, Optional[W]]) bool) bool {
			for _, v := range g.Left {
				for w := range orNone(g.Right) {
					if !yield(Pair[V, Optional[W]]{v, w}) {
						return false
					}
				}
			}
			return true
		},
	)
}

// RightOuterJoin is Join that keeps the right values without partner. Shuffle; see CoGroup.
func RightOuterJoin[K comparable, V, W any](
	a *RDD[Pair[K, V]],
	b *RDD[Pair[K, W]],
	opts ...ShuffleOption,
) *RDD[Pair[K, Pair[Optional[V], W]]] {
	return joined(
		"rightOuterJoin",
		CoGroup(a, b, opts...),
		func(g CoGrouped[V, W], yield func(Pair[Optional[V], W]) bool) bool {
			for v := range orNone(g.Left) {
				for _, w := range g.Right {
					if !yield(Pair[Optional[V], W]{v, w}) {
						return false
					}
				}
			}
			return true
		},
	)
}

// FullOuterJoin is Join that keeps the values of both sides without partner. Shuffle; see CoGroup.
func FullOuterJoin[K comparable, V, W any](
	a *RDD[Pair[K, V]],
	b *RDD[Pair[K, W]],
	opts ...ShuffleOption,
) *RDD[Pair[K, Pair[Optional[V], Optional[W]]]] {
	return joined(
		"fullOuterJoin",
		CoGroup(a, b, opts...),
		func(g CoGrouped[V, W], yield func(Pair[Optional[V], Optional[W]]) bool) bool {
			for v := range orNone(g.Left) {
				for w := range orNone(g.Right) {
					if !yield(Pair[Optional[V], Optional[W]]{v, w}) {
						return false
					}
				}
			}
			return true
		},
	)
}

// orNone gives each value as present, or one absent value if there is none.
func orNone[T any](vs []T) iter.Seq[Optional[T]] {
	return func(yield func(Optional[T]) bool) {
		if len(vs) == 0 {
			yield(None[T]())
		}
		for _, v := range vs {
			if !yield(Some(v)) {
				return
			}
		}
	}
}

// joined makes the pairs of each group; the keys stay where they are.
func joined[K, V, W, U any](
	op string,
	r *RDD[Pair[K, CoGrouped[V, W]]],
	pairs func(g CoGrouped[V, W], yield func(U) bool) bool,
) *RDD[Pair[K, U]] {
	out := narrow(r, op, func(tc *TaskContext, p int) iter.Seq[Pair[K, U]] {
		in := r.iterate(tc, p)
		return func(yield func(Pair[K, U]) bool) {
			in(func(kv Pair[K, CoGrouped[V, W]]) bool {
				return pairs(kv.Value, func(u U) bool { return yield(Pair[K, U]{kv.Key, u}) })
			})
		}
	})
	out.dealt = r.dealt
	return out
}
