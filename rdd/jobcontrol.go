package rdd

import (
	"context"
	"fmt"

	"github.com/weirstream/weir/internal/exec"
)

// WithLocalProperty gives a context whose actions have the local property; the value "" takes it away. Tasks read it by
// [TaskContext.LocalProperty]; names that begin with "spark." mean what they do in Spark, or nothing.
func WithLocalProperty(ctx context.Context, key, value string) context.Context {
	return exec.WithProperty(ctx, key, value)
}

// WithJobGroup gives a context whose jobs belong to the group id, by which [Context.CancelJobGroup] finds them; the
// description is for people. It sets the local properties spark.jobGroup.id and spark.job.description.
func WithJobGroup(ctx context.Context, id, description string) context.Context {
	return WithJobDescription(exec.WithProperty(ctx, exec.JobGroup, id), description)
}

// WithJobDescription gives a context whose jobs are described by the text, in [Context.Status] and on pages.
func WithJobDescription(ctx context.Context, description string) context.Context {
	return exec.WithProperty(ctx, exec.JobDescription, description)
}

// WithPool gives a context whose jobs run in that pool of the fair scheduler: spark.scheduler.mode=FAIR shares the
// threads among pools by what spark.scheduler.allocation.file says of them. A pool that it does not name has weight 1,
// no minimum and runs its first job first. It sets the local property spark.scheduler.pool.
func WithPool(ctx context.Context, name string) context.Context {
	return exec.WithProperty(ctx, exec.SchedulerPool, name)
}

// LocalProperty is what the job's context said of key, "" if nothing: see [WithLocalProperty].
func (tc *TaskContext) LocalProperty(key string) string { return tc.task().Property(key) }

// ErrCancelled is wrapped by the errors of jobs that were cancelled by [Context.CancelJobGroup], CancelJob or
// CancelAllJobs; the errors say by whom.
var ErrCancelled = exec.ErrCancelled

// CancelJobGroup ends the jobs of the group that run, and tells how many there are. It does not wait: their actions
// return an error that wraps [ErrCancelled] and names this call when their tasks have ended.
func (sc *Context) CancelJobGroup(id string) int {
	return sc.runner.Cancel(fmt.Sprintf("CancelJobGroup(%q)", id), exec.Caller(),
		func(_ int, properties map[string]string) bool { return properties[exec.JobGroup] == id })
}

// CancelJob ends the job of that number, see [Context.Status] and [FutureAction.JobIDs], and tells whether it runs. It
// does not wait, as [Context.CancelJobGroup].
func (sc *Context) CancelJob(id int) bool {
	n := sc.runner.Cancel(fmt.Sprintf("CancelJob(%d)", id), exec.Caller(),
		func(job int, _ map[string]string) bool { return job == id })
	return n > 0
}

// CancelAllJobs ends all jobs that run, those of streams, too, and tells how many there are. It does not wait, as
// [Context.CancelJobGroup].
func (sc *Context) CancelAllJobs() int {
	return sc.runner.Cancel("CancelAllJobs", exec.Caller(), func(int, map[string]string) bool { return true })
}
