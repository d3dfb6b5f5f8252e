package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// A TopicInfo is a topic as the cluster's metadata show it.
type TopicInfo struct {
	Name string
	// ID changes when a topic is deleted and created again. It is zero where brokers have none (before 2.8).
	ID [16]byte
	// Internal topics are Kafka's own, such as __consumer_offsets.
	Internal   bool
	Partitions []PartitionInfo // in order of their numbers
}

// ReplicationFactor is the number of replicas of a partition; the largest, should they differ.
func (t TopicInfo) ReplicationFactor() (n int) {
	for _, p := range t.Partitions {
		n = max(n, len(p.Replicas))
	}
	return n
}

// TopicPartitions names the topic's partitions.
func (t TopicInfo) TopicPartitions() []TopicPartition {
	tps := make([]TopicPartition, len(t.Partitions))
	for i, p := range t.Partitions {
		tps[i] = TopicPartition{t.Name, p.Partition}
	}
	return tps
}

// A PartitionInfo is a partition in a TopicInfo.
type PartitionInfo struct {
	Partition int32
	// Leader is the node that leads it, -1 if there is none now; Address is where that node says it is.
	Leader  int32
	Address string
	// Replicas are the nodes that keep it, ISR those of them that are in sync.
	Replicas, ISR []int32
}

// Topics gives all topics that the user may see, Kafka's own included, in order of their names.
func (a *Admin) Topics(ctx context.Context) ([]TopicInfo, error) {
	md, err := a.c.Metadata(ctx, nil)
	if err != nil {
		return nil, err
	}
	var out []TopicInfo
	for _, name := range slices.Sorted(maps.Keys(md.Topics)) {
		out = append(out, topicInfo(md, md.Topics[name]))
	}
	return out, nil
}

// DescribeTopics gives the named topics, in the order of their names in the call. The error joins one for each topic
// that nothing can be said of, a *MissingTopicError for one that does not exist; the others are in the list.
func (a *Admin) DescribeTopics(ctx context.Context, names ...string) ([]TopicInfo, error) {
	md, err := a.c.Metadata(ctx, append([]string{}, names...)) // nil would mean all
	if err != nil {
		return nil, err
	}
	var out []TopicInfo
	var errs []error
	for _, name := range names {
		t := md.Topics[name]
		switch {
		case client.KindOf(t.Err) == client.NoTopic:
			errs = append(errs, &MissingTopicError{Topic: name})
		case t.Err != nil:
			errs = append(errs, t.Err)
		default:
			out = append(out, topicInfo(md, t))
		}
	}
	return out, errors.Join(errs...)
}

func topicInfo(md *client.Metadata, t client.Topic) TopicInfo {
	out := TopicInfo{Name: t.Name, ID: t.ID, Internal: t.Internal, Partitions: make([]PartitionInfo, len(t.Partitions))}
	for i, p := range t.Partitions {
		out.Partitions[i] = PartitionInfo{Partition: p.ID, Leader: p.Leader, Replicas: p.Replicas, ISR: p.ISR}
		if b, ok := md.Brokers[p.Leader]; ok {
			out.Partitions[i].Address = b.Addr()
		}
	}
	return out
}

// A TopicConfig is one setting of a topic, such as retention.ms.
type TopicConfig struct {
	Name string
	// Value is empty for a secret, which brokers do not tell.
	Value string
	// Set tells a value that was given to this topic from one of the brokers' own.
	Set bool
}

// TopicConfigs gives the settings of a topic in order of their names. It takes the right DESCRIBE_CONFIGS on the
// topic, and brokers from 0.11 on.
func (a *Admin) TopicConfigs(ctx context.Context, topic string) ([]TopicConfig, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, topic
	req.Resources = append(req.Resources, resource)
	resp, err := request(ctx, a, func(ctx context.Context, kc *kgo.Client) (*kmsg.DescribeConfigsResponse, error) {
		return req.RequestWith(ctx, kc)
	})
	if err != nil {
		return nil, err
	}
	if len(resp.Resources) != 1 {
		return nil, fmt.Errorf("the broker answered for %d topics instead of one", len(resp.Resources))
	}
	r := resp.Resources[0]
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return nil, a.refused(err, r.ErrorMessage, topic, "read the settings of", "DESCRIBE_CONFIGS on the topic")
	}
	out := make([]TopicConfig, len(r.Configs))
	for i, c := range r.Configs {
		// Version 0 has a flag of its own in place of the source.
		set := c.Source == kmsg.ConfigSourceDynamicTopicConfig || resp.Version == 0 && !c.IsDefault
		out[i] = TopicConfig{Name: c.Name, Set: set}
		if c.Value != nil {
			out[i].Value = *c.Value
		}
	}
	slices.SortFunc(out, func(a, b TopicConfig) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// A NewTopic is a topic to be created.
type NewTopic struct {
	Name string
	// Partitions and ReplicationFactor are the brokers' defaults if 0; brokers before 2.4 want both numbers.
	Partitions        int32
	ReplicationFactor int16
	// Configs are settings of the topic by Kafka's names, such as retention.ms.
	Configs map[string]string
}

// A TopicExistsError says that a topic cannot be created because it is there.
type TopicExistsError struct{ Topic string }

// Error names the topic and what to do.
func (e *TopicExistsError) Error() string {
	return fmt.Sprintf("topic %q exists already: use it as it is, choose another name, or delete it first", e.Topic)
}

// HasTopicDefaults tells whether the brokers have defaults for the numbers of a new topic, as they do from 2.4 on.
func (a *Admin) HasTopicDefaults() bool { return a.c.Version().Supports(kmsg.CreateTopics, 4) }

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (a *Admin) check(t NewTopic) error {
	switch {
	case t.Name == "." || t.Name == ".." || !topicName.MatchString(t.Name):
		return fmt.Errorf("topic %q: a name has 1 to 249 letters, digits, dots, underscores and hyphens: "+
			"choose such a one", t.Name)
	case t.Partitions < 0 || t.ReplicationFactor < 0:
		return fmt.Errorf("topic %q: %d partitions with %d replicas: give numbers from 1 on, "+
			"or 0 for the brokers' defaults", t.Name, t.Partitions, t.ReplicationFactor)
	case (t.Partitions == 0 || t.ReplicationFactor == 0) && !a.HasTopicDefaults():
		return fmt.Errorf("topic %q: brokers of version %s have no defaults for a new topic: "+
			"give the number of partitions and the replication factor", t.Name, a.c.Version())
	}
	return nil
}

// CreateTopic creates a topic and returns it when each of its partitions has a leader, so that it can be written and
// read at once.
func (a *Admin) CreateTopic(ctx context.Context, t NewTopic) (TopicInfo, error) {
	if err := a.check(t); err != nil {
		return TopicInfo{}, err
	}
	ctx, cancel := a.bound(ctx)
	defer cancel()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = a.patience()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic = t.Name
	topic.NumPartitions, topic.ReplicationFactor = cmp.Or(t.Partitions, -1), cmp.Or(t.ReplicationFactor, -1)
	for _, name := range slices.Sorted(maps.Keys(t.Configs)) {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(t.Configs[name])
		topic.Configs = append(topic.Configs, c)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := request(ctx, a, func(ctx context.Context, kc *kgo.Client) (*kmsg.CreateTopicsResponse, error) {
		return req.RequestWith(ctx, kc)
	})
	if err != nil {
		return TopicInfo{}, err
	}
	for _, r := range resp.Topics {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			const right = "CREATE on the topic or on the cluster"
			return TopicInfo{}, a.refused(err, r.ErrorMessage, t.Name, "create", right)
		}
	}
	return a.settled(ctx, t.Name, "created, but not all of its partitions have a leader", ready)
}

// ready tells whether a topic can be written and read.
func ready(t client.Topic) bool {
	led := !slices.ContainsFunc(t.Partitions, func(p client.Partition) bool { return p.Err != nil })
	return t.Err == nil && len(t.Partitions) > 0 && led
}

// DeleteTopic deletes a topic with all that it holds and returns when the cluster does not show it any more.
func (a *Admin) DeleteTopic(ctx context.Context, topic string) error {
	ctx, cancel := a.bound(ctx)
	defer cancel()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = a.patience()
	req.TopicNames = []string{topic} // up to version 5
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, named)
	resp, err := request(ctx, a, func(ctx context.Context, kc *kgo.Client) (*kmsg.DeleteTopicsResponse, error) {
		return req.RequestWith(ctx, kc)
	})
	if err != nil {
		return err
	}
	for _, r := range resp.Topics {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			return a.refused(err, r.ErrorMessage, topic, "delete", "DELETE and DESCRIBE on the topic")
		}
	}
	_, err = a.settled(ctx, topic, "marked for deletion, but still there", func(t client.Topic) bool {
		return client.KindOf(t.Err) == client.NoTopic
	})
	return err
}

// patience is how long the controller may take, in milliseconds.
func (a *Admin) patience() int32 {
	return int32(min(a.c.Config().Timeout.Milliseconds(), (time.Hour).Milliseconds()))
}

// The pauses between looks at a topic that changes.
const (
	settleFirst = 20 * time.Millisecond
	settleMost  = 500 * time.Millisecond
)

// settled looks at a topic until it is as it should be: what the controller has decided reaches the brokers that
// answer a little later. what is said of the topic if that takes too long.
func (a *Admin) settled(ctx context.Context, topic, what string, done func(client.Topic) bool) (TopicInfo, error) {
	for wait := settleFirst; ; wait = min(2*wait, settleMost) {
		md, err := a.c.Metadata(ctx, []string{topic})
		if err == nil && done(md.Topics[topic]) {
			return topicInfo(md, md.Topics[topic]), nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if err == nil || errors.Is(ctx.Err(), context.Canceled) {
				err = context.Cause(ctx)
			}
			return TopicInfo{}, fmt.Errorf("topic %q is %s: %w: look again with weir topics describe", topic, what, err)
		}
	}
}

// refused is the error of a topic that the brokers would not create, delete or describe. message is their own text.
func (a *Admin) refused(err error, message *string, topic, verb, right string) error {
	cause := err
	if message != nil && *message != "" {
		cause = fmt.Errorf("%w (%s)", err, *message)
	}
	e := &client.Error{Place: topic, Err: cause, Text: fmt.Sprintf("the brokers would not %s topic %q", verb, topic)}
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return &MissingTopicError{Topic: topic}
	case errors.Is(err, kerr.TopicAlreadyExists):
		return &TopicExistsError{Topic: topic}
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		e.Kind, e.Remedy = client.Unauthorized, "grant "+right
	case errors.Is(err, kerr.InvalidTopicException):
		e.Remedy = "choose another name; two that differ in dots and underscores only are the same to Kafka"
	case errors.Is(err, kerr.InvalidPartitions):
		e.Remedy = "give another number of partitions"
	case errors.Is(err, kerr.InvalidReplicationFactor):
		e.Remedy = "give a replication factor that is not larger than the number of brokers"
	case errors.Is(err, kerr.InvalidConfig), errors.Is(err, kerr.PolicyViolation), errors.Is(err, kerr.InvalidRequest):
		e.Remedy = "correct the topic's settings"
	case errors.Is(err, kerr.TopicDeletionDisabled):
		e.Remedy = "set delete.topic.enable=true on the brokers"
	default:
		return a.c.Explain(fmt.Errorf("%s topic %q: %w", verb, topic, cause))
	}
	return e
}
