package client

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// OffsetSpec says which offset of a partition is asked for.
type OffsetSpec int64

// The ends of a partition; AtTime makes the other OffsetSpecs.
const (
	// Latest is where the next record will be, or with ReadCommitted the last stable offset, before
	// which every transaction is decided.
	Latest OffsetSpec = -1
	// Earliest is the first offset that is still there.
	Earliest OffsetSpec = -2
	// EarliestLocal is the first offset that the leader has itself, not in remote storage (KIP-405). Brokers before 3.4
	// cannot be asked for it.
	EarliestLocal OffsetSpec = -4
)

// AtTime asks for the first record whose timestamp is not before t.
func AtTime(t time.Time) OffsetSpec { return OffsetSpec(max(t.UnixMilli(), 0)) }

// ListedOffset is the answer about one partition.
type ListedOffset struct {
	// Offset is -1 if no record is as young as was asked for.
	Offset int64
	// LeaderEpoch is that of the record at Offset, -1 if the brokers do not say (before 2.1).
	LeaderEpoch int32
	// Timestamp is the record's, in milliseconds, -1 for Latest and Earliest.
	Timestamp int64
	// Err is an *Error. The other fields mean nothing then.
	Err error
}

// ListOffsets asks the partitions' leaders, and asks again while leaders move. The answer has an entry
// for every partition of specs. It fails as a whole only if no broker can be asked. Times cannot be
// asked for before 0.10.1.
func (c *Client) ListOffsets(ctx context.Context, specs map[TopicPartition]OffsetSpec, level Isolation) (
	map[TopicPartition]ListedOffset, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	out := make(map[TopicPartition]ListedOffset, len(specs))
	var parts []TopicPartition
	for p, spec := range specs {
		if spec == EarliestLocal && !c.version.Supports(kmsg.ListOffsets, 8) {
			out[p] = ListedOffset{Err: &Error{Kind: TooOld, Place: p.String(),
				Text:   fmt.Sprintf("brokers of version %s cannot tell local from remote records", c.version),
				Remedy: "upgrade the brokers to 3.4, or do without"}}
			continue
		}
		if spec >= 0 && !c.version.Supports(kmsg.ListOffsets, 1) {
			out[p] = ListedOffset{Err: &Error{Kind: TooOld, Place: p.String(),
				Text:   fmt.Sprintf("brokers of version %s cannot find offsets by time", c.version),
				Remedy: "begin at earliest, latest or given offsets, or upgrade the brokers to 0.10.1"}}
			continue
		}
		parts = append(parts, p)
	}
	call := leaderCall[ListedOffset]{c: c, what: "ask for offsets",
		ask: func(ctx context.Context, br *kgo.Broker, parts []leaderPart) (answers[ListedOffset], error) {
			return askOffsets(ctx, br, parts, specs, level)
		}}
	got, err := call.run(ctx, parts)
	if err != nil {
		return nil, err
	}
	for p, o := range got {
		o.value.Err = o.err
		out[p] = o.value
	}
	return out, nil
}

// ListOffsetsOrEnd is ListOffsets, but a partition without a record as young as was asked for has its latest offset.
func (c *Client) ListOffsetsOrEnd(ctx context.Context, specs map[TopicPartition]OffsetSpec, level Isolation) (
	map[TopicPartition]ListedOffset, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	out, err := c.ListOffsets(ctx, specs, level)
	if err != nil {
		return nil, err
	}
	late := map[TopicPartition]OffsetSpec{}
	for p, o := range out {
		if o.Err == nil && o.Offset < 0 && specs[p] >= 0 {
			late[p] = Latest
		}
	}
	if len(late) == 0 {
		return out, nil
	}
	ends, err := c.ListOffsets(ctx, late, level)
	maps.Copy(out, ends)
	return out, err
}

func askOffsets(ctx context.Context, br *kgo.Broker, parts []leaderPart, specs map[TopicPartition]OffsetSpec,
	level Isolation) (answers[ListedOffset], error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1 // a client, not a broker
	req.IsolationLevel = int8(level)
	names, groups := byTopic(parts, func(p leaderPart) string { return p.Topic })
	for _, name := range names {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = name
		for _, p := range groups[name] {
			part := kmsg.NewListOffsetsRequestTopicPartition()
			part.Partition = p.Partition
			part.CurrentLeaderEpoch = p.epoch // a former leader answers with an error
			part.Timestamp = int64(specs[p.TopicPartition])
			part.MaxNumOffsets = 1
			topic.Partitions = append(topic.Partitions, part)
		}
		req.Topics = append(req.Topics, topic)
	}
	kresp, err := br.Request(ctx, req)
	if err != nil {
		return nil, err
	}
	resp := kresp.(*kmsg.ListOffsetsResponse)
	out := make(answers[ListedOffset], len(parts))
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			o := outcome[ListedOffset]{err: kerr.ErrorForCode(p.ErrorCode)}
			o.value = ListedOffset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, Timestamp: p.Timestamp}
			if resp.Version == 0 {
				// Brokers up to 0.10.0 answer with a list, which is empty if there is nothing.
				o.value = ListedOffset{Offset: -1, LeaderEpoch: -1, Timestamp: -1}
				if len(p.OldStyleOffsets) > 0 {
					o.value.Offset = p.OldStyleOffsets[0]
				}
			}
			if resp.Version < 4 {
				o.value.LeaderEpoch = -1
			}
			out[TopicPartition{t.Topic, p.Partition}] = o
		}
	}
	return out, nil
}

// EpochEnd is where an epoch of a partition's leader ends.
type EpochEnd struct {
	// LeaderEpoch is the largest epoch that is not above the one asked for, and EndOffset the offset after
	// its last record; -1 and -1 if the leader knows no such epoch.
	LeaderEpoch int32
	EndOffset   int64
	// Err is an *Error; one of kind TooOld means that the brokers cannot say.
	Err error
}

// OffsetForLeaderEpoch asks the partitions' leaders where leader epochs end. A record read under an epoch
// whose end is below its offset has been lost since. Brokers before 2.1 cannot say: Err is TooOld then.
func (c *Client) OffsetForLeaderEpoch(ctx context.Context, epochs map[TopicPartition]int32) (
	map[TopicPartition]EpochEnd, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	out := make(map[TopicPartition]EpochEnd, len(epochs))
	// Versions before 2 demand a right that only brokers have.
	if !c.version.Supports(kmsg.OffsetForLeaderEpoch, 2) {
		for p := range epochs {
			out[p] = EpochEnd{LeaderEpoch: -1, EndOffset: -1, Err: &Error{Kind: TooOld, Place: p.String(),
				Text:   fmt.Sprintf("brokers of version %s cannot say where a leader's epoch ended", c.version),
				Remedy: "upgrade the brokers to 2.1 or later, or do without"}}
		}
		return out, nil
	}
	call := leaderCall[EpochEnd]{c: c, what: "ask for the end of epochs",
		ask: func(ctx context.Context, br *kgo.Broker, parts []leaderPart) (answers[EpochEnd], error) {
			return askEpochs(ctx, br, parts, epochs)
		}}
	parts := make([]TopicPartition, 0, len(epochs))
	for p := range maps.Keys(epochs) {
		parts = append(parts, p)
	}
	got, err := call.run(ctx, parts)
	if err != nil {
		return nil, err
	}
	for p, o := range got {
		o.value.Err = o.err
		out[p] = o.value
	}
	return out, nil
}

func askEpochs(ctx context.Context, br *kgo.Broker, parts []leaderPart, epochs map[TopicPartition]int32) (
	answers[EpochEnd], error) {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	names, groups := byTopic(parts, func(p leaderPart) string { return p.Topic })
	for _, name := range names {
		topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
		topic.Topic = name
		for _, p := range groups[name] {
			part := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			part.Partition = p.Partition
			part.CurrentLeaderEpoch = p.epoch
			part.LeaderEpoch = epochs[p.TopicPartition]
			topic.Partitions = append(topic.Partitions, part)
		}
		req.Topics = append(req.Topics, topic)
	}
	kresp, err := br.Request(ctx, req)
	if err != nil {
		return nil, err
	}
	out := make(answers[EpochEnd], len(parts))
	for _, t := range kresp.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, p := range t.Partitions {
			out[TopicPartition{t.Topic, p.Partition}] = outcome[EpochEnd]{
				value: EpochEnd{LeaderEpoch: p.LeaderEpoch, EndOffset: p.EndOffset},
				err:   kerr.ErrorForCode(p.ErrorCode),
			}
		}
	}
	return out, nil
}
