package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirstream/weir/codec"
)

// A batchRange is what a batch takes from a direct stream: plain data, written to the plan record (docs/FORMAT.md,
// "Ranges of direct streams"). It names all partitions of the stream, those without new records with an empty range, so
// that the next range can be planned from it alone.
type batchRange struct {
	// ReadCommitted holds for re-runs of the batch, too.
	ReadCommitted bool
	Partitions    []partitionRange
	// Left are the partitions that were left, by topic, its id and partition: nil if there are none.
	Left []leftTopic
}

// A leftTopic is where partitions of a topic were left.
type leftTopic struct {
	Topic      string
	ID         [16]byte
	Partitions []leftPartition
}

// A leftPartition is where a partition goes on if it is read again, and when it was left, in seconds since 1970.
type leftPartition struct {
	Partition     int32
	Offset, Since int64
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

// The first byte of an encoded range is its version: one that says nothing of partitions that were left is written as
// it was before there was a place for them.
const (
	rangeVersion     = 1
	rangeLeftVersion = 2
)

// A plainRange is a batchRange of version 1.
type plainRange struct {
	ReadCommitted bool
	Partitions    []partitionRange
}

func (r *batchRange) encode() ([]byte, error) {
	if len(r.Left) == 0 {
		return encodeAs(rangeVersion, &plainRange{r.ReadCommitted, r.Partitions})
	}
	return encodeAs(rangeLeftVersion, r)
}

func encodeAs[T any](version byte, v *T) ([]byte, error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, err
	}
	return c.Append([]byte{version}, v)
}

func decodeRange(data []byte) (*batchRange, error) {
	switch {
	case data == nil:
		return nil, nil
	case len(data) > 0 && data[0] == rangeVersion:
		r, err := decodeAs[plainRange](data)
		if err != nil {
			return nil, err
		}
		return &batchRange{ReadCommitted: r.ReadCommitted, Partitions: r.Partitions}, nil
	case len(data) > 0 && data[0] == rangeLeftVersion:
		r, err := decodeAs[batchRange](data)
		if err == nil && len(r.Left) == 0 {
			err = errors.New("a damaged Kafka range: it is of the version that says what was left, and does not")
		}
		return r, err
	}
	return nil, errors.New("a Kafka range of an unknown version; was the plan written by a newer weir?")
}

func decodeAs[T any](data []byte) (*T, error) {
	c, err := codec.For[T]()
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
