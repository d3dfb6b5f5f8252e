package kafka

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// An OffsetSpec says which offset of a partition is asked for: one of its ends, or that of a time (OffsetAt).
type OffsetSpec int64

// The ends of a partition.
const (
	// LatestOffset is where the next record will be; with isolation.level=read_committed the last stable offset,
	// before which every transaction is decided.
	LatestOffset = OffsetSpec(client.Latest)
	// EarliestOffset is the first offset that is still there.
	EarliestOffset = OffsetSpec(client.Earliest)
)

// OffsetAt asks for the first record whose timestamp is not before t. Brokers before 0.10.1 cannot say.
func OffsetAt(t time.Time) OffsetSpec { return OffsetSpec(client.AtTime(t)) }

// ListOffsets asks the partitions' leaders for an offset of each. A partition without a record as young as a time
// has its latest offset. The error joins one for each partition that could not be asked; the others are in the map.
func (a *Admin) ListOffsets(ctx context.Context, at OffsetSpec, tps ...TopicPartition) (
	map[TopicPartition]int64, error) {
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(tps))
	for _, tp := range tps {
		specs[client.TopicPartition(tp)] = client.OffsetSpec(at)
	}
	out := make(map[TopicPartition]int64, len(tps))
	if len(specs) == 0 {
		return out, nil
	}
	got, err := a.c.ListOffsetsOrEnd(ctx, specs, a.c.Config().Isolation)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, tp := range sorted(tps) {
		o := got[client.TopicPartition(tp)]
		if errs = append(errs, o.Err); o.Err == nil {
			out[tp] = o.Offset
		}
	}
	return out, errors.Join(errs...)
}

// A GroupOffset is what a group has committed for a partition.
type GroupOffset struct {
	Topic     string
	Partition int32
	// Offset is that of the next record to read, -1 if nothing is committed.
	Offset int64
	// Metadata is what the group stored beside it.
	Metadata string
}

// TopicPartition is the partition that the group committed for.
func (o GroupOffset) TopicPartition() TopicPartition { return TopicPartition{o.Topic, o.Partition} }

// GroupOffsets gives what a group has committed for each partition of topics, those without a commit included; with
// no topic named, for all topics in which it has committed something and which still exist. A group that does not
// exist has committed nothing.
func (a *Admin) GroupOffsets(ctx context.Context, group string, topics ...string) ([]GroupOffset, error) {
	ctx, cancel := a.bound(ctx)
	defer cancel()
	var (
		infos []TopicInfo
		err   error
	)
	if len(topics) > 0 {
		infos, err = a.DescribeTopics(ctx, topics...)
	} else {
		infos, err = a.Topics(ctx)
	}
	if err != nil {
		return nil, err
	}
	var tps []client.TopicPartition
	for _, t := range infos {
		for _, p := range t.Partitions {
			tps = append(tps, client.TopicPartition{Topic: t.Name, Partition: p.Partition})
		}
	}
	got, err := a.c.FetchOffsets(ctx, group, tps, false)
	if err != nil {
		return nil, err
	}
	return groupOffsets(tps, got, len(topics) > 0)
}

// groupOffsets orders the answer. Unless all topics are wanted, those without any commit are left out, and with
// them the errors about topics that have gone since, or that the user may not read.
func groupOffsets(tps []client.TopicPartition, got map[client.TopicPartition]client.CommittedOffset, all bool) (
	[]GroupOffset, error) {
	used := map[string]bool{}
	for tp, o := range got {
		used[tp.Topic] = used[tp.Topic] || o.Err == nil && o.Offset >= 0
	}
	var out []GroupOffset
	var errs []error
	for _, tp := range tps {
		o := got[tp]
		if !all && !used[tp.Topic] {
			continue
		}
		if o.Err != nil {
			errs = append(errs, o.Err)
			continue
		}
		out = append(out, GroupOffset{tp.Topic, tp.Partition, max(o.Offset, -1), o.Metadata})
	}
	slices.SortFunc(out, func(a, b GroupOffset) int { return byPartition(a.TopicPartition(), b.TopicPartition()) })
	return out, errors.Join(errs...)
}

// A GroupInfo is a group as its coordinator sees it.
type GroupInfo struct {
	Name string
	// State is Kafka's word: Stable, Empty (it has offsets and no members), Dead (it does not exist), and others;
	// Unknown on 0.8, whose groups live in ZooKeeper.
	State   string
	Members []GroupMember
}

// Exists tells whether the coordinator knows the group.
func (g GroupInfo) Exists() bool { return g.State != client.GroupDead }

// A GroupMember is a member of a group. Host is where it is, as the broker saw it.
type GroupMember struct{ ID, ClientID, Host string }

// DescribeGroup tells who is in a group. A group that does not exist is no error: its state is Dead.
func (a *Admin) DescribeGroup(ctx context.Context, group string) (GroupInfo, error) {
	g, err := a.c.DescribeGroup(ctx, group)
	if err != nil {
		return GroupInfo{}, err
	}
	out := GroupInfo{Name: group, State: g.State}
	for _, m := range g.Members {
		out.Members = append(out.Members, GroupMember{ID: m.ID, ClientID: m.ClientID, Host: m.Host})
	}
	return out, nil
}
