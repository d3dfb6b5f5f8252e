package kafka_test

import (
	"context"
	"strings"

	"github.com/weirstream/weir/connector/kafka"
)

// evenOnes is a user's strategy: the partitions with even numbers of all topics but Kafka's own.
type evenOnes struct{}

func (evenOnes) String() string { return "even partitions" }

func (evenOnes) Offsets() map[kafka.TopicPartition]int64 { return nil }

func (evenOnes) Select(ctx context.Context, c kafka.Cluster) (out []kafka.TopicPartition, err error) {
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	counts, err := c.Partitions(ctx, topics...)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		for p := int32(0); p < counts[topic] && !strings.HasPrefix(topic, "__"); p += 2 {
			out = append(out, kafka.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return out, nil
}

// fixed is one that asks the cluster for nothing.
type fixed []kafka.TopicPartition

func (fixed) String() string { return "fixed" }

func (fixed) Offsets() map[kafka.TopicPartition]int64 { return nil }

func (f fixed) Select(context.Context, kafka.Cluster) ([]kafka.TopicPartition, error) { return f, nil }

// panics is one with an error of its own.
type panics struct{ fixed }

func (panics) Select(context.Context, kafka.Cluster) ([]kafka.TopicPartition, error) {
	panic("a mistake of the user's")
}
