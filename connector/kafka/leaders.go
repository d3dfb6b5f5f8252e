package kafka

import (
	"context"
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

	mu    sync.Mutex
	known map[TopicPartition]leader
}

type leader struct {
	node  int32
	epoch int32
	id    [16]byte
}

// of gives a partition's leader. An error is temporary if there is none at the moment; it says that the partition
// is gone if its topic has no such partition, or is another one than the range was planned from.
func (l *leaders) of(ctx context.Context, p partitionRange) (leader, error) {
	found, ok := l.get(p.tp())
	if !ok || !sameTopic(found.id, p.ID) {
		md, err := l.c.Metadata(ctx, []string{p.Topic})
		if err != nil {
			return leader{}, err
		}
		if err := md.Topics[p.Topic].Err; err != nil {
			return leader{}, err
		}
		l.learn(md.Topics)
		if found, ok = l.get(p.tp()); !ok {
			return leader{}, without(md.Topics[p.Topic], p.Partition)
		}
	}
	if !sameTopic(found.id, p.ID) {
		return leader{}, &goneError{"the topic was deleted and created again"}
	}
	return found, nil
}

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
	for name, t := range topics {
		for _, p := range t.Partitions {
			tp := TopicPartition{name, p.ID}
			if p.Err == nil && p.Leader >= 0 {
				l.known[tp] = leader{p.Leader, p.LeaderEpoch, t.ID}
			} else {
				delete(l.known, tp)
			}
		}
	}
}

func (l *leaders) forget(tp TopicPartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.known, tp)
}
