package rdd

import (
	"github.com/weirstream/weir/internal/exec"
)

// A TaskContext belongs to one attempt at one partition. It is a context.Context that ends when the attempt
// fails, its job is cancelled, or the program stops; a function that blocks should watch it. It must not be
// used after the task has ended.
type TaskContext exec.Task

func (tc *TaskContext) task() *exec.Task { return (*exec.Task)(tc) }

// Fail ends the task with err and never returns: it unwinds the iterators between here and the task.
func (tc *TaskContext) Fail(err error) { tc.task().Fail(err) }

// Check ends the task if it has been cancelled. Sources call it every 1,024 records.
func (tc *TaskContext) Check() { tc.task().Check() }

// Err is the error given to Fail, else the cause for which the context ended, else nil.
func (tc *TaskContext) Err() error { return tc.task().Err() }

// OnEnd has f called when the attempt ends, however it ends; the last one given is called first.
func (tc *TaskContext) OnEnd(f func()) { tc.task().OnEnd(f) }

// PartitionID is the number of the partition that the task computes.
func (tc *TaskContext) PartitionID() int { return tc.Desc.Partition }

// AttemptNumber is 0 at the first attempt at the partition.
func (tc *TaskContext) AttemptNumber() int { return tc.Desc.Attempt }

// StageID numbers the stages of a job, the parents first.
func (tc *TaskContext) StageID() int { return tc.Desc.Stage }

// BatchTime is the time of the batch in milliseconds since 1970, 0 outside of a stream.
func (tc *TaskContext) BatchTime() int64 { return tc.Desc.BatchTime }

// BatchSequence is the number of the batch, -1 outside of a stream.
func (tc *TaskContext) BatchSequence() int64 { return tc.Desc.Batch }
