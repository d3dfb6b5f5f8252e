package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

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
	gaps    gaps
	marks   marks
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
	backoff  func(attempt int) time.Duration
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
		backoff:  cfg.Backoff,
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

// An order says what a fetch asks for.
type order struct {
	piece
	offset int64
	bytes  int32
	wait   time.Duration // how long the leader may wait for records
	wanted bool          // a task waits for it, or will soon
	ended  func(*pending)
}

// pending is a fetch under way.
type pending struct {
	order
	done   chan struct{}
	got    chunk
	err    error
	cancel context.CancelFunc
	turn   *turn // among those that wait for the pacer

	mu    sync.Mutex
	since time.Time // from when on its patience counts
}

// begin fetches in the background.
func (f *fetcher) begin(ctx context.Context, o order) *pending {
	ctx, cancel := context.WithCancel(ctx)
	fetch := &pending{order: o, done: make(chan struct{}), cancel: cancel, since: time.Now()}
	fetch.turn = f.pace.line(o.wanted)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		f.pace.leave(fetch.turn)
		fetch.err = kgo.ErrClientClosed
		close(fetch.done)
		return fetch
	}
	f.under.Go(func() {
		defer close(fetch.done)
		fetch.got, fetch.err = f.paced(ctx, fetch)
		if fetch.ended != nil {
			fetch.ended(fetch)
		}
	})
	return fetch
}

// want is for a fetch that a task waits for from now on: its patience begins, and it comes before those that nobody
// waits for.
func (f *fetcher) want(p *pending) {
	p.restart()
	f.pace.prefer(p.turn)
}

// restart has the patience count from now on.
func (p *pending) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

// waited is how long the fetch has been of no use to the one who waits for it.
func (p *pending) waited() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.since)
}

// failed tells whether the fetch is over and has brought nothing.
func (p *pending) failed() bool {
	select {
	case <-p.done:
		return p.err != nil
	default:
		return false
	}
}

func (p *pending) await(ctx context.Context) (*chunk, error) {
	select {
	case <-p.done:
		return &p.got, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// paced fetches when its turn has come.
func (f *fetcher) paced(ctx context.Context, p *pending) (chunk, error) {
	if err := f.pace.wait(ctx, p.turn, p.bytes); err != nil {
		return chunk{}, err
	}
	c, err := f.fetch(ctx, p)
	if _, sent := errors.AsType[*abandonedError](err); !sent {
		f.pace.correct(p.bytes, len(c.set))
	}
	return c, err
}

// quotaPatience is after how many times the patience a fetch gives up that gets nothing but throttled.
const quotaPatience = 10

// fetch asks the leader until it answers, for as long as the options have patience. Time in which the broker holds
// the client back, for its quota is used up, does not count.
func (f *fetcher) fetch(ctx context.Context, p *pending) (chunk, error) {
	var missing, throttled, told time.Time // since when, and when last
	for attempt := 1; ; attempt++ {
		c, err := f.ask(ctx, p.piece, p.offset, p.bytes, p.wait)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			c, err = f.outOfRange(ctx, p.piece, p.offset)
		}
		late := p.waited() > f.opts.patience
		gone, held := isGone(err), errors.Is(err, kerr.ThrottlingQuotaExceeded)
		missing, throttled = during(missing, gone), during(throttled, held || !throttled.IsZero())
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return c, reason(ctx, err)
		case gone:
			if late || time.Since(missing) >= f.opts.proof {
				return f.vanished(p.piece, p.offset, err)
			}
		case held:
			if time.Since(throttled) > quotaPatience*f.opts.patience {
				return chunk{}, f.quotaError(p)
			}
			p.restart()
		case isLoss(err):
			return c, err
		case !temporary(err):
			return c, fmt.Errorf("%s at offset %d: %w", p.tp(), p.offset, f.c.Explain(err))
		case late:
			return f.giveUp(p.piece, p.offset, err)
		default:
			told = f.tellWait(p.piece, p.offset, p.waited(), told, err)
		}
		if err := pause(ctx, f.opts.backoff(attempt)); err != nil {
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
func (f *fetcher) tellWait(p piece, offset int64, waited time.Duration, told time.Time, err error) time.Time {
	now := time.Now()
	if f.opts.warn == nil || waited < waitQuiet || now.Sub(told) < waitAgain {
		return told
	}
	if _, short := errors.AsType[*shortLogError](err); !short {
		err = f.c.Explain(err)
	}
	f.opts.warn("waiting for a broker to give records", err, "partition", p.tp().String(),
		"offset", offset, "waited", waited.Round(time.Second), "patience", f.opts.patience)
	return now
}

// reason is why a fetch whose context has ended failed.
func reason(ctx context.Context, err error) error {
	if _, sent := errors.AsType[*abandonedError](err); sent {
		return err
	}
	return context.Cause(ctx)
}

// during gives since when something has been so, zero if it is not.
func during(since time.Time, so bool) time.Time {
	switch {
	case !so:
		return time.Time{}
	case since.IsZero():
		return time.Now()
	}
	return since
}

func (f *fetcher) quotaError(p *pending) error {
	return exec.Permanent(fmt.Errorf("%s at offset %d: for %v the broker has answered without records, for the quota "+
		"of this client is used up: raise its consumer_byte_rate or request_percentage, or lower the rate",
		p.tp(), p.offset, quotaPatience*f.opts.patience))
}

// giveUp ends a fetch after all patience. If it was the leader that answered, and it does not have what was
// planned, then that is lost.
func (f *fetcher) giveUp(p piece, offset int64, err error) (chunk, error) {
	const tried = "%s at offset %d: %w (tried for %v, spark.streaming.kafka.consumer.poll.ms)"
	short, ok := errors.AsType[*shortLogError](err)
	switch {
	case ok && f.opts.planned:
		return f.lose(p, max(offset, min(short.end, p.Until)), p.Until,
			fmt.Sprintf("for %v %v; the log was truncated", f.opts.patience, err), keepCopies)
	case ok:
		return chunk{}, exec.Permanent(fmt.Errorf(tried+": the range asks for offsets %d to %d, which are not there: "+
			"correct the range, or lower that setting to wait less",
			p.tp(), offset, err, f.opts.patience, max(offset, short.end), p.Until-1))
	}
	return chunk{}, exec.Permanent(fmt.Errorf(tried, p.tp(), offset, f.c.Explain(err), f.opts.patience))
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
		return ke.Retriable || ke == kerr.UnknownServerError
	}
	return !isLoss(err) && !errors.Is(err, kgo.ErrClientClosed)
}

func isLoss(err error) bool {
	_, loss := errors.AsType[*DataLossError](err)
	return loss
}
