package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// ZipWithIndex pairs each element with its number: the partitions in order, from 0. Narrow, but with more than one
// partition the elements are counted first, which computes r twice: persist it if it costs anything.
func ZipWithIndex[T any](r *RDD[T]) *RDD[Pair[T, int64]] {
	type nothing = struct{}
	counts, err := newShuffle[T, nothing, int64](r, 1, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		var n int64
		r.iterate(tc, p)(func(T) bool { n++; return true })
		return single(n), nil
	})
	if r.node.Partitions <= 1 {
		counts = nil
	}
	out := narrow(r, "zipWithIndex", func(tc *TaskContext, p int) iter.Seq[Pair[T, int64]] {
		var at int64
		if counts != nil {
			before := 0
			fetchRows(tc, nil, counts, 0, func(b shuffle.Bucket[nothing, int64]) bool {
				if before < p {
					at += b.Values[0]
				}
				before++
				return before < p
			})
		}
		return numbered(r.iterate(tc, p), at, 1)
	})
	if counts != nil {
		out.reads(err, r.node, counts)
	}
	return out
}

// ZipWithUniqueID pairs each element with a number that no other has: i*n+p for element i of partition p of n. Narrow;
// no memory.
func ZipWithUniqueID[T any](r *RDD[T]) *RDD[Pair[T, int64]] {
	return narrow(r, "zipWithUniqueId", func(tc *TaskContext, p int) iter.Seq[Pair[T, int64]] {
		return numbered(r.iterate(tc, p), int64(p), int64(r.node.Partitions))
	})
}

func numbered[T any](in iter.Seq[T], at, step int64) iter.Seq[Pair[T, int64]] {
	return func(yield func(Pair[T, int64]) bool) {
		n := at
		in(func(v T) bool {
			more := yield(Pair[T, int64]{v, n})
			n += step
			return more
		})
	}
}
