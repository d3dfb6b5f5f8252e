package rdd

import (
	"context"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// run computes the given partitions of r, f making each task's result from its elements, and hands the
// results to each, one at a time and in the order in which the tasks end; i counts within partitions.
func run[T, R any](ctx context.Context, r *RDD[T], action string, partitions []int,
	f func(tc *TaskContext, in iter.Seq[T]) (R, error), each func(i int, result R) error,
) error {
	scope := exec.ScopeOf(ctx)
	job := &exec.Job{
		Action: action, Site: exec.Caller(), Target: r.node, Partitions: partitions, Desc: scope.Desc(&r.sc.jobs),
		Task: func(t *exec.Task, p int) (any, error) {
			tc := (*TaskContext)(t)
			return f(tc, r.iterate(tc, p))
		},
		Done: func(i int, result any) error { return each(i, result.(R)) },
	}
	return r.sc.runner.Run(ctx, job)
}

// all lists the partitions of r.
func (r *RDD[T]) all() []int {
	ps := make([]int, max(r.node.Partitions, 0))
	for i := range ps {
		ps[i] = i
	}
	return ps
}
