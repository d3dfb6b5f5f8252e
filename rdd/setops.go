package rdd

import "iter"

// Intersection gives the elements that both RDDs hold, each once. Shuffle of both.
func Intersection[T comparable](a, b *RDD[T], opts ...ShuffleOption) *RDD[T] {
	return sides(a, b, "intersection", opts, func(v T, left, right int, yield func(T) bool) bool {
		return left == 0 || right == 0 || yield(v)
	})
}

// Subtract gives the elements of a that b does not hold, as often as a holds them. Shuffle of both.
func Subtract[T comparable](a, b *RDD[T], opts ...ShuffleOption) *RDD[T] {
	return sides(a, b, "subtract", opts, func(v T, left, right int, yield func(T) bool) bool {
		for i := 0; right == 0 && i < left; i++ {
			if !yield(v) {
				return false
			}
		}
		return true
	})
}

// sides gives what f yields for each element of a or b and how often each of them holds it.
func sides[T comparable](a, b *RDD[T], op string, opts []ShuffleOption,
	f func(v T, left, right int, yield func(T) bool) bool,
) *RDD[T] {
	both := CoGroup(occurrences(a), occurrences(b), opts...)
	return narrow(both, op, func(tc *TaskContext, p int) iter.Seq[T] {
		in := both.iterate(tc, p)
		return func(yield func(T) bool) {
			in(func(kv Pair[T, CoGrouped[int64, int64]]) bool {
				return f(kv.Key, total(kv.Value.Left), total(kv.Value.Right), yield)
			})
		}
	})
}

// occurrences counts each element within its partition, so that no more than that is sent.
func occurrences[T comparable](r *RDD[T]) *RDD[Pair[T, int64]] {
	ones := Map(r, func(v T) Pair[T, int64] { return Pair[T, int64]{v, 1} })
	return narrow(ones, "occurrences", func(tc *TaskContext, p int) iter.Seq[Pair[T, int64]] {
		return func(yield func(Pair[T, int64]) bool) {
			one := func(n int64) int64 { return n }
			add := func(a, b int64) int64 { return a + b }
			fold(tc, ones, p, one, add)(func(v T, n int64) bool { return yield(Pair[T, int64]{v, n}) })
		}
	})
}

func total(ns []int64) (n int) {
	for _, m := range ns {
		n += int(m)
	}
	return n
}
