package rdd

import "iter"

// FlatMapValues gives, for each pair, the same key with each value that f yields for its value; nil yields
// nothing. Narrow; no memory;
// keeps the partitioner.
func FlatMapValues[K, V, W any](r *RDD[Pair[K, V]], f func(V) iter.Seq[W]) *RDD[Pair[K, W]] {
	out := narrow(r, "flatMapValues", func(tc *TaskContext, p int) iter.Seq[Pair[K, W]] {
		in := r.iterate(tc, p)
		return func(yield func(Pair[K, W]) bool) {
			var k K
			more := true
			inner := func(w W) bool {
				more = yield(Pair[K, W]{k, w})
				return more
			}
			in(func(kv Pair[K, V]) bool {
				k = kv.Key
				if vs := f(kv.Value); vs != nil {
					vs(inner)
				}
				return more
			})
		}
	}).needs(f == nil)
	out.keysOf(r.dealt, r.sorted)
	return out
}
