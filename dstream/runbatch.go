package dstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
)

// A failurePolicy says what happens to a batch that failed after its tasks were retried.
type failurePolicy struct {
	retries int
	pause   time.Duration
	skip    bool // what then still fails is given up
}

// failurePolicy is what the settings say. With a checkpoint a batch that failed runs again unless they say otherwise:
// the ranges of the program that is started again would be the same.
func (ssc *Context) failurePolicy() failurePolicy {
	c, policy := ssc.conf, conf.Failed.Get(ssc.conf)
	if policy == conf.StopFailed || policy == conf.AutoFailed && ssc.durable.dir == "" {
		return failurePolicy{}
	}
	return failurePolicy{retries: conf.FailedBatchMaxRetries.Get(c), pause: conf.FailedBatchBackoff.Get(c),
		skip: policy.Skips()}
}

// runBatch runs the outputs of a batch and commits it. An error ends the program: the batch stays planned
// and uncommitted, if it is in the log.
func (l *loop) runBatch(b *Batch) error {
	if b.unlogged != nil {
		defer close(b.unlogged.over)
	}
	b.info.ProcessingStart = time.Now()
	l.ssc.bus.emit(BatchStarted{b.info})
	err := l.inParallelism(b, func() error { return l.tryOutputs(b) })
	b.info.Inputs, b.info.ProcessingEnd = l.counted(b), time.Now()
	b.info.DeadLetters = len(b.letters)
	if err == nil && l.follows() && b.fixed() {
		return l.handOver(b)
	}
	return l.endBatch(b, err)
}

// endBatch commits a batch, or does what else is to be done with one that has failed or did nothing.
func (l *loop) endBatch(b *Batch, err error) error {
	if err != nil {
		_, lost := l.delivered(b) // Perhaps it failed of that.
		err = errors.Join(err, lost)
	}
	before := l.awaitFollowing()
	l.completed(b, &b.info, err)
	switch {
	case before != nil:
		err = before
	case err == nil && !b.fixed():
		l.learn(b.info, b.info.ProcessingDelay())
		l.passOver(b)
	case err == nil:
		l.learn(b.info, b.info.ProcessingDelay())
		err = l.sealAndCommit(b)
	case l.mayGiveUp(b, err):
		err = l.giveUp(b, err)
	default:
		err = l.withRemedy(b, err)
	}
	l.waiting.Add(-1)
	if err != nil {
		l.ssc.settle(b, false)
		return err
	}
	l.ssc.renewIdentities(l.life)
	return nil
}

// completed says that the outputs of a batch are over.
func (l *loop) completed(b *Batch, info *BatchInfo, err error) {
	info.Outputs, info.Err = b.ran(), err
	l.ssc.bus.emit(BatchCompleted{*info})
	l.logBatch(b, *info)
}

// counted is what the inputs gave, now that it has been read. Listeners hold what was planned.
func (l *loop) counted(b *Batch) []InputInfo {
	infos := slices.Clone(b.info.Inputs)
	for i, in := range l.ssc.inputs {
		infos[i].Records = in.counted(b.inputs[in.node])
	}
	return infos
}

// logBatch writes a line for a batch: for one without records, of which a short interval has many, only for who
// debugs. Here the delay counts from the batch's time, if that is not ahead of the clock; in BatchInfo, as Spark has
// it, from its submission.
func (l *loop) logBatch(b *Batch, info BatchInfo) {
	level, message := slog.LevelInfo, "batch completed"
	switch {
	case info.Err != nil && errors.Is(context.Cause(l.life), ErrStopped):
		message = "batch cancelled"
	case info.Err != nil:
		level, message = slog.LevelError, "batch failed"
	case len(b.letters) > 0:
		level = slog.LevelWarn
	case info.Records() == 0:
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !l.ssc.logger.Enabled(ctx, level) {
		return
	}
	attrs := []any{"time", info.BatchTime.String(), "sequence", info.Sequence, "records", info.Records(),
		"totalDelay", max(info.ProcessingEnd.Sub(info.BatchTime.Std()), 0), "execution", info.ProcessingDelay()}
	if len(b.letters) > 0 {
		attrs = append(attrs, "deadLetters", len(b.letters), "firstDead", b.letters[0].text())
	}
	if info.Err != nil {
		attrs = append(attrs, "error", info.Err)
	}
	l.ssc.logger.Log(ctx, level, message, append(attrs, stackOf(info.Err)...)...)
}

// stackOf gives the stack of a panic in the driver for the log. That of a task is logged by the job that failed of it.
func stackOf(err error) []any {
	p, ok := errors.AsType[*exec.PanicError](err)
	if _, task := errors.AsType[*exec.JobError](err); !ok || task {
		return nil
	}
	return []any{"stack", string(p.Stack)}
}

// tryOutputs runs the outputs, again if the policy says so. Outputs that have finished are not run again.
func (l *loop) tryOutputs(b *Batch) error {
	g := l.newGeneration(b)
	l.ssc.letters.begin(b)
	return l.again(b, "a batch failed and is run again", func() error {
		err := l.runOutputs(b, g)
		if err == nil {
			l.keepGeneration(g)
		}
		return err
	})
}

// again calls f until it gives no error, with longer and longer pauses, as often as the policy for failed batches says.
func (l *loop) again(b *Batch, message string, f func() error, attrs ...any) error {
	pause := l.failed.pause
	for try := 0; ; try++ {
		err := f()
		_, broken := errors.AsType[brokenState](err)
		if err == nil || broken || try >= l.failed.retries || l.life.Err() != nil {
			return err
		}
		l.ssc.warn(message, err, append(slices.Clone(attrs), "batch", b.Sequence, "time", b.Time.String(), "try", try+1,
			"in", pause)...)
		select {
		case <-time.After(pause):
		case <-l.life.Done():
			return err
		}
		pause = min(2*pause, time.Minute)
	}
}

// runOutputs runs the steps, generates the batch's RDDs, then runs the outputs in order of definition, at most
// spark.streaming.concurrentJobs of them at the same time.
func (l *loop) runOutputs(b *Batch, g *generation) error {
	if err := l.fixUnlessIdle(b); err != nil {
		return err
	}
	runs, err := l.prepare(b, g)
	if err != nil {
		return err
	}
	if err := l.runList(b, runs, l.outputs); err != nil || l.lettersTo == nil {
		return err
	}
	if err := l.collectLetters(b); err != nil {
		return err
	}
	return l.runList(b, runs, l.lettersTo)
}

// runList runs outputs in order, as many at a time as the setting says.
func (l *loop) runList(b *Batch, runs []func(context.Context) error, outputs []int) error {
	if width := conf.ConcurrentJobs.Get(l.ssc.conf); width > 1 {
		return l.overlap(b, runs, outputs, width)
	}
	for _, i := range outputs {
		if err := l.runOutput(b, i, runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// prepare runs the steps and makes the RDDs of the outputs that are still to run.
func (l *loop) prepare(b *Batch, g *generation) ([]func(context.Context) error, error) {
	runs := make([]func(context.Context) error, len(l.ssc.outputs))
	err := l.apart(func() error {
		l.past[b.Time] = g
		if err := l.runSteps(b, g); err != nil {
			return err
		}
		if err := l.fixUnlessIdle(b); err != nil {
			return err
		}
		for i, o := range l.ssc.outputs {
			if b.done[i] {
				continue
			}
			if err := o.generate(g, &runs[i]); err != nil {
				return fmt.Errorf("batch %d (%v): making the RDDs of %s (%s): %w", b.Sequence, b.Time, o.label(),
					o.node.site, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return runs, nil
}

// overlap starts the outputs in order, width of them at a time, and gives the error of the first that failed.
func (l *loop) overlap(b *Batch, runs []func(context.Context) error, outputs []int, width int) error {
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, width)
		errs  = make([]error, len(runs))
	)
	for _, i := range outputs {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = l.runOutput(b, i, runs[i])
			<-slots
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *Output) generate(g *generation, run *func(context.Context) error) (err error) {
	defer recovered(&err)
	*run = o.prepare(g)
	return nil
}

func (l *loop) runOutput(b *Batch, i int, run func(context.Context) error) (err error) {
	if run == nil || b.done[i] {
		return nil
	}
	o := l.ssc.outputs[i]
	info := OutputInfo{
		BatchTime: b.Time,
		Sequence:  b.Sequence,
		ID:        i,
		Name:      o.label(),
		Site:      o.node.site.String(),
		Start:     time.Now(),
	}
	l.ssc.bus.emit(OutputOperationStarted{info})
	b.forget(o)
	scope := &exec.Scope{Batch: b.Sequence, BatchTime: int64(b.Time), Output: i, Seed: b.seed}
	if !o.quiet {
		err = b.fix(l.life)
	}
	if err == nil {
		leave := l.enter(o)
		err = o.guarded(scope.In(l.life), l, run)
		leave()
	}
	if err == nil && b.delivery(i) != nil {
		b.ranOutput(i, info, true) // It is over when that is in.
		return nil
	}
	if err == nil && l.life.Err() != nil {
		err = context.Cause(l.life)
	}
	if err == nil {
		err = l.logDone(b, i)
	}
	if err != nil {
		err = fmt.Errorf("batch %d (%v): output %s (%s): %w", b.Sequence, b.Time, o.label(), o.node.site, err)
	}
	b.ranOutput(i, info, false)
	l.finishOutput(b, i, time.Now(), err)
	return err
}

// finishOutput says that an output of a batch is over.
func (l *loop) finishOutput(b *Batch, i int, at time.Time, err error) {
	l.ssc.bus.emit(OutputOperationCompleted{b.finished(i, at, err)})
}

// logDone logs that an output of a batch has finished, while others have not: it is not run again if the process dies
// before these have. At short intervals that would cost more than it saves.
func (l *loop) logDone(b *Batch, i int) error {
	if l.replays || !l.ssc.durable.opened || !b.fixed() || l.ssc.interval <= sharedSlot || b.last(i) {
		return nil
	}
	done := checkpoint.Done{Sequence: b.Sequence, Output: l.outputIDs[i], Effects: b.effectsOf(i)}
	return l.within(slotTimeout, func(ctx context.Context) error { return l.ssc.log.Append(ctx, done) })
}

// last tells that all other outputs of the batch have finished, and that what they have put into outboxes is in.
func (b *Batch) last(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for k, done := range b.done {
		if k != i && (!done || b.deliveries[k].waits()) {
			return false
		}
	}
	return true
}

// ranOutput keeps that an output has run; one that is done need not run again.
func (b *Batch) ranOutput(i int, info OutputInfo, done bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[i], b.outputs[i] = done, info
}

// finished keeps how an output ended.
func (b *Batch) finished(i int, at time.Time, err error) OutputInfo {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done[i] = err == nil
	b.outputs[i].End, b.outputs[i].Err = at, err
	return b.outputs[i]
}

// ran lists the outputs that have run. Listeners of earlier events hold the batch's info already, without them.
func (b *Batch) ran() (infos []OutputInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, info := range b.outputs {
		if !info.Start.IsZero() {
			infos = append(infos, info)
		}
	}
	return infos
}

// learn tells the rate controllers how a batch went, and how long it took of the program's time.
func (l *loop) learn(info BatchInfo, took time.Duration) {
	for i, in := range l.ssc.inputs {
		n := info.Inputs[i].Records
		rate, ok := in.rate.observe(now(), n, took, info.SchedulingDelay())
		if !ok {
			continue
		}
		l.ssc.bus.emit(RateUpdated{StreamID: in.number, Name: in.label(), Rate: rate, Reason: in.slowed()})
		if err := in.setRate(rate); err != nil {
			l.ssc.warn("an input could not take its new rate", err, "input", in.label())
		}
	}
}

const (
	// commitTimeout bounds what an input does when it is told of a commit.
	commitTimeout = 15 * time.Second
	// slotTimeout bounds what is given to the log. It is longer than the log tries to write a slot (30 s), so that what
	// ends the waiting is the reason for which it could not, unless the store does not answer at all.
	slotTimeout = 35 * time.Second
	// sealTimeout bounds the writing of all states of a batch, while the program is not being stopped. The first
	// changes of a state are all of it, and so are those of UpdateStateByKey where all values change: at 50 MB/s that
	// is 90 GB.
	sealTimeout = 30 * time.Minute
	// sealPatience is how long after a file of a state could not be written it is tried again: as long as a slot.
	sealPatience = 30 * time.Second
)

// A committing is a batch whose commit record is on its way into the log.
type committing struct {
	batch    *Batch
	record   *checkpoint.Deferred
	released []*Batch // by the same record
}

// sharedSlot is the longest interval at which a commit record waits for the plan of the next batch, with which it
// shares the slot: one that is as short costs as many slots as batches, and who reads what is committed waits no longer
// than that.
const sharedSlot = 50 * time.Millisecond

// sealAndCommit is commit for who has written no states yet.
func (l *loop) sealAndCommit(b *Batch) error {
	state, err := l.sealStates(b)
	if err != nil {
		return err
	}
	l.ssc.settle(b, true) // If the record does not become durable the program ends.
	return l.commit(b, state)
}

// sealStates writes what a batch has changed of the states, again and again for a while if a file cannot be written.
func (l *loop) sealStates(b *Batch) (changes []checkpoint.StateChange, err error) {
	if !l.ssc.durable.opened {
		return nil, nil
	}
	var failed time.Time
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		var made []checkpoint.StateChange
		err = l.sealing(func(ctx context.Context) (err error) {
			made, err = l.sealEach(ctx, b)
			return err
		})
		if err == nil {
			return made, nil
		}
		if errors.Is(err, errDeaf) { // Who does not return may still write.
			return nil, unwrittenState{fmt.Errorf("batch %d (%v): write its states: %w", b.Sequence, b.Time, err)}
		}
		if _, unwritten := errors.AsType[unwrittenState](err); !unwritten || l.life.Err() != nil {
			return nil, err
		}
		if failed.IsZero() {
			failed = time.Now()
		} else if time.Since(failed) > sealPatience {
			return nil, fmt.Errorf("%w (tried again for %v)", err, sealPatience)
		}
		l.ssc.warn("the changes of a state cannot be written; trying again", err, "batch", b.Sequence)
		select {
		case <-time.After(pause):
		case <-l.life.Done():
			return nil, err
		}
	}
}

// sealEach writes each state once; those that are written already stay as they are.
func (l *loop) sealEach(ctx context.Context, b *Batch) (changes []checkpoint.StateChange, err error) {
	for i, k := range l.ssc.states {
		change, err := k.seal(ctx, b)
		if err != nil {
			return nil, fmt.Errorf("batch %d (%v): write the state of %s (%s): %w", b.Sequence, b.Time, l.stateIDs[i],
				k.node.site, err)
		}
		change.Operator = l.stateIDs[i]
		changes = append(changes, change)
	}
	return changes, nil
}

// commit gives the commit record to the log. Where batches are frequent the record becomes durable together with the
// next plan, and the inputs are told after that.
func (l *loop) commit(b *Batch, state []checkpoint.StateChange) error {
	if err := l.awaitCommit(); err != nil {
		return err
	}
	record := checkpoint.Commit{Sequence: b.Sequence, Time: int64(b.Time), Effects: b.allEffects(),
		Rates: l.learntRates(), State: state}
	entries, released := l.takeReleases()
	l.onItsWay = &committing{b, l.ssc.log.Defer(append(entries, record)...), released}
	if l.ssc.interval <= sharedSlot && l.ssc.durable.opened {
		return nil
	}
	return l.awaitCommit()
}

// sealing is within for the writing of states: it has sealTimeout, and commitTimeout from when the program is stopped
// at once.
func (l *loop) sealing(f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.life), sealTimeout)
	defer cancel()
	defer context.AfterFunc(l.life, func() {
		late := time.AfterFunc(commitTimeout, cancel)
		<-ctx.Done()
		late.Stop()
	})()
	return tell(ctx, f)
}

// learntRates are the rates that the inputs have learnt since they were last logged.
func (l *loop) learntRates() map[string]checkpoint.Rate {
	var rates map[string]checkpoint.Rate
	if !l.ssc.durable.opened {
		return nil
	}
	for i, in := range l.ssc.inputs {
		if r := in.rate.learnt(); r != in.logged {
			if rates == nil {
				rates = map[string]checkpoint.Rate{}
			}
			rates[l.ids[i]], in.logged = r, r
		}
	}
	return rates
}

// awaitCommit waits until the commit record that is on its way is durable, and tells the inputs, also when the program
// is being stopped: what was done is said to be done.
func (l *loop) awaitCommit() error {
	c := l.onItsWay
	if c == nil {
		return nil
	}
	l.onItsWay = nil
	b := c.batch
	if err := l.within(slotTimeout, c.record.Flush); err != nil {
		return fmt.Errorf("log the commit of batch %d: %w", b.Sequence, err)
	}
	l.release(c.released, (*input).outlives)
	l.passed(b, BatchCommitted{BatchTime: b.Time, Sequence: b.Sequence})
	return nil
}

// passed tells the inputs, and then the listeners, that the log is beyond a batch.
func (l *loop) passed(b *Batch, how Event) {
	l.committed++
	l.tellCommitted(b, everyInput)
	l.ssc.bus.emit(how)
	l.unread = append(l.unread, b)
	l.releaseUnread(b.Time)
}

func everyInput(*input) bool { return true }

// tellCommitted tells some of the inputs of a commit.
func (l *loop) tellCommitted(b *Batch, told func(*input) bool) {
	for _, in := range l.ssc.inputs {
		p := b.inputs[in.node]
		if p.absent || !told(in) {
			continue
		}
		committed := func(ctx context.Context) error { return in.committed(ctx, b, p.rng) }
		if err := l.within(commitTimeout, committed); err != nil {
			l.ssc.warn("an input was not told of a commit", err, "input", in.label(), "batch", b.Sequence)
		}
	}
}

// retained is how many batches are kept beyond those that are asked for: with a checkpoint so many as the setting says,
// to be looked at and run once more, but not of inputs that hold them in memory.
func (l *loop) retained() int {
	if !l.ssc.durable.opened {
		return 0
	}
	for _, in := range l.ssc.inputs {
		if !in.outlives() {
			return 1
		}
	}
	return conf.RetainedInCheckpoint.Get(l.ssc.conf)
}

// releaseUnread releases the batches that nothing asks for after the one at now. The log learns it with the next
// commit, and only then is it done, lest the log offer to the next process what is gone; but what this process alone
// holds goes at once. Where states are asked for by earlier batches, the batch before the first of these is kept for
// its state.
func (l *loop) releaseUnread(now Time) {
	keep, asked := l.retained(), l.ssc.keep
	if l.ssc.durable.opened {
		asked = l.ssc.recall
	}
	n := 0
	for len(l.unread)-n > keep && l.unread[n+keep].Time <= now.Add(-asked) {
		n++
	}
	if n == 0 {
		return
	}
	over := slices.Clone(l.unread[:n])
	l.unread = l.unread[n:]
	if !l.ssc.durable.opened {
		l.release(over, everyInput)
		return
	}
	l.release(over, func(in *input) bool { return !in.outlives() })
	l.releases = append(l.releases, over...)
}

// takeReleases gives the entry that says which batches are released, and these batches.
func (l *loop) takeReleases() (entries []checkpoint.Entry, released []*Batch) {
	released, l.releases = l.releases, nil
	if n := len(released); n > 0 {
		entries = []checkpoint.Entry{checkpoint.Released{UpTo: released[n-1].Sequence}}
	}
	return entries, released
}

// outlives tells that what the input gives can be had again by the process that comes after this one.
func (in *input) outlives() bool { return !in.received() && !is[inMemory](in.source) }

// release tells some of the inputs that nothing will ask for batches again.
func (l *loop) release(batches []*Batch, told func(*input) bool) {
	for _, b := range batches {
		for _, in := range l.ssc.inputs {
			p := b.inputs[in.node]
			if p.absent || !told(in) {
				continue
			}
			released := func(ctx context.Context) error { return in.released(ctx, p.rng) }
			if err := l.within(commitTimeout, released); err != nil {
				l.ssc.warn("an input could not release a range", err, "input", in.label(), "batch", b.Sequence)
			}
		}
	}
}

// within calls a function that must be called also while the program is being stopped. Each has a time of its own: one
// that hangs takes none from the others.
func (l *loop) within(bound time.Duration, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.life), bound)
	defer cancel()
	return tell(ctx, f)
}
