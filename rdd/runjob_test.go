package rdd_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/rdd"
)

// TestRunJobResults: what goes wrong in the function that takes the results ends the job, and neither the process nor
// the context, whose next job runs.
func TestRunJobResults(t *testing.T) {
	one := func(_ *rdd.TaskContext, in iter.Seq[int]) (n int, _ error) {
		in(func(int) bool { n++; return true })
		return n, nil
	}
	own := errors.New("no more room")
	tests := map[string]struct {
		each func(ctx context.Context, r *ints) error
		want []string
	}{
		"panics": {func(context.Context, *ints) error { panic("ouch") }, []string{"runJob", "panic at runjob_test.go:", "ouch"}},
		"fails":  {func(context.Context, *ints) error { return own }, []string{"runJob", own.Error()}},
		"calls an action": {func(ctx context.Context, r *ints) error {
			_, err := rdd.Count(ctx, r)
			return err
		}, []string{"count at runjob_test.go:", "takes a job's results", "when the job is over"}},
		"starts an action": {func(ctx context.Context, r *ints) error {
			_, err := rdd.CountAsync(ctx, r).Wait(ctx)
			return err
		}, []string{"count at runjob_test.go:", "takes a job's results"}},
		"cancels its job": {func(_ context.Context, r *ints) error {
			r.Context().CancelAllJobs()
			return nil
		}, []string{"cancelled by CancelAllJobs"}},
		"ends its goroutine": {func(context.Context, *ints) error { runtime.Goexit(); return nil },
			[]string{"runJob", "runtime.Goexit"}},
	}
	for name, test := range tests {
		sc := newContext(t, "spark.master", "local[2]")
		r := rdd.Parallelize(sc, []int{1, 2, 3, 4}, 4)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := rdd.RunJob(ctx, r, nil, one, func(int, int) error { return test.each(ctx, r) })
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want an error with %q", name, err, want)
			}
		}
		if n, err := rdd.Count(ctx, r); n != 4 || err != nil {
			t.Errorf("%s: the next job: %d, %v", name, n, err)
		}
		cancel()
	}
}
