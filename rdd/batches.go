package rdd

import (
	"iter"
	"reflect"
)

// batches gives the elements of a partition some hundred at a time, until yield gives false. A batch is there until
// yield returns, and must not be written to.
//
// Operators on small elements have this form beside the iter.Seq that they push one by one: a chain of four costs a
// call for each of the user's functions and element, and not two, and reads and writes the first-level cache in
// between. It is for readers that read all; who may stop early, such as Take, pulls single elements, so that no more is
// computed than is asked for.
type batches[T any] func(yield func([]T) bool)

const (
	// batchLen is how many elements a batch has: few enough that those of a chain of operators stay in the cache.
	batchLen = 1024
	// batchElem is the size, in bytes, up to which elements come in batches: copies of larger ones cost more than
	// calls.
	batchElem = 32
)

// small tells whether Ts come in batches.
func small[T any]() bool { return reflect.TypeFor[T]().Size() <= batchElem }

// batches gives partition p in batches, whichever form it has.
func (r *RDD[T]) batches(tc *TaskContext, p int) batches[T] {
	if batch := r.from.Load().batch; batch != nil && r.kept.Load() == nil {
		return batch(tc, p)
	}
	return inBatches(r.iterate(tc, p))
}

// readAll gives take all elements of partition p: in batches, or one by one where those are not copied into any.
func (r *RDD[T]) readAll(tc *TaskContext, p int, take func(in []T)) {
	if r.batched() {
		r.batches(tc, p)(func(in []T) bool { take(in); return true })
		return
	}
	var one [1]T
	r.iterate(tc, p)(func(v T) bool {
		one[0] = v
		take(one[:])
		return true
	})
}

// inBatches collects what is pushed one by one.
func inBatches[T any](in iter.Seq[T]) batches[T] {
	return func(yield func([]T) bool) {
		var buf []T
		more := true
		in(func(v T) bool {
			if buf == nil { // Many partitions of a stream's batches are empty.
				buf = make([]T, 0, batchLen)
			}
			buf = append(buf, v)
			if len(buf) == batchLen {
				more = yield(buf)
				buf = buf[:0]
			}
			return more
		})
		if more && len(buf) > 0 {
			yield(buf)
		}
	}
}

// inParts cuts a slice into batches, which are its own memory.
func inParts[T any](tc *TaskContext, vs []T) batches[T] {
	return func(yield func([]T) bool) {
		for len(vs) > 0 {
			tc.Check()
			n := min(len(vs), batchLen)
			if !yield(vs[:n:n]) {
				return
			}
			vs = vs[n:]
		}
	}
}

// vectored gives out the form of batches, if its elements and those of its parent are small: f makes a function that
// turns a batch into another one, which is its own until the next call. From a parent whose elements come one by one,
// what out pushes is collected.
func vectored[T, U any](r *RDD[T], out *RDD[U], f func(tc *TaskContext) func(in []T) []U) {
	if !small[U]() {
		return
	}
	if !r.batched() {
		push := out.from.Load().compute
		out.setBatch(func(tc *TaskContext, p int) batches[U] { return inBatches(push(tc, p)) })
		return
	}
	out.setBatch(func(tc *TaskContext, p int) batches[U] {
		step := f(tc)
		return func(yield func([]U) bool) {
			r.batches(tc, p)(func(in []T) bool {
				made := step(in)
				return len(made) == 0 || yield(made)
			})
		}
	})
}

// room gives a slice of n elements, buf if that is large enough. The first is as long as asked for: a partition of a
// stream's batch is often one short piece, and nobody asks again.
func room[T any](buf []T, n int) []T {
	switch {
	case n <= cap(buf):
		return buf[:n]
	case buf == nil:
		return make([]T, n)
	}
	return make([]T, n, max(n, batchLen))
}
