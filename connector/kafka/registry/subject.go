package registry

import (
	"errors"
	"fmt"
	"strings"
)

// A subjectStrategy says which subject of the registry a topic's schemas stand under. The zero value
// is Java's default.
type subjectStrategy uint8

const (
	byTopic subjectStrategy = iota
	byRecord
	byTopicAndRecord
)

// setStrategy reads the name of one of Confluent's three classes, with or without its package.
func setStrategy(field func(*settings) *subjectStrategy) func(*settings, string) error {
	return func(s *settings, value string) error {
		class := strings.TrimPrefix(value, "class ") // how Scala prints classOf[X]
		switch class[strings.LastIndexByte(class, '.')+1:] {
		case "TopicNameStrategy":
			*field(s) = byTopic
		case "RecordNameStrategy":
			*field(s) = byRecord
		case "TopicRecordNameStrategy":
			*field(s) = byTopicAndRecord
		default:
			return errors.New("a Java class cannot run here: name TopicNameStrategy, RecordNameStrategy or " +
				"TopicRecordNameStrategy")
		}
		return nil
	}
}

// subject is the subject for the keys or values of a topic that are written with a schema of this
// record name.
func (s *settings) subject(topic string, isKey bool, record string) (string, error) {
	strategy, half := s.valueSubject, "value"
	if isKey {
		strategy, half = s.keySubject, "key"
	}
	if strategy != byTopic && record == "" {
		return "", fmt.Errorf("topic %s: the schema of its %ss has no record name, so %s.subject.name.strategy must "+
			"be TopicNameStrategy", topic, half, half)
	}
	switch strategy {
	case byRecord:
		return record, nil
	case byTopicAndRecord:
		return topic + "-" + record, nil
	}
	return topic + "-" + half, nil
}
