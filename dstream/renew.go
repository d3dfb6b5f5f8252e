package dstream

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
)

// identityAge is the age from which an identity is stored again: Kafka's brokers keep the offsets of an idle group for
// a week, or a day before 2.0, so that half a day leaves time for some tries.
const identityAge = 12 * time.Hour

// SavesTo says, before the start, that the body of an output gives the sink to Save, and returns the output. The sink
// is opened before the first batch then, as those of WriteTo are, so that one that cannot be had keeps the program from
// starting. What the log knows of the output's effects it is asked for: identities that it holds are stored again while
// no batch has such an effect, lest they expire. Without SavesTo that begins when the body first saves by the sink
// after a start; a program whose body saves less often than once in the time that the store keeps identities (a week
// with Kafka: offsets.retention.minutes) needs it. It moves no data.
func SavesTo[T any](o *Output, s Sink[T]) *Output {
	if s == nil {
		o.node.refuse("SavesTo needs a sink, not nil")
		return o
	}
	if err := usable(s); err != nil {
		o.node.refuse("SavesTo: %w", err)
		return o
	}
	ssc := o.node.ssc
	if ssc.State() != Initialized {
		ssc.tooLate(fmt.Errorf("%s: SavesTo: %w", exec.Caller(), ErrStarted))
		return o
	}
	ssc.hold(s)
	ssc.sinks.mu.Lock()
	defer ssc.sinks.mu.Unlock()
	if ssc.sinks.saves == nil {
		ssc.sinks.saves = map[*Output][]held{}
	}
	ssc.sinks.saves[o] = append(ssc.sinks.saves[o], s)
	return o
}

// sinkOf is a sink that the body of an output uses.
type sinkOf struct {
	output *Output
	sink   held
}

// keepResting keeps the identities that a sink of a body holds of effects that the log knows, and that this process has
// not written yet: it may be long until it does. A body may have several sinks, so that one which knows nothing of an
// effect is not missing it. Only the first call for a sink does anything.
func (ssc *Context) keepResting(ctx context.Context, o *Output, s held) error {
	asked, ok := s.(laster)
	if !ok || promiseOf(s) != "" || ssc.epoch == 0 || !ssc.sinks.restsFirst(sinkOf{o, s}) {
		return nil
	}
	output := ssc.outputIDs()[o.number]
	for _, w := range ssc.sinks.log.written {
		if w.Output != output || w.Partitions == 0 || ssc.sinks.knows(effectOf{output, w.Name}) {
			continue
		}
		id := Effect{Job: ssc.job, Output: output, Name: w.Name, Epoch: ssc.epoch}
		last, err := lastOf(ctx, asked, id, w.Partitions)
		if err != nil {
			ssc.sinks.restAgain(sinkOf{o, s})
			return fmt.Errorf("ask the sink of output %s (%s) what it holds of %q: %w", o.label(), o.node.site, w.Name,
				err)
		}
		if last >= 0 {
			id.Sequence = last
			ssc.sinks.rest(o, s, id, w)
		}
	}
	return nil
}

// restsFirst tells that a sink has not been asked yet, which it is now.
func (ss *sinks) restsFirst(s sinkOf) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.rested[s] {
		return false
	}
	if ss.rested == nil {
		ss.rested = map[sinkOf]bool{}
	}
	ss.rested[s] = true
	return true
}

func (ss *sinks) restAgain(s sinkOf) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.rested, s)
}

func (ss *sinks) knows(key effectOf) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.known[key] != nil
}

// rest keeps an identity that a sink holds, id, of an effect that w tells of.
func (ss *sinks) rest(o *Output, s held, id Effect, w checkpoint.Written) {
	kept := &identity{asked: s.(laster), of: o, last: id, held: true}
	if t, ok := s.(Transactor); ok && t.Transaction(id) != "" {
		kept.sink = t
	}
	if w.Sequence == id.Sequence {
		kept.at = time.UnixMilli(w.Time)
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	key := effectOf{id.Output, id.Name}
	if ss.known[key] != nil { // Another Save has been faster.
		return
	}
	if ss.resting == nil {
		ss.resting = map[effectOf]*identity{}
	}
	ss.resting[key] = kept
}

// restingOf lists the identities of an output's effects that this process has not written yet.
func (ss *sinks) restingOf(output string) (list []identity) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for key, kept := range ss.resting {
		if key.output == output {
			list = append(list, *kept)
		}
	}
	slices.SortFunc(list, byEffect)
	return list
}

func byEffect(a, b identity) int {
	return cmp.Or(cmp.Compare(a.last.Output, b.last.Output), cmp.Compare(a.last.Name, b.last.Name))
}

// wrote keeps that an effect was written.
func (ss *sinks) wrote(id Effect, at time.Time) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, all := range []map[effectOf]*identity{ss.known, ss.resting} {
		if kept := all[effectOf{id.Output, id.Name}]; kept != nil {
			kept.last.Sequence = max(kept.last.Sequence, id.Sequence)
			kept.held, kept.at = true, at
		}
	}
}

// renewIdentities stores identities again that are old, so that they do not expire. The loop calls it between batches.
func (ssc *Context) renewIdentities(ctx context.Context) {
	for _, kept := range ssc.sinks.old(time.Now()) {
		if err := ssc.renew(ctx, kept); err != nil {
			ssc.warn("the identity of an output could not be stored again; if it expires, the next start asks for "+
				"consent", err, "output", kept.of.label())
			continue
		}
		ssc.sinks.wrote(kept.last, time.Now())
	}
}

func (ssc *Context) renew(ctx context.Context, kept identity) error {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := ssc.announce(ctx, kept.of, kept.sink.Transaction(kept.last)); err != nil {
		return err
	}
	return ssc.insist(ctx, func() error {
		return tell(ctx, func(ctx context.Context) error { return kept.sink.Mark(ctx, kept.last, false) })
	})
}

// old takes the identities that are to be stored again: one that fails has its turn in an hour.
func (ss *sinks) old(now time.Time) (out []identity) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for _, all := range []map[effectOf]*identity{ss.known, ss.resting} {
		for _, kept := range all {
			if kept.sink != nil && kept.held && now.Sub(kept.at) >= identityAge {
				out = append(out, *kept)
				kept.at = now.Add(time.Hour - identityAge)
			}
		}
	}
	slices.SortFunc(out, byEffect)
	return out
}
