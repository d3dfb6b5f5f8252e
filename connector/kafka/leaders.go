package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// leaders remembers which broker leads which partition. An entry that proved wrong is forgotten and asked for
// again.
type leaders struct {
	c *client.Client

	mu     sync.Mutex
	known  map[TopicPartition]leader
	asking map[string]*asking // the topics that the brokers are being asked about
	round  int64
}

type leader struct {
	node  int32
	epoch int32
	id    [16]byte
	round int64 // counts what was learned, so that newer knowledge is not taken for older
}

// asking is a question about a topic that somebody asks for all.
type asking struct {
	done  chan struct{}
	topic client.Topic
	err   error
}

// of gives a partition's leader. An error is temporary if there is none at the moment; it says that the partition
// is gone if its topic has no such partition, or is another one than the range was planned from.
func (l *leaders) of(ctx context.Context, p partitionRange) (leader, error) {
	found, ok := l.get(p.tp())
	if !ok || !sameTopic(found.id, p.ID) {
		topic, err := l.refresh(ctx, p.Topic)
		if err != nil {
			return leader{}, err
		}
		if found, ok = l.get(p.tp()); !ok {
			return leader{}, without(topic, p.Partition)
		}
	}
	if !sameTopic(found.id, p.ID) {
		return leader{}, &goneError{createdAgain}
	}
	return found, nil
}

// refresh asks who leads a topic's partitions. When a broker goes many fetches want to know at once: one asks, and the
// others wait for the answer. If the one that asks is cancelled, another one asks.
func (l *leaders) refresh(ctx context.Context, topic string) (client.Topic, error) {
	for {
		l.mu.Lock()
		a := l.asking[topic]
		mine := a == nil
		if mine {
			if l.asking == nil {
				l.asking = map[string]*asking{}
			}
			a = &asking{done: make(chan struct{})}
			l.asking[topic] = a
		}
		l.mu.Unlock()
		if mine {
			l.ask(ctx, topic, a)
			return a.topic, a.err
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			return client.Topic{}, context.Cause(ctx)
		}
		if !errors.Is(a.err, errAskerGone) {
			return a.topic, a.err
		}
	}
}

// errAskerGone is the answer to those that waited for one who was cancelled.
var errAskerGone = errors.New("the one that asked was cancelled")

func (l *leaders) ask(ctx context.Context, topic string, a *asking) {
	md, err := l.c.Metadata(ctx, []string{topic})
	switch {
	case err != nil && ctx.Err() != nil:
		a.err = errors.Join(errAskerGone, context.Cause(ctx))
	case err != nil:
		a.err = err
	default:
		a.topic, a.err = md.Topics[topic], md.Topics[topic].Err
		if a.err == nil {
			l.learn(md.Topics)
		}
	}
	l.mu.Lock()
	delete(l.asking, topic)
	l.mu.Unlock()
	close(a.done)
}

// createdAgain is why a partition is another one than that of the range.
const createdAgain = "the topic was deleted and created again"

// without says why a partition has no leader.
func without(t client.Topic, partition int32) error {
	if !slices.ContainsFunc(t.Partitions, func(p client.Partition) bool { return p.ID == partition }) {
		return &goneError{
			fmt.Sprintf("topic %q has no partition %d, only 0 to %d", t.Name, partition, len(t.Partitions)-1),
		}
	}
	return fmt.Errorf("%s has no leader: %w", TopicPartition{t.Name, partition}, kerr.LeaderNotAvailable)
}

// sameTopic compares topic ids; brokers that know none, and ranges without one, match any.
func sameTopic(a, b [16]byte) bool {
	return a == b || a == [16]byte{} || b == [16]byte{}
}

func (l *leaders) get(tp TopicPartition) (leader, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.known[tp]
	return found, ok
}

// learn takes over what a refresh of the metadata says.
func (l *leaders) learn(topics map[string]client.Topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = map[TopicPartition]leader{}
	}
	l.round++
	for name, t := range topics {
		for _, p := range t.Partitions {
			tp := TopicPartition{name, p.ID}
			if p.Err == nil && p.Leader >= 0 {
				l.known[tp] = leader{p.Leader, p.LeaderEpoch, t.ID, l.round}
			} else {
				delete(l.known, tp)
			}
		}
	}
}

// forget drops what proved wrong, but not what was learned since.
func (l *leaders) forget(tp TopicPartition, wrong leader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known[tp] == wrong {
		delete(l.known, tp)
	}
}
