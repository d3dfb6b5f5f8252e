package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/internal/exec"
)

// A fetcher reads ranges of offsets straight from the partitions' leaders, in requests that name the offset and
// the size: no consumer, no group, no object per record.
type fetcher struct {
	c    *client.Client
	dec  *recordbatch.Decompressors
	opts fetchOptions

	leaders leaders
	ahead   ahead
	size    average
	pace    pacer
	losses  losses
	spoil   *spoiler // in the honest mode only

	mu     sync.Mutex // guards closed; a fetch is begun under it
	closed bool
	under  sync.WaitGroup
}

// fetchOptions bound a fetcher.
type fetchOptions struct {
	bytes    int32         // asked of a partition at a time, at most
	rate     int64         // bytes fetched in a second, at most; 0 for no limit
	inflated int           // bytes of a decompressed batch, at most; 0 for the default
	patience time.Duration // how long a range may make no progress
	pause    time.Duration // between attempts
	// proof is how long a topic must be missing until that is believed: a broker that has just started, or a topic
	// that was just created, may not be known everywhere.
	proof    time.Duration
	checkCRC bool
	prefetch bool
	// planned tells that the ranges come from a plan: what they hold was there once.
	planned  bool
	dataLoss bool // fail on it
	lost     func(*DataLossError)
	// warn is told that a fetch waits for something that time may mend; nil for nobody.
	warn func(message string, err error, attrs ...any)
}

// newFetchOptions takes over what settings and parameters say.
func newFetchOptions(c *conf.Conf, p Params, cfg *client.Config) fetchOptions {
	o := fetchOptions{
		bytes:    int32(min(conf.KafkaFetchBytes.Get(c), maxFetchBytes)),
		rate:     int64(conf.KafkaMaxBytesPerSecond.Get(c)),
		inflated: int(conf.KafkaMaxDecompressedBatch.Get(c)),
		patience: conf.KafkaPollTimeout.Get(c),
		pause:    cfg.RetryBackoff,
		checkCRC: cfg.Fetch.CheckCRC,
		dataLoss: conf.KafkaFailOnDataLoss.Get(c),
	}
	// Java's defaults are meant for a consumer's many small fetches; what a user set holds here, too.
	for name, n := range map[string]int32{
		"max.partition.fetch.bytes": cfg.Fetch.PartitionMaxBytes,
		"fetch.message.max.bytes":   cfg.Fetch.PartitionMaxBytes,
		"fetch.max.bytes":           cfg.Fetch.MaxBytes,
	} {
		if _, set := p[name]; set {
			o.bytes = max(min(o.bytes, n), 1)
		}
	}
	return o
}

// readOptions are the client's options for what is read here: responses may be as large as is asked for.
func readOptions(extra []kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{kgo.BrokerMaxReadBytes(maxFetchBytes)}, extra...)
}

func newFetcher(c *client.Client, opts fetchOptions) *fetcher {
	f := &fetcher{c: c, dec: recordbatch.NewDecompressors(opts.inflated), opts: opts}
	f.leaders.c = c
	f.ahead.max = aheadMax
	f.pace.rate = float64(opts.rate)
	return f
}

// close ends the connections and waits for the fetches under way, which fail.
func (f *fetcher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.c.Close()
	f.under.Wait()
}

// A piece is what is asked of a partition.
type piece struct {
	partitionRange
	committed bool // read_committed
}

// pending is a fetch under way.
type pending struct {
	offset int64
	asked  int32 // bytes
	done   chan struct{}
	chunk  chunk
	err    error
	cancel context.CancelFunc
}

// begin fetches from offset in the background.
func (f *fetcher) begin(ctx context.Context, p piece, offset int64, bytes int32) *pending {
	ctx, cancel := context.WithCancel(ctx)
	fetch := &pending{offset: offset, asked: bytes, done: make(chan struct{}), cancel: cancel}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		fetch.err = kgo.ErrClientClosed
		close(fetch.done)
		return fetch
	}
	f.under.Go(func() {
		defer close(fetch.done)
		fetch.chunk, fetch.err = f.paced(ctx, p, offset, bytes)
	})
	return fetch
}

func (p *pending) wait(ctx context.Context) (*chunk, error) {
	select {
	case <-p.done:
		return &p.chunk, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// paced fetches when its turn has come.
func (f *fetcher) paced(ctx context.Context, p piece, offset int64, bytes int32) (chunk, error) {
	if err := f.pace.wait(ctx, bytes); err != nil {
		return chunk{}, err
	}
	c, err := f.fetch(ctx, p, offset, bytes)
	f.pace.correct(bytes, len(c.set))
	return c, err
}

// fetch asks the leader until it answers, for as long as the options have patience.
func (f *fetcher) fetch(ctx context.Context, p piece, offset int64, bytes int32) (chunk, error) {
	var missing time.Time // since when the topic or partition is
	var told time.Time
	for since := time.Now(); ; {
		c, err := f.ask(ctx, p, offset, bytes, fetchWait)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			c, err = f.outOfRange(ctx, p, offset)
		}
		late := time.Since(since) > f.opts.patience
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return c, context.Cause(ctx)
		case isGone(err):
			if missing.IsZero() {
				missing = time.Now()
			}
			if late || time.Since(missing) >= f.opts.proof {
				return f.vanished(p, offset, err)
			}
		case isLoss(err):
			return c, err
		case !temporary(err):
			return c, fmt.Errorf("%s at offset %d: %w", p.tp(), offset, f.c.Explain(err))
		case late:
			return f.giveUp(p, offset, err)
		default:
			missing = time.Time{}
			told = f.tellWait(p, offset, since, told, err)
		}
		f.leaders.forget(p.tp())
		if err := pause(ctx, f.opts.pause); err != nil {
			return c, err
		}
	}
}

// A wait is told of when it is longer than what a new leader takes, and then now and again.
const (
	waitQuiet = 5 * time.Second
	waitAgain = 30 * time.Second
)

// tellWait warns of a fetch that goes on waiting, and gives the time when that was told last.
func (f *fetcher) tellWait(p piece, offset int64, since, told time.Time, err error) time.Time {
	now := time.Now()
	if f.opts.warn == nil || now.Sub(since) < waitQuiet || now.Sub(told) < waitAgain {
		return told
	}
	f.opts.warn("waiting for a broker to give records", f.c.Explain(err), "partition", p.tp().String(),
		"offset", offset, "waited", now.Sub(since).Round(time.Second), "patience", f.opts.patience)
	return now
}

// giveUp ends a fetch after all patience. If it was the leader that answered, and it does not have what was
// planned, then that is lost.
func (f *fetcher) giveUp(p piece, offset int64, err error) (chunk, error) {
	var short *shortLogError
	if f.opts.planned && errors.As(err, &short) {
		return f.lose(p, offset, p.Until, fmt.Sprintf("for %v %v; the log was truncated", f.opts.patience, err))
	}
	if short == nil {
		err = f.c.Explain(err)
	}
	return chunk{}, exec.Permanent(
		fmt.Errorf("%s at offset %d: %w (tried for %v, spark.streaming.kafka.consumer.poll.ms)",
			p.tp(), offset, err, f.opts.patience),
	)
}

// pause waits, or gives the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// temporary tells errors that time may mend from those that it does not.
func temporary(err error) bool {
	switch client.KindOf(err) {
	case client.Unavailable, client.TimedOut, client.Unreachable, client.AdvertisedUnreachable:
		return true
	case client.Other:
	default:
		return false
	}
	if ke, ok := errors.AsType[*kerr.Error](err); ok {
		return ke.Retriable
	}
	return !isLoss(err) && !errors.Is(err, kgo.ErrClientClosed)
}

func isLoss(err error) bool {
	_, loss := errors.AsType[*DataLossError](err)
	return loss
}

// fetchWait is how long a broker may wait for records: the ranges that are fetched exist already, so the time
// passes only when the leader lags behind.
const fetchWait = 250 * time.Millisecond

// ask sends one fetch request to the leader, which answers after wait at the latest, with nothing if need be.
func (f *fetcher) ask(ctx context.Context, p piece, offset int64, bytes int32, wait time.Duration) (chunk, error) {
	l, err := f.leaders.of(ctx, p.partitionRange)
	if err != nil {
		return chunk{}, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(wait.Milliseconds())
	req.MinBytes, req.MaxBytes = 1, bytes
	if p.committed {
		req.IsolationLevel = 1
	}
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.Partition, offset, bytes
	part.CurrentLeaderEpoch = l.epoch
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = p.Topic, l.id, []kmsg.FetchRequestTopicPartition{part}
	req.Topics = []kmsg.FetchRequestTopic{topic}
	answer, err := f.c.Kgo().Broker(int(l.node)).Request(ctx, req)
	if err != nil {
		return chunk{}, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return chunk{}, err
	}
	if len(resp.Topics) == 0 && resp.ThrottleMillis > 0 {
		return chunk{}, kerr.ThrottlingQuotaExceeded // So answers a broker whose quota is used up.
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 ||
		resp.Topics[0].Partitions[0].Partition != p.Partition {
		return chunk{}, errors.New("the broker's answer is not about the one partition that was asked for")
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return chunk{}, err
	}
	return newChunk(got, p.committed), nil
}
