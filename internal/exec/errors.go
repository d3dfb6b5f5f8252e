package exec

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// A PanicError is a panic of a user's function, turned into the failure of its task.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Site is where the user's code panicked, or called what panicked in the standard library.
	Site Site
	// Stack is the goroutine's, as package debug writes it.
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string {
	if at := e.Site.String(); at != "" {
		return fmt.Sprintf("panic at %s: %v", at, e.Value)
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// NewPanic makes the error of a recovered panic. It must be called in the deferred function that recovered,
// while the panicking frames are still on the stack.
func NewPanic(v any, stack []byte) *PanicError {
	// The user's frame is the first one below the runtime's own panic frames. A recursion of a library may lie between.
	pcs := make([]uintptr, 1024)
	n := runtime.Callers(2, pcs)
	return &PanicError{Value: v, Site: firstUserFrame(pcs[:n]), Stack: stack}
}

// Unwrap gives the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// A JobError says which task of which job failed, where the user asked for it, and why. Its text leaves out the batch,
// which the error of the output says around it.
type JobError struct {
	// Action is the action's name, Site the call that started it.
	Action string
	Site   Site
	// Op and OpSite name the operator that ends the failed stage.
	Op     string
	OpSite Site
	Desc   TaskDesc
	// Attempts is how often the task was tried.
	Attempts int
	Err      error
}

// Error implements error.
func (e *JobError) Error() string {
	var b strings.Builder
	b.WriteString(e.Action)
	if s := e.Site.String(); s != "" {
		fmt.Fprintf(&b, " at %s", s)
	}
	fmt.Fprintf(&b, ": partition %d of %s", e.Desc.Partition, e.Op)
	if s := e.OpSite.String(); s != "" && s != e.Site.String() {
		fmt.Fprintf(&b, " (%s)", s)
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " failed %d times", e.Attempts)
	} else {
		b.WriteString(" failed")
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

// Unwrap gives the cause.
func (e *JobError) Unwrap() error { return e.Err }

// permanent marks an error that another attempt cannot mend.
type permanent struct{ error }

// Permanent keeps a task that failed with err from being tried again.
func Permanent(err error) error { return permanent{err} }

// Unwrap gives the cause.
func (p permanent) Unwrap() error { return p.error }

func isPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
