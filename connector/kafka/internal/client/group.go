package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// onCoordinator runs ask against a group's coordinator and again, after looking it up anew, while the
// error says that waiting may help. ask returns such errors as they are.
func (c *Client) onCoordinator(ctx context.Context, group, what string, ask func(*kgo.Broker) error) error {
	begin := time.Now()
	for attempt := 1; ; attempt++ {
		node, err := c.coordinator(ctx, group)
		if err == nil {
			err = ask(c.kc.Broker(int(node)))
		}
		if err == nil {
			return nil
		}
		if !mayPass(err) || isUnknown(err) && time.Since(begin) > unknownPatience {
			return c.Explain(explainAt(err, c.cfg, "group "+group))
		}
		// Whatever went wrong, the coordinator may have moved; looking it up again costs one request.
		c.forget(group)
		if !c.pause(ctx, attempt) {
			return c.ended(ctx, what, explainAt(err, c.cfg, "group "+group))
		}
	}
}

func (c *Client) forget(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coordinators, group)
}

// coordinator finds the broker that keeps a group's offsets.
func (c *Client) coordinator(ctx context.Context, group string) (int32, error) {
	c.mu.Lock()
	node, ok := c.coordinators[group]
	c.mu.Unlock()
	if ok {
		return node, nil
	}
	// Old brokers read the one field, new ones the other.
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.CoordinatorKey, req.CoordinatorKeys = group, []string{group}
	kresp, err := c.askAny(ctx, req)
	if err != nil {
		return 0, err
	}
	resp := kresp.(*kmsg.FindCoordinatorResponse)
	code, node := resp.ErrorCode, resp.NodeID
	if i := slices.IndexFunc(resp.Coordinators, func(k kmsg.FindCoordinatorResponseCoordinator) bool {
		return k.Key == group
	}); i >= 0 {
		code, node = resp.Coordinators[i].ErrorCode, resp.Coordinators[i].NodeID
	}
	if err := kerr.ErrorForCode(code); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.coordinators[group] = node
	return node, nil
}

// CommittedOffset is what a group has committed for a partition.
type CommittedOffset struct {
	// Offset is that of the next record to read, -1 if nothing was ever committed.
	Offset int64
	// LeaderEpoch is that of the last record read, -1 if it was not committed.
	LeaderEpoch int32
	Metadata    string
	// Stable tells that no transaction whose end is decided will still change it: it was waited for them.
	Stable bool
	// Err is an *Error. The other fields mean nothing then.
	Err error
}

// FetchOffsets returns what a group has committed for the named partitions, with an entry for each; a
// group that does not exist has committed nothing. With stable it waits for transactions that are
// about to commit offsets. Only coordinators of 2.5 and later can, and while a cluster is upgraded that is not
// what the other brokers say: so each entry tells by Stable whether it was done. Partitions are always named,
// because brokers before 0.10.2 answer the question for all of them with nothing.
func (c *Client) FetchOffsets(ctx context.Context, group string, parts []TopicPartition, stable bool) (
	map[TopicPartition]CommittedOffset, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var out map[TopicPartition]CommittedOffset
	fresh, waited := false, false
	err := c.onCoordinator(ctx, group, "fetch the offsets of group "+group, func(br *kgo.Broker) error {
		req, names, err := c.fetchRequest(ctx, group, parts, stable, fresh)
		if err != nil {
			return err
		}
		kresp, err := br.Request(ctx, req)
		if err != nil {
			return err
		}
		resp := kresp.(*kmsg.OffsetFetchResponse)
		waited = stable && resp.Version >= 7 // before, the request has no field to ask for it
		out, err = c.committed(resp, group, names)
		fresh = fresh || isUnknown(err)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		at, ok := out[p]
		if !ok {
			at = CommittedOffset{Offset: -1, LeaderEpoch: -1}
		}
		at.Stable = waited
		out[p] = at
	}
	return out, nil
}

// fetchRequest fills the request in both of its forms, for one group and for several, and with names and
// ids; which of them is sent depends on what the connection that it takes has agreed on.
func (c *Client) fetchRequest(ctx context.Context, group string, parts []TopicPartition, stable, fresh bool) (
	req *kmsg.OffsetFetchRequest, names topicNames, err error) {
	topics, groups := byTopic(parts, func(p TopicPartition) string { return p.Topic })
	names, err = c.named(ctx, topics, fresh)
	if err != nil {
		return nil, names, err
	}
	req = kmsg.NewPtrOffsetFetchRequest()
	req.Group, req.RequireStable = group, stable
	req.Topics = []kmsg.OffsetFetchRequestTopic{} // nil would mean all
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = group
	one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
	for _, name := range topics {
		old, t := kmsg.NewOffsetFetchRequestTopic(), kmsg.NewOffsetFetchRequestGroupTopic()
		old.Topic, t.Topic, t.TopicID = name, name, names.ids[name]
		for _, p := range groups[name] {
			old.Partitions = append(old.Partitions, p.Partition)
			t.Partitions = append(t.Partitions, p.Partition)
		}
		req.Topics = append(req.Topics, old)
		one.Topics = append(one.Topics, t)
	}
	req.Groups = append(req.Groups, one)
	return req, names, nil
}

// committed reads either form of the response. An error that may pass is that of the whole.
func (c *Client) committed(resp *kmsg.OffsetFetchResponse, group string, names topicNames) (
	map[TopicPartition]CommittedOffset, error) {
	out := map[TopicPartition]CommittedOffset{}
	code := resp.ErrorCode
	var passing error
	add := func(topic string, id [16]byte, p kmsg.OffsetFetchResponseGroupTopicPartition) {
		if topic == "" {
			topic = names.back[id]
		}
		tp := TopicPartition{topic, p.Partition}
		at := CommittedOffset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch}
		if p.Metadata != nil {
			at.Metadata = *p.Metadata
		}
		if at.Offset < 0 || resp.Version < 5 {
			at.LeaderEpoch = -1
		}
		if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
			at = CommittedOffset{Offset: -1, LeaderEpoch: -1, Err: explainAt(err, c.cfg, tp.String())}
			switch {
			case err == kerr.UnknownTopicOrPartition:
				at.Err = nil // 0.8 says this where newer brokers say -1
			case err == kerr.UnknownTopicID && KindOf(names.errs[topic]) == NoTopic:
				at.Err = nil // the topic is gone, and so are its offsets
			case err == kerr.UnknownTopicID && KindOf(names.errs[topic]) == Unauthorized:
				at.Err = names.errs[topic] // who may not see a topic is not told its id either
			case mayPass(err):
				passing = err
			}
		}
		out[tp] = at
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			add(t.Topic, [16]byte{}, kmsg.OffsetFetchResponseGroupTopicPartition{
				Partition: p.Partition, Offset: p.Offset, LeaderEpoch: p.LeaderEpoch,
				Metadata: p.Metadata, ErrorCode: p.ErrorCode,
			})
		}
	}
	for _, g := range resp.Groups {
		if g.Group != group {
			continue
		}
		code = g.ErrorCode
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				add(t.Topic, t.TopicID, p)
			}
		}
	}
	// Kafka answers -1 for a group that never was; other brokers say that there is none.
	if err := kerr.ErrorForCode(code); err != nil && err != kerr.GroupIDNotFound {
		return nil, err
	}
	return out, passing
}

// OffsetToCommit is a position to commit for a partition.
type OffsetToCommit struct {
	// Offset is that of the next record to read.
	Offset int64
	// LeaderEpoch is that of the last record read, -1 if it is not known.
	LeaderEpoch int32
	Metadata    string
	// TopicID, if set, makes new brokers (4.2) refuse to commit for a topic that has been made again since.
	TopicID [16]byte
}

// CommitOffsets commits positions for a group from outside, without being its member. That works only
// while the group has no members; otherwise the error is of kind GroupLive. The error joins one *Error
// for each partition that could not be committed; the others are.
func (c *Client) CommitOffsets(ctx context.Context, group string,
	offsets map[TopicPartition]OffsetToCommit) error {
	if len(offsets) == 0 {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var refused []error
	fresh := false
	err := c.onCoordinator(ctx, group, "commit the offsets of group "+group, func(br *kgo.Broker) error {
		req, names, err := c.commitRequest(ctx, group, offsets, fresh)
		if err != nil {
			return err
		}
		kresp, err := br.Request(ctx, req)
		if err != nil {
			return err
		}
		refused, err = c.refusals(kresp.(*kmsg.OffsetCommitResponse), group, names, offsets)
		fresh = fresh || isUnknown(err)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(refused...)
}

func (c *Client) commitRequest(ctx context.Context, group string, offsets map[TopicPartition]OffsetToCommit,
	fresh bool) (req *kmsg.OffsetCommitRequest, names topicNames, err error) {
	parts := make([]TopicPartition, 0, len(offsets))
	for p := range offsets {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b TopicPartition) int { return cmp.Compare(a.Partition, b.Partition) })
	topics, groups := byTopic(parts, func(p TopicPartition) string { return p.Topic })
	if names, err = c.named(ctx, topics, fresh); err != nil {
		return nil, names, err
	}
	req = kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1 // -1 and no member: from outside
	for _, name := range topics {
		t := kmsg.NewOffsetCommitRequestTopic()
		t.Topic, t.TopicID = name, names.ids[name]
		for _, tp := range groups[name] {
			o := offsets[tp]
			if o.TopicID != [16]byte{} { // the caller knows better which topic it was
				t.TopicID = o.TopicID
			}
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = tp.Partition, o.Offset, o.LeaderEpoch
			p.Metadata = kmsg.StringPtr(o.Metadata)
			t.Partitions = append(t.Partitions, p)
		}
		names.back[t.TopicID] = name
		req.Topics = append(req.Topics, t)
	}
	return req, names, nil
}

// refusals returns what the coordinator refused for good, or one error that may pass.
func (c *Client) refusals(resp *kmsg.OffsetCommitResponse, group string, names topicNames,
	offsets map[TopicPartition]OffsetToCommit) (refused []error, passing error) {
	for _, t := range resp.Topics {
		name := t.Topic
		if name == "" {
			name = names.back[t.TopicID]
		}
		for _, p := range t.Partitions {
			err := kerr.ErrorForCode(p.ErrorCode)
			tp := TopicPartition{name, p.Partition}
			switch {
			case err == nil:
			case err == kerr.UnknownTopicID && KindOf(names.errs[name]) == Unauthorized:
				refused = append(refused, names.errs[name])
			case mayPass(err) && !(isUnknown(err) && offsets[tp].TopicID != [16]byte{}):
				passing = err
			default:
				place := tp.String()
				if e, ok := explainAt(err, c.cfg, "group "+group).(*Error); ok && (e.Kind == GroupLive ||
					err == kerr.GroupAuthorizationFailed) {
					return []error{e}, nil // it is about the group, so every partition would say the same
				}
				refused = append(refused, explainAt(err, c.cfg, place))
			}
		}
	}
	return refused, passing
}

// Group states that matter. Kafka has more, such as Stable and PreparingRebalance.
const (
	GroupEmpty = "Empty" // has offsets, but no members
	GroupDead  = "Dead"  // does not exist
	// GroupUnknown is the state of every group on 0.8 brokers, whose groups live in ZooKeeper.
	GroupUnknown = "Unknown"
)

// Group is a group as its coordinator sees it.
type Group struct {
	ID      string
	State   string
	Members []Member
}

// Live says whether the group has members.
func (g Group) Live() bool { return len(g.Members) > 0 }

// Member is a member of a group. Host is where it is, as the broker saw it.
type Member struct{ ID, InstanceID, ClientID, Host string }

// String is the member for error texts.
func (m Member) String() string {
	return fmt.Sprintf("%s (client %s at %s)", m.ID, m.ClientID, strings.TrimPrefix(m.Host, "/"))
}

// DescribeGroup tells whether a group has members. A group that does not exist is Dead; that is no error.
func (c *Client) DescribeGroup(ctx context.Context, group string) (Group, error) {
	g := Group{ID: group, State: GroupUnknown}
	if !c.version.Supports(kmsg.DescribeGroups, 0) {
		return g, nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	err := c.onCoordinator(ctx, group, "describe group "+group, func(br *kgo.Broker) (err error) {
		if g, err = describeClassic(ctx, br, group); err != nil {
			return err
		}
		// To the old question, groups of the new protocol (4.0) are none, or have no members.
		if g.Live() || g.State == GroupEmpty || !c.version.Supports(kmsg.ConsumerGroupDescribe, 0) {
			return nil
		}
		newer, err := describeConsumer(ctx, br, group)
		if newer.State != GroupDead {
			g = newer
		}
		return err
	})
	return g, err
}

func describeClassic(ctx context.Context, br *kgo.Broker, group string) (Group, error) {
	g := Group{ID: group, State: GroupDead}
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = []string{group}
	kresp, err := br.Request(ctx, req)
	if err != nil {
		return g, err
	}
	for _, d := range kresp.(*kmsg.DescribeGroupsResponse).Groups {
		if d.Group != group {
			continue
		}
		if err := kerr.ErrorForCode(d.ErrorCode); err == kerr.GroupIDNotFound {
			return g, nil
		} else if err != nil {
			return g, err
		}
		g.State = d.State
		for _, m := range d.Members {
			g.Members = append(g.Members, member(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost))
		}
	}
	return g, nil
}

func describeConsumer(ctx context.Context, br *kgo.Broker, group string) (Group, error) {
	g := Group{ID: group, State: GroupDead}
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = []string{group}
	kresp, err := br.Request(ctx, req)
	if err != nil {
		return g, err
	}
	for _, d := range kresp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
		if d.Group != group {
			continue
		}
		switch err := kerr.ErrorForCode(d.ErrorCode); err {
		case nil:
		case kerr.GroupIDNotFound, kerr.UnsupportedVersion: // the latter: the new protocol is switched off
			return g, nil
		default:
			return g, err
		}
		g.State = d.State
		for _, m := range d.Members {
			g.Members = append(g.Members, member(m.MemberID, m.InstanceID, m.ClientID, m.ClientHost))
		}
	}
	return g, nil
}

func member(id string, instance *string, client, host string) Member {
	m := Member{ID: id, ClientID: client, Host: host}
	if instance != nil {
		m.InstanceID = *instance
	}
	return m
}
