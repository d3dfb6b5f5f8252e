package rdd

import (
	"context"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/internal/exec"
)

// Fold folds all elements by f, beginning with zero: once in each partition, and once more where the results of the
// partitions are folded, in their order. zero should be neutral, for it counts as often as that; it is copied for each
// of them, so that f may change and give back its first argument.
func Fold[T any](ctx context.Context, r *RDD[T], zero T, f func(T, T) T) (T, error) {
	return aggregate(ctx, r, "fold", zero, f, f)
}

// Aggregate folds all elements into a U: seq adds an element, comb adds the result of a partition. zero begins each
// partition, and once more what comb makes of their results, in their order. It is copied for each of them, so that seq
// and comb may change and give back their first argument.
func Aggregate[T, U any](ctx context.Context, r *RDD[T], zero U, seq func(U, T) U, comb func(U, U) U) (U, error) {
	return aggregate(ctx, r, "aggregate", zero, seq, comb)
}

func aggregate[T, U any](ctx context.Context, r *RDD[T], action string, zero U, seq func(U, T) U, comb func(U, U) U,
) (U, error) {
	if err := needed(ctx, action, seq == nil || comb == nil); err != nil {
		return zero, err
	}
	parts := make([]U, max(r.node.Partitions, 0))
	begin := beginner(zero)
	err := runAll(ctx, r, action, func(*TaskContext) (U, error) { return begin() }, func(acc *U, in []T) {
		a := *acc
		for _, v := range in {
			a = seq(a, v)
		}
		*acc = a
	}, func(i int, part U) error { parts[i] = part; return nil })
	if err == nil {
		var acc U
		if acc, err = begin(); err == nil {
			return inDriver(action, func() U {
				for _, part := range parts {
					acc = comb(acc, part)
				}
				return acc
			})
		}
	}
	var none U
	return none, err
}

// beginner gives copies of a zero: a value that functions may write through must not be shared by tasks.
func beginner[U any](zero U) func() (U, error) {
	clone := MutableClone[U]()
	return func() (U, error) {
		if clone == nil {
			return zero, nil
		}
		u, err := clone(zero)
		if err != nil {
			err = fmt.Errorf("copy the zero %v: %w", zero, err)
		}
		return u, err
	}
}

// inDriver runs a user's function in the driver; its panic is an error that names the action.
func inDriver[U any](action string, f func() U) (u U, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s: %w", action, exec.NewPanic(v, debug.Stack()))
		}
	}()
	return f(), nil
}

// TreeReduce is [Reduce] whose partial results are folded in tasks, in depth steps (2 if depth is 0), so that the
// driver sees few of them: for results that are large. f must be associative and commutative.
func TreeReduce[T any](ctx context.Context, r *RDD[T], f func(T, T) T, depth int) (T, error) {
	if err := needed(ctx, "treeReduce", f == nil); err != nil {
		var none T
		return none, err
	}
	parts := MapPartitions(r, func(_ *TaskContext, in iter.Seq[T]) iter.Seq[Optional[T]] {
		return func(yield func(Optional[T]) bool) {
			var acc Optional[T]
			in(func(v T) bool { acc.add(v, f); return true })
			if acc.Present {
				yield(acc)
			}
		}
	})
	acc, err := treeFold(ctx, parts, "treeReduce", None[T](), depth, func(a, b Optional[T]) Optional[T] {
		if a.Present && b.Present {
			return Some(f(a.Value, b.Value))
		}
		if a.Present {
			return a
		}
		return b
	})
	if err == nil && !acc.Present {
		err = ErrEmpty
	}
	return acc.Value, err
}

// TreeAggregate is [Aggregate] whose partial results are joined in tasks, in depth steps (2 if depth is 0), so that the
// driver sees few of them. zero begins each partition and the last step; comb must be associative and commutative.
func TreeAggregate[T, U any](ctx context.Context, r *RDD[T], zero U, seq func(U, T) U, comb func(U, U) U, depth int,
) (U, error) {
	if err := needed(ctx, "treeAggregate", seq == nil || comb == nil); err != nil {
		return zero, err
	}
	begin := beginner(zero)
	parts := MapPartitions(r, func(tc *TaskContext, in iter.Seq[T]) iter.Seq[U] {
		return func(yield func(U) bool) {
			acc, err := begin()
			if err != nil {
				tc.Fail(err)
			}
			in(func(v T) bool { acc = seq(acc, v); return true })
			yield(acc)
		}
	})
	return treeFold(ctx, parts, "treeAggregate", zero, depth, comb)
}

// treeFold folds what the partitions gave over ever fewer partitions, then in the driver.
func treeFold[U any](ctx context.Context, parts *RDD[U], action string, zero U, depth int, comb func(U, U) U,
) (U, error) {
	if depth == 0 {
		depth = 2
	}
	depth = min(depth, treeDepthMax)
	if depth < 1 {
		return zero, fmt.Errorf("%s at %s: the depth must be at least 1, not %d", action, exec.Caller(), depth)
	}
	scale := treeScale(parts.node.Partitions, depth)
	for n := parts.node.Partitions; n > scale+n/scale+1; {
		n /= scale
		width := n
		keyed := MapPartitionsWithIndex(parts, func(p int, in iter.Seq[U]) iter.Seq[Pair[int, U]] {
			return func(yield func(Pair[int, U]) bool) {
				in(func(u U) bool { return yield(Pair[int, U]{p % width, u}) })
			}
		})
		parts = Values(ReduceByKey(keyed, comb, Partitions(width)))
	}
	return aggregate(ctx, parts, action, zero, comb, comb)
}

// treeDepthMax is as deep as a tree of two branches gets with as many partitions as there may be.
const treeDepthMax = 20

// treeScale is how many partitions are folded into one at each step: the root of their number, at least 2.
func treeScale(partitions, depth int) int {
	scale := 2
	for pow(scale, depth) < partitions {
		scale++
	}
	return scale
}

func pow(base, exponent int) int {
	n := 1
	for range exponent {
		n *= base
	}
	return n
}
