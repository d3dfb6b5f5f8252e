package rdd

import (
	"errors"

	"github.com/weirstream/weir/internal/exec"
)

// A PanicError is among the errors of an action, or of a batch, of which a function of the program panicked: errors.As
// finds it. Value is what was given to panic, Site the place in the program (its String is file and line), Stack the
// stack of the goroutine as package debug writes it. The context logs the stack of a task when its job has failed.
type PanicError = exec.PanicError

// logPanic logs the stack of the task of which a job failed, once for the job, and gives the job's error back.
func (sc *Context) logPanic(err error) error {
	p, ok := errors.AsType[*PanicError](err)
	if !ok {
		return err
	}
	attrs := []any{"error", err, "stack", string(p.Stack)}
	if job, ok := errors.AsType[*exec.JobError](err); ok && job.Desc.Batch >= 0 {
		attrs = append([]any{"batch", job.Desc.Batch}, attrs...)
	}
	sc.logger.Error("a task panicked", attrs...)
	return err
}
