package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// discovery is how often topics and partitions are looked for if metadata.max.age.ms does not say.
const discovery = 10 * time.Second

// goneProof is how long a partition that was read must be missing, in every answer, until it counts as deleted: a
// broker that has just started does not know all topics at once.
const goneProof = 10 * time.Second

// watch is what the planner knows of the cluster between refreshes of the metadata.
type watch struct {
	refreshed time.Time
	topics    map[string]client.Topic
	shrunk    map[TopicPartition]int       // how often in a row the log ended before our position
	missing   map[TopicPartition]time.Time // since when
	retired   map[incarnation]int64        // where a partition that went away was left
}

// follow gives the empty range that begins where prev ended, with the partitions that have appeared, which begin
// at their beginning, and without those that are gone.
func (s *source[K, V]) follow(ctx context.Context, prev *batchRange) (*batchRange, error) {
	next := &batchRange{ReadCommitted: prev.ReadCommitted, Partitions: slices.Clone(prev.Partitions)}
	for i := range next.Partitions {
		next.Partitions[i].From = next.Partitions[i].Until
	}
	if time.Since(s.watch.refreshed) < s.opts.discovery {
		return next, nil
	}
	chosen, err := s.choose(ctx, prev)
	if err != nil {
		return nil, err
	}
	if err := s.retire(chosen, next); err != nil {
		return nil, err
	}
	return next, s.adopt(ctx, chosen, next)
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
		key := incarnation{tp, topic.ID}
		if left, ok := s.watch.retired[key]; ok && topic.ID != [16]byte{} {
			at, how = left, "a partition is back and is read on from where it was left"
		}
		delete(s.watch.retired, key)
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
// deleted and created again: what was left of the old one is lost, and the new one is read from its beginning.
func (s *source[K, V]) retire(chosen map[TopicPartition]client.Topic, next *batchRange) error {
	var doubt, lost []error
	next.Partitions = slices.DeleteFunc(next.Partitions, func(p partitionRange) bool {
		why := s.goneWhy(chosen, p)
		if why == "" {
			delete(s.watch.missing, p.tp())
			return false
		}
		if why == notChosen {
			s.ssc.Logger().
				Info("the strategy does not choose a partition any "+
					"more", "partition", p.tp().String(), "offset", p.From)
			s.leave(p)
			return true
		}
		if !s.proven(p.tp()) {
			doubt = append(doubt, &goneError{fmt.Sprintf("%s, at offset %d: %s", p.tp(), p.From, why)})
			return false
		}
		err := s.loss(&DataLossError{p.tp(), p.From, -1, why})
		if err != nil {
			lost = append(lost, err)
			return false
		}
		s.leave(p)
		return true
	})
	if len(doubt) > 0 && len(lost) == 0 {
		s.watch.refreshed = time.Time{} // Look again at once, until there is proof.
		return errors.Join(doubt...)
	}
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
		return "the topic was deleted and created again"
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
func (s *source[K, V]) proven(tp TopicPartition) bool {
	if s.watch.missing == nil {
		s.watch.missing = map[TopicPartition]time.Time{}
	}
	since, known := s.watch.missing[tp]
	if !known {
		since = time.Now()
		s.watch.missing[tp] = since
	}
	return time.Since(since) >= goneProof
}

// leave remembers where a partition is left.
func (s *source[K, V]) leave(p partitionRange) {
	delete(s.watch.missing, p.tp())
	if s.watch.retired == nil {
		s.watch.retired = map[incarnation]int64{}
	}
	s.watch.retired[incarnation{p.tp(), p.ID}] = p.From
}
