package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/time/rate"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// A ProducerRecord is a record to be written.
type ProducerRecord[K, V any] struct {
	// Topic is where the record goes; empty means the sink's topic.
	Topic string
	Key   K
	Value V
	// Partition is used if HasPartition. Without it a key is dealt by Java's murmur2, so that equal keys go
	// where every other client of Kafka's kind sends them, and records without a key go in runs.
	Partition    int32
	HasPartition bool
	// Time is the record's timestamp; the zero time means the time of writing.
	Time    time.Time
	Headers []Header
}

// A Producer writes records with acks=all and, unless enable.idempotence is false, an idempotent producer: what is
// acknowledged is there once, and the records of a partition are in the order of Send. It may be used from
// several goroutines.
type Producer[K, V any] struct {
	topic string
	cfg   *client.Config
	key   Serializer[K]
	value Serializer[V]
	opts  options
	bytes *rate.Limiter // nil for no limit
	c     *client.Client
	sent  producing
}

// OpenProducer connects a producer to topic, which must exist: nothing here creates topics. An empty topic
// demands one in each record. Parameters are those of Kafka's Java producer. Close must be called.
func OpenProducer[K, V any](ctx context.Context, topic string, p Params, key Serializer[K], value Serializer[V], opts ...Option) (*Producer[K, V], error) {
	out, err := newProducer(topic, p, key, value, opts)
	if err != nil {
		return nil, fmt.Errorf("kafka.OpenProducer: %w", err)
	}
	if err := out.open(ctx); err != nil {
		return nil, errors.Join(err, out.Close(ctx))
	}
	return out, nil
}

func newProducer[K, V any](topic string, p Params, key Serializer[K], value Serializer[V], opts []Option) (*Producer[K, V], error) {
	out := &Producer[K, V]{topic: topic, key: key, value: value}
	for _, opt := range opts {
		opt(&out.opts)
	}
	cfg, err := client.Parse(p, client.Producer)
	if err == nil {
		cfg, err = cfg.Resolve()
	}
	if err == nil && (key == nil || value == nil) {
		err = errors.New("the serializers of key and value must not be nil; kafka.StringSerializer is one")
	}
	if err != nil {
		return nil, err
	}
	cfg.Dial = out.opts.dial
	out.cfg = cfg
	if n := out.opts.produceBytes; n > 0 {
		out.bytes = rate.NewLimiter(rate.Limit(n), int(min(n, 1<<30)))
	}
	return out, nil
}

// open connects and makes sure that the topic is there.
func (s *Producer[K, V]) open(ctx context.Context) error {
	c, err := client.Open(ctx, s.cfg, s.opts.client...)
	if err != nil {
		return err
	}
	s.c = c
	if s.topic == "" {
		return nil
	}
	md, err := c.Metadata(ctx, []string{s.topic})
	if err != nil {
		return err
	}
	if err := md.Topics[s.topic].Err; client.KindOf(err) == client.NoTopic {
		return &MissingTopicError{Topic: s.topic}
	} else if err != nil {
		return err
	}
	return nil
}

// Send hands a record over; it waits only while buffer.memory is full, or for WithProduceBytesPerSecond. The error is one of
// the record itself. Whether it was written is told by Flush, and to done, if that is not nil, on another
// goroutine.
func (s *Producer[K, V]) Send(ctx context.Context, r ProducerRecord[K, V], done func(partition int32, offset int64, err error)) error {
	out, err := s.record(&r)
	if err != nil {
		return err
	}
	return s.send(ctx, out, &s.sent, done)
}

func (s *Producer[K, V]) send(ctx context.Context, out *kgo.Record, w *producing, done func(int32, int64, error)) error {
	if s.bytes != nil {
		if err := s.bytes.WaitN(ctx, min(len(out.Key)+len(out.Value), s.bytes.Burst())); err != nil {
			return err
		}
	}
	w.add()
	s.c.Kgo().Produce(ctx, out, func(r *kgo.Record, err error) {
		if err != nil {
			err = s.explain(r, err)
		}
		if done != nil {
			done(r.Partition, r.Offset, err)
		}
		w.finish(err)
	})
	return nil
}

// Flush waits until every record that was sent is acknowledged or has failed, and gives the first error since the
// last Flush.
func (s *Producer[K, V]) Flush(ctx context.Context) error {
	if err := s.c.Kgo().Flush(ctx); err != nil {
		return err
	}
	return s.sent.wait(ctx)
}

// Close flushes and ends the connections.
func (s *Producer[K, V]) Close(ctx context.Context) error {
	if s.c == nil {
		return nil
	}
	err := s.Flush(ctx)
	s.c.Close()
	s.c = nil
	return err
}

func (s *Producer[K, V]) record(r *ProducerRecord[K, V]) (*kgo.Record, error) {
	out := &kgo.Record{Topic: r.Topic, Timestamp: r.Time, Partition: -1}
	if out.Topic == "" {
		out.Topic = s.topic
	}
	if out.Topic == "" {
		return nil, errors.New("a record without a topic, for a producer without one: set ProducerRecord.Topic, or give the producer a topic")
	}
	if r.HasPartition {
		if r.Partition < 0 {
			return nil, fmt.Errorf("a record for partition %d of topic %q", r.Partition, out.Topic)
		}
		out.Partition = r.Partition
	}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	var err error
	if out.Key, err = s.key(SerializeMeta{Topic: out.Topic, IsKey: true, Headers: r.Headers}, r.Key); err != nil {
		return nil, fmt.Errorf("topic %q: the key cannot be serialized: %w", out.Topic, err)
	}
	if out.Value, err = s.value(SerializeMeta{Topic: out.Topic, Headers: r.Headers}, r.Value); err != nil {
		return nil, fmt.Errorf("topic %q: the value cannot be serialized: %w", out.Topic, err)
	}
	return out, nil
}

func (s *Producer[K, V]) explain(r *kgo.Record, err error) error {
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return &MissingTopicError{Topic: r.Topic}
	}
	return fmt.Errorf("write to topic %q: %w", r.Topic, s.c.Explain(err))
}
