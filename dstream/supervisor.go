package dstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/weirstream/weir/codec"
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
	letIn   chan struct{} // closed by a drain: nobody waits for the rate any more

	orders chan struct{} // tells that asked has been set
	life   context.Context
	end    context.CancelFunc
	idle   chan struct{} // closed when the receiver has ended for good

	begun    atomic.Bool
	saidFull atomic.Bool
	hold     storage[T]
	logs     bool // hold is a write ahead log

	wrong error // with what the stream was made of

	mu       sync.Mutex
	current  any                // the Store of the run that goes on
	ends     context.CancelFunc // of that Store
	asked    *order             // by that run, and not taken yet
	draining bool
}

// An order is what a receiver asks of its supervisor.
type order struct {
	st      any   // the Store of the run that asks; orders of earlier runs are void
	earlier error // of an order that this one goes before
	err     error
	again   bool
	delay   time.Duration // before the next run
}

func newSupervisor[T any](ssc *Context, r Receiver[T]) *supervisor[T] {
	s := &supervisor[T]{
		ssc:     ssc,
		r:       r,
		delay:   conf.ReceiverRestartDelay.Get(ssc.conf),
		every:   conf.BlockInterval.Get(ssc.conf),
		orders:  make(chan struct{}, 1),
		letIn:   make(chan struct{}),
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
	s.hold, s.logs = s.storage()
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// storage makes what holds the records, and tells whether it is a write ahead log.
func (s *supervisor[T]) storage() (hold storage[T], logs bool) {
	covers := func(last, position []byte) bool { return bytes.Equal(last, position) }
	if p, ok := s.r.(ReceiverPositions); ok {
		covers = p.Covers
	}
	bound, budget := int64(conf.ReceiverMemory.Get(s.ssc.conf)), s.ssc.sc.Memory()
	size, own := sizer[T](), newOwner[T](is[ReceiverHandsOver](s.r))
	if !conf.ReceiverWriteAheadLog.Get(s.ssc.conf) {
		return &blocks[T]{bound: max(bound, 1), budget: budget, size: size, own: own, covers: covers,
			room: make(chan struct{}), line: newLine()}, false
	}
	w := &wal[T]{ssc: s.ssc, bound: bound, budget: budget, size: size, own: own, covers: covers, halted: s.halted,
		room: newWalRoom(int64(conf.ReceiverLogBytes.Get(s.ssc.conf)))}
	w.codec, s.wrong = codec.For[T]()
	return w, true
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

// Resolve implements Source. The receiver is started by begin.
func (s *supervisor[T]) Resolve(ctx context.Context, from []byte) ([]byte, error) {
	return s.hold.open(ctx, s.ssc.idOf(s), from)
}

// begin implements receiving. By then it is in the log where the first range begins, so that nothing is received that
// the next process would not know of.
func (s *supervisor[T]) begin() {
	s.begun.Store(true)
	go s.supervise()
	go s.cutBlocks()
}

// refuse implements receiving. A run that begins later is none, for life has ended.
func (s *supervisor[T]) refuse(ctx context.Context) error {
	s.end()
	s.mu.Lock()
	ends := s.ends
	s.mu.Unlock()
	if ends != nil {
		s.hold.seal(ends)
	}
	return s.hold.settle(ctx)
}

// logged implements receiving.
func (s *supervisor[T]) logged() bool { return s.logs }

// positioned implements receiving.
func (s *supervisor[T]) positioned() bool { return is[ReceiverPositions](s.r) }

// takes implements receiving: the receiver knows a position that covers itself.
func (s *supervisor[T]) takes(position []byte) (knows bool) {
	p, ok := s.r.(ReceiverPositions)
	if !ok || !s.logs {
		return false
	}
	defer func() { _ = recover() }() // It may be in the words of another source.
	return p.Covers(position, position)
}

// halted has the receiver started again when its log could not be written.
func (s *supervisor[T]) halted(err error) {
	s.mu.Lock()
	st := s.current
	s.mu.Unlock()
	s.demand(order{st: st, err: err, again: true, delay: s.delay})
}

// supervise starts the receiver, again when it asks for that or fails, until it ends for good.
func (s *supervisor[T]) supervise() {
	defer close(s.idle)
	for again := true; again; {
		again = s.run()
	}
	if s.life.Err() == nil { // Else the program ends, and says so.
		s.ssc.logger.Warn("a receiver has stopped for good; its stream goes on with what it has stored",
			"receiver", s.state(func(*ReceiverInfo) {}).Name)
	}
}

// run is a run of the receiver, with the pause after it. again tells that another one follows.
func (s *supervisor[T]) run() (again bool) {
	ctx, cancel := context.WithCancel(context.Background())
	stores, refuse := context.WithCancel(ctx)
	defer cancel()
	defer refuse()
	st := &Store[T]{s: s, ended: stores}
	if o, asked := s.renew(st, refuse); asked && !o.again {
		s.reportOrder(o) // It came while the pause ended.
		return false
	}
	o, begun := s.runOnce(ctx, st)
	if s.unwanted() {
		s.hold.seal(refuse)
	}
	if begun {
		s.stopReceiver(o.err) // It may store what it still has in hand.
	}
	s.hold.seal(cancel)
	return o.again && s.pause(o.delay)
}

// renew makes a run the current one, and gives what the one before asked for last.
func (s *supervisor[T]) renew(st *Store[T], ends context.CancelFunc) (o order, asked bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, asked = s.takeAsked()
	s.current, s.ends = st, ends
	return o, asked
}

// pause waits before the next run. again is false if there is none: the program ends, or the receiver, which had asked
// to be started again, asked to be stopped for good since.
func (s *supervisor[T]) pause(d time.Duration) (again bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return s.life.Err() == nil
		case <-s.life.Done():
			return false
		case <-s.orders:
			s.mu.Lock()
			o, asked := s.takeAsked()
			s.mu.Unlock()
			if asked && !o.again {
				s.reportOrder(o)
				return false
			}
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

// runOnce starts the receiver and waits until that run is over. begun tells that there is something to be stopped.
func (s *supervisor[T]) runOnce(ctx context.Context, st *Store[T]) (o order, begun bool) {
	position, err := s.hold.resume(s.life)
	if s.life.Err() != nil {
		return order{}, false
	}
	if err != nil {
		s.report(err)
		return order{err: err, again: true, delay: s.delay}, false
	}
	// Told before Start, whose goroutines may report and ask to be restarted before it has returned.
	s.ssc.bus.emit(ReceiverStarted{s.state(func(i *ReceiverInfo) { i.Active = true })})
	started := make(chan error, 1)
	grace := time.NewTimer(startGrace)
	defer grace.Stop()
	go func() {
		started <- tell(ctx, func(ctx context.Context) error { return s.r.Start(ctx, st, position) })
	}()
	o, returned := s.awaitOrder(started)
	if !returned {
		select {
		case <-started:
		case <-grace.C:
		}
	}
	return o, true
}

// startGrace is how long after the call of Start that of Stop waits for its return. A Start that blocks, against its
// contract, must not keep Stop from ending it.
const startGrace = time.Second

// awaitOrder waits for the end of a run, and tells whether Start has returned by then.
func (s *supervisor[T]) awaitOrder(started <-chan error) (o order, returned bool) {
	for {
		select {
		case err := <-started:
			returned = true
			if err != nil {
				s.report(err)
				return order{err: err, again: true, delay: s.delay}, true
			}
		case <-s.orders:
			s.mu.Lock()
			o, asked := s.takeAsked()
			s.mu.Unlock()
			if !asked {
				continue // It was of the run before.
			}
			s.reportOrder(o)
			return o, returned
		case <-s.life.Done():
			return order{}, returned
		}
	}
}

// reportOrder reports why a receiver asked for what it is given.
func (s *supervisor[T]) reportOrder(o order) {
	for _, err := range []error{o.earlier, o.err} {
		if err != nil {
			s.report(err)
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

// demand hands an order over without waiting for what it asks. Orders of runs that are over are void, and of a run only
// one counts: the first one, or the first that asks to stop for good.
func (s *supervisor[T]) demand(o order) {
	s.mu.Lock()
	counts := o.st == s.current && (s.asked == nil || s.asked.again && !o.again)
	if counts {
		if s.asked != nil {
			o.earlier = s.asked.err
		}
		s.asked = &o
	}
	s.mu.Unlock()
	if !counts {
		return
	}
	select {
	case s.orders <- struct{}{}:
	default: // The supervisor has been told and has not looked yet.
	}
}

// takeAsked gives what the current run asks for; the caller holds mu.
func (s *supervisor[T]) takeAsked() (o order, asked bool) {
	if s.asked == nil {
		return order{}, false
	}
	o, s.asked = *s.asked, nil
	return o, true
}

// one waits for the rate limit and for room, then buffers the record.
func (s *supervisor[T]) one(ctx context.Context, v T) error {
	if err := s.limit(ctx, 1); err != nil {
		return err
	}
	return s.hold.addOne(ctx, v)
}

// several stores records at once, as a block of their own or among others.
func (s *supervisor[T]) several(ctx context.Context, vs []T, position []byte, own bool) error {
	if err := s.limit(ctx, len(vs)); err != nil {
		return err
	}
	return s.hold.add(ctx, vs, position, own)
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
		began := time.Now()
		r := s.limiter.ReserveN(began, step)
		if !r.OK() {
			continue // The burst was made smaller meanwhile; take smaller steps.
		}
		if err := s.awaitTurn(ctx, r, began); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// awaitTurn waits until what was reserved may come. That is fixed when it is reserved, and a later limit of infinity
// does not reach it: a drain lets in who waits.
func (s *supervisor[T]) awaitTurn(ctx context.Context, r *rate.Reservation, began time.Time) error {
	delay := r.DelayFrom(began)
	if delay <= 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.letIn:
	case <-ctx.Done():
		r.Cancel()
		return errReceiverStopped
	}
	return nil
}

// cutBlocks makes a block of what was buffered, every block interval, or less often where a batch could not take as
// many blocks as its interval would have.
func (s *supervisor[T]) cutBlocks() {
	tick := time.NewTicker(max(s.every, s.ssc.interval/partsByTime))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.hold.cut()
		case <-s.idle:
			s.hold.cut()
			return
		}
	}
}

// Plan implements Source: the batch takes all blocks there are in memory, or what the limit lets through of the log.
func (s *supervisor[T]) Plan(_ context.Context, from []byte, l Limit) ([]byte, int64, error) {
	s.mu.Lock()
	draining := s.draining
	s.mu.Unlock()
	ended := draining
	select {
	case <-s.idle:
		ended = true
	default:
	}
	if ended {
		s.hold.cut() // Nothing else will cut what came late: a call that waited for the disk longer than Stop did.
	}
	if draining {
		l.Measured = false // Each batch takes something, so that a drain ends.
	}
	rng, n, full, err := s.hold.plan(from, l)
	if full && !draining && s.saidFull.CompareAndSwap(false, true) {
		s.ssc.warn("a receiver has stored more blocks than a batch takes, and the next batches take the others: if "+
			"they do not catch up, have it store more records by each call of Many, or call Some instead", nil,
			"receiver", s.state(func(*ReceiverInfo) {}).Name, "most", partsMax, "left", s.hold.pending(rng))
	}
	return rng, n, err
}

// Read implements Source: a partition for each block.
func (s *supervisor[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	n, read := s.hold.read(rng)
	return rdd.FromPartitions(sc, "receiverStream", n, read)
}

// Committed implements Source.
func (s *supervisor[T]) Committed(_ context.Context, _ *Batch, rng []byte) error {
	s.hold.committed(rng)
	return nil
}

// Released implements Source: the blocks' memory is free.
func (s *supervisor[T]) Released(ctx context.Context, upTo []byte) error {
	return s.hold.released(ctx, upTo)
}

// Drain implements SourceDrainer: it stops the receiver and makes a block of what was buffered. What the receiver
// still has in hand is let in past the rate, and up to twice the memory bound or, with a log, past that of the log. It
// is called once.
func (s *supervisor[T]) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.limiter.SetLimit(rate.Inf)
	s.mu.Unlock()
	close(s.letIn)
	s.hold.extend()
	s.end()
	select {
	case <-s.idle:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	err := s.hold.settle(ctx) // A call that waits for the disk may take longer than Stop does.
	s.hold.cut()
	return err
}

// Pending implements SourceDrainer.
func (s *supervisor[T]) Pending(from []byte) int64 { return s.hold.pending(from) }

// Close implements SourceCloser.
func (s *supervisor[T]) Close(ctx context.Context) error {
	s.end()
	if !s.begun.Load() {
		return s.hold.close(ctx) // It was never started.
	}
	select {
	case <-s.idle:
		return s.hold.close(ctx)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
