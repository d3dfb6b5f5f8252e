package exec

import (
	"slices"
	"sync"
)

// workers are the goroutines that run tasks, at most one a slot. They are kept between tasks: a new goroutine would
// have its number looked up, and its stack grow, for every task, which is most of what a small task costs.
type workers struct {
	mu     sync.Mutex
	most   int       // how many may be idle
	idle   []*worker // the last one to end its task is the first to begin one
	closed bool
}

// A worker is one of them.
type worker struct {
	of *workers
	id int64 // of its goroutine
	// next is where it waits. There is room for one task, and one is sent to a worker taken from the idle ones alone:
	// a send never waits.
	next        chan launch
	superfluous bool // ends with its task
}

// A launch is a task that has got its slot.
type launch struct {
	set    *taskSet
	i      int
	beside bool
	// over is an attempt that ended with its goroutine; nil if the task begins.
	over *attempt
}

func newWorkers(most int) *workers { return &workers{most: most} }

// run has the task run by a worker that is idle, or else by a new one.
func (ws *workers) run(l launch) {
	ws.mu.Lock()
	var w *worker
	if n := len(ws.idle); n > 0 {
		w = ws.idle[n-1]
		ws.idle = slices.Delete(ws.idle, n-1, n)
	}
	ws.mu.Unlock()
	if w == nil {
		w = &worker{of: ws, next: make(chan launch, 1)}
		go w.work()
	}
	w.next <- l
}

// work runs tasks until the worker is not needed any more. The first task has its goroutine when it comes here.
func (w *worker) work() {
	w.id = current()
	for l := range w.next {
		for again := true; again; {
			l, again = l.set.start(w, l)
		}
		if w.superfluous {
			return
		}
	}
}

// rest puts the worker among the idle ones, unless there are enough of them or no more tasks are to come. It is called
// before the end of the task is told: the job that somebody waits with finds the worker then.
func (w *worker) rest() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.superfluous = w.of.closed || len(w.of.idle) >= w.of.most
	if !w.superfluous {
		w.of.idle = append(w.of.idle, w)
	}
}

// close ends the workers: the idle ones now, the others when they have ended their tasks.
func (ws *workers) close() {
	ws.mu.Lock()
	idle := ws.idle
	ws.idle, ws.closed = nil, true
	ws.mu.Unlock()
	for _, w := range idle {
		close(w.next)
	}
}
