package exec

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync"
)

// A TaskDesc says, as data, which piece of work a task is: what a worker in another process is told.
type TaskDesc struct {
	// Batch is the sequence number of the batch, -1 outside of a stream.
	Batch int64
	// BatchTime is the batch's time in milliseconds, 0 outside of a stream.
	BatchTime int64
	// Output numbers the output operation of the batch, -1 outside of a stream.
	Output int
	// Job numbers the actions of a context, or those of an output operation of a batch.
	Job int
	// Stage numbers the stages of a job depth first, the last one being the result stage.
	Stage int
	// Partition is the partition to compute.
	Partition int
	// Attempt counts from 0.
	Attempt int
	// Speculative tells that the attempt was made beside one that runs, and not after one that failed.
	Speculative bool
	// Seed is where random operators begin.
	Seed uint64
	// Epoch fences: the number of times the job has changed its owner.
	Epoch int64
}

// A Task is one attempt at one partition. It is a context that ends when the attempt fails, the job is
// cancelled or the context of the program stops.
type Task struct {
	context.Context
	Desc TaskDesc

	cancel     context.CancelCauseFunc
	store      Store
	properties map[string]string
	updates    updates

	mu      sync.Mutex
	err     error
	cleanup []func()
}

func newTask(ctx context.Context, d TaskDesc, store Store, properties map[string]string) *Task {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx = context.WithValue(ctx, taskKey{}, true)
	return &Task{Context: ctx, Desc: d, cancel: cancel, store: store, properties: properties}
}

// Property is a local property of the task's job, "" if it was not set.
func (t *Task) Property(key string) string { return t.properties[key] }

// taskKey is answered by the context of a task and what is derived from it: a call that would wait for the task finds
// out that it is made inside of one, on a goroutine of the user's too.
type taskKey struct{}

// unwound is the private panic that carries a failing task out of nested iterators. Its error is already
// in the task: a user's recover that swallows it cannot turn a cut partition into a whole one.
type unwound struct{ t *Task }

// Fail records why the task cannot go on and unwinds it; it never returns. The first error stays. Where no attempt
// would recover the panic, which would end the process, the goroutine exits instead: on one that the user started, and
// in a coroutine (iter.Pull), whose end is that of whoever resumes it, which may be either.
func (t *Task) Fail(err error) {
	if err == nil {
		err = fmt.Errorf("Fail was called without an error")
	}
	t.record(err)
	if !insideAttempt() {
		runtime.Goexit()
	}
	panic(unwound{t})
}

// insideAttempt tells whether a panic on this goroutine comes to an attempt, which recovers it.
func insideAttempt() bool {
	pcs := make([]uintptr, 64)
	n := runtime.Callers(2, pcs)
	for n == len(pcs) {
		pcs = make([]uintptr, 2*len(pcs))
		n = runtime.Callers(2, pcs)
	}
	frames := runtime.CallersFrames(pcs[:n])
	for {
		f, more := frames.Next()
		if f.Function == attemptName {
			return true
		}
		if !more {
			return false
		}
	}
}

// attemptName is how the stack calls Task.attempt.
var attemptName = runtime.FuncForPC(reflect.ValueOf((*Task).attempt).Pointer()).Name()

func (t *Task) record(err error) {
	t.mu.Lock()
	first := t.err == nil
	if first {
		t.err = err
	}
	t.mu.Unlock()
	if first {
		t.cancel(err)
	}
}

// Err is the error given to Fail, else why the context ended, else nil.
func (t *Task) Err() error {
	if err := t.failed(); err != nil {
		return err
	}
	if t.Context.Err() != nil {
		return context.Cause(t.Context)
	}
	return nil
}

// Check unwinds the task if it has been cancelled. Sources call it every 1,024 records.
func (t *Task) Check() {
	if err := t.Err(); err != nil {
		t.Fail(err)
	}
}

// OnEnd has f called when the attempt ends, however it ends, last one first.
func (t *Task) OnEnd(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanup = append(t.cleanup, f)
}

// Fetch gives the buckets of a shuffle's reduce partition in map order; what goes wrong fails the task.
func (t *Task) Fetch(s *Shuffle, reduce int) iter.Seq[any] {
	return func(yield func(any) bool) {
		t.store.Get(s, reduce)(func(b any, err error) bool {
			if err != nil {
				t.Fail(err)
			}
			return yield(b)
		})
	}
}

// attempt runs f once and turns every way to go wrong into an error. After runtime.Goexit it does not return; the
// goroutine's owner finds the reason in failed.
func (t *Task) attempt(f func(*Task) (any, error)) (result any, err error) {
	returned := false
	defer func() {
		if !returned {
			result, err = nil, t.recovered(recover())
			t.record(err)
		}
		t.end()
		if e := t.failed(); e != nil {
			result, err = nil, e
		}
	}()
	result, err = f(t)
	returned = true
	if e := t.Err(); e != nil {
		result, err = nil, e
	}
	return result, err
}

// failed is the error that the attempt recorded itself, apart from its context's.
func (t *Task) failed() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

var errGoexit = Permanent(
	errors.New("the user's function ended its goroutine by runtime.Goexit (t.FailNow in a test does)"),
)

func (t *Task) recovered(v any) error {
	if u, ok := v.(unwound); ok && u.t == t {
		return t.Err()
	}
	if e := t.failed(); e != nil {
		return e
	}
	if v == nil {
		return errGoexit
	}
	return NewPanic(v, debug.Stack())
}

func (t *Task) end() {
	t.mu.Lock()
	fs := t.cleanup
	t.cleanup = nil
	t.mu.Unlock()
	defer t.cancel(nil)
	for i := len(fs) - 1; i >= 0; i-- {
		t.cleanUp(fs[i])
	}
}

// cleanUp keeps a panic of one cleanup from the others and from the process; it is the task's error.
func (t *Task) cleanUp(f func()) {
	defer func() {
		if v := recover(); v != nil {
			t.record(NewPanic(v, debug.Stack()))
		}
	}()
	f()
}
