package rdd

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/weirstream/weir/internal/exec"
)

// Top gives the n largest elements, the largest first. Each task keeps n of its partition.
func Top[T cmp.Ordered](ctx context.Context, r *RDD[T], n int) ([]T, error) {
	return ordered(ctx, r, "top", n, func(a, b T) int { return cmp.Compare(b, a) })
}

// TakeOrdered gives the n smallest elements, the smallest first. Each task keeps n of its partition.
func TakeOrdered[T cmp.Ordered](ctx context.Context, r *RDD[T], n int) ([]T, error) {
	return ordered(ctx, r, "takeOrdered", n, cmp.Compare[T])
}

// TakeOrderedFunc is [TakeOrdered] by a function that gives a negative number when a comes before b; equal elements in
// the order in which they stand.
func TakeOrderedFunc[T any](ctx context.Context, r *RDD[T], n int, compare func(a, b T) int) ([]T, error) {
	return ordered(ctx, r, "takeOrdered", n, compare)
}

func ordered[T any](ctx context.Context, r *RDD[T], action string, n int, compare func(a, b T) int) ([]T, error) {
	if n < 0 {
		return nil, fmt.Errorf("%s at %s: the number of elements must be at least 0, not %d", action, exec.Caller(), n)
	}
	if err := needed(ctx, action, compare == nil); err != nil {
		return nil, err
	}
	parts := make([][]T, max(r.node.Partitions, 0))
	err := run(ctx, r, action, r.all(), func(_ *TaskContext, in iter.Seq[T]) ([]T, error) {
		return least(in, n, compare), nil
	}, func(i int, vs []T) error { parts[i] = vs; return nil })
	if err != nil {
		return nil, err
	}
	return inDriver(action, func() []T { return least(slices.Values(join(parts)), n, compare) })
}

// least gives the first n of in by compare. It sorts twice n at a time: n log n steps for 2n elements, whatever n is.
func least[T any](in iter.Seq[T], n int, compare func(a, b T) int) []T {
	kept := []T{}
	if n == 0 {
		return kept
	}
	in(func(v T) bool {
		if len(kept) >= n && len(kept) == cap(kept) || len(kept)/2 >= n {
			slices.SortStableFunc(kept, compare)
			clear(kept[n:])
			kept = kept[:n]
		}
		kept = append(kept, v)
		return true
	})
	slices.SortStableFunc(kept, compare)
	return kept[:min(n, len(kept))]
}
