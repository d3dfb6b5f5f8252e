package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// Stream makes a stream of the records that a receiver brings from topics, as Spark's KafkaUtils.createStream does.
// [DirectStream] needs no receiver, stores nothing twice, and is the better choice where nothing speaks against it.
//
// topics says for each topic how many threads fetch and decode its partitions; what they bring is stored in one order,
// and becomes blocks, and partitions of batches, by spark.streaming.blockInterval. All partitions of a topic are read,
// new ones from their beginning. The receiver is one: two streams of the same topic get all of its records each, as
// nothing joins the group.
//
// A first start begins at what the group (group.id, which must be given) has committed, else by auto.offset.reset. With
// spark.streaming.receiver.writeAheadLog.enable that is logged before anything is fetched, and then the offsets lie in
// the log beside the records: after a restart reading goes on there, whatever the group has committed, and each record
// is in exactly one batch; what was logged is committed to the group every second, for who watches its lag, whatever
// enable.auto.commit says. Offsets that were imported into the checkpoint are where a log begins. Without the log a
// restart goes on by the group alone. Where the first process begins is committed at once, and an offset that does not
// change again every ten minutes, for brokers forget what they were told long ago; with enable.auto.commit=false
// nothing is. What was received and not processed is lost with the process, and committed all the same; and imported
// offsets are refused, for the group has them.
//
// Brokers that are away, and records that are gone, unless weir.kafka.failOnDataLoss is false, are reported, and asked
// for again every second. With that setting false what stands at offsets that were received before is received as well,
// where a log was truncated or a topic created again. A record that does not decode, or that the write ahead log cannot
// encode, is reported, and the receiver is started again after spark.streaming.receiverRestartDelay, at that record:
// nothing behind it in its partition is received before it can be. [ToDeadLetters] is for direct streams; here, receive
// [Bytes] and decode with [dstream.MapTry] and [dstream.ToDeadLetters]. It takes spark.streaming.receiver.maxRate
// records a second; the limits of direct streams do not hold. There is no ZooKeeper: parameters that name it are
// refused.
func Stream[K, V any](ssc *dstream.Context, topics map[string]int, p Params, key Deserializer[K], value Deserializer[V],
	opts ...Option,
) (*dstream.DStream[Record[K, V]], error) {
	o, cfg, err := settings(p, key, value, opts)
	if o.buries {
		err = errors.Join(err, errors.New("ToDeadLetters is for direct streams: what a receiver stores has been "+
			"decoded, and belongs to no batch yet; use kafka.DirectStream, or receive kafka.Bytes and decode with "+
			"dstream.MapTry and dstream.ToDeadLetters"))
	}
	if err := errors.Join(err, checkThreads(topics, cfg)); err != nil {
		return nil, fmt.Errorf("kafka.Stream: %w", err)
	}
	unbounded := func(TopicPartition) int64 { return 0 } // The store keeps to the rate of receivers.
	o.maxRate, o.minRate = unbounded, unbounded
	names := slices.Sorted(maps.Keys(topics))
	r := &receiver[K, V]{topics: maps.Clone(topics)}
	logs := conf.ReceiverWriteAheadLog.Get(ssc.Conf())
	r.commits = cfg.AutoCommit || logs
	r.tells = sync.OnceFunc(func() {
		if logs && !cfg.AutoCommit {
			ssc.Warn("what is in the write ahead log is committed to the group although enable.auto.commit is false: "+
				"nothing goes on by it", nil, "group.id", cfg.GroupID)
		}
	})
	r.source = func() *source[K, V] {
		return &source[K, V]{ssc: ssc, strategy: Subscribe(names...), params: p, given: cfg, cfg: cfg, key: key,
			value: value, opts: o}
	}
	return dstream.ReceiverStream(ssc, "kafka.Stream", dstream.Receiver[Record[K, V]](r)), nil
}

func checkThreads(topics map[string]int, cfg *client.Config) error {
	if len(topics) == 0 {
		return errors.New(`it needs a topic and its number of threads, such as map[string]int{"topic": 1}`)
	}
	for topic, n := range topics {
		if topic == "" || n < 1 {
			return fmt.Errorf("topic %q has %d threads: it needs a name, and at least one", topic, n)
		}
	}
	if cfg != nil && cfg.GroupID == "" {
		return errors.New("it needs group.id, to which offsets are committed")
	}
	return nil
}

// A receiver is what brings the records of a Stream.
type receiver[K, V any] struct {
	topics  map[string]int // threads
	source  func() *source[K, V]
	commits bool
	tells   func() // of what it does otherwise than the parameters say

	work sync.WaitGroup
	stop context.CancelFunc

	mu    sync.Mutex
	first []byte // where the first run began
}

// goesOn is where a run goes on: behind what was stored, or where the first run began, as long as nothing was. A second
// answer to auto.offset.reset could pass over what came in the meantime.
func (r *receiver[K, V]) goesOn(stored []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stored == nil {
		return r.first
	}
	return stored
}

// beginsAt is told where a run begins.
func (r *receiver[K, V]) beginsAt(position []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = position
	}
}

// Start implements dstream.Receiver.
func (r *receiver[K, V]) Start(ctx context.Context, st *dstream.Store[Record[K, V]], resume []byte) error {
	ctx, r.stop = context.WithCancel(ctx)
	r.tells()
	run := &receiving[K, V]{receiver: r, source: r.source(), st: st, turn: make(chan struct{}, 1)}
	r.work.Go(func() {
		if err := run.run(ctx, resume); err != nil && ctx.Err() == nil {
			st.Restart(err)
		}
	})
	return nil
}

// Stop implements dstream.Receiver.
func (r *receiver[K, V]) Stop(ctx context.Context) error {
	r.stop()
	done := make(chan struct{})
	go func() {
		r.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// HandsOver implements dstream.ReceiverHandsOver: records are decoded to fresh memory, or to that of a fetch, which
// nobody writes to again.
func (r *receiver[K, V]) HandsOver() {}

// Covers implements dstream.ReceiverPositions: positions are the offsets of all partitions, and one covers itself only.
// A run begins exactly at the last position that was stored, and stores nothing from before it a second time: there is
// nothing to be dropped. Lower offsets are no sign of that, but of a log that was truncated or a topic that was created
// again, whose records are others.
func (r *receiver[K, V]) Covers(last, position []byte) bool {
	at, err := decodeRange(position)
	return err == nil && at != nil && bytes.Equal(last, position)
}

const (
	// roundMax is how many records are planned at a time: so often new partitions are looked for at least.
	roundMax = 100_000
	// emptyRound is the pause when there was nothing new.
	emptyRound = 50 * time.Millisecond
	// troubledRound is the pause when the brokers could not say what is new.
	troubledRound = time.Second
	// askTimeout bounds a question to the brokers, closeTimeout what happens at the end.
	askTimeout, closeTimeout = 15 * time.Second, 3 * time.Second
	// commitEvery is how often offsets are committed to the group.
	commitEvery = time.Second
	// commitAgain is how often an offset is committed that has not changed. Nothing joins the group, so brokers forget
	// it offsets.retention.minutes after the commit: a day on those before 2.0, a week since, or what they are told.
	commitAgain = 10 * time.Minute
)
