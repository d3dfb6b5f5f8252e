package dstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// resume gives where an input of the checkpoint goes on: nil if it is new.
func (ssc *Context) resume(in *input, id string) []byte {
	if ssc.durable.found == nil {
		return nil
	}
	pos, ok := ssc.durable.found.Positions[id]
	if !ok || in.forgone(pos.Data) && !in.imported(pos.Data) {
		return nil
	}
	return pos.Data
}

// imported tells that a position of the checkpoint is none that a receiver's stream has left, but one of its source, as
// MoveInputs writes it.
func (in *input) imported(position []byte) bool {
	return is[receiving](in.source) && !isWalRange(position) && !isBlockRange(position)
}

// received tells that what the input gives is held by this process alone.
func (in *input) received() bool { return is[SourceDrainer](in.source) && !in.logs() }

// forgone tells that a range is of records that a process took with it.
func (in *input) forgone(rng []byte) bool { return in.received() || in.logs() && !isWalRange(rng) }

// A receiving is a source of the engine's own that receives.
type receiving interface {
	// begin starts the receiving, when it is logged where the first range begins.
	begin()
	// refuse ends the receiving: what was acknowledged before it returns is there, and no more is.
	refuse(ctx context.Context) error
	// logged tells that what is received is in a write ahead log, positioned that its source can be read again.
	logged() bool
	positioned() bool
	// takes tells that the receiver can begin at a position of its source, which its log then begins with.
	takes(position []byte) bool
}

// logs tells that the input has a write ahead log.
func (in *input) logs() bool {
	r, ok := in.source.(receiving)
	return ok && r.logged()
}

// idOf is the id of the operator of a source.
func (ssc *Context) idOf(source any) string {
	for i, in := range ssc.inputs {
		if in.source == source {
			return ssc.inputIDs()[i]
		}
	}
	return ""
}

// beginReceiving starts the receivers, and drops write ahead logs that nothing in the log leads to.
func (ssc *Context) beginReceiving(ctx context.Context) error {
	if ssc.durable.opened {
		if err := ssc.sweepReceived(ctx); err != nil {
			return fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err)
		}
	}
	for _, in := range ssc.inputs {
		if r, ok := in.source.(receiving); ok {
			r.begin()
		}
	}
	return nil
}

// sweepReceived removes the write ahead logs of inputs that were dropped, and those that a process began that died
// before it was logged where its inputs begin. A process that the checkpoint was taken over from removes none: the next
// owner may have begun it.
func (ssc *Context) sweepReceived(ctx context.Context) error {
	d := &ssc.durable
	state, err := ssc.log.State()
	if err != nil {
		return err
	}
	needed, err := seriesOf(state)
	if err != nil {
		return err
	}
	infos, err := d.fs.List(ctx, vfs.Join(d.path, receivedDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	strays := slices.DeleteFunc(infos, func(i vfs.Info) bool { return needed[vfs.Base(i.Name)] })
	if len(strays) == 0 {
		return nil
	}
	if err := ssc.log.Check(ctx); err != nil { // After the listing, which it says this of.
		return err
	}
	for _, i := range strays {
		if err := d.fs.RemoveAll(ctx, i.Name); err != nil {
			return err
		}
	}
	return nil
}

// seriesOf gives the folders of the write ahead logs that positions lie in, and ranges of batches that may be asked
// for.
func seriesOf(state *checkpoint.State) (map[string]bool, error) {
	needed := map[string]bool{}
	all := []map[string]checkpoint.Range{state.Positions}
	for _, b := range state.Batches {
		all = append(all, b.Plan.Ranges)
	}
	for _, ranges := range all {
		for _, rng := range ranges {
			if !isWalRange(rng.Data) {
				continue
			}
			r, err := parseWalRange(rng.Data)
			if err != nil {
				return nil, err
			}
			needed[vfs.Base(r.Series)] = true
		}
	}
	return needed, nil
}

// loadStates brings the states in as the last committed batch left them, or as they were before the first of those
// whose results are asked for again.
func (ssc *Context) loadStates(ctx context.Context) error {
	found := ssc.durable.found
	if found == nil {
		return nil
	}
	if len(ssc.states) == 0 {
		return nil
	}
	if !ssc.durable.replays {
		if err := ssc.log.Sweep(ctx, stateDir); err != nil {
			return fmt.Errorf("checkpoint %s: %w", ssc.durable.dir, err)
		}
	}
	ids := ssc.stateIDs()
	for i, k := range ssc.states {
		at := ssc.loadedAt(k)
		snapshot, deltas := found.Version(ids[i], at)
		folder := stateFolder{fs: ssc.durable.fs, dir: ssc.durable.path, epoch: ssc.epoch, operator: ids[i], loaded: at,
			newest: found.Committed.Sequence, readOnly: ssc.durable.replays}
		folder.snapshot, folder.deltas = found.Version(ids[i], found.Committed.Sequence)
		if err := k.load(ctx, folder, snapshot, deltas); err != nil {
			return fmt.Errorf("the state of %s (%s) as of batch %d: %w", ids[i], k.node.site, at, err)
		}
	}
	return nil
}

// reimport changes states as the user has, when the batches before that have run once more.
func (ssc *Context) reimport(ctx context.Context, i *checkpoint.Import) error {
	ids := ssc.stateIDs()
	for n, k := range ssc.states {
		changed := slices.ContainsFunc(i.State, func(c checkpoint.StateChange) bool { return c.Operator == ids[n] })
		if !changed || ssc.loadedAt(k) >= i.Sequence {
			continue
		}
		snapshot, deltas := ssc.durable.found.Version(ids[n], i.Sequence)
		if err := k.reload(ctx, snapshot, deltas); err != nil {
			return fmt.Errorf("the state of %s (%s): %w", ids[n], k.node.site, err)
		}
	}
	return nil
}

// reloadStates has the states, and the windows of panes, be what the checkpoint holds, after batches have run once more
// for what their streams gave. What that made of them is something else if a function is another one now, if a program
// between did not have them, or, in the order of its keys, if there are other partitions.
func (ssc *Context) reloadStates(ctx context.Context) error {
	found := ssc.durable.found
	if found == nil {
		return nil
	}
	ids, last := ssc.stateIDs(), found.Committed.Sequence
	for i, k := range ssc.states {
		if k.window() && !k.node.paned || ssc.loadedAt(k) >= last {
			continue
		}
		snapshot, deltas := found.Version(ids[i], last)
		if err := k.reload(ctx, snapshot, deltas); err != nil {
			return fmt.Errorf("the state of %s (%s) as of batch %d: %w", ids[i], k.node.site, last, err)
		}
	}
	return nil
}

// rerun lists the committed batches whose steps are to run once more, for what they leave is asked for by batches that
// come: panes, and what windows look back to. Among them are those by which states were changed by hand.
func (ssc *Context) rerun() []*checkpoint.Batch {
	return ssc.committedWithin(ssc.recall)
}

// committedWithin lists the committed batches that are less than d before the last one, that included unless d is 0.
// The last time counts as one of the interval, for it was perhaps another one.
func (ssc *Context) committedWithin(d time.Duration) []*checkpoint.Batch {
	if ssc.durable.found == nil || d == 0 {
		return nil
	}
	var list []*checkpoint.Batch
	from := Time(ssc.durable.found.Committed.Time).Floor(ssc.interval).Add(-d)
	for _, b := range ssc.durable.found.Batches {
		if (b.Commit != nil || b.Import != nil) && Time(b.Plan.Time) > from {
			list = append(list, b)
		}
	}
	return list
}

// loadedAt is the batch as of which a state is loaded. It takes in what follows when batches run once more, and nothing
// before: what it reads may come from windows that are not complete there.
func (ssc *Context) loadedAt(k *keeping) int64 {
	if k.elements() { // They come from nothing before.
		return ssc.durable.found.Committed.Sequence
	}
	if list := ssc.committedWithin(k.recall()); len(list) > 0 {
		return list[0].Plan.Sequence - 1
	}
	return ssc.durable.found.Committed.Sequence
}

// recall is for how long after its batch what the operator gave has to be had again.
func (k *keeping) recall() time.Duration { return k.node.parents[0].recall } // It may have two streams.

// goOn is what the runner does before all else: it brings back what earlier batches left, tells the inputs what was
// committed, and runs the batches that were planned.
func (l *loop) goOn() error {
	defer close(l.restored)
	if err := l.bringBack(); err != nil {
		return err
	}
	found := l.ssc.durable.found
	if found == nil {
		return nil
	}
	for _, b := range found.Batches {
		if !b.Open() && b.Import == nil && b.Plan.Sequence > found.Released {
			l.unread = append(l.unread, l.batchOf(b))
		}
	}
	if n := len(l.unread); n > 0 {
		l.tellCommitted(l.unread[n-1], l.standsAt(l.unread[n-1])) // Its process may have died before it did.
	}
	for _, planned := range found.Opened() {
		b := l.batchOf(planned)
		run := l.runPlanned
		if l.named(b) {
			run = func(b *Batch) error { return l.giveUp(b, errNamed) }
		} else {
			l.ssc.logger.Info("a batch that was planned and not committed runs again", "batch", b.Sequence, "time",
				b.Time.String())
		}
		l.forgo(b, planned)
		if err := run(b); err != nil {
			return err
		}
	}
	return nil
}

// runPlanned runs a batch that an earlier process has planned. For listeners and rates it is submitted now: how long
// ago it was planned says nothing of how fast batches are.
func (l *loop) runPlanned(b *Batch) error {
	b.info.SubmissionTime = time.Now()
	l.ssc.bus.emit(BatchSubmitted{b.info})
	l.waiting.Add(1)
	return l.runBatch(b)
}

// standsAt gives the inputs that stand where the last committed batch left them. Others were moved since: what they
// were told of it would send who looks at a group back to where it was.
func (l *loop) standsAt(b *Batch) func(*input) bool {
	found := l.ssc.durable.found
	planned := len(found.Opened()) > 0
	return func(in *input) bool {
		id, left := l.ids[slices.Index(l.ssc.inputs, in)], b.inputs[in.node].rng
		return bytes.Equal(found.Done[id].Data, left) && (planned || bytes.Equal(found.Positions[id].Data, left))
	}
}

// bringBack has states and windows be as the last committed batch left them.
func (l *loop) bringBack() error {
	defer close(l.loaded)
	if err := l.bringPanes(); err != nil {
		return err
	}
	for _, logged := range l.ssc.rerun() {
		var err error
		if logged.Import != nil {
			err = l.ssc.reimport(l.life, logged.Import)
		} else {
			err = l.runThrough(l.batchOf(logged))
		}
		if err != nil {
			return fmt.Errorf("bring back what batch %d left: %w", logged.Plan.Sequence, err)
		}
	}
	return l.apart(func() error { return l.ssc.reloadStates(l.life) })
}

// forgo leaves out of a batch what the process that received it has taken with it.
func (l *loop) forgo(b *Batch, planned *checkpoint.Batch) {
	for i, in := range l.ssc.inputs {
		if r := planned.Plan.Ranges[l.ids[i]]; r.Records > 0 && in.forgone(r.Data) {
			l.ssc.warn("records that a receiver had stored in memory are lost with its process", nil, "input",
				in.label(), "batch", b.Sequence, "records", r.Records)
		}
	}
}

// batchOf makes the batch of a logged plan.
func (l *loop) batchOf(logged *checkpoint.Batch) *Batch {
	plan := logged.Plan
	b := l.newBatch(plan.Sequence, Time(plan.Time), plan.Seed)
	if plan.Split != nil {
		b.parallelism = plannedParallelism(plan.Split, b.parallelism)
	}
	for i, in := range l.ssc.inputs {
		r, ok := plan.Ranges[l.ids[i]]
		p := planned{rng: r.Data, records: r.Records}
		if !ok || in.forgone(r.Data) {
			p = planned{absent: true}
		}
		b.inputs[in.node] = p
		b.info.Inputs = append(b.info.Inputs, InputInfo{StreamID: in.number, Name: in.label(), Records: p.records,
			Description: in.describe(r.Data)})
	}
	for _, done := range logged.Done {
		for i, id := range l.outputIDs {
			if id == done.Output {
				b.done[i] = true
				b.restore(i, done.Effects)
			}
		}
	}
	return b
}

// runThrough runs the steps of a committed batch once more, and keeps what they leave.
func (l *loop) runThrough(b *Batch) error {
	g := l.newGeneration(b)
	last := Time(l.ssc.durable.found.Committed.Time).Floor(l.ssc.interval)
	for i, s := range l.ssc.steps { // What a step reads is not complete before that.
		b.stepped[i] = len(s.node.parents) > 0 && b.Time <= last.Add(-s.node.parents[0].recall)
	}
	err := l.inParallelism(b, func() error {
		return l.apart(func() error {
			l.addStrange(b.Time)
			l.past[b.Time] = g
			return l.runSteps(b, g)
		})
	})
	if err != nil {
		return err
	}
	l.keepGeneration(g)
	l.ssc.settle(b, true)
	return nil
}

// inParallelism runs f with the parallelism of a batch's plan. It is for the runner, which runs one batch at a time.
func (l *loop) inParallelism(b *Batch, f func() error) error {
	return l.ssc.sc.During(b.parallelism, f)
}
