package kafka

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirstream/weir/codec"
)

// A batchRange is what a batch takes from a direct stream: plain data, written to the plan record. It names
// all partitions of the stream, those without new records with an empty range, so that the next range
// can be planned from it alone.
type batchRange struct {
	// ReadCommitted holds for re-runs of the batch, too.
	ReadCommitted bool
	Partitions    []partitionRange
}

// A partitionRange is the piece of one partition.
type partitionRange struct {
	Topic string
	// ID is the topic's id, zero where brokers give none (before 2.8).
	ID          [16]byte
	Partition   int32
	From, Until int64
	// Epoch is the leader epoch in which Until was the end, -1 if brokers give none.
	Epoch int32
}

func (p partitionRange) tp() TopicPartition { return TopicPartition{p.Topic, p.Partition} }

// rangeVersion is the first byte of an encoded range.
const rangeVersion = 1

func (r *batchRange) encode() ([]byte, error) {
	c, err := codec.For[batchRange]()
	if err != nil {
		return nil, err
	}
	return c.Append([]byte{rangeVersion}, r)
}

func decodeRange(data []byte) (*batchRange, error) {
	if data == nil {
		return nil, nil
	}
	if len(data) == 0 || data[0] != rangeVersion {
		return nil, fmt.Errorf("a Kafka range of an unknown version; was the plan written by a newer weir?")
	}
	c, err := codec.For[batchRange]()
	if err != nil {
		return nil, err
	}
	r, rest, err := c.Decode(data[1:])
	if err != nil {
		return nil, fmt.Errorf("a damaged Kafka range: %w", err)
	}
	if len(rest) != 0 {
		return nil, fmt.Errorf("a damaged Kafka range: %d bytes too many", len(rest))
	}
	return &r, nil
}

func (r *batchRange) offsetRanges() []OffsetRange {
	out := make([]OffsetRange, len(r.Partitions))
	for i, p := range r.Partitions {
		out[i] = OffsetRange{Topic: p.Topic, Partition: p.Partition, FromOffset: p.From, UntilOffset: p.Until}
	}
	return out
}

// order sorts the partitions by topic and number: a range's order is the order of its RDD's partitions.
func (r *batchRange) order() {
	slices.SortFunc(r.Partitions, func(a, b partitionRange) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
}

// describe gives a line for each range that is not empty, the largest first, as Spark's page shows them.
func (r *batchRange) describe() []string {
	ranges := slices.DeleteFunc(r.offsetRanges(), func(o OffsetRange) bool { return o.Count() == 0 })
	slices.SortStableFunc(ranges, func(a, b OffsetRange) int {
		return int(min(max(b.Count()-a.Count(), -1), 1))
	})
	lines := make([]string, len(ranges))
	for i, o := range ranges {
		lines[i] = fmt.Sprintf("topic: %s\tpartition: %d\toffsets: %d to %d\tcount: %d",
			o.Topic, o.Partition, o.FromOffset, o.UntilOffset, o.Count())
	}
	return lines
}
