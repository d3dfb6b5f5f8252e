package rdd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/internal/exec"
)

// RunJob is the action under all others: f makes, in a task, one result of each of the given partitions (all if
// partitions is nil), and each takes the results in the driver, one at a time and in the order in which the tasks end;
// i counts within partitions. An error of f fails the task, which is tried again; an error or a panic of each ends the
// job. Tasks wait for each, so that it must not call an action, which returns an error that says so.
func RunJob[T, R any](ctx context.Context, r *RDD[T], partitions []int,
	f func(tc *TaskContext, in iter.Seq[T]) (R, error), each func(i int, result R) error,
) error {
	if partitions == nil {
		partitions = r.all()
	}
	for _, p := range partitions {
		if p < 0 || p >= r.node.Partitions {
			return fmt.Errorf("runJob at %s: there is no partition %d: they are 0 to %d", exec.Caller(), p,
				r.node.Partitions-1)
		}
	}
	if f == nil || each == nil {
		return fmt.Errorf("runJob at %s: needs functions, not nil", exec.Caller())
	}
	return run(ctx, r, "runJob", partitions, f, func(i int, result R) error {
		return r.sc.taking("runJob", func() error { return each(i, result) })
	})
}

// taking calls a user's function that takes results. It does so on a goroutine of its own, which runtime.Goexit may
// end (t.FailNow in a test does).
func (sc *Context) taking(action string, f func() error) error {
	ended := make(chan error, 1)
	go func() {
		err := errors.New("the function that takes the results ended its goroutine by runtime.Goexit " +
			"(t.FailNow in a test does)")
		defer func() {
			if v := recover(); v != nil {
				err = exec.NewPanic(v, debug.Stack())
			}
			if err != nil {
				err = fmt.Errorf("%s: %w", action, err)
			}
			ended <- err
		}()
		defer sc.inside.Enter(exec.TakingResults)()
		err = f()
	}()
	return <-ended
}
