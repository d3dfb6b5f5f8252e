package rdd

import (
	"context"
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// RunJob is the action under all others: f makes, in a task, one result of each of the given partitions (all if
// partitions is nil), and each takes the results in the driver, one at a time and in the order in which the tasks end;
// i counts within partitions. An error of f fails the task, which is tried again; one of each ends the job.
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
	return run(ctx, r, "runJob", partitions, f, each)
}
