package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// ProducerSink is a sink that writes records with a Producer. In a job with a checkpoint it writes each batch in a
// transaction, together with the batch's identity: exactly once, for readers of committed records
// (isolation.level=read_committed). Without a checkpoint, on brokers before 0.11, without a topic of its own, with
// enable.idempotence=false or WithoutTransactions it writes at least once: a task that is tried again, or a batch that
// is run again, writes its records again. The first lines of the log say which.
//
// Transactional ids and groups are named weir-JOB-OUTPUT-..., JOB being the UUID of the checkpoint; transactional.id
// sets another beginning than weir, which must stay the same as long as the checkpoint does. Where rights are needed,
// these are WRITE and DESCRIBE on the transactional id, READ on the group, both by that prefix, and WRITE and DESCRIBE
// on the topic. A batch's transaction is begun when all of its records are ready, and must not take longer than
// transaction.timeout.ms.
type ProducerSink[K, V any] struct {
	p *Producer[K, V]

	job   string
	exact bool   // it has transactions
	why   string // if it could have, but has none
	owns  func(ctx context.Context) error
	// newest is what the log knows of the last batch that may be in, nil without a log.
	newest func(output, effect, transaction string) int64

	mu           sync.Mutex // never held over I/O
	transactions map[string]*transaction
}

// Sink makes a sink for dstream.WriteTo and dstream.Save that writes to topic, which must exist: a job creates no
// topics. An empty topic demands one in each record. Parameters are those of Kafka's Java producer.
func Sink[K, V any](
	topic string,
	p Params,
	key Serializer[K],
	value Serializer[V],
	opts ...Option,
) (*ProducerSink[K, V], error) {
	opts = append(slices.Clone(opts), func(o *options) { o.transacts = true })
	out, err := newProducer(topic, p, key, value, opts)
	if err != nil {
		return nil, fmt.Errorf("kafka.Sink: %w", err)
	}
	return &ProducerSink[K, V]{p: out}, nil
}

// Guarantee implements dstream.SinkGuarantee.
func (s *ProducerSink[K, V]) Guarantee() string {
	if s.exact {
		return ""
	}
	promise := "at-least-once: written by an idempotent producer with acks=all, again if a task or batch is run again"
	if !s.p.cfg.Produce.Idempotent {
		promise = "at-least-once: written with acks=all, again if a task or batch is run again"
	}
	if s.why != "" {
		promise += "; not exactly-once, for " + s.why
	}
	return promise
}

// Attach implements dstream.SinkAttacher: the sink logs with the context, and keeps to its
// weir.kafka.maxBytesPerSecond unless the program set a limit of its own.
func (s *ProducerSink[K, V]) Attach(ssc *dstream.Context) {
	s.p.logger, s.p.warn, s.owns, s.newest = ssc.Logger(), ssc.Warn, ssc.Owns, ssc.MayHold
	if s.p.opts.produceBytes == 0 {
		s.p.limit(int64(conf.KafkaMaxBytesPerSecond.Get(ssc.Conf())))
	}
}

// Open connects and makes sure that the topic is there. An epoch above 0 says that the job has a checkpoint.
func (s *ProducerSink[K, V]) Open(ctx context.Context, job string, epoch int64) error {
	if err := s.p.open(ctx); err != nil {
		return errors.Join(err, s.p.Close(ctx))
	}
	s.job, s.exact, s.why = job, false, ""
	if epoch == 0 {
		return nil
	}
	switch v := s.p.c.Load().Version(); {
	case !v.HasTransactions():
		s.why = fmt.Sprintf("brokers of version %s have no transactions, which came with 0.11", v)
	case s.p.topic == "":
		s.why = "the sink has no topic of its own, in which it could keep the batches' identities"
	case !s.p.cfg.Produce.Idempotent:
		s.why = "enable.idempotence is false"
	case s.p.opts.plain:
		s.why = "the program asked for no transactions"
	default:
		s.exact = true
		s.p.logger.Info("each batch is written in a transaction: readers need isolation.level=read_committed",
			"topic", s.p.topic)
	}
	return nil
}

// Write writes the records and returns when all of them are acknowledged. The first error ends it; some of the
// records are then written.
func (s *ProducerSink[K, V]) Write(ctx context.Context, _ dstream.Effect, in iter.Seq[ProducerRecord[K, V]]) error {
	return s.trouble(ctx, s.writePlain(ctx, in))
}

func (s *ProducerSink[K, V]) writePlain(ctx context.Context, in iter.Seq[ProducerRecord[K, V]]) error {
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
		out, bad := s.p.record(&r)
		if bad != nil {
			err = recordError{bad}
		} else if ctx.Err() == nil {
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

// trouble marks what brokers, or the sink's topic, are the reason of, and no record. Of a call that was cut they said
// nothing, and the log is asked about another owner, and about what is in doubt.
func (s *ProducerSink[K, V]) trouble(ctx context.Context, err error) error {
	_, record := errors.AsType[recordError](err)
	_, lost := errors.AsType[*dstream.FencedError](err)
	if err == nil || record || lost || ctx.Err() != nil || errors.Is(err, dstream.ErrFenced) ||
		errors.Is(err, dstream.ErrInDoubt) {
		return err
	}
	return dstream.SinkTrouble(fmt.Errorf("%w (no batch is given up for that: see that the brokers run, and that "+
		"topic %q is there, with its replicas and the right to write to it, and start again)", err, s.p.topic))
}

// Close waits for what is being written and ends the connections.
func (s *ProducerSink[K, V]) Close(ctx context.Context) error {
	err := s.p.Close(ctx)
	s.mu.Lock()
	all := s.transactions
	s.transactions = nil
	s.mu.Unlock()
	for _, t := range all {
		select {
		case t.turn <- struct{}{}:
			t.drop()
			t.leave()
		case <-ctx.Done():
			err = cmp.Or(err, fmt.Errorf("a transaction of topic %q did not end in time", s.p.topic))
		}
	}
	return err
}
