package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// ProducerSink is a sink that writes records with a Producer. A task that is tried again, or a batch that is run
// again, writes its records again: at-least-once.
type ProducerSink[K, V any] struct{ p *Producer[K, V] }

// Sink makes a sink for dstream.WriteTo and dstream.Save that writes to topic, which must exist: a job creates no
// topics. An empty topic demands one in each record. Parameters are those of Kafka's Java producer.
func Sink[K, V any](
	topic string,
	p Params,
	key Serializer[K],
	value Serializer[V],
	opts ...Option,
) (*ProducerSink[K, V], error) {
	out, err := newProducer(topic, p, key, value, opts)
	if err != nil {
		return nil, fmt.Errorf("kafka.Sink: %w", err)
	}
	return &ProducerSink[K, V]{out}, nil
}

// Guarantee implements dstream.SinkGuarantee.
func (s *ProducerSink[K, V]) Guarantee() string {
	return "at-least-once: written by an idempotent producer with acks=all, again if a task or batch is run again"
}

// Attach implements dstream.SinkAttacher: the sink logs with the context, and keeps to its
// weir.kafka.maxBytesPerSecond unless the program set a limit of its own.
func (s *ProducerSink[K, V]) Attach(ssc *dstream.Context) {
	s.p.logger, s.p.warn = ssc.Logger(), ssc.Warn
	if s.p.opts.produceBytes == 0 {
		s.p.limit(int64(conf.KafkaMaxBytesPerSecond.Get(ssc.Conf())))
	}
}

// Open connects and makes sure that the topic is there.
func (s *ProducerSink[K, V]) Open(ctx context.Context, _ string, _ int64) error {
	if err := s.p.open(ctx); err != nil {
		return errors.Join(err, s.p.Close(ctx))
	}
	return nil
}

// Last implements dstream.Sink: the sink knows no identities.
func (s *ProducerSink[K, V]) Last(context.Context, string, string, int) (int64, bool, error) {
	return 0, false, nil
}

// Write writes the records and returns when all of them are acknowledged. The first error ends it; some of the
// records are then written.
func (s *ProducerSink[K, V]) Write(ctx context.Context, _ dstream.Effect, in iter.Seq[ProducerRecord[K, V]]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	d := deadlines{parent: ctx, timeout: s.p.cfg.Produce.DeliveryTimeout}
	defer d.close()
	var (
		w   producing
		err error
	)
	ended := func(_ *kgo.Record, size int64, err error) {
		s.p.room.give(size)
		if err != nil {
			cancel(err)
		}
		w.finish(err)
	}
	for r := range in {
		var out *kgo.Record
		if out, err = s.p.record(&r); err == nil && ctx.Err() == nil {
			err = s.p.send(ctx, &d, out, &w, ended)
		}
		if err != nil || ctx.Err() != nil {
			break
		}
	}
	if lost := w.wait(context.WithoutCancel(ctx)); lost != nil {
		return lost
	}
	return cmp.Or(err, context.Cause(ctx)) // A task that is cancelled has not written all.
}

// Close waits for what is being written and ends the connections.
func (s *ProducerSink[K, V]) Close(ctx context.Context) error { return s.p.Close(ctx) }
