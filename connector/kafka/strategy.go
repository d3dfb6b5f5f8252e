package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weirstream/weir/internal/spelling"
)

// A Strategy chooses the partitions of a direct stream: Subscribe, SubscribePattern, Assign, or one's own. It is
// asked at start, and again whenever the metadata are refreshed, so that partitions and topics that appear are
// taken in.
type Strategy interface {
	// Select gives the partitions of the stream. A topic that it needs and the cluster lacks is an error.
	Select(ctx context.Context, c Cluster) ([]TopicPartition, error)
	// Offsets gives the explicit first offsets of some partitions, nil for none. They count at a first start
	// only, and more than what the group has committed.
	Offsets() map[TopicPartition]int64
	// String says what is chosen, for errors and logs.
	String() string
}

// Cluster is what a Strategy may ask. Answers come from one refresh of the metadata.
type Cluster interface {
	// Topics lists the names of all topics that the user may see, sorted; Kafka's own among them.
	Topics(ctx context.Context) ([]string, error)
	// Partitions gives the number of partitions of each named topic. One that does not exist has 0; it is
	// never created by being asked for.
	Partitions(ctx context.Context, topics ...string) (map[string]int32, error)
}

// Subscribe chooses all partitions of topics, new ones as they appear.
func Subscribe(topics ...string) *Subscription { return &Subscription{topics: topics} }

// A Subscription is the strategy of Subscribe.
type Subscription struct {
	topics  []string
	offsets map[TopicPartition]int64
}

// From sets explicit first offsets and returns the strategy.
func (s *Subscription) From(offsets map[TopicPartition]int64) *Subscription {
	s.offsets = maps.Clone(offsets)
	return s
}

// Offsets implements Strategy.
func (s *Subscription) Offsets() map[TopicPartition]int64 { return s.offsets }

// String implements Strategy.
func (s *Subscription) String() string { return "Subscribe(" + strings.Join(s.topics, ", ") + ")" }

// Select implements Strategy.
func (s *Subscription) Select(ctx context.Context, c Cluster) ([]TopicPartition, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return wholeTopics(ctx, c, s.topics)
}

func (s *Subscription) check() error {
	if len(s.topics) == 0 || slices.Contains(s.topics, "") {
		return fmt.Errorf("%v: name at least one topic, and none by an empty name", s)
	}
	return nil
}

func wholeTopics(ctx context.Context, c Cluster, topics []string) ([]TopicPartition, error) {
	counts, err := c.Partitions(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var tps []TopicPartition
	for _, t := range topics {
		if counts[t] == 0 && !mayMiss(c, t) {
			return nil, missingTopic(ctx, c, t)
		}
		for p := range counts[t] {
			tps = append(tps, TopicPartition{t, p})
		}
	}
	return tps, nil
}

// A MissingTopicError says that a topic does not exist, or that the user has no right to see it.
type MissingTopicError struct {
	Topic string
	// Nearest is the topic that was perhaps meant, "" if there is none like it.
	Nearest string
}

// Error implements error.
func (e *MissingTopicError) Error() string {
	meant := ""
	if e.Nearest != "" {
		meant = fmt.Sprintf(" (is %q meant?)", e.Nearest)
	}
	return fmt.Sprintf("topic %q does not exist, or the user has no right to describe it: "+
		"create it (weir topics create %[1]s), or correct its name%s; a job never creates topics", e.Topic, meant)
}

// missingTopic makes the error of a topic that is not there. It is no less true without a proposal.
func missingTopic(ctx context.Context, c interface {
	Topics(ctx context.Context) ([]string, error)
}, topic string) error {
	names, _ := c.Topics(ctx)
	return &MissingTopicError{Topic: topic, Nearest: spelling.Nearest(topic, names)}
}

// SubscribePattern chooses all partitions of the topics whose whole name matches, new topics as they appear.
// Kafka's own topics are left out unless exclude.internal.topics is false.
func SubscribePattern(pattern *regexp.Regexp) *PatternSubscription {
	return &PatternSubscription{pattern: pattern, whole: whole(pattern)}
}

// whole gives the expression that matches where all of the text does, nil if there is none.
func whole(pattern *regexp.Regexp) *regexp.Regexp {
	if pattern == nil {
		return nil
	}
	out, err := regexp.Compile(`\A(?:` + pattern.String() + `)\z`)
	if err != nil { // A quote that the pattern leaves open would swallow what is put behind it.
		out, _ = regexp.Compile(`\A(?:` + pattern.String() + `\E)\z`)
	}
	return out
}

// A PatternSubscription is the strategy of SubscribePattern.
type PatternSubscription struct {
	pattern  *regexp.Regexp
	whole    *regexp.Regexp // Java's patterns match whole names
	offsets  map[TopicPartition]int64
	internal bool
}

// From sets explicit first offsets and returns the strategy.
func (s *PatternSubscription) From(offsets map[TopicPartition]int64) *PatternSubscription {
	s.offsets = maps.Clone(offsets)
	return s
}

// Offsets implements Strategy.
func (s *PatternSubscription) Offsets() map[TopicPartition]int64 { return s.offsets }

// String implements Strategy.
func (s *PatternSubscription) String() string { return fmt.Sprintf("SubscribePattern(%v)", s.pattern) }

func (s *PatternSubscription) check() error {
	if s.whole == nil {
		return fmt.Errorf("%v: it needs a pattern that can stand for a whole name", s)
	}
	return nil
}

// Select implements Strategy. No match at all is no error: topics may come later.
func (s *PatternSubscription) Select(ctx context.Context, c Cluster) ([]TopicPartition, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	topics = slices.DeleteFunc(slices.Clone(topics), func(t string) bool {
		return !s.whole.MatchString(t) || !s.internal && isInternal(c, t)
	})
	return wholeTopics(ctx, c, topics)
}

// Assign chooses fixed partitions.
func Assign(partitions ...TopicPartition) *Assignment { return &Assignment{partitions: partitions} }

// An Assignment is the strategy of Assign.
type Assignment struct {
	partitions []TopicPartition
	offsets    map[TopicPartition]int64
}

// From sets explicit first offsets and returns the strategy.
func (a *Assignment) From(offsets map[TopicPartition]int64) *Assignment {
	a.offsets = maps.Clone(offsets)
	return a
}

// Offsets implements Strategy.
func (a *Assignment) Offsets() map[TopicPartition]int64 { return a.offsets }

// String implements Strategy.
func (a *Assignment) String() string {
	names := make([]string, len(a.partitions))
	for i, tp := range a.partitions {
		names[i] = tp.String()
	}
	return "Assign(" + strings.Join(names, ", ") + ")"
}

func (a *Assignment) check() error {
	if len(a.partitions) == 0 {
		return errors.New("Assign() needs at least one partition")
	}
	for _, tp := range a.partitions {
		if tp.Topic == "" || tp.Partition < 0 {
			return fmt.Errorf("%v: a partition needs the name of a topic and a number of at least 0", a)
		}
	}
	return nil
}

// Select implements Strategy.
func (a *Assignment) Select(ctx context.Context, c Cluster) ([]TopicPartition, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	var topics []string
	for _, tp := range a.partitions {
		if !slices.Contains(topics, tp.Topic) {
			topics = append(topics, tp.Topic)
		}
	}
	counts, err := c.Partitions(ctx, topics...)
	if err != nil {
		return nil, err
	}
	for _, tp := range a.partitions {
		switch n := counts[tp.Topic]; {
		case mayMiss(c, tp.Topic):
		case n == 0:
			return nil, missingTopic(ctx, c, tp.Topic)
		case tp.Partition < 0 || tp.Partition >= n:
			return nil, fmt.Errorf("topic %q has no partition %d, only 0 to %d", tp.Topic, tp.Partition, n-1)
		}
	}
	return slices.Clone(a.partitions), nil
}
