package client

import (
	"cmp"
	"context"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Metadata is a picture of the cluster at one moment.
type Metadata struct {
	ClusterID string // empty before 0.10.1
	Brokers   map[int32]Broker
	Topics    map[string]Topic
}

// Topic is a topic in a Metadata.
type Topic struct {
	Name string
	// ID changes when a topic is deleted and made again under its name. It is zero where brokers do not
	// know ids (before 2.8, or an old metadata.version).
	ID [16]byte
	// Internal topics are Kafka's own, such as __consumer_offsets.
	Internal   bool
	Partitions []Partition // in order of their numbers
	// Err is why nothing is known of the topic: an *Error of kind NoTopic, Unauthorized or Unavailable.
	Err error
}

// Partition is a partition in a Metadata.
type Partition struct {
	ID int32
	// Leader is the node that leads it, or -1 if there is none now.
	Leader int32
	// LeaderEpoch counts its leaders; -1 if the brokers do not say (before 2.1).
	LeaderEpoch   int32
	Replicas, ISR []int32
	// Err is why the partition cannot be read now, an *Error of kind Unavailable; Leader is then -1.
	Err error
}

// Leader returns the partition's leader, if it is known.
func (m *Metadata) Leader(p TopicPartition) (b Broker, ok bool) {
	part, ok := m.Partition(p)
	if !ok {
		return Broker{}, false
	}
	b, ok = m.Brokers[part.Leader]
	return b, ok
}

// Partition returns what is known of a partition.
func (m *Metadata) Partition(p TopicPartition) (Partition, bool) {
	parts := m.Topics[p.Topic].Partitions
	// Nearly always the numbers are 0, 1, 2 ..., but a picture taken in the middle of a change has gaps.
	i, ok := slices.BinarySearchFunc(parts, p.Partition, func(a Partition, id int32) int {
		return cmp.Compare(a.ID, id)
	})
	if !ok {
		return Partition{}, false
	}
	return parts[i], true
}

// Metadata asks for topics by name, or for all that the user may see if topics is nil. Every topic asked
// for by name has an entry; one that does not exist has one with Err. No topic is ever created by
// asking, not even on brokers that create what is asked for.
func (c *Client) Metadata(ctx context.Context, topics []string) (*Metadata, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	return c.metadata(ctx, topics)
}

func (c *Client) metadata(ctx context.Context, topics []string) (*Metadata, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = false
	byName := topics != nil && c.version.Supports(kmsg.Metadata, 4)
	// Before version 4 a request cannot say that a topic is not to be created, so old brokers are asked
	// for all of them.
	if byName {
		req.Topics = make([]kmsg.MetadataRequestTopic, 0, len(topics))
		for _, name := range topics {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, t)
		}
	}
	resp, err := c.askAny(ctx, req)
	if err == nil {
		err = kerr.ErrorForCode(resp.(*kmsg.MetadataResponse).ErrorCode)
	}
	if err != nil {
		return nil, c.failed(ctx, "ask for the metadata", err)
	}
	m := c.metadataOf(resp.(*kmsg.MetadataResponse))
	// Asked for all, brokers leave out what the user may not see; whoever asked by name wants to hear of it.
	for _, name := range topics {
		if _, ok := m.Topics[name]; !ok {
			m.Topics[name] = Topic{Name: name, Err: explainAt(kerr.UnknownTopicOrPartition, c.cfg, name)}
		}
	}
	if topics != nil && !byName {
		maps.DeleteFunc(m.Topics, func(name string, _ Topic) bool { return !slices.Contains(topics, name) })
	}
	c.remember(m)
	return m, nil
}

// failed is the error of a call that could not be made.
func (c *Client) failed(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return c.ended(ctx, what, err)
	}
	return c.Explain(err)
}

func (c *Client) metadataOf(resp *kmsg.MetadataResponse) *Metadata {
	m := &Metadata{
		Brokers: make(map[int32]Broker, len(resp.Brokers)),
		Topics:  make(map[string]Topic, len(resp.Topics)),
	}
	if resp.ClusterID != nil {
		m.ClusterID = *resp.ClusterID
	}
	for _, b := range resp.Brokers {
		m.Brokers[b.NodeID] = brokerOf(b)
	}
	for _, t := range resp.Topics {
		if t.Topic == nil { // only an answer about an id that is not known; none is asked about
			continue
		}
		out := Topic{
			Name: *t.Topic, ID: t.TopicID, Partitions: make([]Partition, 0, len(t.Partitions)),
			// Versions before 1 do not say which topics are internal.
			Internal: t.IsInternal || *t.Topic == "__consumer_offsets" || *t.Topic == "__transaction_state",
			Err:      explainAt(kerr.ErrorForCode(t.ErrorCode), c.cfg, *t.Topic),
		}
		for _, p := range t.Partitions {
			out.Partitions = append(out.Partitions, c.partitionOf(*t.Topic, p))
		}
		slices.SortFunc(out.Partitions, func(a, b Partition) int { return cmp.Compare(a.ID, b.ID) })
		m.Topics[out.Name] = out
	}
	return m
}

func (c *Client) partitionOf(topic string, p kmsg.MetadataResponseTopicPartition) Partition {
	out := Partition{
		ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Replicas: p.Replicas, ISR: p.ISR,
	}
	err := kerr.ErrorForCode(p.ErrorCode)
	// An old broker reports a replica that is away by this error, though the leader is there.
	if err == kerr.ReplicaNotAvailable && p.Leader >= 0 {
		err = nil
	}
	if err == nil && p.Leader < 0 {
		err = kerr.LeaderNotAvailable
	}
	if err != nil {
		out.Leader = -1
		out.Err = explainAt(err, c.cfg, TopicPartition{topic, p.Partition}.String())
	}
	return out
}

// remember keeps topics' ids, which new brokers want in place of names.
func (c *Client) remember(m *Metadata) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, t := range m.Topics {
		if t.ID != [16]byte{} {
			c.ids[name] = t.ID
		} else {
			delete(c.ids, name) // deleted; the next of its name will have another
		}
	}
}

// topicIDs returns the ids of topics, asking for those that are not known yet, or for all of them if
// fresh. Topics without an id are left out; errs says why, where the brokers do. Brokers that gave no ids when the
// client was opened are asked only if fresh: they may have been upgraded since.
func (c *Client) topicIDs(ctx context.Context, topics []string, fresh bool) (ids map[string][16]byte,
	errs map[string]error, err error,
) {
	known := func() (ids map[string][16]byte) {
		c.mu.Lock()
		defer c.mu.Unlock()
		ids = make(map[string][16]byte, len(topics))
		for _, t := range topics {
			if id, ok := c.ids[t]; ok {
				ids[t] = id
			}
		}
		return ids
	}
	if ids := known(); !fresh && (len(ids) == len(topics) || !c.version.Supports(kmsg.Metadata, 10)) {
		return ids, nil, nil
	}
	m, err := c.metadata(ctx, topics)
	if err != nil {
		return nil, nil, err
	}
	errs = map[string]error{}
	for name, t := range m.Topics {
		if t.Err != nil {
			errs[name] = t.Err
		}
	}
	return known(), errs, nil
}

// topicNames are the ids by which topics are asked for, and why some have none.
type topicNames struct {
	ids  map[string][16]byte
	back map[[16]byte]string
	errs map[string]error
}

// named gives each topic an id, whether that will be sent or not: a connection agrees on its version for itself, and in
// a cluster that is being upgraded not on that of the others. Those whose id is not known get one that no topic has, so
// that the answer leads back to them.
func (c *Client) named(ctx context.Context, topics []string, fresh bool) (n topicNames, err error) {
	if len(topics) == 0 {
		return n, nil
	}
	n.back = make(map[[16]byte]string, len(topics))
	n.ids, n.errs, err = c.topicIDs(ctx, topics, fresh)
	if err != nil {
		return n, err
	}
	for i, name := range topics {
		if _, ok := n.ids[name]; !ok {
			made := [16]byte{0: 0xff} // Kafka's own have a version in the middle, where this has 0.
			binary.BigEndian.PutUint32(made[12:], uint32(i))
			n.ids[name] = made
		}
		n.back[n.ids[name]] = name
	}
	return n, nil
}
