package dstream

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
)

// A batch without records costs a slot of the log, two syncs of a disk, if it is logged, and most batches of a short
// interval have none. So one that promises to do nothing runs without an entry: it takes nothing from its inputs, no
// window or Slice will look back to it, and if it comes to nothing, no trace is left of it but in the next plan, which
// counts it. Its number is given again if the process dies: nobody may have seen it. So whoever would write something
// down under it, a sink with records, a body of the user's, a state that changes, has the batch fixed before.

// idleAtMost is for how long batches have no entries. A process that starts again takes their times for missed.
const idleAtMost = 10 * time.Second

// An unlogged is the plan of a batch that goes into the log when the batch turns out to do something.
type unlogged struct {
	plan checkpoint.Plan
	// turn is held by who logs the plan; in says that it has been logged.
	turn chan struct{}
	in   atomic.Bool
	// over is closed when the batch has ended: the planner waits for it, for the next plan says what became of it.
	over chan struct{}
}

// mayBeIdle tells whether a batch takes nothing from its inputs but what the last plan in the log says already. It must
// run at once, for nothing is planned until it is over.
func (l *loop) mayBeIdle(b *Batch) bool {
	if !l.ssc.durable.opened || l.split != nil || l.ssc.recall > 0 ||
		slices.ContainsFunc(l.ssc.states, (*keeping).window) || b.Time >= l.loggedAt.Add(idleAtMost) ||
		l.waiting.Load() > 0 {
		return false
	}
	for _, in := range l.ssc.inputs {
		if p := b.inputs[in.node]; p.absent || p.records > 0 || !bytes.Equal(p.rng, in.from) {
			return false
		}
	}
	return true
}

// logPlan gives the plan to the log, or to the batch if that may be idle.
func (l *loop) logPlan(b *Batch, plan checkpoint.Plan) error {
	plan.Idle = b.Sequence - l.logged - 1
	if l.mayBeIdle(b) {
		b.unlogged = &unlogged{plan: plan, turn: make(chan struct{}, 1), over: make(chan struct{})}
		l.undecided = b.unlogged
		return nil
	}
	l.logged, l.loggedAt = b.Sequence, b.Time
	return l.ssc.logPlan(l.life, plan)
}

func (ssc *Context) logPlan(ctx context.Context, plan checkpoint.Plan) error {
	if err := ssc.log.Append(ctx, plan); err != nil {
		return fmt.Errorf("log the plan of batch %d: %w", plan.Sequence, err)
	}
	return nil
}

// decide waits until it is known whether the last batch is in the log; false says that nothing is to be planned.
func (l *loop) decide() bool {
	u, drain := l.undecided, l.drain
	if u == nil {
		return true
	}
	if l.draining {
		drain = nil
	}
	select {
	case <-u.over:
	case <-drain:
		return false
	case <-l.life.Done():
		return false
	}
	if u.in.Load() {
		l.logged, l.loggedAt = u.plan.Sequence, Time(u.plan.Time)
	}
	l.undecided = nil
	return true
}

// fix has the plan of the batch be in the log: what comes after it may leave traces.
func (b *Batch) fix(ctx context.Context) error {
	u := b.unlogged
	if u == nil {
		return nil
	}
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-u.turn }()
	if u.in.Load() {
		return nil
	}
	if err := b.ssc.logPlan(ctx, u.plan); err != nil {
		return err
	}
	u.in.Store(true)
	return nil
}

// fixed tells whether the plan of the batch is in the log.
func (b *Batch) fixed() bool { return b.unlogged == nil || b.unlogged.in.Load() }

// fixUnlessIdle is called before the batch runs, and again when its steps have: the states say whether they change.
func (l *loop) fixUnlessIdle(b *Batch) error {
	if b.fixed() {
		return nil
	}
	for _, k := range l.ssc.states {
		if !k.idle(b.Time) || k.changed(b) {
			return b.fix(l.life)
		}
	}
	return nil
}

// takeBackIdle has a batch not be planned that was cut off before anything of it was written down. Nothing of the loop
// runs any more.
func (l *loop) takeBackIdle() {
	if u := l.undecided; u != nil && !u.in.Load() && l.committed < l.next {
		l.next--
	}
}

// passOver ends a batch that did nothing and is in no log.
func (l *loop) passOver(b *Batch) {
	l.ssc.settle(b, true)
	l.committed++
	l.ssc.bus.emit(BatchCommitted{BatchTime: b.Time, Sequence: b.Sequence})
}
