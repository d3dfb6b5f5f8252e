package kafka

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/weirstream/weir/conf"
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
		err = errors.New("PreferBrokers needs to ask the brokers where leaders are, which making an RDD does not do: " +
			"use PreferFixed or PreferConsistent")
	}
	for _, r := range ranges {
		if r.FromOffset < 0 || r.UntilOffset < r.FromOffset {
			err = errors.Join(err, fmt.Errorf("%v: the offsets must be at least 0 and in order", r))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("kafka.CreateRDD: %w", err)
	}
	pieces := make([]piece, len(ranges))
	for i, r := range ranges {
		pieces[i] = piece{partitionRange{Topic: r.Topic, Partition: r.Partition, From: r.FromOffset, Until: r.UntilOffset, Epoch: -1},
			cfg.Isolation == client.ReadCommitted}
	}
	shared := &sharedFetcher{sc: sc, cfg: cfg, opts: o}
	sc.OnStop(shared.close)
	out := rdd.FromPartitions(sc, "kafka.CreateRDD", len(pieces), func(tc *rdd.TaskContext, p int) iter.Seq[Record[K, V]] {
		return func(yield func(Record[K, V]) bool) {
			f, err := shared.get(tc)
			if err != nil {
				tc.Fail(err)
			}
			read(tc, f, pieces[p], key, value)(yield)
		}
	})
	return out.Prefer(o.location.hosts(nil, pieces)), nil
}

// A sharedFetcher is opened by the first task that needs it; others wait for that.
type sharedFetcher struct {
	sc   *rdd.Context
	cfg  *client.Config
	opts options

	mu   sync.Mutex
	open *openFetcher
}

type openFetcher struct {
	done chan struct{}
	f    *fetcher
	err  error
}

func (s *sharedFetcher) get(ctx context.Context) (*fetcher, error) {
	s.mu.Lock()
	o, mine := s.open, s.open == nil
	if mine {
		o = &openFetcher{done: make(chan struct{})}
		s.open = o
	}
	s.mu.Unlock()
	if !mine {
		select {
		case <-o.done:
			return o.f, o.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	defer close(o.done)
	c, err := client.Open(ctx, s.cfg, s.opts.client...)
	if err != nil {
		// The next attempt tries again.
		o.err = err
		s.mu.Lock()
		s.open = nil
		s.mu.Unlock()
		return nil, err
	}
	settings := s.sc.Conf()
	o.f = newFetcher(c, fetchOptions{
		bytes:    int32(min(conf.KafkaFetchBytes.Get(settings), maxFetchBytes)),
		patience: conf.KafkaPollTimeout.Get(settings),
		pause:    s.cfg.RetryBackoff,
		checkCRC: s.cfg.Fetch.CheckCRC,
		dataLoss: conf.KafkaFailOnDataLoss.Get(settings),
		lost: func(tp TopicPartition, from, until int64) {
			s.sc.Logger().Warn("records were lost before they could be read; going on without them",
				"partition", tp.String(), "from", from, "until", until, "count", until-from)
		},
	})
	return o.f, nil
}

func (s *sharedFetcher) close() {
	s.mu.Lock()
	o := s.open
	s.mu.Unlock()
	if o == nil {
		return
	}
	<-o.done // Open has a deadline.
	if o.f != nil {
		o.f.c.Close()
	}
}
