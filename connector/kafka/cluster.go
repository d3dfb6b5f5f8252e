package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// A view is the cluster as one refresh of the metadata showed it, for a strategy and for what follows from its
// choice.
type view struct {
	c      *client.Client
	topics map[string]client.Topic
	hosts  map[int32]client.Broker
	// read are the topics that are read already. One that is missing now is no reason for our own strategies to
	// refuse: what becomes of its partitions is decided when there is proof (watch).
	read map[string]bool
	// named are the topics that the strategy has asked for by name.
	named map[string]bool
}

func (v *view) ask(ctx context.Context, topics []string) (map[string]client.Topic, error) {
	md, err := v.c.Metadata(ctx, topics)
	if err != nil {
		return nil, err
	}
	if v.topics == nil {
		v.topics = map[string]client.Topic{}
	}
	maps.Copy(v.topics, md.Topics)
	v.hosts = md.Brokers
	return md.Topics, nil
}

// Topics implements Cluster.
func (v *view) Topics(ctx context.Context) ([]string, error) {
	topics, err := v.ask(ctx, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(topics)), nil
}

// Partitions implements Cluster.
func (v *view) Partitions(ctx context.Context, topics ...string) (map[string]int32, error) {
	counts := make(map[string]int32, len(topics))
	if len(topics) == 0 {
		return counts, nil
	}
	for _, name := range topics {
		v.named[name] = true
	}
	got, err := v.ask(ctx, topics)
	if err != nil {
		return nil, err
	}
	for _, name := range topics {
		t := got[name]
		if t.Err != nil && client.KindOf(t.Err) != client.NoTopic {
			return nil, fmt.Errorf("topic %q: %w", name, t.Err)
		}
		counts[name] = int32(len(t.Partitions))
	}
	return counts, nil
}

// isInternal tells whether the brokers call a topic their own. A user's may be named like one.
func isInternal(c Cluster, topic string) bool {
	v, ok := c.(*view)
	return ok && v.topics[topic].Internal
}

// mayMiss tells whether a strategy of ours may go on without a topic.
func mayMiss(c Cluster, topic string) bool {
	v, ok := c.(*view)
	return ok && v.read[topic]
}

// choose asks the strategy for its partitions and takes over who leads them. prev is what is read already, nil at the
// start. What it returns has the topic of each chosen partition that exists.
func (s *source[K, V]) choose(ctx context.Context, prev *batchRange) (map[TopicPartition]client.Topic, error) {
	v := &view{c: s.c, read: map[string]bool{}, named: map[string]bool{}}
	if prev != nil {
		for _, p := range prev.Partitions {
			v.read[p.Topic] = true
		}
		for key := range s.watch.retired {
			v.read[key.Topic] = true
		}
	}
	tps, err := s.strategy.Select(ctx, v)
	if err != nil {
		return nil, err
	}
	if err := v.fill(ctx, tps, prev); err != nil {
		return nil, err
	}
	chosen := make(map[TopicPartition]client.Topic, len(tps))
	hosts := make(map[TopicPartition]string, len(tps))
	for _, tp := range tps {
		topic := v.topics[tp.Topic]
		i := slices.IndexFunc(topic.Partitions, func(p client.Partition) bool { return p.ID == tp.Partition })
		if i < 0 && v.read[tp.Topic] {
			continue
		}
		if i < 0 {
			return nil, fmt.Errorf("%v chooses %s, which does not exist: topic %q has %d partitions",
				s.strategy, tp, tp.Topic, len(topic.Partitions))
		}
		chosen[tp] = topic
		hosts[tp] = v.hosts[topic.Partitions[i].Leader].Host
	}
	s.watch.keep(v.named)
	s.f.leaders.learn(v.topics)
	s.hosts.Store(&hosts)
	s.watch.refreshed, s.watch.topics = time.Now(), v.topics
	return chosen, nil
}

// fill asks for the topics that the strategy did not ask for.
func (v *view) fill(ctx context.Context, tps []TopicPartition, prev *batchRange) error {
	missing := map[string]bool{}
	note := func(topic string) {
		if _, ok := v.topics[topic]; !ok {
			missing[topic] = true
		}
	}
	for _, tp := range tps {
		note(tp.Topic)
	}
	if prev != nil {
		for _, p := range prev.Partitions {
			note(p.Topic)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err := v.ask(ctx, slices.Sorted(maps.Keys(missing)))
	return err
}
