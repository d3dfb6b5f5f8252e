package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/rdd"
)

// TestAsyncActions give what the actions give that wait.
func TestAsyncActions(t *testing.T) {
	ctx := context.Background()
	sc := newContext(t)
	r := rdd.Parallelize(sc, []int{3, 1, 2}, 3)
	var sum, parts atomic.Int64
	eachPart := func(*rdd.TaskContext, iter.Seq[int]) error { parts.Add(1); return nil }
	count := rdd.CountAsync(ctx, r)
	collect := rdd.CollectAsync(ctx, r)
	take := rdd.TakeAsync(ctx, r, 2)
	foreach := rdd.ForeachAsync(ctx, r, func(v int) error { sum.Add(int64(v)); return nil })
	foreachPartition := rdd.ForeachPartitionAsync(ctx, r, eachPart)
	check := func(got any, err error, ids []int, want string) {
		t.Helper()
		if got := fmt.Sprint(got, err, len(ids)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	n, err := count.Wait(ctx)
	check(n, err, count.JobIDs(), "3 <nil> 1")
	vs, err := collect.Wait(ctx)
	check(vs, err, collect.JobIDs(), "[3 1 2] <nil> 1")
	vs, err = take.Wait(ctx)
	check(vs, err, take.JobIDs(), "[3 1] <nil> 2")
	_, err = foreach.Wait(ctx)
	check(sum.Load(), err, foreach.JobIDs(), "6 <nil> 1")
	_, err = foreachPartition.Wait(ctx)
	check(parts.Load(), err, foreachPartition.JobIDs(), "3 <nil> 1")
	if got := fmt.Sprint(count.JobIDs(), collect.JobIDs(), take.JobIDs()[0]); got != "[0] [1] 2" {
		t.Errorf("the jobs are numbered %s, not in the order of the calls", got)
	}
	cause := errors.New("broken")
	_, err = rdd.ForeachAsync(ctx, r, func(int) error { return cause }).Wait(ctx)
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), "foreach at async_test.go:") {
		t.Errorf("%v", err)
	}
}

// TestFutureAction: who waits may give up, who cancels is named, and both see the end.
func TestFutureAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newContext(t)
		f := rdd.CountAsync(t.Context(), waiting(sc, 1))
		synctest.Wait()
		if jobs := sc.Status(); len(jobs) != 1 || !slices.Equal(f.JobIDs(), []int{jobs[0].ID}) {
			t.Errorf("runs %+v, the action has %v", jobs, f.JobIDs())
		}
		why := errors.New("no patience")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, err := f.Wait(ctx); !errors.Is(err, why) {
			t.Errorf("gave up with %v", err)
		}
		select {
		case <-f.Done():
			t.Error("over already")
		default:
		}
		f.Cancel()
		<-f.Done()
		_, err := f.Wait(ctx) // What is over can be had at once.
		if !errors.Is(err, rdd.ErrCancelled) || !strings.Contains(err.Error(), "was cancelled by FutureAction.Cancel at async") {
			t.Errorf("%v", err)
		}
		f.Cancel() // It is over.
	})
}

// TestBackgroundInsideATask: an action that does not wait is refused inside a task as one that does, for its job might
// wait for the task's slot; and so is one that is given some time.
func TestBackgroundInsideATask(t *testing.T) {
	tests := map[string]func(ctx context.Context, r *rdd.RDD[int]) error{
		"CountAsync": func(ctx context.Context, r *rdd.RDD[int]) error {
			_, err := rdd.CountAsync(ctx, r).Wait(ctx)
			return err
		},
		"CountApprox": func(ctx context.Context, r *rdd.RDD[int]) error {
			_, err := rdd.CountApprox(ctx, r, time.Second, 0.9)
			return err
		},
	}
	for name, call := range tests {
		synctest.Test(t, func(t *testing.T) { // which ends if the call hangs
			sc := newContext(t, "spark.master", "local[1]", "spark.task.maxFailures", "1")
			r := rdd.Parallelize(sc, []int{1}, 1)
			err := rdd.Foreach(t.Context(), r, func(int) error { return call(context.Background(), r) })
			if err == nil || !strings.Contains(err.Error(), "from inside a task") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestApproximateActionsNameTheirPlace, which is not that of the goroutine on which their job runs.
func TestApproximateActionsNameTheirPlace(t *testing.T) {
	sc := newContext(t, "spark.task.maxFailures", "1")
	bad := rdd.MapTry(rdd.Parallelize(sc, []int{1}, 1), func(int) (int, error) { return 0, errors.New("broken") })
	_, err := rdd.CountApprox(context.Background(), bad, time.Hour, 0.9)
	if err == nil || !strings.Contains(err.Error(), "countApprox at async_test.go:") {
		t.Errorf("%v", err)
	}
}
