package rdd

import (
	"cmp"
	"context"
)

// Max gives the largest element, or [ErrEmpty]. A NaN is less than all numbers.
func Max[T cmp.Ordered](ctx context.Context, r *RDD[T]) (T, error) {
	return MaxFunc(ctx, r, cmp.Compare[T])
}

// Min gives the smallest element, or [ErrEmpty]. A NaN is less than all numbers.
func Min[T cmp.Ordered](ctx context.Context, r *RDD[T]) (T, error) {
	return MinFunc(ctx, r, cmp.Compare[T])
}

// MaxFunc is [Max] by a function that gives a negative number when a is less than b; of equal elements the first.
func MaxFunc[T any](ctx context.Context, r *RDD[T], compare func(a, b T) int) (T, error) {
	if err := needed(ctx, "max", compare == nil); err != nil {
		var none T
		return none, err
	}
	return reduce(ctx, r, "max", func(a, b T) T {
		if compare(a, b) < 0 {
			return b
		}
		return a
	})
}

// MinFunc is [Min] by a function that gives a negative number when a is less than b; of equal elements the first.
func MinFunc[T any](ctx context.Context, r *RDD[T], compare func(a, b T) int) (T, error) {
	if err := needed(ctx, "min", compare == nil); err != nil {
		var none T
		return none, err
	}
	return reduce(ctx, r, "min", func(a, b T) T {
		if compare(b, a) < 0 {
			return b
		}
		return a
	})
}
