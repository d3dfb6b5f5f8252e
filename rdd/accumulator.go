package rdd

import (
	"fmt"
	"sync"

	"github.com/weirstream/weir/internal/exec"
)

// An AccumulatorV2 adds up what tasks give to it, IN being what is added and OUT the total: what [Register] takes. Its
// methods are not called at the same time. Add and Merge must be associative and commutative, for tasks end in any
// order.
type AccumulatorV2[IN, OUT any] interface {
	// IsZero tells whether nothing has been added.
	IsZero() bool
	// Copy gives one of the same value that is changed apart from this one.
	Copy() AccumulatorV2[IN, OUT]
	// Reset takes back all that was added.
	Reset()
	Add(v IN)
	// Merge adds what was added to another one that was copied from this one.
	Merge(other AccumulatorV2[IN, OUT])
	Value() OUT
}

// An Accumulator adds up in the driver what tasks add to it. What an attempt adds counts when its task's result is
// taken, and only then: exactly once for each task of an action, however often it is tried. What is added in a
// transformation counts each time its partition is computed: again for another action, unless it is persisted, and not
// at all while a shuffle's outputs are re-used. Only the driver can read the total; a task that asks for it fails.
//
// Add finds its task by the goroutine that it is called on, which takes about a microsecond. On goroutines that a
// function starts itself, and in iter.Pull's, there is nothing to find: use [Accumulator.In] there, and wherever Add
// is called for each record.
type Accumulator[IN, OUT any] struct {
	sc   *Context
	id   int
	name string
	site exec.Site
	zero AccumulatorV2[IN, OUT] // nobody adds to it

	mu    sync.Mutex
	total AccumulatorV2[IN, OUT]
}

// Register makes an accumulator of the program's own kind. name is shown with what tasks add, in events and on pages;
// one without a name, "", is not. What acc holds already is where the total begins.
func Register[IN, OUT any](sc *Context, name string, acc AccumulatorV2[IN, OUT]) *Accumulator[IN, OUT] {
	zero := acc.Copy()
	zero.Reset()
	return &Accumulator[IN, OUT]{sc: sc, id: int(sc.accumulators.Add(1)) - 1, name: name, site: exec.Caller(),
		zero: zero, total: acc}
}

// ID numbers the accumulators of a context in the order of their making.
func (a *Accumulator[IN, OUT]) ID() int { return a.id }

// Name is what the accumulator is called, "" for nothing.
func (a *Accumulator[IN, OUT]) Name() string { return a.name }

// Add adds v: to what the task collects in which it is called, or, in the driver, to the total.
func (a *Accumulator[IN, OUT]) Add(v IN) {
	if t := a.sc.inside.Task(); t != nil {
		a.In((*TaskContext)(t)).Add(v)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total.Add(v)
}

// In gives what the task collects for the accumulator. Its Add costs next to nothing and may be called on any
// goroutine.
func (a *Accumulator[IN, OUT]) In(tc *TaskContext) *TaskAccumulator[IN, OUT] {
	return tc.task().Collect(handle[IN, OUT]{a}, func() any {
		a.mu.Lock()
		defer a.mu.Unlock()
		return &TaskAccumulator[IN, OUT]{part: a.zero.Copy()}
	}).(*TaskAccumulator[IN, OUT])
}

// Value is the total of the driver and of all tasks whose results were taken. It panics inside a task, where the total
// is not known; the panic fails the task, which is not tried again.
func (a *Accumulator[IN, OUT]) Value() OUT {
	a.inDriver("Value")
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total.Value()
}

// IsZero tells whether nothing was added. It panics inside a task, as Value.
func (a *Accumulator[IN, OUT]) IsZero() bool {
	a.inDriver("IsZero")
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total.IsZero()
}

// Reset takes back all that was added. It panics inside a task, as Value.
func (a *Accumulator[IN, OUT]) Reset() {
	a.inDriver("Reset")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total.Reset()
}

// look has f read the total. It panics inside a task.
func (a *Accumulator[IN, OUT]) look(method string, f func(total AccumulatorV2[IN, OUT])) {
	a.inDriver(method)
	a.mu.Lock()
	defer a.mu.Unlock()
	f(a.total)
}

// inDriver panics inside a task, where only a part of the total is known, and which part depends on chance.
func (a *Accumulator[IN, OUT]) inDriver(method string) {
	if a.sc.inside.Task() == nil {
		return
	}
	panic(exec.Permanent(fmt.Errorf("%s of the accumulator %s was asked for inside a task: only the driver knows it; "+
		"read it when the action has returned", method, a.label())))
}

func (a *Accumulator[IN, OUT]) label() string {
	if a.name != "" {
		return fmt.Sprintf("%q", a.name)
	}
	return fmt.Sprintf("%d (%s)", a.id, a.site)
}

// A TaskAccumulator collects what one attempt at a task adds.
type TaskAccumulator[IN, OUT any] struct {
	mu   sync.Mutex
	part AccumulatorV2[IN, OUT]
}

// Add adds v. It may be called from several goroutines. What comes after the task has ended is lost.
func (t *TaskAccumulator[IN, OUT]) Add(v IN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.part.Add(v)
}

// handle is an accumulator as the scheduler sees it. Handles of one accumulator are equal.
type handle[IN, OUT any] struct{ *Accumulator[IN, OUT] }

// Merge implements exec.Accumulator.
func (h handle[IN, OUT]) Merge(collected any) (update, total any, err error) {
	t := collected.(*TaskAccumulator[IN, OUT])
	t.mu.Lock()
	defer t.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err = inDriver("accumulator "+h.label(), func() struct{} {
		h.total.Merge(t.part)
		if h.name != "" {
			update, total = t.part.Value(), h.total.Value()
		}
		return struct{}{}
	})
	return update, total, err
}
