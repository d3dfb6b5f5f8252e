package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/rdd"
)

// CreateRDD makes an RDD of the records of given ranges, one partition for each, in their order. The offsets
// are not checked beforehand; a range whose records are gone fails its task, or is shortened with
// weir.kafka.failOnDataLoss=false. The connections are made by the first task and closed with the context.
func CreateRDD[K, V any](sc *rdd.Context, p Params, ranges []OffsetRange, key Deserializer[K], value Deserializer[V],
	opts ...Option,
) (*rdd.RDD[Record[K, V]], error) {
	o, cfg, err := settings(p, key, value, opts)
	if err == nil && o.location.brokers {
		err = errors.New(
			"PreferBrokers needs to ask the brokers where leaders are, which making an RDD does not do: " +
				"use PreferFixed or PreferConsistent",
		)
	}
	for _, r := range ranges {
		if r.Topic == "" || r.Partition < 0 {
			err = errors.Join(err, fmt.Errorf("%v: it needs the name of a topic and a partition of at least 0", r))
		}
		if r.FromOffset < 0 || r.UntilOffset < r.FromOffset {
			err = errors.Join(err, fmt.Errorf("%v: the offsets must be at least 0 and in order", r))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("kafka.CreateRDD: %w", err)
	}
	pieces := make([]piece, len(ranges))
	for i, r := range ranges {
		pieces[i] = piece{
			partitionRange{
				Topic:     r.Topic,
				Partition: r.Partition,
				From:      r.FromOffset,
				Until:     r.UntilOffset,
				Epoch:     -1,
			},
			cfg.Isolation == client.ReadCommitted,
		}
	}
	shared := &sharedFetcher{sc: sc, params: p, cfg: cfg, opts: o}
	sc.OnStop(shared.close)
	out := rdd.FromPartitions(
		sc,
		"kafka.CreateRDD",
		len(pieces),
		func(tc *rdd.TaskContext, p int) iter.Seq[Record[K, V]] {
			return func(yield func(Record[K, V]) bool) {
				f, err := shared.get(tc)
				if err != nil {
					tc.Fail(err)
				}
				read(tc, f, pieces[p], key, value)(yield)
			}
		},
	)
	return out.Prefer(o.location.hosts(nil, pieces)), nil
}

// A sharedFetcher is opened by the first task that needs it; others wait for that.
type sharedFetcher struct {
	sc     *rdd.Context
	params Params
	cfg    *client.Config
	opts   options

	mu     sync.Mutex
	open   *openFetcher
	closed bool
}

type openFetcher struct {
	done chan struct{}
	f    *fetcher
	err  error
}

// get gives the fetcher. A task whose opener was cancelled opens one itself.
func (s *sharedFetcher) get(ctx context.Context) (*fetcher, error) {
	for {
		s.mu.Lock()
		o, mine := s.open, s.open == nil
		if s.closed {
			s.mu.Unlock()
			return nil, errors.New("the context of the RDD has been stopped")
		}
		if mine {
			o = &openFetcher{done: make(chan struct{})}
			s.open = o
		}
		s.mu.Unlock()
		if mine {
			s.connect(ctx, o)
			return o.f, o.err
		}
		select {
		case <-o.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !errors.Is(o.err, context.Canceled) {
			return o.f, o.err
		}
	}
}

// connect opens the fetcher for all; if that fails the next attempt tries again.
func (s *sharedFetcher) connect(ctx context.Context, o *openFetcher) {
	defer close(o.done)
	c, err := client.Open(ctx, s.cfg, readOptions((&throttle{warn: s.warn}).with(s.opts.client))...)
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(context.Canceled, err)
		}
		o.err = err
		s.mu.Lock()
		s.open = nil
		s.mu.Unlock()
		return
	}
	opts := newFetchOptions(s.sc.Conf(), s.params, s.cfg)
	opts.proof = strangerProof
	opts.lost = func(loss *DataLossError) {
		s.warn(
			"records were lost before they could be read; going on without them (weir.kafka.failOnDataLoss=false)",
			loss,
			"partition",
			loss.TopicPartition.String(),
			"from",
			loss.From,
			"until",
			loss.Until,
			"count",
			loss.Until-loss.From,
		)
	}
	o.f = newFetcher(c, opts)
}

// strangerProof is how long a topic that nobody has seen yet must be missing until that is believed: one that was
// just created is not known to every broker at once.
const strangerProof = 3 * time.Second

func (s *sharedFetcher) warn(message string, err error, attrs ...any) {
	s.sc.Logger().Warn(message, append(attrs, "error", err)...)
}

func (s *sharedFetcher) close() {
	s.mu.Lock()
	s.closed = true
	o := s.open
	s.mu.Unlock()
	if o == nil {
		return
	}
	<-o.done // Open has a deadline.
	if o.f != nil {
		o.f.close()
	}
}
