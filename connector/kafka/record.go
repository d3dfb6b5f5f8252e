package kafka

import (
	"time"

	"github.com/weirstream/weir/dstream"
)

// TimestampType says who set a record's timestamp.
type TimestampType int8

// The types of timestamps.
const (
	// NoTimestamp: the record's format (0.8, 0.9) has none.
	NoTimestamp TimestampType = -1
	// CreateTime: the producer set it.
	CreateTime TimestampType = 0
	// LogAppendTime: the broker set it.
	LogAppendTime TimestampType = 1
)

// String gives Kafka's name of the type.
func (t TimestampType) String() string {
	switch t {
	case CreateTime:
		return "CreateTime"
	case LogAppendTime:
		return "LogAppendTime"
	}
	return "NoTimestampType"
}

// A Record is a record of Kafka with its key and value decoded. Strings and byte slices may alias the buffer
// of the fetch, which is never re-used: they may be kept, but byte slices must not be written to.
type Record[K, V any] struct {
	Topic     string
	Partition int32
	Offset    int64
	// Timestamp is in milliseconds since 1970, -1 if there is none.
	Timestamp     int64
	TimestampType TimestampType
	LeaderEpoch   int32
	Key           K
	Value         V
	// Null tells that the value is null, a tombstone, and not just empty; KeyNull the same of the key.
	Null, KeyNull bool
	Headers       []Header
}

// DeadLetter is what a dead letter says of a record that an operator could not use.
func (r Record[K, V]) DeadLetter() dstream.DeadLetter {
	l := dstream.DeadLetter{Source: r.Topic, Partition: int(r.Partition), Offset: r.Offset}
	if !r.KeyNull {
		l.Key = dstream.LetterBytes(r.Key)
	}
	if !r.Null {
		l.Value = dstream.LetterBytes(r.Value)
	}
	return l
}

// Time is the timestamp as a time, the zero time if there is none.
func (r Record[K, V]) Time() time.Time {
	if r.Timestamp < 0 {
		return time.Time{}
	}
	return time.UnixMilli(r.Timestamp)
}

// TopicPartition is the partition that the record was read from.
func (r Record[K, V]) TopicPartition() TopicPartition { return TopicPartition{r.Topic, r.Partition} }
