package dstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// A supervisor keeps a receiver running and is the Source of its stream: a range is the numbers of the blocks
// that a batch takes.
type supervisor[T any] struct {
	ssc   *Context
	r     Receiver[T]
	info  ReceiverInfo // guarded by mu
	delay time.Duration
	every time.Duration // block interval

	limiter *rate.Limiter
	maxRate float64

	orders chan order
	life   context.Context
	end    context.CancelFunc
	idle   chan struct{} // closed when the receiver has ended for good

	resolved atomic.Bool
	blocks   blocks[T]

	mu       sync.Mutex
	current  any // the Store of the run that goes on
	draining bool
}

// An order is what a receiver asks of its supervisor.
type order struct {
	st    any // the Store of the run that asks; orders of earlier runs are void
	err   error
	again bool
}

func newSupervisor[T any](ssc *Context, r Receiver[T]) *supervisor[T] {
	s := &supervisor[T]{
		ssc:     ssc,
		r:       r,
		delay:   conf.ReceiverRestartDelay.Get(ssc.conf),
		every:   conf.BlockInterval.Get(ssc.conf),
		orders:  make(chan order, 16),
		idle:    make(chan struct{}),
		maxRate: math.Inf(1),
	}
	if n := conf.ReceiverMaxRate.Get(ssc.conf); n > 0 {
		s.maxRate = float64(n)
	}
	first := s.maxRate
	if n := conf.BackpressureInitialRate.Get(ssc.conf); n > 0 {
		first = min(first, float64(n))
	}
	s.limiter = rate.NewLimiter(rate.Limit(first), burst(first, s.every))
	s.blocks.init(int64(conf.ReceiverMemory.Get(ssc.conf)), ssc.sc.Memory())
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// burst is how many records may come at once: those of a block interval.
func burst(perSecond float64, every time.Duration) int {
	if math.IsInf(perSecond, 1) {
		return math.MaxInt32
	}
	return max(1, int(min(perSecond*every.Seconds(), math.MaxInt32)))
}

// Rate implements SourceRated: the estimator's rate, below the configured maximum.
func (s *supervisor[T]) Rate(perSecond float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if perSecond <= 0 || s.draining { // What is in hand at a drain is let in past the rate.
		return
	}
	perSecond = min(perSecond, s.maxRate)
	s.limiter.SetLimit(rate.Limit(perSecond))
	s.limiter.SetBurst(burst(perSecond, s.every))
}

// Resolve implements Source: it starts the receiver.
func (s *supervisor[T]) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from != nil {
		return nil, errors.New("a receiver cannot be recovered without a write ahead log")
	}
	s.resolved.Store(true)
	go s.supervise()
	go s.cutBlocks()
	return blockRange(0, 0), nil
}

// supervise starts the receiver, again when it asks for that or fails, until it ends for good.
func (s *supervisor[T]) supervise() {
	defer close(s.idle)
	for {
		ctx, cancel := context.WithCancel(context.Background())
		stores, refuse := context.WithCancel(ctx)
		st := &Store[T]{s: s, ended: stores}
		s.mu.Lock()
		s.current = st
		s.mu.Unlock()
		o := s.runOnce(ctx, st)
		if s.unwanted() {
			s.blocks.seal(refuse)
		}
		s.stopReceiver(o.err) // It may store what it still has in hand.
		s.blocks.seal(cancel)
		refuse()
		if !o.again || s.life.Err() != nil {
			return
		}
		select {
		case <-time.After(s.delay):
		case <-s.life.Done():
			return
		}
	}
}

// unwanted tells that no batch will take what the receiver still has in hand: the program is stopped and not drained. A
// receiver that waits for memory must not hold that up.
func (s *supervisor[T]) unwanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life.Err() != nil && !s.draining
}

// runOnce starts the receiver and waits until that run is over.
func (s *supervisor[T]) runOnce(ctx context.Context, st *Store[T]) order {
	// Told before Start, whose goroutines may report and ask to be restarted before it has returned.
	s.ssc.bus.emit(ReceiverStarted{s.state(func(i *ReceiverInfo) { i.Active = true })})
	started := make(chan error, 1) // A Start that blocks, against its contract, must not keep Stop from ending it.
	go func() {
		started <- tell(ctx, func(ctx context.Context) error { return s.r.Start(ctx, st, nil) })
	}()
	for {
		select {
		case err := <-started:
			if err != nil {
				s.report(err)
				return order{err: err, again: true}
			}
		case o := <-s.orders:
			if o.st != any(st) {
				continue
			}
			if o.err != nil {
				s.report(o.err)
			}
			return o
		case <-s.life.Done():
			return order{}
		}
	}
}

func (s *supervisor[T]) stopReceiver(why error) {
	ctx, cancel := context.WithTimeout(context.Background(), receiverStopTimeout)
	defer cancel()
	if err := tell(ctx, s.r.Stop); err != nil {
		s.report(fmt.Errorf("stop: %w", err))
	}
	s.ssc.bus.emit(ReceiverStopped{s.state(func(i *ReceiverInfo) {
		i.Active = false
		if why != nil {
			i.LastError, i.LastErrorTime = why, now()
		}
	})})
}

func (s *supervisor[T]) state(change func(*ReceiverInfo)) ReceiverInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.info)
	return s.info
}

func (s *supervisor[T]) report(err error) {
	info := s.state(func(i *ReceiverInfo) { i.LastError, i.LastErrorTime = err, now() })
	s.ssc.logger.Warn("a receiver reported an error", "receiver", info.Name, "error", err)
	s.ssc.bus.emit(ReceiverError{info})
}

// demand hands an order over without waiting for what it asks. Orders of runs that are over are void; one that finds
// no room repeats another of the same run.
func (s *supervisor[T]) demand(o order) {
	s.mu.Lock()
	void := o.st != s.current
	s.mu.Unlock()
	if void {
		return
	}
	select {
	case s.orders <- o:
	default:
	}
}

// one waits for the rate limit and for memory, then buffers the record.
func (s *supervisor[T]) one(ctx context.Context, v T) error {
	if err := s.limit(ctx, 1); err != nil {
		return err
	}
	return s.blocks.addOne(ctx, v)
}

func (s *supervisor[T]) many(ctx context.Context, vs []T, position []byte) error {
	if err := s.limit(ctx, len(vs)); err != nil {
		return err
	}
	return s.blocks.addBlock(ctx, vs, position)
}

// errReceiverStopped is what a Store answers when its run of the receiver is over.
var errReceiverStopped = errors.New("the receiver has been stopped; nothing more is stored")

// limit waits until n records may come, in steps of what the limiter lets through at once.
func (s *supervisor[T]) limit(ctx context.Context, n int) error {
	for n > 0 {
		if ctx.Err() != nil {
			return errReceiverStopped
		}
		step := min(n, s.limiter.Burst())
		if err := s.limiter.WaitN(ctx, step); err != nil {
			if ctx.Err() != nil {
				return errReceiverStopped
			}
			continue // The burst was made smaller meanwhile; take smaller steps.
		}
		n -= step
	}
	return nil
}

// cutBlocks makes a block of what was buffered, every block interval.
func (s *supervisor[T]) cutBlocks() {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.blocks.cut()
		case <-s.idle:
			s.blocks.cut()
			return
		}
	}
}

// A range of blocks is the numbers of the first and of the one after the last, 8 bytes each.
func blockRange(from, until int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(from)), uint64(until))
}

func parseBlockRange(rng []byte) (from, until int64) {
	return int64(binary.BigEndian.Uint64(rng)), int64(binary.BigEndian.Uint64(rng[8:]))
}

// Plan implements Source: the batch takes all blocks there are.
func (s *supervisor[T]) Plan(_ context.Context, from []byte, _ Limit) ([]byte, int64, error) {
	_, at := parseBlockRange(from)
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	if draining {
		s.blocks.cut() // Nothing will cut what a late call still stores.
	}
	until, records := s.blocks.take(at)
	return blockRange(at, until), records, nil
}

// Read implements Source: a partition for each block.
func (s *supervisor[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	from, until := parseBlockRange(rng)
	return rdd.FromPartitions(sc, "receiverStream", int(until-from), s.blocks.read(from, until))
}

// Committed implements Source.
func (s *supervisor[T]) Committed(context.Context, *Batch, []byte) error { return nil }

// Released implements Source: the blocks' memory is free.
func (s *supervisor[T]) Released(_ context.Context, upTo []byte) error {
	_, until := parseBlockRange(upTo)
	s.blocks.drop(until)
	return nil
}

// Drain implements SourceDrainer: it stops the receiver and makes a block of what was buffered. What the receiver
// still has in hand is let in past the rate, and up to twice the memory bound.
func (s *supervisor[T]) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.limiter.SetLimit(rate.Inf)
	s.mu.Unlock()
	s.blocks.extend()
	s.end()
	select {
	case <-s.idle:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.blocks.cut()
	return nil
}

// Pending implements SourceDrainer.
func (s *supervisor[T]) Pending(from []byte) int64 {
	_, at := parseBlockRange(from)
	return s.blocks.pending(at)
}

// Close implements SourceCloser.
func (s *supervisor[T]) Close(ctx context.Context) error {
	s.end()
	if !s.resolved.Load() {
		return nil // It was never started.
	}
	select {
	case <-s.idle:
		s.blocks.free()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
