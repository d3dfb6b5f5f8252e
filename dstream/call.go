package dstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/weirstream/weir/internal/exec"
)

// callGrace is how long a function may take to return after its context has ended.
const callGrace = 2 * time.Second

// errDeaf says that a function did not return although its context has ended.
var errDeaf = errors.New("it does not return although its context has ended, and was given up")

// call runs a function of a source, a sink or a receiver on a goroutine of its own, so that nothing it does ends
// the process or holds up the program for ever: a panic and runtime.Goexit are errors, and so is not to return
// when ctx has ended.
func call[T any](ctx context.Context, f func(ctx context.Context) (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		a := answer{err: errExited}
		defer func() {
			// A panic replaces the error; after Goexit recover gives nil and the error stands.
			if v := recover(); v != nil {
				a.err = exec.NewPanic(v, debug.Stack())
			}
			answers <- a
		}()
		a.v, a.err = f(ctx)
	}()
	select {
	case a := <-answers:
		return a.v, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(callGrace)
	defer grace.Stop()
	select {
	case a := <-answers:
		return a.v, a.err
	case <-grace.C:
		var none T
		return none, fmt.Errorf("%w (%w)", errDeaf, context.Cause(ctx))
	}
}

// errExited says that a function ended its goroutine.
var errExited = errors.New("the user's function ended its goroutine by runtime.Goexit (t.FailNow in a test does)")

// tell is call for functions that give nothing.
func tell(ctx context.Context, f func(ctx context.Context) error) error {
	_, err := call(ctx, func(ctx context.Context) (struct{}, error) { return struct{}{}, f(ctx) })
	return err
}

// recovered turns a panic of a user's function in the driver into an error that names its place.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = errors.Join(*err, exec.NewPanic(v, debug.Stack()))
	}
}
