package kafka

import (
	"context"
	"fmt"
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

// of gives a partition's leader; an error is temporary if there is none at the moment.
func (l *leaders) of(ctx context.Context, tp TopicPartition) (leader, error) {
	l.mu.Lock()
	found, ok := l.known[tp]
	l.mu.Unlock()
	if ok {
		return found, nil
	}
	md, err := l.c.Metadata(ctx, []string{tp.Topic})
	if err != nil {
		return leader{}, err
	}
	if err := md.Topics[tp.Topic].Err; err != nil {
		return leader{}, err
	}
	l.learn(md.Topics)
	l.mu.Lock()
	found, ok = l.known[tp]
	l.mu.Unlock()
	if !ok {
		return leader{}, fmt.Errorf("no leader of %s: %w", tp, kerr.LeaderNotAvailable)
	}
	return found, nil
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
