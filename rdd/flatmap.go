package rdd

import "iter"

// FlatMap gives all that f yields for each element, in order; nil yields nothing. Narrow; no memory. strings.SplitSeq,
// strings.FieldsSeq and slices.Values make such sequences. The partitioner is not kept.
func FlatMap[T, U any](r *RDD[T], f func(T) iter.Seq[U]) *RDD[U] {
	out := narrow(r, "flatMap", func(tc *TaskContext, p int) iter.Seq[U] {
		in := r.iterate(tc, p)
		return func(yield func(U) bool) {
			// One closure for the partition, not one for each element; it remembers that the reader has
			// had enough, which the user's sequence cannot pass on.
			more := true
			inner := func(u U) bool {
				more = yield(u)
				return more
			}
			in(func(v T) bool {
				if vs := f(v); vs != nil {
					vs(inner)
				}
				return more
			})
		}
	}).needs(f == nil)
	if small[U]() {
		out.setBatch(func(tc *TaskContext, p int) batches[U] { return flattened(r.batches(tc, p), f) })
	}
	return out
}

// flattened is FlatMap's form of batches.
func flattened[T, U any](in batches[T], f func(T) iter.Seq[U]) batches[U] {
	return func(yield func([]U) bool) {
		var buf []U
		more := true
		inner := func(u U) bool {
			if buf == nil {
				buf = make([]U, 0, batchLen)
			}
			buf = append(buf, u)
			if len(buf) == batchLen {
				more = yield(buf)
				buf = buf[:0]
			}
			return more
		}
		in(func(vs []T) bool {
			for _, v := range vs {
				if us := f(v); us != nil {
					us(inner)
				}
				if !more {
					return false
				}
			}
			return true
		})
		if more && len(buf) > 0 {
			yield(buf)
		}
	}
}
