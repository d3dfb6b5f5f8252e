package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// Groups gives the groups that the user may see, in order of their names. Their state is "" where the brokers do not
// tell it in a list (before 2.6), and they have no members here: DescribeGroup tells both. The error joins one for each
// broker that could not be asked; the groups of the others are in the list. Brokers before 0.9 have none.
func (a *Admin) Groups(ctx context.Context) ([]GroupInfo, error) {
	if !a.c.Version().Supports(kmsg.ListGroups, 0) {
		return nil, fmt.Errorf("brokers of version %s cannot list groups: name the group", a.c.Version())
	}
	ctx, cancel := a.bound(ctx)
	defer cancel()
	var out []GroupInfo
	var errs []error
	for _, shard := range a.c.Kgo().RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		resp, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		err := shard.Err
		if err == nil && ok {
			err = kerr.ErrorForCode(resp.ErrorCode)
		}
		if err != nil || !ok {
			errs = append(errs, fmt.Errorf("list the groups of %s: %w", node(shard.Meta), a.c.Explain(err)))
			continue
		}
		for _, g := range resp.Groups {
			out = append(out, GroupInfo{Name: g.Group, State: g.GroupState})
		}
	}
	slices.SortFunc(out, func(a, b GroupInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, errors.Join(errs...)
}

func node(m kgo.BrokerMetadata) string {
	return fmt.Sprintf("broker %d at %s:%d", m.NodeID, m.Host, m.Port)
}

// CommitGroupOffsets commits, from outside, where a group is to go on in each partition. It works only while the group
// has no members. A group that does not exist comes into being. The error joins one for each partition that could not
// be committed; the others are.
func (a *Admin) CommitGroupOffsets(ctx context.Context, group string, offsets map[TopicPartition]int64) error {
	commits := make(map[client.TopicPartition]client.OffsetToCommit, len(offsets))
	for tp, offset := range offsets {
		commits[client.TopicPartition(tp)] = client.OffsetToCommit{Offset: offset, LeaderEpoch: -1}
	}
	return a.c.CommitOffsets(ctx, group, commits)
}
