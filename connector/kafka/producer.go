package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	topic  string
	given  *client.Config // as the program wrote it
	cfg    *client.Config // with what the files hold that it refers to
	prefix string         // transactional.id
	key    Serializer[K]
	value  Serializer[V]
	opts   options
	bytes  *rate.Limiter // nil for no limit
	room   room          // of buffer.memory
	logger *slog.Logger
	// warn tells of trouble that fails no record.
	warn      func(message string, err error, attrs ...any)
	sent      producing
	callbacks callbacks
	flushing  atomic.Int32 // how many wait in Flush
	deadlines deadlines    // of the records given to Send

	c      atomic.Pointer[client.Client] // nil before open and after Close
	mu     sync.Mutex                    // guards exists; never held over I/O
	exists map[string]bool               // topics that are known to exist
}

// OpenProducer connects a producer to topic, which must exist: nothing here creates topics. An empty topic
// demands one in each record. Parameters are those of Kafka's Java producer; what is weak in them, or has no effect,
// goes to the logger (WithLogger). Close must be called.
func OpenProducer[K, V any](
	ctx context.Context,
	topic string,
	p Params,
	key Serializer[K],
	value Serializer[V],
	opts ...Option,
) (*Producer[K, V], error) {
	out, err := newProducer(topic, p, key, value, opts)
	if err != nil {
		return nil, fmt.Errorf("kafka.OpenProducer: %w", err)
	}
	if err := out.open(ctx); err != nil {
		return nil, errors.Join(err, out.Close(ctx))
	}
	return out, nil
}

func newProducer[K, V any](
	topic string,
	p Params,
	key Serializer[K],
	value Serializer[V],
	opts []Option,
) (*Producer[K, V], error) {
	out := &Producer[K, V]{topic: topic, key: key, value: value, exists: map[string]bool{}}
	for _, opt := range opts {
		opt(&out.opts)
	}
	cfg, err := client.Parse(p, client.Producer)
	if err != nil {
		return nil, err
	}
	if err := out.check(cfg); err != nil {
		return nil, err
	}
	cfg.Dial = out.opts.dial
	out.given, out.cfg = cfg, cfg
	out.logger = cmp.Or(out.opts.logger, slog.Default())
	out.warn = func(message string, err error, attrs ...any) {
		out.logger.Warn(message, append(attrs, "error", err)...)
	}
	out.limit(out.opts.produceBytes)
	return out, nil
}

// check looks at what the producer itself makes of its parameters.
func (s *Producer[K, V]) check(cfg *client.Config) (err error) {
	if cfg.Produce.TransactionalID != "" && !s.opts.transacts {
		err = errors.New("transactional.id is set, but this producer writes without transactions: remove it")
	}
	return errors.Join(err, sameEncoder("key.serializer", cfg.KeySerializer, nameOf(s.key), s.key == nil),
		sameEncoder("value.serializer", cfg.ValueSerializer, nameOf(s.value), s.value == nil))
}

// resolve reads the files that the parameters refer to, each time anew, and takes over what they come to.
func (s *Producer[K, V]) resolve() error {
	cfg, err := s.given.Resolve()
	if err == nil {
		err = s.check(cfg)
	}
	if err != nil {
		return err
	}
	own := *cfg
	// A sink's clients have transactional ids that begin with this one; the client of this producer has none.
	own.Produce.TransactionalID = ""
	s.prefix, s.cfg = cfg.Produce.TransactionalID, &own
	s.room.size = max(cfg.Produce.BufferBytes, 1)
	s.deadlines.parent, s.deadlines.timeout = context.Background(), cfg.Produce.DeliveryTimeout
	return nil
}

// limit bounds the bytes of a second, if n is above 0.
func (s *Producer[K, V]) limit(n int64) {
	if n > 0 {
		s.bytes = rate.NewLimiter(rate.Limit(n), int(min(n, 1<<30)))
	}
}

// sameEncoder compares the class that a parameter names with the serializer that the program gives.
func sameEncoder(param, class, given string, missing bool) error {
	if missing {
		return fmt.Errorf(
			"the serializer for %s is nil; pass one, such as kafka.StringSerializer",
			strings.TrimSuffix(param, ".serializer"),
		)
	}
	given, own := strings.CutSuffix(given, "Serializer")
	if wanted, ok := javaName(class); ok && own && !strings.EqualFold(wanted, given) {
		return fmt.Errorf(
			"%s names %s, which in weir is kafka.%sSerializer, but the program passes kafka.%sSerializer: "+
				"make them agree",
			param,
			class,
			wanted,
			given,
		)
	}
	return nil
}

// open connects and makes sure that the topic is there.
func (s *Producer[K, V]) open(ctx context.Context) error {
	if s.c.Load() != nil {
		return errors.New("the producer is open already")
	}
	if err := s.resolve(); err != nil {
		return err
	}
	opts := s.clientOptions()
	if s.cfg.Produce.Idempotent {
		// Or a record whose answer was lost would be waited for without end, if the broker stays away. It may then be
		// there although its error was told; what is acknowledged is there once all the same.
		opts = append(opts, kgo.AllowIdempotentProduceCancellation())
	}
	c, err := client.Open(ctx, s.cfg, opts...)
	if err != nil {
		return err
	}
	if !s.c.CompareAndSwap(nil, c) {
		c.Close()
		return errors.New("the producer is open already")
	}
	announce(s.logger, c)
	if s.topic == "" {
		return nil
	}
	return s.checkTopic(ctx, c, s.topic)
}

// clientOptions are those of a client that writes.
func (s *Producer[K, V]) clientOptions() []kgo.Opt {
	opts := append(
		[]kgo.Opt{kgo.RecordPartitioner(explicitPartitioner{s.cfg.Produce.NewPartitioner()})},
		(&throttle{warn: s.warn}).with(s.opts.client)...)
	// The bounds of the client's own buffer give way to room.
	return append(opts, kgo.MaxBufferedRecords(math.MaxInt), kgo.MaxBufferedBytes(0))
}

// checkTopic makes sure that a topic exists before anything is sent to it: a broker that makes topics as they are
// written to shall not.
func (s *Producer[K, V]) checkTopic(ctx context.Context, c *client.Client, topic string) error {
	s.mu.Lock()
	known := s.exists[topic]
	s.mu.Unlock()
	if known {
		return nil
	}
	md, err := c.Metadata(ctx, []string{topic})
	if err != nil {
		return err
	}
	switch err := md.Topics[topic].Err; {
	case client.KindOf(err) == client.NoTopic:
		return s.blame(topic, err, missingTopic(ctx, &view{c: c}, topic))
	case err != nil:
		return s.blame(topic, err, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exists[topic] = true
	return nil
}

// Send hands a record over; it waits only while buffer.memory is full, or for WithProduceBytesPerSecond, and for no
// longer than ctx: a record that is handed over is not taken back when ctx ends. The error is one of the record
// itself, or the cause of ctx. Whether it was written is told by Flush, and to done, if that is not nil, on another
// goroutine, one call at a time.
//
// done may call Send, which is then refused instead of waiting for buffer.memory, but not Flush and not Close, which
// would wait for it. A panic in it counts as an error of the record.
func (s *Producer[K, V]) Send(
	ctx context.Context,
	r ProducerRecord[K, V],
	done func(partition int32, offset int64, err error),
) error {
	out, err := s.record(&r)
	if err != nil {
		return err
	}
	return s.send(ctx, &s.deadlines, out, &s.sent, func(r *kgo.Record, size int64, err error) {
		if done == nil {
			s.room.give(size)
			s.sent.finish(err)
			return
		}
		s.callbacks.add(func() { s.callBack(r, size, err, done) })
	})
}

// callBack tells the program what became of a record. The room that it leaves is for those that the program sends now,
// before it is for others.
func (s *Producer[K, V]) callBack(r *kgo.Record, size int64, err error, done func(int32, int64, error)) {
	s.room.leave(size)
	guarded(func() { done(r.Partition, r.Offset, err) }, func(trouble error) {
		s.room.serve()
		if trouble != nil {
			s.warn("what was to be told of a record that was sent went wrong", trouble,
				"topic", r.Topic, "partition", r.Partition, "offset", r.Offset)
			err = errors.Join(err, trouble)
		}
		s.sent.finish(err)
	})
}

// send hands a record over and counts it in w. ended gives back its room and has w finish it.
func (s *Producer[K, V]) send(
	ctx context.Context,
	deadlines *deadlines,
	out *kgo.Record,
	w *producing,
	ended func(r *kgo.Record, size int64, err error),
) error {
	c := s.c.Load()
	if c == nil {
		return errClosed
	}
	return s.sendBy(ctx, c, deadlines, out, w, ended)
}

// sendBy is send by a client of the caller's choice.
func (s *Producer[K, V]) sendBy(
	ctx context.Context,
	c *client.Client,
	deadlines *deadlines,
	out *kgo.Record,
	w *producing,
	ended func(r *kgo.Record, size int64, err error),
) error {
	if err := s.checkTopic(ctx, c, out.Topic); err != nil {
		return err
	}
	if err := s.slow(ctx, out.Topic, len(out.Key)+len(out.Value)); err != nil {
		return err
	}
	size, err := s.reserve(ctx, c, out)
	if err != nil {
		return err
	}
	w.add()
	wanted := out.Partition
	c.Kgo().Produce(deadlines.context(), out, func(r *kgo.Record, err error) {
		if err != nil {
			err = s.blame(r.Topic, err, s.explain(c, r, wanted, err))
		}
		ended(r, size, err)
	})
	if s.flushing.Load() > 0 {
		lingerNoMore(ctx, c) // Flush, which may wait for it, has had sent what there was when it began.
	}
	return nil
}

// reserve takes the room that a record needs and gives its size.
func (s *Producer[K, V]) reserve(ctx context.Context, c *client.Client, r *kgo.Record) (size int64, err error) {
	size = int64(len(r.Key) + len(r.Value))
	for _, h := range r.Headers {
		size += int64(len(h.Key) + len(h.Value))
	}
	if size > s.room.size {
		return 0, recordError{fmt.Errorf("write to topic %q: a record of %d bytes is larger than buffer.memory, which "+
			"is %d: raise it", r.Topic, size, s.room.size)}
	}
	size += recordCost
	if s.room.try(size, false) {
		return size, nil
	}
	if s.callbacks.inside() {
		if s.room.try(size, true) {
			return size, nil
		}
		return 0, fmt.Errorf("write to topic %q: buffer.memory is full of records that no broker has acknowledged, "+
			"and %s cannot wait for room, which others of its kind leave: send from another goroutine, or raise it",
			r.Topic, insideCallback)
	}
	if err := s.room.take(ctx, size, func() { lingerNoMore(ctx, c) }); err != nil {
		return 0, fmt.Errorf("write to topic %q: buffer.memory is full of records that no broker has acknowledged: %w",
			r.Topic, err)
	}
	return size, nil
}

// lingerNoMore has batches sent that wait for linger.ms: the records that would fill them wait for theirs to go.
func lingerNoMore(ctx context.Context, c *client.Client) {
	over, cancel := context.WithCancel(ctx)
	cancel()
	_ = c.Kgo().Flush(over) // It sends them first and looks at its context then.
}

var errClosed = errors.New("the producer is not open: it was never opened, or it was closed")

// slow waits until n bytes may be sent.
func (s *Producer[K, V]) slow(ctx context.Context, topic string, n int) error {
	if s.bytes == nil {
		return nil
	}
	for burst := s.bytes.Burst(); n > 0; n -= burst {
		if err := s.bytes.WaitN(ctx, min(n, burst)); err != nil {
			return fmt.Errorf("write to topic %q: the limit of %.0f bytes a second (kafka.WithProduceBytesPerSecond "+
				"or weir.kafka.maxBytesPerSecond) leaves no room for it in time: raise it, or give it longer: %w",
				topic, float64(s.bytes.Limit()), cmp.Or(context.Cause(ctx), context.DeadlineExceeded))
		}
	}
	return nil
}

// Flush waits until every record that was sent is acknowledged or has failed, and gives the first error since the
// last Flush. It is refused inside of a function given to Send, for which it would wait.
func (s *Producer[K, V]) Flush(ctx context.Context) error {
	c := s.c.Load()
	if c == nil {
		return errClosed
	}
	if err := s.outside("Flush"); err != nil {
		return err
	}
	s.flushing.Add(1)
	defer s.flushing.Add(-1)
	if err := c.Kgo().Flush(ctx); err != nil {
		return err
	}
	return s.sent.wait(ctx)
}

// outside refuses a call that would wait for the function that makes it.
func (s *Producer[K, V]) outside(call string) error {
	if !s.callbacks.inside() {
		return nil
	}
	return fmt.Errorf("a producer's %s waits until every record is told of, so it cannot be called inside of %s, "+
		"which tells of one: call it on another goroutine", call, insideCallback)
}

// Close flushes and ends the connections. It may be called more than once; nothing can be sent afterwards. It is
// refused where Flush is.
func (s *Producer[K, V]) Close(ctx context.Context) error {
	if s.c.Load() == nil {
		return nil
	}
	if err := s.outside("Close"); err != nil {
		return err
	}
	err := s.Flush(ctx)
	if errors.Is(err, errClosed) {
		return nil // Another Close was faster.
	}
	if c := s.c.Swap(nil); c != nil {
		c.Close()
		s.deadlines.close()
	}
	return err
}

func (s *Producer[K, V]) record(r *ProducerRecord[K, V]) (*kgo.Record, error) {
	out := &kgo.Record{Topic: r.Topic, Timestamp: r.Time, Partition: -1}
	if out.Topic == "" {
		out.Topic = s.topic
	}
	if out.Topic == "" {
		return nil, errors.New(
			"a record without a topic, for a producer without one: set ProducerRecord.Topic, or give the " +
				"producer a topic",
		)
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

// explain says what became of a record that was to go to partition wanted, or to any if that is -1.
func (s *Producer[K, V]) explain(c *client.Client, r *kgo.Record, wanted int32, err error) error {
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return &MissingTopicError{Topic: r.Topic}
	case errors.Is(err, kerr.MessageTooLarge):
		return fmt.Errorf("write to topic %q: a record with a key of %d and a value of %d bytes is too "+
			"large (%w): "+
			"raise max.request.size, which is %d, and the topic's "+
			"max.message.bytes", r.Topic, len(r.Key), len(r.Value), err,
			s.cfg.Produce.MaxRequestBytes)
	case wanted >= 0 && strings.HasPrefix(err.Error(), "invalid record partitioning "+
		"choice"): // Not exported by franz-go.
		return recordError{fmt.Errorf("write to topic %q: it has no partition %d: %w", r.Topic, wanted, err)}
	}
	err = c.Explain(err)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w (%v): %w", errDelivery, s.cfg.Produce.DeliveryTimeout, err)
	}
	return fmt.Errorf("write to topic %q: %w", r.Topic, err)
}

// A recordError is of a record that brokers refuse which take others, or that cannot be sent. What else goes wrong is
// of the brokers, or of the producer's topic.
type recordError struct{ error }

// Unwrap gives the cause.
func (e recordError) Unwrap() error { return e.error }

var (
	// refusesRecord are the answers of brokers to what is in a record, as to one without a key for a topic that is
	// compacted.
	refusesRecord = []error{kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
		kerr.CorruptMessage, kerr.PolicyViolation}
	// refusesTopic are those to the topic of a record. It is the record's if it is not the producer's.
	refusesTopic = []error{kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InvalidTopicException,
		kerr.TopicAuthorizationFailed}
)

// blame makes a recordError of what is told of an answer, if it is that of a record for a topic.
func (s *Producer[K, V]) blame(topic string, answer, told error) error {
	is := func(code error) bool { return errors.Is(answer, code) }
	if slices.ContainsFunc(refusesRecord, is) || topic != s.topic && slices.ContainsFunc(refusesTopic, is) {
		return recordError{told}
	}
	return told
}
