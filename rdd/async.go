package rdd

import (
	"context"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// A FutureAction is an action that goes on when the call that started it has returned. Its jobs end with the context
// that the call was given.
type FutureAction[R any] struct {
	action string
	site   exec.Site
	told   *exec.Background
	cancel context.CancelCauseFunc
	done   chan struct{}
	result R
	err    error
}

// Done is closed when the action is over.
func (f *FutureAction[R]) Done() <-chan struct{} { return f.done }

// Wait gives the action's result when it is over; if ctx ends first it gives why, and the action goes on.
func (f *FutureAction[R]) Wait(ctx context.Context) (R, error) {
	select {
	case <-f.done:
		return f.result, f.err
	default:
	}
	select {
	case <-f.done:
		return f.result, f.err
	case <-ctx.Done():
		var none R
		return none, context.Cause(ctx)
	}
}

// Cancel ends the action, whose error then wraps [ErrCancelled]. It does not wait for its tasks; see Done. An action
// that is over stays as it is.
func (f *FutureAction[R]) Cancel() {
	f.cancel(&exec.CancelledError{Job: f.told.IDs()[0], Action: f.action, Site: f.site, By: "FutureAction.Cancel",
		At: exec.Caller()})
}

// JobIDs are the numbers of the action's jobs so far, as [Context.Status] and [Context.CancelJob] have them: one, but
// for TakeAsync.
func (f *FutureAction[R]) JobIDs() []int { return f.told.IDs() }

// background tells the jobs of an action that runs on another goroutine what they could not find out there.
func (sc *Context) background(ctx context.Context) *exec.Background {
	return exec.NewBackground(ctx, &sc.jobs, sc.runner.Reserve())
}

// later starts an action and returns.
func later[R any](ctx context.Context, sc *Context, action string, act func(ctx context.Context) (R, error),
) *FutureAction[R] {
	f := &FutureAction[R]{action: action, site: exec.Caller(), told: sc.background(ctx), done: make(chan struct{})}
	ctx, f.cancel = context.WithCancelCause(ctx)
	if f.err = sc.inside.Refuse(ctx, action, f.site); f.err != nil {
		f.cancel(nil)
		close(f.done)
		return f
	}
	go func() {
		defer close(f.done)
		defer f.cancel(nil)
		f.result, f.err = act(f.told.In(ctx))
	}()
	return f
}

// CountAsync starts [Count], and returns at once: what goes wrong is found by [FutureAction.Wait].
func CountAsync[T any](ctx context.Context, r *RDD[T]) *FutureAction[int64] {
	return later(ctx, r.sc, "count", func(ctx context.Context) (int64, error) { return Count(ctx, r) })
}

// CollectAsync starts [Collect]; see [CountAsync].
func CollectAsync[T any](ctx context.Context, r *RDD[T]) *FutureAction[[]T] {
	return later(ctx, r.sc, "collect", func(ctx context.Context) ([]T, error) { return Collect(ctx, r) })
}

// TakeAsync starts [Take], which may run several jobs; see [CountAsync].
func TakeAsync[T any](ctx context.Context, r *RDD[T], n int) *FutureAction[[]T] {
	return later(ctx, r.sc, "take", func(ctx context.Context) ([]T, error) { return Take(ctx, r, n) })
}

// ForeachAsync starts [Foreach]; see [CountAsync].
func ForeachAsync[T any](ctx context.Context, r *RDD[T], f func(T) error) *FutureAction[struct{}] {
	return later(ctx, r.sc, "foreach", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, Foreach(ctx, r, f)
	})
}

// ForeachPartitionAsync starts [ForeachPartition]; see [CountAsync].
func ForeachPartitionAsync[T any](ctx context.Context, r *RDD[T], f func(*TaskContext, iter.Seq[T]) error,
) *FutureAction[struct{}] {
	return later(ctx, r.sc, "foreachPartition", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, ForeachPartition(ctx, r, f)
	})
}
