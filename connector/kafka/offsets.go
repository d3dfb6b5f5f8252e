package kafka

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/weirstream/weir/dstream"
)

// A TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String gives "topic-partition", as Kafka prints it.
func (tp TopicPartition) String() string { return tp.Topic + "-" + strconv.Itoa(int(tp.Partition)) }

// An OffsetRange is a piece of a partition: the offsets from FromOffset up to, but without, UntilOffset. Not
// every offset of it need hold a record: compaction and transaction markers leave gaps.
type OffsetRange struct {
	Topic       string
	Partition   int32
	FromOffset  int64
	UntilOffset int64
}

// Count is the number of offsets in the range, the most records it can hold.
func (o OffsetRange) Count() int64 { return o.UntilOffset - o.FromOffset }

// TopicPartition is the partition that the range is a piece of.
func (o OffsetRange) TopicPartition() TopicPartition { return TopicPartition{o.Topic, o.Partition} }

// String gives the range in one line, as Spark prints it.
func (o OffsetRange) String() string {
	return fmt.Sprintf(
		"OffsetRange(topic: '%s', partition: %d, range: [%d -> %d])",
		o.Topic,
		o.Partition,
		o.FromOffset,
		o.UntilOffset,
	)
}

// OffsetRanges gives the ranges that the batch reads from a direct stream, one for each of its partitions, empty
// ones included: element i is what the task of partition i of the stream's RDD reads. It may be called at every
// output, whatever operators lie between. It is nil, with a warning, if d is not a direct stream itself.
func OffsetRanges[K, V any](b *dstream.Batch, d *dstream.DStream[Record[K, V]]) []OffsetRange {
	if _, ok := dstream.SourceOf(d).(*source[K, V]); !ok {
		warnDerived(b, d, "kafka.OffsetRanges gives no ranges")
		return nil
	}
	rng, err := decodeRange(dstream.Range(b, d))
	if err != nil || rng == nil {
		return nil
	}
	return rng.offsetRanges()
}

// A CommitOption of Commit.
type CommitOption func(*commitRequest)

// OnCommit has f called when the offsets are committed, or could not be: beside the batch loop, which waits for that
// no longer than a second, one call at a time and in the order of the batches. When commits take longer than batches,
// one commit covers several batches, and f is called for each of them then. A body that is run again asks again, and f
// is called once for each time.
func OnCommit(f func(ranges []OffsetRange, err error)) CommitOption {
	return func(c *commitRequest) { c.callbacks = append(c.callbacks, f) }
}

type commitRequest struct {
	callbacks []func([]OffsetRange, error)
}

// Commit has the batch's offsets committed to the group when all outputs of the batch are done, also for the
// last batch before a stop. It is how a program with enable.auto.commit=false commits. A commit that fails is a
// warning and does not fail the batch, which is done; so is one of a stream that is not a direct stream itself, or
// that has no group.id.
func Commit[K, V any](b *dstream.Batch, d *dstream.DStream[Record[K, V]], opts ...CommitOption) {
	s, ok := dstream.SourceOf(d).(*source[K, V])
	if !ok {
		warnDerived(b, d, "kafka.Commit commits nothing")
		return
	}
	var r commitRequest
	for _, opt := range opts {
		opt(&r)
	}
	s.commits.ask(b.Sequence, r)
}

// warnDerived says that a stream is not the one that has ranges.
func warnDerived[K, V any](b *dstream.Batch, d *dstream.DStream[Record[K, V]], what string) {
	d.Context().Warn(what, errors.New("it was given a stream that was derived from a direct stream: "+
		"give it the one that kafka.DirectStream returned (one of kafka.Stream has no ranges, and commits by itself)"),
		"batch", b.Sequence)
}

// ParseRange gives the ranges of a direct stream's range as a checkpoint holds it (dstream.InputRecord), ok telling
// whether it is one.
func ParseRange(rng []byte) (ranges []OffsetRange, ok bool) {
	r, err := decodeRange(rng)
	if err != nil || r == nil {
		return nil, false
	}
	return r.offsetRanges(), true
}

// MoveRange gives the range of a direct stream from which its next batch goes on at offsets, for a checkpoint
// (dstream.MoveInputs). rng is the one that it has, or nil; partitions of rng that offsets does not name go on where
// they are. topics are those of the offsets, as Admin.DescribeTopics gives them: the ids in them tell the job that a
// topic was created again.
func MoveRange(rng []byte, topics []TopicInfo, offsets map[TopicPartition]int64) ([]byte, error) {
	r, err := decodeRange(rng)
	if err != nil {
		return nil, err
	}
	if r == nil {
		r = &batchRange{}
	}
	moved := map[TopicPartition]partitionRange{}
	for _, p := range r.Partitions {
		p.From = p.Until
		moved[p.tp()] = p
	}
	for tp, offset := range offsets {
		i := slices.IndexFunc(topics, func(t TopicInfo) bool { return t.Name == tp.Topic })
		if i < 0 || offset < 0 {
			return nil, fmt.Errorf("%s cannot go on at offset %d: its topic must be known, and an offset is at least 0",
				tp, offset)
		}
		moved[tp] = partitionRange{Topic: tp.Topic, ID: topics[i].ID, Partition: tp.Partition, From: offset,
			Until: offset, Epoch: -1}
	}
	r.Partitions = slices.Collect(maps.Values(moved))
	r.order()
	return r.encode()
}
