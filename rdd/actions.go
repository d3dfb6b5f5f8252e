package rdd

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// ErrEmpty is the error of First and Reduce on an RDD without elements.
var ErrEmpty = errors.New("the RDD is empty")

// nothing is the result of a task that gives none.
type nothing struct{}

// Collect gives all elements, the partitions in order. The result lies in the driver's memory, whatever the budget
// says: of much, [ToLocalSeq] holds one partition, and [SaveAsTextFile] none. The error is that of the job: of a graph
// that is wrong, a task that failed too often, or ctx.
func Collect[T any](ctx context.Context, r *RDD[T]) ([]T, error) {
	parts := make([][]T, max(r.node.Partitions, 0))
	err := runAll(ctx, r, "collect", none[[]T], func(vs *[]T, in []T) { *vs = append(*vs, in...) },
		func(i int, vs []T) error { parts[i] = vs; return nil })
	if err != nil {
		return nil, err
	}
	return join(parts), nil
}

// none begins with nothing.
func none[R any](*TaskContext) (r R, err error) { return r, nil }

// gather collects the elements of a partition, at most limit of them if that is not negative.
func gather[T any](limit int) func(*TaskContext, iter.Seq[T]) ([]T, error) {
	return func(_ *TaskContext, in iter.Seq[T]) ([]T, error) {
		var vs []T
		if limit == 0 {
			return vs, nil
		}
		in(func(v T) bool {
			vs = append(vs, v)
			return len(vs) != limit
		})
		return vs, nil
	}
}

func join[T any](parts [][]T) []T {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	vs := make([]T, 0, n)
	for _, p := range parts {
		vs = append(vs, p...)
	}
	return vs
}

// Count gives the number of elements. All are computed, and none is kept. Errors are those of [Collect].
func Count[T any](ctx context.Context, r *RDD[T]) (int64, error) {
	var total int64
	err := runAll(ctx, r, "count", none[int64], func(n *int64, in []T) { *n += int64(len(in)) },
		func(_ int, n int64) error { total += n; return nil })
	return total, err
}

// Take gives the first n elements, the partitions in order, or all if there are fewer. It runs a job over
// the first partition and, as long as elements are missing, over four times as many further ones
// (spark.rdd.limit.scaleUpFactor), so that a large RDD is not computed whole.
func Take[T any](ctx context.Context, r *RDD[T], n int) ([]T, error) {
	if n < 0 {
		return nil, fmt.Errorf("take at %s: the number of elements must be at least 0, not %d", exec.PlaceOf(ctx), n)
	}
	var (
		got  = []T{}
		next = 0
	)
	for width := 1; len(got) < n && next < r.node.Partitions; width *= r.sc.scaleUp() {
		ps := r.all()[next:min(next+width, r.node.Partitions)]
		parts := make([][]T, len(ps))
		err := run(ctx, r, "take", ps, gather[T](n-len(got)), func(i int, vs []T) error {
			parts[i] = vs
			return nil
		})
		if err != nil {
			return nil, err
		}
		got = append(got, join(parts)...)
		next += len(ps)
	}
	if next == 0 {
		// Nothing has run that would have found a misbuilt graph.
		if err := run(ctx, r, "take", nil, gather[T](0), func(int, []T) error { return nil }); err != nil {
			return nil, err
		}
	}
	return got[:min(n, len(got))], nil
}

// First gives the first element, or [ErrEmpty]. It costs what [Take] of one does.
func First[T any](ctx context.Context, r *RDD[T]) (T, error) {
	vs, err := Take(ctx, r, 1)
	if err == nil && len(vs) == 0 {
		err = ErrEmpty
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return vs[0], nil
}

// IsEmpty tells whether there is no element. It costs what [Take] of one does: partitions without elements are computed
// one after the other until there is one.
func IsEmpty[T any](ctx context.Context, r *RDD[T]) (bool, error) {
	vs, err := Take(ctx, r, 1)
	return len(vs) == 0, err
}

// Foreach calls f in the tasks with each element. An error fails the task, which is tried again: f may see
// an element more than once. What f does must be safe for several tasks at a time.
func Foreach[T any](ctx context.Context, r *RDD[T], f func(T) error) error {
	if err := needed(ctx, "foreach", f == nil); err != nil {
		return err
	}
	site := exec.PlaceOf(ctx)
	return run(ctx, r, "foreach", r.all(), func(tc *TaskContext, in iter.Seq[T]) (nothing, error) {
		in(func(v T) bool {
			if err := f(v); err != nil {
				tc.Fail(errorAt("foreach", site, err))
			}
			return true
		})
		return nothing{}, nil
	}, func(int, nothing) error { return nil })
}

// ForeachPartition calls f in the tasks with each partition, for work that has a cost per partition, such as a
// connection. An error fails the task, which is tried again: f may see a partition more than once. The memory is f's.
func ForeachPartition[T any](ctx context.Context, r *RDD[T], f func(*TaskContext, iter.Seq[T]) error) error {
	if err := needed(ctx, "foreachPartition", f == nil); err != nil {
		return err
	}
	return run(ctx, r, "foreachPartition", r.all(), func(tc *TaskContext, in iter.Seq[T]) (nothing, error) {
		return nothing{}, f(tc, in)
	}, func(int, nothing) error { return nil })
}

// Reduce folds all elements by f, which must be associative: the elements of a partition in order, then
// the partitions in order. It gives ErrEmpty if there is no element.
func Reduce[T any](ctx context.Context, r *RDD[T], f func(T, T) T) (T, error) {
	return reduce(ctx, r, "reduce", f)
}

func reduce[T any](ctx context.Context, r *RDD[T], action string, f func(T, T) T) (T, error) {
	var acc Optional[T]
	if err := needed(ctx, action, f == nil); err != nil {
		return acc.Value, err
	}
	parts := make([]Optional[T], max(r.node.Partitions, 0))
	err := runAll(ctx, r, action, none[Optional[T]], func(acc *Optional[T], in []T) { acc.reduce(in, f) },
		func(i int, part Optional[T]) error { parts[i] = part; return nil })
	if err == nil {
		acc, err = inDriver(action, func() (acc Optional[T]) {
			for _, part := range parts {
				if part.Present {
					acc.add(part.Value, f)
				}
			}
			return acc
		})
	}
	if err == nil && !acc.Present {
		err = ErrEmpty
	}
	return acc.Value, err
}

// reduce folds elements into o, which begins with the first one.
func (o *Optional[T]) reduce(in []T, f func(T, T) T) {
	for _, v := range in {
		o.add(v, f)
	}
}

func (o *Optional[T]) add(v T, f func(T, T) T) {
	if o.Present {
		o.Value = f(o.Value, v)
	} else {
		*o = Some(v)
	}
}

// CountByValue gives how often each element occurs. The result, and that of each partition in its task, lies in memory
// whatever the budget says: of many distinct elements, [ReduceByKey] is the way. There is no shuffle.
func CountByValue[T comparable](ctx context.Context, r *RDD[T]) (map[T]int64, error) {
	return countByValue(ctx, r, "countByValue")
}

func countByValue[T comparable](ctx context.Context, r *RDD[T], action string) (map[T]int64, error) {
	total := map[T]int64{}
	empty := func(*TaskContext) (map[T]int64, error) { return map[T]int64{}, nil }
	err := runAll(ctx, r, action, empty, func(m *map[T]int64, in []T) {
		for _, v := range in {
			(*m)[v]++
		}
	}, func(_ int, m map[T]int64) error {
		for v, n := range m {
			total[v] += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return total, nil
}
