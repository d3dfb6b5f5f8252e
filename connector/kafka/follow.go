package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// discovery is how often topics and partitions are looked for if metadata.max.age.ms does not say.
const discovery = 10 * time.Second

// goneProof is how long a partition that was read must be missing, in every answer, until it counts as deleted: a
// broker that has just started does not know all topics at once.
const goneProof = 10 * time.Second

// retiredKept is how long it is remembered where a partition was left whose topic the strategy does not name any more,
// also by the processes to come. Of topics that it names it is remembered for longer, which is written down anew once
// in retiredAgain: a range that changes is logged.
const (
	retiredKept  = 7 * 24 * time.Hour
	retiredAgain = 24 * time.Hour
)

// retiredMost bounds how many partitions that were left a range remembers, those that were left last: topics may come
// and go every minute.
const retiredMost = 10_000

// watch is what the planner knows of the cluster between refreshes of the metadata.
type watch struct {
	refreshed time.Time
	topics    map[string]client.Topic
	shrunk    map[TopicPartition]time.Time // since when the log ends before our position
	missing   map[incarnation]time.Time    // since when
	suspects  map[TopicPartition]suspicion // of topics without ids
	retired   map[incarnation]left
}

func newWatch() watch {
	return watch{
		shrunk:   map[TopicPartition]time.Time{},
		missing:  map[incarnation]time.Time{},
		suspects: map[TopicPartition]suspicion{},
		retired:  map[incarnation]left{},
	}
}

// A suspicion is what speaks for a topic being another one of the same name.
type suspicion struct {
	since   time.Time
	missing bool // it was, for a while
	older   bool // the epochs of its leaders seem to have begun anew
}

// left is where, and when, a partition that went away was left.
type left struct {
	offset int64
	since  time.Time
}

// suspect notes that a partition was missing. Where topics have ids there is better proof.
func (w *watch) suspect(p partitionRange) {
	if p.ID == [16]byte{} {
		w.suspects[p.tp()] = suspicion{since: time.Now(), missing: true}
	}
}

// prune forgets what is known of partitions that the last range has no more, which says that they were left for good,
// or has again.
func (w *watch) prune(prev *batchRange) {
	read, lives := map[TopicPartition]bool{}, map[incarnation]bool{}
	for _, p := range prev.Partitions {
		read[p.tp()], lives[p.incarnation()] = true, true
	}
	gone := func(tp TopicPartition) bool { return !read[tp] }
	maps.DeleteFunc(w.shrunk, func(tp TopicPartition, _ time.Time) bool { return gone(tp) })
	maps.DeleteFunc(w.missing, func(key incarnation, _ time.Time) bool { return !lives[key] })
	maps.DeleteFunc(w.suspects, func(tp TopicPartition, _ suspicion) bool { return gone(tp) })
	maps.DeleteFunc(w.retired, func(key incarnation, at left) bool {
		_, missing := w.missing[key]
		back := lives[key] && !missing
		another := read[key.TopicPartition] && !lives[key]
		return back || another || time.Since(at.since) > retiredKept
	})
}

// keep has what was left of named topics be remembered for longer: they may miss, and come back.
func (w *watch) keep(named map[string]bool) {
	for key, at := range w.retired {
		if named[key.Topic] && time.Since(at.since) >= retiredAgain {
			w.retired[key] = left{at.offset, time.Now()}
		}
	}
}

// recall takes over what the range of an earlier process says of partitions that were left.
func (w *watch) recall(topics []leftTopic) {
	for _, t := range topics {
		for _, p := range t.Partitions {
			w.retired[incarnation{TopicPartition{t.Topic, p.Partition}, t.ID}] = left{p.Offset, time.Unix(p.Since, 0)}
		}
	}
}

// left is what next is to say of partitions that were left: those that it does not have, and that can be told from
// others of the same name.
func (w *watch) left(next *batchRange) (out []leftTopic) {
	if len(w.retired) == 0 {
		return nil
	}
	all := maps.Clone(w.retired)
	for _, p := range next.Partitions {
		delete(all, p.incarnation())
	}
	maps.DeleteFunc(all, func(key incarnation, _ left) bool { return key.id == [16]byte{} })
	keys := slices.SortedFunc(maps.Keys(all), func(a, b incarnation) int {
		return cmp.Or(all[b].since.Compare(all[a].since), a.compare(b))
	})
	keys = keys[:min(len(keys), retiredMost)]
	slices.SortFunc(keys, incarnation.compare)
	for _, key := range keys {
		if n := len(out); n == 0 || out[n-1].Topic != key.Topic || out[n-1].ID != key.id {
			out = append(out, leftTopic{Topic: key.Topic, ID: key.id})
		}
		t := &out[len(out)-1]
		t.Partitions = append(t.Partitions, leftPartition{key.Partition, all[key].offset, all[key].since.Unix()})
	}
	return out
}

// follow gives the empty range that begins where prev ended, with the partitions that have appeared, which begin
// at their beginning, and without those that are gone.
func (s *source[K, V]) follow(ctx context.Context, prev *batchRange) (*batchRange, error) {
	next := &batchRange{Partitions: slices.Clone(prev.Partitions)}
	// The level of prev holds for its re-runs; it may have been changed since.
	next.ReadCommitted = s.cfg.Isolation == client.ReadCommitted
	for i := range next.Partitions {
		next.Partitions[i].From = next.Partitions[i].Until
	}
	s.watch.prune(prev)
	if time.Since(s.watch.refreshed) >= s.opts.discovery {
		if err := s.discover(ctx, prev, next); err != nil {
			return nil, err
		}
	}
	next.Left = s.watch.left(next)
	return next, nil
}

// discover takes the partitions that are gone out of next, and adds those that have appeared.
func (s *source[K, V]) discover(ctx context.Context, prev, next *batchRange) error {
	chosen, err := s.choose(ctx, prev)
	if err != nil {
		return err
	}
	if err := s.retire(chosen, next); err != nil {
		return err
	}
	return s.adopt(ctx, chosen, next)
}

// adopt adds the chosen partitions that are not read yet. One that had gone away and is back in the same life of its
// topic goes on where it was left.
func (s *source[K, V]) adopt(ctx context.Context, chosen map[TopicPartition]client.Topic, next *batchRange) error {
	for _, p := range next.Partitions {
		delete(chosen, p.tp())
	}
	var fresh []client.TopicPartition
	for tp := range chosen {
		fresh = append(fresh, client.TopicPartition(tp))
	}
	begin, err := s.list(ctx, fresh, client.Earliest, s.cfg.Isolation)
	if err != nil {
		s.watch.refreshed = time.Time{}
		return err
	}
	for tp, topic := range chosen {
		at, how := begin[tp], "a partition has appeared and is read from its beginning"
		if was, ok := s.watch.retired[incarnation{tp, topic.ID}]; ok && topic.ID != [16]byte{} {
			at, how = was.offset, "a partition is back and is read on from where it was left"
		}
		next.Partitions = append(
			next.Partitions,
			partitionRange{Topic: tp.Topic, ID: topic.ID, Partition: tp.Partition,
				From: at, Until: at, Epoch: -1},
		)
		s.ssc.Logger().Info(how, "partition", tp.String(), "offset", at)
	}
	next.order()
	return nil
}

// retire takes the partitions out of next that are gone or are not chosen any more. A topic with another id was
// deleted and created again: what was left of the old one is lost, and the new one is read from its beginning. While
// there is doubt about any of them none is retired, for the range is not used then.
func (s *source[K, V]) retire(chosen map[TopicPartition]client.Topic, next *batchRange) error {
	var doubt, lost []error
	why := map[TopicPartition]string{}
	for i := range next.Partitions {
		p := &next.Partitions[i]
		reason := s.goneWhy(chosen, *p)
		switch {
		case reason == "":
			if _, was := s.watch.missing[p.incarnation()]; was {
				s.watch.suspect(*p)
			}
			delete(s.watch.missing, p.incarnation())
			p.ID = cmp.Or(p.ID, s.watch.topics[p.Topic].ID) // Brokers that were upgraded have begun to give ids.
			continue
		case reason != notChosen && !s.watch.proven(p.incarnation()):
			doubt = append(doubt, &goneError{fmt.Sprintf("%s, at offset %d: %s", p.tp(), p.From, reason)})
		}
		why[p.tp()] = reason
	}
	if len(doubt) > 0 {
		s.watch.refreshed = time.Time{} // Look again at once, until there is proof.
		return errors.Join(doubt...)
	}
	next.Partitions = slices.DeleteFunc(next.Partitions, func(p partitionRange) bool {
		reason, gone := why[p.tp()]
		if gone {
			lost = append(lost, s.leave(p, reason))
		}
		return gone
	})
	return errors.Join(lost...)
}

// notChosen is why a partition is retired that exists.
const notChosen = "the strategy does not choose it"

// goneWhy says why a partition that is read is not to be read any more, "" if it is.
func (s *source[K, V]) goneWhy(chosen map[TopicPartition]client.Topic, p partitionRange) string {
	topic := s.watch.topics[p.Topic]
	exists := slices.ContainsFunc(topic.Partitions, func(x client.Partition) bool { return x.ID == p.Partition })
	_, wanted := chosen[p.tp()]
	switch {
	case len(topic.Partitions) > 0 && !sameTopic(topic.ID, p.ID):
		return createdAgain
	case exists && wanted:
		return ""
	case exists:
		return notChosen
	case topic.Err != nil && !saysGone(client.KindOf(topic.Err)):
		return "" // The brokers cannot say anything about it at the moment.
	}
	return "the topic was deleted, or the right to describe it was taken away"
}

// saysGone tells whether an answer about a topic means that it is not there for us.
func saysGone(k client.Kind) bool { return k == client.NoTopic || k == client.Unauthorized }

// proven notes that a partition is missing and tells whether it has been for long enough.
func (w *watch) proven(key incarnation) bool {
	since, known := w.missing[key]
	if !known {
		since = time.Now()
		w.missing[key] = since
	}
	return time.Since(since) >= goneProof
}

// leave remembers where a partition is left, and tells once why.
func (s *source[K, V]) leave(p partitionRange, why string) error {
	key := p.incarnation()
	if was, again := s.watch.retired[key]; again && was.offset == p.From {
		return nil // The range without it came to nothing, for another reason.
	}
	if why == notChosen {
		s.ssc.Logger().Info("the strategy does not choose a partition any more", "partition", p.tp().String(),
			"offset", p.From)
	} else if err := s.loss(&DataLossError{p.tp(), p.From, -1, why, keepTopic}); err != nil {
		return err
	}
	s.watch.retired[key] = left{p.From, time.Now()}
	return nil
}
