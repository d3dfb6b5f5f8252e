package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// stepFunc does what a step does, for the batch of a generation.
type stepFunc func(ctx context.Context, g *generation) error

// A step is what a stream must do once in each batch in which it is due, whether or not an output asks for it: a window
// of panes takes the batch in. Steps run in the order of the graph, before the outputs, and are not run again when an
// output is.
type step struct {
	node *node
	run  stepFunc
	// forgo takes out again what the step did for the last batch, if it has run, for that is given up. It is nil if the
	// state is settled.
	forgo func(b *Batch) error
}

// findNeeds finds for how long after its batch each stream's RDD is asked for, which windows and Remember decide, which
// nodes an output reads, and which states go on.
func (ssc *Context) findNeeds() {
	for _, o := range ssc.outputs {
		o.node.used = true
	}
	read, cut := above(ssc.outputNodes()), above(ssc.replaced)
	for _, k := range ssc.states {
		k.node.stands = !k.window() && (read[k.node] || !cut[k.node])
	}
	for i := len(ssc.nodes) - 1; i >= 0; i-- { // A node's children stand behind it.
		n := ssc.nodes[i]
		n.need = max(n.need, ssc.remember)
		for _, p := range n.parents {
			p.used = p.used || n.used || n.stands
			p.need = max(p.need, n.need+n.looksBack)
		}
		ssc.keep = max(ssc.keep, n.need)
	}
	for _, n := range ssc.windowed {
		for _, w := range n.windows {
			n.used = n.used || w.used && w.looksBack > 0 // One that was substituted does not look back.
		}
	}
}

// findRecall finds for how long after its batch an RDD of each node has to be had again in a process that begins with
// what the log holds. before gives the id by which the log knows an operator.
func (ssc *Context) findRecall(found *checkpoint.State, before func(id string) string) {
	ids := ssc.operatorIDs()
	ssc.recall = 0
	for _, n := range ssc.nodes {
		n.recall, n.kept = ssc.remember, false
	}
	for _, k := range ssc.states {
		// Checkpoints of early releases hold no panes: there the batches run through once more.
		k.node.paned = k.window() && (found.Committed.Sequence < 0 || holdsPanes(found, before(ids[k.node])))
		if k.elements() {
			k.node.parents[0].kept = k.node.paned
		}
	}
	for _, n := range slices.Backward(ssc.nodes) {
		for _, p := range n.parents {
			p.recall = max(p.recall, n.asks(p)+n.lacks())
		}
		ssc.recall = max(ssc.recall, n.recall)
	}
}

// asks is for how long after its batch another process has to have an RDD of the parent p again for the sake of those
// of n: not at all for those that are in the checkpoint.
func (n *node) asks(p *node) (d time.Duration) {
	if !n.kept || n.recall > n.need {
		d = n.recall
	}
	if !p.kept {
		d += n.looksBack
	}
	return d
}

// holdsPanes tells whether the log has the panes of a window as of each batch that it holds.
func holdsPanes(found *checkpoint.State, id string) bool {
	generations := found.States[id]
	if len(generations) == 0 {
		return false
	}
	first := generations[0]
	if first.At >= 0 || len(found.Batches) == 0 {
		return true
	}
	return len(first.Deltas) > 0 && first.Deltas[0].Sequence <= found.Batches[0].Plan.Sequence
}

// lacks is for how long before a batch another process lacks what the node's step took in.
func (n *node) lacks() time.Duration {
	if n.paned {
		return 0
	}
	return n.holds
}

// generationAt gives the RDDs of an earlier batch, nil if there was none at that time or it is needed no more.
func (g *generation) generationAt(t Time) *generation {
	if t == g.batch.Time {
		return g
	}
	return g.batch.ssc.loop.past[t]
}

// span gives the RDDs that the stream had in the last length, the oldest first.
func (d *DStream[T]) span(g *generation, length time.Duration) []*rdd.RDD[T] {
	var rs []*rdd.RDD[T]
	from := g.batch.Time.Add(-length)
	for t := range d.node.ssc.loop.timesOf(from, g.batch.Time) {
		if past := g.generationAt(t); past != nil {
			if r := d.at(past); r != nil {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// timesOf is timesAfter, or, where that would be more times than there are earlier batches, as in a window that is
// longer than the program has run, the times of these and of the batch at until.
func (l *loop) timesOf(from, until Time) iter.Seq[Time] {
	if int64(until.Sub(from)/l.ssc.interval) <= int64(len(l.past)) {
		return l.timesAfter(from, until)
	}
	times := []Time{until}
	for t := range l.past {
		if from < t && t < until {
			times = append(times, t)
		}
	}
	slices.Sort(times)
	return slices.Values(times)
}

// timesAfter yields the times at which there may be batches after from, up to until: those of the interval, and of
// batches that a program with another interval has run.
func (l *loop) timesAfter(from, until Time) iter.Seq[Time] {
	interval := l.ssc.interval
	return func(yield func(Time) bool) {
		strange := l.strange
		for t := (from + 1).Floor(interval); t <= until; t = t.Add(interval) {
			for ; len(strange) > 0 && strange[0] < t; strange = strange[1:] {
				if strange[0] > from && !yield(strange[0]) {
					return
				}
			}
			if t > from && !yield(t) {
				return
			}
		}
		for _, t := range strange { // The batch at until itself may be one of them.
			if from < t && t <= until && !yield(t) {
				return
			}
		}
	}
}

// keepGeneration keeps a batch's RDDs for those that will ask for them, and lets those go that nobody needs any more.
func (l *loop) keepGeneration(g *generation) {
	select {
	case l.generating <- struct{}{}: // Also while the program is being stopped: what was done is committed.
	case <-l.gone:
		return // Who was abandoned holds the right, and keeps it.
	}
	defer func() { <-l.generating }()
	now := g.batch.Time
	if l.newest = now; l.oldest == 0 {
		l.oldest = now
	}
	for t, past := range l.past {
		past.prune(now)
		if past.over(l.ssc.keep, now) {
			delete(l.past, t)
		}
	}
}

// letGo gives back all that earlier batches hold, when the loop has ended.
func (l *loop) letGo() {
	ctx, cancel := context.WithTimeout(context.Background(), callGrace)
	defer cancel()
	leave, err := l.generate(ctx)
	if err != nil {
		return // Who was abandoned may still use it; the end of the rdd.Context gives it back.
	}
	defer leave()
	for _, past := range l.past {
		past.drop(func(*node) bool { return true })
	}
	l.past = nil
}

// over tells whether nothing after the batch at now asks for what is needed for that long: the next batch comes with
// the next interval at the earliest, and looks back from there by an interval more.
func (g *generation) over(need time.Duration, now Time) bool {
	return g.batch.Time.Add(need) <= now.Floor(g.batch.ssc.interval)
}

// prune drops the RDDs that are needed no more after the batch at now. Those that nobody has asked for yet are made
// when somebody does.
func (g *generation) prune(now Time) { g.drop(func(n *node) bool { return g.over(n.need, now) }) }

// drop gives back what the RDDs of nodes hold that are over: what they persist and what their shuffles wrote.
func (g *generation) drop(over func(n *node) bool) {
	kept := g.batch.ssc.loop.kept
	var dropped []madeRDD
	for n, made := range g.made {
		if !over(n) {
			continue
		}
		delete(g.made, n)
		if free := g.free[n]; free != nil {
			free()
			delete(g.free, n)
		}
		if r, ok := made.(madeRDD); ok {
			if kept[r.ID()]--; kept[r.ID()] == 0 {
				delete(kept, r.ID())
			}
			dropped = append(dropped, r)
		}
	}
	for _, r := range dropped {
		r.LetGo(g.first, func(id int) bool { return kept[id] > 0 })
	}
}

// A madeRDD is an RDD of any type.
type madeRDD interface {
	ID() int
	LetGo(first int, stays func(id int) bool)
}

// runSteps runs the steps of the batch that have not run yet.
func (l *loop) runSteps(b *Batch, g *generation) error {
	for i, s := range l.ssc.steps {
		if err := context.Cause(l.life); err != nil {
			return err // Perhaps this was given up meanwhile.
		}
		// States, and what the checkpoint holds of windows, go on whether or not an output reads them in this version.
		if b.stepped[i] || !s.node.used && !s.node.stands && !s.node.paned || !s.node.stepDue(b.Time) {
			continue
		}
		// Steps are numbered apart from outputs: below 0.
		scope := &exec.Scope{Batch: b.Sequence, BatchTime: int64(b.Time), Output: -2 - i, Seed: b.seed}
		if err := l.guardStep(scope.In(l.life), g, s); err != nil {
			return fmt.Errorf("batch %d (%v): %s (%s): %w", b.Sequence, b.Time, s.node.op, s.node.site, err)
		}
		b.stepped[i] = true
	}
	return nil
}

func (l *loop) guardStep(ctx context.Context, g *generation, s *step) (err error) {
	defer recovered(&err)
	defer l.making.Store(l.making.Swap(s.node))
	return s.run(ctx, g)
}

// errStuck says that a function was left to itself at the deadline of a stop.
var errStuck = errors.New("its function does not return, and was abandoned")

// apart runs what calls functions of the user's in the driver, as the steps and what makes RDDs do, on a goroutine of
// its own, which has the right to make RDDs. If one never returns it is left to itself, and keeps that right, when the
// loop gives up: what it still holds is then let be.
func (l *loop) apart(f func() error) error {
	leave, err := l.generate(l.life)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() {
		err := errExited
		defer func() { ended <- err }()
		defer leave()
		defer func() {
			if v := recover(); v != nil {
				err = exec.NewPanic(v, debug.Stack())
			}
		}()
		err = f()
	}()
	select {
	case err := <-ended:
		return err
	case <-l.gone:
	}
	if n := l.making.Load(); n != nil {
		return fmt.Errorf("%s (%s): %w", n.op, n.site, errStuck)
	}
	return errStuck
}

// stepDue tells whether a step runs in a batch: whenever the stream that it takes in has an RDD.
func (n *node) stepDue(t Time) bool {
	if len(n.parents) > 0 {
		return n.parents[0].due(t)
	}
	return n.due(t)
}
