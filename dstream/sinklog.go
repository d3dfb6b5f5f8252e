package dstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// A sinkLog is what the log knows of sinks, and what they ask of it. Without a checkpoint it is zero.
type sinkLog struct {
	// planned is the last batch that was planned, -1 if none was.
	planned int64
	// written are the batches in which effects wrote last, times those that are still known of batches.
	written []checkpoint.Written
	times   map[int64]int64
	// transactions are those that earlier owners have opened since the last clean stop.
	transactions []checkpoint.Transaction
	// announce logs transactional ids. It returns when the entry is durable, so that an entry without ids tells whether
	// the log has another owner.
	announce func(ctx context.Context, e checkpoint.Transactions) error
}

// effectOf names an effect of any batch.
type effectOf struct{ output, name string }

// An identity is what an effect has stored last.
type identity struct {
	sink  Transactor   // nil if there is none
	asked laster       // nil if it does not keep identities
	back  SinkRewinder // nil for a Transactor
	burns SinkBurner   // nil for a Transactor
	whole bool         // it is one for all partitions
	until int64        // no batch before it is written, for the user accepts that as a loss
	of    *Output
	last  Effect
	held  bool      // there is one
	at    time.Time // when it was stored; zero if that is not known
}

// sinksKnow takes over what the log says, before the sinks are opened.
func (ssc *Context) sinksKnow(st *checkpoint.State, announce func(ctx context.Context, e checkpoint.Transactions) error,
) {
	l := sinkLog{planned: st.Planned.Sequence, written: st.Written, transactions: st.Transactions,
		announce: announce, times: map[int64]int64{st.Committed.Sequence: st.Committed.Time}}
	for _, b := range st.Batches {
		l.times[b.Plan.Sequence] = b.Plan.Time
	}
	ssc.sinks.log = l
	ssc.sinks.named = map[string]bool{}
	for _, t := range st.Transactions {
		ssc.sinks.named[t.ID] = true
	}
}

// admitAll looks at the sinks of outputs before the first batch.
func (ssc *Context) admitAll(ctx context.Context) error {
	var errs []error
	for _, o := range ssc.outputs {
		if o.sink != nil {
			errs = append(errs, ssc.admit(ctx, o, "", o.sink))
		}
		for _, s := range ssc.sinks.saves[o] {
			errs = append(errs, ssc.keepResting(ctx, o, s))
		}
	}
	return errors.Join(errs...)
}

// admit fences whoever may still write an effect, and compares what the sink holds with what the log says. It is called
// before the effect is first written; only the first call does anything.
func (ssc *Context) admit(ctx context.Context, o *Output, name string, s held) error {
	ss := &ssc.sinks
	output := ssc.outputIDs()[o.number]
	key := effectOf{output, name}
	ss.mu.Lock()
	known := ss.known[key] != nil
	ss.mu.Unlock()
	if known || ssc.epoch == 0 {
		return nil
	}
	id := Effect{Job: ssc.job, Output: output, Name: name, Epoch: ssc.epoch}
	kept := &identity{of: o, last: id}
	if t, ok := s.(Transactor); ok && t.Transaction(id) != "" {
		kept.sink = t
		if err := ssc.fence(ctx, o, output, t, t.Transaction(id)); err != nil {
			return err
		}
	}
	if back, ok := s.(SinkRewinder); ok && kept.sink == nil {
		kept.back = back
	}
	if burns, ok := s.(SinkBurner); ok && kept.sink == nil {
		kept.burns = burns
	}
	_, kept.whole = s.(BatchCommitter)
	if l, ok := s.(laster); ok && promiseOf(s) == "" {
		kept.asked = l
		if err := ssc.compare(ctx, o, l, kept); err != nil {
			return err
		}
	}
	ss.mu.Lock()
	if ss.known == nil {
		ss.known = map[effectOf]*identity{}
	}
	ss.known[key] = kept
	delete(ss.resting, key)
	ss.mu.Unlock()
	if o.sink == nil {
		return ssc.keepResting(ctx, o, s)
	}
	return nil
}

// laster is the part of a Sink that tells what it holds.
type laster interface {
	Last(ctx context.Context, output, effect string, partition int) (seq int64, ok bool, err error)
}

// fence ends what earlier owners may have left open of an output, and makes sure that the effect's own transaction can
// be had.
func (ssc *Context) fence(ctx context.Context, o *Output, output string, t Transactor, own string) error {
	if err := ssc.announce(ctx, o, own); err != nil {
		return err
	}
	names := []string{own}
	for _, logged := range ssc.sinks.log.transactions {
		if logged.Output == output && !slices.Contains(names, logged.ID) {
			names = append(names, logged.ID)
		}
	}
	ssc.sinks.mu.Lock()
	names = slices.DeleteFunc(names, func(name string) bool { return ssc.sinks.fenced[name] })
	ssc.sinks.mu.Unlock()
	err := ssc.insist(ctx, func() error {
		return tell(ctx, func(ctx context.Context) error { return t.Fence(ctx, names) })
	})
	if err != nil {
		return fmt.Errorf("fence earlier owners of output %s (%s): %w", o.label(), o.node.site, err)
	}
	ssc.sinks.mu.Lock()
	defer ssc.sinks.mu.Unlock()
	if ssc.sinks.fenced == nil {
		ssc.sinks.fenced = map[string]bool{}
	}
	for _, name := range names {
		ssc.sinks.fenced[name] = true
	}
	return nil
}

// compare looks whether sink and log tell of the same past, and keeps what the sink holds.
func (ssc *Context) compare(ctx context.Context, o *Output, s laster, kept *identity) error {
	id := kept.last
	log := &ssc.sinks.log
	i := slices.IndexFunc(log.written, func(w checkpoint.Written) bool {
		return w.Output == id.Output && w.Name == id.Name
	})
	written := checkpoint.Written{Sequence: -1, Partitions: 1}
	if i >= 0 && log.written[i].Partitions > 0 { // Else no sink that wrote it kept an identity.
		written = log.written[i]
	}
	last, err := lastOf(ctx, s, id, max(written.Partitions, 1))
	if err != nil {
		return fmt.Errorf("ask the sink of output %s (%s) what it holds: %w", o.label(), o.node.site, err)
	}
	if last > log.planned {
		return ssc.ahead(ctx, o, kept, last)
	}
	if kept.held, kept.last.Sequence = last >= 0, last; last >= 0 && log.times[last] != 0 {
		kept.at = time.UnixMilli(log.times[last])
	}
	if last >= written.Sequence {
		return nil
	}
	if ssc.accepted(id.Output) != "" {
		ssc.warn("a sink holds less than the log says; going on, as weir.sink.accept says", nil, "output", o.label(),
			"holds", heldText(last), "written", written.Sequence)
		return nil
	}
	return fmt.Errorf("output %s (%s): its sink holds %s, but the log says that batch %d was written there: it goes "+
		"to another topic, table or folder now, or what is there was emptied, made anew or restored from a backup, or "+
		"the identity has expired. What it lost is not written again, and what it has of batches up to %d may be "+
		"written twice. Have it go where it went; or, to go on like this, set %s to %s (or =duplicates)", o.label(),
		o.node.site, heldText(last), written.Sequence, log.planned, conf.SinkAccept.Name(),
		shown(idSetting(id.Output)+"=loss"))
}

// lastOf is the newest batch of which a sink holds a partition, -1 for none.
func lastOf(ctx context.Context, s laster, id Effect, partitions int) (int64, error) {
	if all, ok := s.(SinkRewinder); ok {
		return call(ctx, func(ctx context.Context) (int64, error) {
			seq, ok, err := all.Newest(ctx, id.Output, id.Name)
			if !ok {
				seq = -1
			}
			return seq, err
		})
	}
	last := int64(-1)
	for p := range partitions {
		seq, err := lastIn(ctx, s, id, p)
		if err != nil {
			return 0, err
		}
		last = max(last, seq)
	}
	return last, nil
}

// lastIn is the newest batch of which a sink holds that partition, -1 for none.
func lastIn(ctx context.Context, s laster, id Effect, partition int) (int64, error) {
	return call(ctx, func(ctx context.Context) (int64, error) {
		seq, ok, err := s.Last(ctx, id.Output, id.Name, partition)
		if !ok {
			seq = -1
		}
		return seq, err
	})
}

func heldText(last int64) string {
	if last < 0 {
		return "no batch"
	}
	return fmt.Sprintf("batches up to %d", last)
}

// ahead is for a sink that holds batches which the log has not planned.
func (ssc *Context) ahead(ctx context.Context, o *Output, kept *identity, last int64) error {
	id, planned := kept.last, ssc.sinks.log.planned
	switch accepted := ssc.accepted(id.Output); {
	case accepted == acceptLoss:
		kept.held, kept.last.Sequence, kept.until = true, last, last+1
		ssc.warn("a sink is ahead of the log; what it holds is not written again, as weir.sink.accept says", nil,
			"output", o.label(), "holds", last, "planned", planned)
		return nil
	case accepted == acceptDuplicates && kept.canGoBack():
		id.Sequence = planned
		if err := ssc.insist(ctx, func() error { return kept.goBack(ctx, id) }); err != nil {
			return fmt.Errorf("set the identity of output %s back: %w", o.label(), err)
		}
		kept.held, kept.last, kept.at = true, id, time.Now()
		ssc.warn("a sink is ahead of the log; its batches are written again, as weir.sink.accept says", nil,
			"output", o.label(), "holds", last, "planned", planned)
		return nil
	}
	again := fmt.Sprintf(", or to %s so that batches from %d on are written in any case",
		shown(idSetting(id.Output)+"=duplicates"), planned+1)
	if !kept.canGoBack() {
		again = ""
	}
	return fmt.Errorf("output %s (%s): its sink holds batches up to %d, but the log has planned none after %d: an "+
		"older checkpoint was restored, or another copy of it has run. Batches %d to %d would be planned anew, "+
		"with other records. Restore the newer checkpoint; or set %s to %s so that nothing is written until "+
		"batch %d%s",
		o.label(), o.node.site, last, planned, planned+1, last, conf.SinkAccept.Name(),
		shown(idSetting(id.Output)+"=loss"), last+1, again)
}

// passes tells that an effect is not written, for the user accepts its loss. A sink whose partitions have identities of
// their own would take those that had no records, or were not there, in the batches that it holds.
func (ss *sinks) passes(id Effect) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	kept := ss.known[effectOf{id.Output, id.Name}]
	return kept != nil && id.Sequence < kept.until
}

func (i *identity) canGoBack() bool { return i.sink != nil || i.back != nil }

// goBack has the sink forget batches later than that of id.
func (i *identity) goBack(ctx context.Context, id Effect) error {
	if i.sink != nil {
		return i.sink.Mark(ctx, id, true)
	}
	return tell(ctx, func(ctx context.Context) error { return i.back.Rewind(ctx, id) })
}

// What a user may accept.
const (
	acceptLoss       = "loss"
	acceptDuplicates = "duplicates"
)

// accepted is what the user accepts of an output, "" for nothing.
func (ssc *Context) accepted(output string) string {
	items, _ := idsIn(conf.SinkAccept, ssc.conf, "=") // The start has seen its error.
	for _, fields := range items {
		if last := len(fields) - 1; strings.Join(fields[:last], "=") == output {
			return fields[last]
		}
	}
	return ""
}

// mayAccept refuses a setting that would not be understood.
func (ssc *Context) mayAccept() error {
	items, err := idsIn(conf.SinkAccept, ssc.conf, "=")
	for _, fields := range items {
		last := fields[len(fields)-1]
		if len(fields) < 2 || last != acceptLoss && last != acceptDuplicates {
			return fmt.Errorf("%s: %q is not of the form NAME=%s or NAME=%s", conf.SinkAccept.Name(),
				strings.Join(fields, "="), acceptLoss, acceptDuplicates)
		}
	}
	return err
}

// unfenced are the transactions that earlier owners have opened for an output, and this one has not fenced.
func (ss *sinks) unfenced(output string) (names []string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, t := range ss.log.transactions {
		if t.Output == output && !ss.fenced[t.ID] {
			names = append(names, t.ID)
		}
	}
	return names
}

// MayHold is the last batch, -1 for none, of an effect that may be in its sink, or come in, for what earlier owners of
// the job have done: all that the log had planned when this process took the job over, unless they stopped cleanly, and
// then the one that was written last. It is for sinks whose store may tell late of a transaction that is in, so that
// they know at a start whether it is worth to wait. What this process has written they know themselves.
func (ssc *Context) MayHold(output, effect, transaction string) int64 {
	l := &ssc.sinks.log
	if slices.Contains(l.transactions, checkpoint.Transaction{Output: output, ID: transaction}) {
		return l.planned
	}
	for _, w := range l.written {
		if w.Output == output && w.Name == effect {
			return w.Sequence
		}
	}
	return -1
}

// partitionsOf is how many partitions an effect had when it wrote last, 0 if it never did.
func (l *sinkLog) partitionsOf(e checkpoint.Effect) int {
	for _, w := range l.written {
		if w.Output == e.Output && w.Name == e.Name {
			return w.Partitions
		}
	}
	return 0
}

// of lists what is known of an output's effects, by name.
func (ss *sinks) of(output string) (list []identity) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for key, kept := range ss.known {
		if key.output == output {
			list = append(list, *kept)
		}
	}
	slices.SortFunc(list, func(a, b identity) int { return cmp.Compare(a.last.Name, b.last.Name) })
	return list
}

// note keeps what an effect of the batch came to.
func (b *Batch) note(o *Output, name string, wrote bool, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote == nil {
		b.wrote = map[effectName]checkpoint.Effect{}
	}
	e := checkpoint.Effect{Output: b.ssc.loop.outputIDs[o.number], Name: name}
	if wrote {
		e.Wrote, e.Partitions = true, partitions
	}
	b.wrote[effectName{o.number, name}] = e
}

// tries keeps how many partitions an effect has that is about to be written.
func (b *Batch) tries(o *Output, name string, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tried == nil {
		b.tried = map[effectName]int{}
	}
	b.tried[effectName{o.number, name}] = partitions
}

// writing makes a write of an effect. One that fails may be on its way still, and so may one that never returns; one
// that the task unwinds has not come to its end.
func (b *Batch) writing(o *Output, name string, write func() error) (err error) {
	key := effectName{o.number, name}
	b.doubts(key, 1)
	defer func() {
		if err == nil {
			b.doubts(key, -1)
		}
	}()
	return write()
}

func (b *Batch) doubts(key effectName, more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.doubt == nil {
		b.doubt = map[effectName]int{}
	}
	b.doubt[key] += more
}

// partitionsOf is how many partitions an effect has that was tried, 0 if it was not.
func (b *Batch) partitionsOf(output int, name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tried[effectName{output, name}]
}

// effectsOf lists what the effects of one output came to, by name.
func (b *Batch) effectsOf(output int) (out []checkpoint.Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, e := range b.wrote {
		if key.output == output {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b checkpoint.Effect) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// allEffects is effectsOf for all outputs, in order of definition: for the record of the commit.
func (b *Batch) allEffects() (out []checkpoint.Effect) {
	for i := range b.done {
		out = append(out, b.effectsOf(i)...)
	}
	return out
}

// restore takes over what an output had done before the process died, for the record of the commit.
func (b *Batch) restore(output int, effects []checkpoint.Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wrote == nil {
		b.wrote = map[effectName]checkpoint.Effect{}
	}
	for _, e := range effects {
		b.wrote[effectName{output, e.Name}] = e
	}
}
