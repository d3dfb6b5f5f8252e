package rdd

import (
	"context"
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// run computes the given partitions of r, f making each task's result from its elements, and hands the
// results to each, one at a time and in the order in which the tasks end; i counts within partitions.
func run[T, R any](ctx context.Context, r *RDD[T], action string, partitions []int,
	f func(tc *TaskContext, in iter.Seq[T]) (R, error), each func(i int, result R) error,
) error {
	return runParts(ctx, r, action, partitions, func(tc *TaskContext, p int) (R, error) {
		return f(tc, r.iterate(tc, p))
	}, each)
}

// runAll is run over all partitions for those that read all elements, some at a time. What is made of each partition is
// begun by begin, and read through the pointer when take has had all.
func runAll[T, R any](ctx context.Context, r *RDD[T], action string, begin func(tc *TaskContext) (R, error),
	take func(acc *R, in []T), each func(i int, result R) error,
) error {
	return runParts(ctx, r, action, r.all(), func(tc *TaskContext, p int) (R, error) {
		acc, err := begin(tc)
		if err == nil {
			r.readAll(tc, p, func(in []T) { take(&acc, in) })
		}
		return acc, err
	}, each)
}

// runParts is run with a function that reads the partition itself.
func runParts[T, R any](ctx context.Context, r *RDD[T], action string, partitions []int,
	f func(tc *TaskContext, p int) (R, error), each func(i int, result R) error,
) error {
	return r.sc.runJob(ctx, r.node, action, partitions, func(tc *TaskContext, p int) (any, error) { return f(tc, p) },
		func(i int, result any) error { return each(i, result.(R)) })
}

// runJob is run for an RDD of any type.
func (sc *Context) runJob(ctx context.Context, of *exec.Node, action string, partitions []int,
	task func(tc *TaskContext, p int) (any, error), done func(i int, result any) error,
) error {
	site, desc := exec.Describe(ctx, &sc.jobs)
	job := &exec.Job{
		Action: action, Site: site, Target: of, Partitions: partitions, Desc: desc, Done: done,
		Task: func(t *exec.Task, p int) (any, error) { return task((*TaskContext)(t), p) },
	}
	if err := sc.logPanic(sc.runner.Run(ctx, job)); err != nil {
		return err
	}
	return sc.checkpointMarked(ctx, of)
}

// needed refuses a nil function of an action, which would be found by each task when its first element arrives.
func needed(ctx context.Context, action string, isNil bool) error {
	if isNil {
		return fmt.Errorf("%s at %s needs a function, not nil", action, exec.PlaceOf(ctx))
	}
	return nil
}

// all lists the partitions of r.
func (r *RDD[T]) all() []int { return allOf(r.node) }

func allOf(n *exec.Node) []int {
	ps := make([]int, max(n.Partitions, 0))
	for i := range ps {
		ps[i] = i
	}
	return ps
}
