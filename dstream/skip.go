package dstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// A batch is given up when its tasks and then the batch itself were retried in vain and the policy says so, or when the
// user names it at a start. Whoever may still write its effects is fenced first, then the sinks are asked which are in,
// and all of that is written down for ever. For states and windows the batch is one that never was; the inputs go on
// behind it.
//
// What an output without a sink did is known if this process has seen it finish, or its Done is in the log. At
// intervals up to sharedSlot there is none: of what an earlier process has begun of the batch such outputs are unknown.

// maySkip refuses the policy where it would lose more than it says.
func (ssc *Context) maySkip() error {
	policy := conf.Failed.Get(ssc.conf)
	if !policy.Skips() {
		return nil
	}
	if ssc.durable.dir == "" {
		return settingError{fmt.Errorf("%s=%s needs a checkpoint, in which it is written down for ever what was given "+
			"up: set one, or choose stop or retry", conf.Failed.Name(), policy)}
	}
	if policy == conf.SkipWithStateFailed {
		return nil
	}
	keep := ssc.keepsRecords()
	if keep == nil {
		return nil
	}
	return settingError{fmt.Errorf("%s=%s: %s would miss the records of a batch that is given up; if they may, set it "+
		"to %s", conf.Failed.Name(), policy, strings.Join(keep, ", "), conf.SkipWithStateFailed)}
}

// keepsRecords lists the operators by which later batches depend on what earlier ones hold.
func (ssc *Context) keepsRecords() (keep []string) {
	for _, n := range ssc.nodes {
		if n.looksBack > 0 || n.holds > 0 || ssc.isState(n) {
			keep = append(keep, fmt.Sprintf("%s (%s)", n.op, n.site))
		}
	}
	return keep
}

func (ssc *Context) isState(n *node) bool {
	for _, k := range ssc.states {
		if k.node == n {
			return true
		}
	}
	return false
}

// mayGiveUp tells whether a batch that failed is given up.
func (l *loop) mayGiveUp(b *Batch, cause error) bool { return l.failed.skip && l.itsOwnFault(b, cause) }

// itsOwnFault tells that a batch failed of itself: not because a stop has cut it, and neither for the sake of the log,
// a file of a state or a local disk nor for that of a sink or a state that would take no other batch.
func (l *loop) itsOwnFault(b *Batch, cause error) bool {
	_, lost := errors.AsType[*FencedError](cause)
	_, another := errors.AsType[noBatchsFault](cause)
	return l.life.Err() == nil && !lost && !another && !b.notAdmitted(cause)
}

// noBatchsFault is an error, of a state, its file or its store, or of a local disk (block.DiskError), that any other
// batch would have met as well: none is given up for it.
type noBatchsFault interface {
	error
	NoBatchsFault()
}

// An unreadable is why something cannot be read that is there beside a batch's records, and that any batch needs: what
// a state begins with, what a window looks back to.
type unreadable struct{ cause error }

func (u unreadable) Error() string {
	return fmt.Sprintf("%v; the batch is not committed, and the next start runs it again", u.cause)
}

// NoBatchsFault implements noBatchsFault.
func (unreadable) NoBatchsFault() {}

// Unwrap gives the error of reading.
func (u unreadable) Unwrap() error { return u.cause }

// withRemedy adds to the error by which a batch ends the program what helps against one that fails at each start.
func (l *loop) withRemedy(b *Batch, err error) error {
	if !l.ssc.durable.opened || !b.fixed() || !l.itsOwnFault(b, err) {
		return err
	}
	skips := conf.SkipFailed
	if l.ssc.keepsRecords() != nil {
		skips = conf.SkipWithStateFailed
	}
	return fmt.Errorf("%w; the next start runs the batch again, with the same records: if it can never succeed, give "+
		"it and its records up by %s=%d at one start, or each such batch by %s=%s; an operator may pass records that "+
		"it cannot use on as dead letters (dstream.ToDeadLetters)", err, conf.CheckpointSkip.Name(), b.Sequence,
		conf.Failed.Name(), skips)
}

// errNamed is why a batch is given up that has not failed in this process.
var errNamed = fmt.Errorf("the user named it by %s", conf.CheckpointSkip.Name())

// named tells whether the user has named an open batch to be given up.
func (l *loop) named(b *Batch) bool { return conf.CheckpointSkip.Get(l.ssc.conf) == b.Sequence }

// giveUp writes down that a batch is given up, and which of its effects are in.
func (l *loop) giveUp(b *Batch, cause error) error {
	if err := errors.Join(l.awaitFollowing(), l.within(slotTimeout, b.fix)); err != nil {
		return errors.Join(err, cause)
	}
	if err := l.builtOn(b); err != nil {
		return errors.Join(fmt.Errorf("give batch %d up: %w", b.Sequence, err), cause)
	}
	skip := giving{Skip: checkpoint.Skip{Sequence: b.Sequence, Time: int64(b.Time),
		Reason: fmt.Sprintf("%.1000s", cause)}}
	for i, o := range l.ssc.outputs {
		if err := l.burn(b, i, &skip); err != nil {
			return errors.Join(fmt.Errorf("give batch %d up: output %s (%s): %w", b.Sequence, o.label(), o.node.site,
				err), cause)
		}
	}
	if err := l.forgetBatch(b); err != nil {
		return errors.Join(fmt.Errorf("give batch %d up: %w", b.Sequence, err), cause)
	}
	entries, released := l.takeReleases()
	entries = append(entries, skip.Skip)
	err := l.within(slotTimeout, func(ctx context.Context) error { return l.ssc.log.Append(ctx, entries...) })
	if err != nil {
		return errors.Join(fmt.Errorf("log that batch %d is given up: %w", b.Sequence, err), cause)
	}
	l.release(released, (*input).outlives)
	if err := l.burnAll(b, &skip); err != nil {
		return errors.Join(fmt.Errorf("log what became of batch %d, which is given up: %w", b.Sequence, err), cause)
	}
	l.ssc.warn("a batch is given up, and its records are passed over for ever", cause, "batch", b.Sequence, "time",
		b.Time.String(), "in", effectTexts(skip.In), "burned", effectTexts(skip.Burned), "unknown",
		effectTexts(skip.Unknown))
	l.passed(b, BatchSkipped{BatchTime: b.Time, Sequence: b.Sequence, Reason: skip.Reason, In: effectTexts(skip.In),
		Burned: effectTexts(skip.Burned), Unknown: effectTexts(skip.Unknown)})
	return nil
}

// forgetBatch has states and windows, and who looks back to the batch, find that it never was.
func (l *loop) forgetBatch(b *Batch) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(l.life), commitTimeout,
		errors.New("RDDs are being made all the time, as by a Slice whose Transform hangs"))
	defer cancel()
	leave, err := l.generate(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, s := range l.ssc.steps {
		if s.forgo != nil {
			if err := s.forgo(b); err != nil {
				return err
			}
		}
	}
	l.ssc.settle(b, false)
	if g := l.past[b.Time]; g != nil {
		g.drop(func(*node) bool { return true })
		delete(l.past, b.Time)
	}
	return nil
}

// burn fences who may still write an output in transactions, and adds to skip what is in: as far as its sink can be
// asked.
func (l *loop) burn(b *Batch, i int, skip *giving) error {
	output := l.outputIDs[i]
	if b.done[i] {
		in := b.effectsOf(i)
		if len(in) == 0 { // It has no sink.
			in = []checkpoint.Effect{{Output: output}}
		}
		skip.In = append(skip.In, in...)
		return l.builtOnByDone(b, output)
	}
	if open := l.ssc.sinks.unfenced(output); open != nil && l.ssc.accepted(output) == "" {
		return fmt.Errorf("its body has not come in this process to where it uses its sink, and an earlier owner may "+
			"still commit the transactions %q: let the batch run once with %s=%s; or, if its body fails before that, "+
			"and that owner is surely gone, set %s to %s", open, conf.Failed.Name(), conf.SkipWithStateFailed,
			conf.SinkAccept.Name(), shown(idSetting(output)+"=loss"))
	}
	known := l.ssc.sinks.of(output)
	known = append(known, l.notOpened(b, i, known)...)
	if len(known) == 0 {
		known = []identity{{last: Effect{Output: output}}}
	}
	for _, kept := range known {
		if err := l.settleEffect(kept, b, i, skip); err != nil {
			return err
		}
	}
	return nil
}

// notOpened are the effects that the log has of an output, and whose sinks its body has not opened in this process.
func (l *loop) notOpened(b *Batch, i int, known []identity) (list []identity) {
	for _, w := range l.ssc.sinks.log.written {
		named := func(k identity) bool { return k.last.Name == w.Name }
		if w.Output == l.outputIDs[i] && !slices.ContainsFunc(known, named) && l.touched(b, i) {
			list = append(list, identity{last: Effect{Output: w.Output, Name: w.Name}})
		}
	}
	return list
}

// touched tells that an output of a batch may have done something, here or in an earlier process, which planned it.
func (l *loop) touched(b *Batch, i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.outputs[i].Start.IsZero() || l.begunBefore(b)
}

// begunBefore tells that an earlier process has planned a batch.
func (l *loop) begunBefore(b *Batch) bool {
	found := l.ssc.durable.found
	return found != nil && b.Sequence <= found.Planned.Sequence
}

// effectTexts names effects for the log.
func effectTexts(effects []checkpoint.Effect) []string {
	var texts []string
	for _, e := range effects {
		text := e.Output
		if e.Name != "" {
			text += "/" + e.Name
		}
		texts = append(texts, text)
	}
	return texts
}

// sayGivenUp reminds of the batches that were given up, at each start, and tells if a batch is named that is not open.
func (ssc *Context) sayGivenUp() {
	found, named := ssc.durable.found, conf.CheckpointSkip.Get(ssc.conf)
	if found == nil {
		return
	}
	var open []int64
	for _, b := range found.Opened() {
		open = append(open, b.Plan.Sequence)
	}
	skipped := slices.ContainsFunc(found.Skipped, func(s checkpoint.Skip) bool { return s.Sequence == named })
	if named >= 0 && !skipped && !slices.Contains(open, named) {
		ssc.warn(conf.CheckpointSkip.Name()+" names a batch that is not open, and is passed over", nil, "batch", named,
			"open", open)
	}
	for _, s := range found.Skipped {
		ssc.logger.Warn("a batch was given up", "batch", s.Sequence, "time", Time(s.Time).String(), "reason", s.Reason,
			"in", effectTexts(s.In), "burned", effectTexts(s.Burned), "unknown", effectTexts(s.Unknown))
	}
}
