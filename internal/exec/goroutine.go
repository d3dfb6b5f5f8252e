package exec

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
)

// Goroutines remembers which goroutines run a task, an output's body or a listener, so that a call that
// would wait for its own caller is answered by an error instead of by silence. The id is read from the
// header of the goroutine's stack trace: a microsecond, paid once a task and once an action.
type Goroutines struct {
	mu sync.Mutex
	in map[int64]inside
}

// inside is what a goroutine is inside of: its task, too, if it runs one.
type inside struct {
	what string
	task *Task
}

// Enter says that the calling goroutine is now inside what; leave ends that.
func (g *Goroutines) Enter(what string) (leave func()) { return g.enter(inside{what: what}) }

// EnterTask says that the calling goroutine now runs an attempt of a task.
func (g *Goroutines) EnterTask(t *Task) (leave func()) { return g.enter(inside{insideTask, t}) }

func (g *Goroutines) enter(in inside) (leave func()) {
	id := current()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in == nil {
		g.in = make(map[int64]inside)
	}
	before, nested := g.in[id]
	g.in[id] = in
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if nested {
			g.in[id] = before
		} else {
			delete(g.in, id)
		}
	}
}

// Inside tells what the calling goroutine is inside of, "" for nothing.
func (g *Goroutines) Inside() string {
	id := current()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.in[id].what
}

// TakingResults is what a goroutine is inside of that hands a job's results to a function of the user.
const TakingResults = "the function that takes a job's results"

// Refuse gives the error of an action that is called where it would wait for its own caller: from inside a task, whose
// slot it would wait for, on the task's goroutine or anywhere with a context of the task; and from the function that
// takes a job's results, for which tasks wait that have the slots.
func (g *Goroutines) Refuse(ctx context.Context, action string, site Site) error {
	switch in := g.Inside(); {
	case in == TakingResults:
		return fmt.Errorf("%s at %s was called from inside %s, for which the tasks wait that have the slots: "+
			"keep what it needs, and call it when the job is over", action, site, in)
	case in == insideTask || ctx.Value(taskKey{}) != nil:
		return fmt.Errorf("%s at %s was called from inside a task: actions belong to the driver; "+
			"collect what the task needs first and let its function capture it", action, site)
	}
	return nil
}

// Task gives the task that the calling goroutine runs; nil for none, and on goroutines that a task's function has
// started.
func (g *Goroutines) Task() *Task {
	id := current()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.in[id].task
}

func current() int64 {
	var buf [40]byte
	// "goroutine 123 [running]:..."
	s := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	if i := bytes.IndexByte(s, ' '); i > 0 {
		if id, err := strconv.ParseInt(string(s[:i]), 10, 64); err == nil {
			return id
		}
	}
	return -1
}
