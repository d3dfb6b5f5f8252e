package exec

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// Goroutines remembers which goroutines run a task, an output's body or a listener, so that a call that
// would wait for its own caller is answered by an error instead of by silence. The id is read from the
// header of the goroutine's stack trace: a microsecond or more, paid once by a goroutine that runs tasks, once a body,
// and by actions while tasks run.
type Goroutines struct {
	mu sync.Mutex
	in map[int64]inside
	// refused is how many are inside of what actions are refused in: where there are none, no id is looked up.
	refused int
}

// inside is what a goroutine is inside of: its task, too, if it runs one.
type inside struct {
	what string
	task *Task
}

// Enter says that the calling goroutine is now inside what; leave ends that.
func (g *Goroutines) Enter(what string) (leave func()) { return g.enter(current(), inside{what: what}) }

// EnterTask says that the calling goroutine, whose number is id, now runs an attempt of a task.
func (g *Goroutines) EnterTask(id int64, t *Task) (leave func()) {
	return g.enter(id, inside{insideTask, t})
}

func (g *Goroutines) enter(id int64, in inside) (leave func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in == nil {
		g.in = make(map[int64]inside)
	}
	before, nested := g.in[id]
	g.in[id] = in
	g.refused += in.refused()
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.refused -= in.refused()
		if nested {
			g.in[id] = before
		} else {
			delete(g.in, id)
		}
	}
}

// refused is 1 for what actions are refused in, else 0.
func (in inside) refused() int {
	if in.what == insideTask || in.what == TakingResults {
		return 1
	}
	return 0
}

// noneRefused tells that no goroutine is inside of what actions are refused in.
func (g *Goroutines) noneRefused() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused == 0
}

// Inside tells what the calling goroutine is inside of, "" for nothing.
func (g *Goroutines) Inside() string {
	id := current()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.in[id].what
}

// insideTask is what a goroutine is inside of that runs a task.
const insideTask = "a task"

// TakingResults is what a goroutine is inside of that hands a job's results to a function of the user.
const TakingResults = "the function that takes a job's results"

// Refuse gives the error of an action that is called where it would wait for its own caller: from inside a task, whose
// slot it would wait for, on the task's goroutine or anywhere with a context of the task; and from the function that
// takes a job's results, for which tasks wait that have the slots.
func (g *Goroutines) Refuse(ctx context.Context, action string, site Site) error {
	ofTask := ctx.Value(taskKey{}) != nil
	if !ofTask && g.noneRefused() {
		return nil
	}
	switch in := g.Inside(); {
	case in == TakingResults:
		return fmt.Errorf("%s at %s was called from inside %s, for which the tasks wait that have the slots: "+
			"keep what it needs, and call it when the job is over", action, site, in)
	case in == insideTask || ofTask:
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

// A Local is a value that a goroutine has to itself while a function runs.
type Local[T any] struct {
	n  atomic.Int64 // how many have one: who asks while none has pays nothing
	mu sync.Mutex
	of map[int64]T
}

// With calls f, in which the calling goroutine has v.
func (l *Local[T]) With(v T, f func()) {
	id := current()
	before, nested := l.Get()
	l.set(id, v)
	l.n.Add(1)
	defer func() {
		l.n.Add(-1)
		l.mu.Lock()
		defer l.mu.Unlock()
		if nested {
			l.of[id] = before
		} else {
			delete(l.of, id)
		}
	}()
	f()
}

func (l *Local[T]) set(id int64, v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[int64]T{}
	}
	l.of[id] = v
}

// Get gives the calling goroutine's value.
func (l *Local[T]) Get() (v T, ok bool) {
	if l.n.Load() == 0 {
		return v, false
	}
	id := current()
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok = l.of[id]
	return v, ok
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
