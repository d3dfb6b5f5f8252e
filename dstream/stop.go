package dstream

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
)

// A StopOption says how Stop stops.
type StopOption func(*stopping)

type stopping struct{ graceful, keep bool }

// Graceful has Stop first process all that was received and planned, and commit it.
func Graceful() StopOption { return func(s *stopping) { s.graceful = true } }

// KeepContext has Stop leave the rdd.Context running, for another streaming context or for jobs.
func KeepContext() StopOption { return func(s *stopping) { s.keep = true } }

// Stop ends the program and waits until nothing of it runs. By default it is immediate: the batch that runs is
// cancelled and stays uncommitted; [Context.LeftOpen] says what was left. With Graceful, receivers are stopped, what
// they received and what was planned is processed and committed. It ends at ctx's deadline, or if ctx has none after
// spark.streaming.gracefulStopTimeout (immediate: weir.streaming.shutdownTimeout); then what still runs is cancelled,
// and a user function that ignores that is named in the error and abandoned.
//
// Stopping twice is no error. When it is called from inside a task, a body or a listener, for whose end it would
// wait, it returns an error that says so, and the stop happens after the batch.
func (ssc *Context) Stop(ctx context.Context, opts ...StopOption) error {
	s := stopping{keep: !conf.StopSparkContextByDefault.Get(ssc.conf)}
	for _, o := range opts {
		o(&s)
	}
	if where := ssc.sc.Inside().Inside(); where != "" {
		s.graceful = true
		go func() { _ = ssc.stop(context.WithoutCancel(ctx), s) }() // AwaitTermination tells its error.
		return fmt.Errorf("Stop was called from inside %s, for whose end it would wait: "+
			"the program will stop after the batch", where)
	}
	return ssc.stop(ctx, s)
}

func (ssc *Context) stop(ctx context.Context, s stopping) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, ssc.stopTimeout(s.graceful))
		defer cancel()
	}
	ssc.mu.Lock()
	state := ssc.state
	if state == Initialized {
		ssc.state = Stopped
		close(ssc.done)
	}
	ssc.keepRDD, ssc.ending = s.keep, true
	cancelStart := ssc.cancelStart
	ssc.mu.Unlock()
	if state != Active {
		return ssc.stopRDD(ctx)
	}
	cancelStart(ErrStopped)
	select {
	case <-ssc.begun:
	case <-ctx.Done():
		return fmt.Errorf("the start of the context has not ended: %w", context.Cause(ctx))
	}
	if ssc.loop == nil {
		return nil // The start failed, and with it the context ended.
	}
	if deadline, _ := ctx.Deadline(); s.graceful {
		ssc.loop.finishing(deadline)
	} else {
		ssc.loop.kill(ErrStopped)
	}
	select {
	case <-ssc.done:
	case <-ctx.Done():
		select {
		case <-ssc.loop.over:
			<-ssc.done // Nothing is cut: what is being closed has deadlines of its own.
		default:
			return ssc.cut(s.graceful)
		}
	}
	if s.graceful {
		return ssc.failure()
	}
	return nil
}

// ErrStopped is why what runs at an immediate stop is cancelled.
var ErrStopped = errors.New("the streaming context was stopped")

func (ssc *Context) stopTimeout(graceful bool) time.Duration {
	if !graceful {
		return conf.ShutdownTimeout.Get(ssc.conf)
	}
	if d := conf.GracefulStopTimeout.Get(ssc.conf); d > 0 {
		return d
	}
	return max(10*ssc.interval, leastGracefulStop)
}

// leastGracefulStop keeps ten batch intervals from being too little for short ones.
const leastGracefulStop = 10 * time.Second

// cut ends a stop whose deadline has passed. Whether that has cut anything shows when nothing of the loop runs.
func (ssc *Context) cut(graceful bool) (err error) {
	ssc.loop.kill(ErrStopped)
	grace := time.NewTimer(callGrace)
	defer grace.Stop()
	select {
	case <-ssc.done:
	case <-grace.C:
		err = ssc.loop.abandon()
		<-ssc.done // What is left has deadlines of its own.
	}
	if graceful {
		err = errors.Join(ssc.failure(), err)
	}
	return err
}

// abandon gives up what runs although its context has ended, and names it.
func (l *loop) abandon() error {
	l.abandoning <- struct{}{}
	defer func() { <-l.abandoning }()
	err := errors.Join(l.ssc.sc.Abandon(), l.abandonBodies())
	if err != nil { // Who asked for a stop in the checkpoint, or from within a task, is not given the error.
		l.ssc.warn("functions were given up", err)
	}
	return err
}

// endSilence is how long a program that has failed may take to end before it is said what of. One that is faster says
// it by its error alone.
const endSilence = time.Second

// boundEnd has a program that has failed end, as the deadline of a Stop does one that is stopped: a function that does
// not return would keep the process and its checkpoint for ever, and nobody would learn of the error.
func (l *loop) boundEnd() {
	defer close(l.bounded)
	select {
	case <-l.life.Done():
	case <-l.over:
		return
	}
	failed := context.Cause(l.life)
	if errors.Is(failed, ErrStopped) { // That stop has a deadline of its own.
		return
	}
	bound := conf.ShutdownTimeout.Get(l.ssc.conf)
	silence := min(endSilence, bound/2)
	if l.overWithin(silence) {
		return
	}
	l.ssc.logger.Error("the program ends, and waits for what it has cancelled", "error", failed, "within", bound)
	if l.overWithin(bound - silence) {
		return
	}
	l.ssc.fail(failed) // Before anything that fails of being given up.
	if err := l.abandon(); err != nil {
		l.ssc.failToo(err)
	}
}

// overWithin waits until nothing of the loop runs any more, or for a time.
func (l *loop) overWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.over:
		return true
	case <-timer.C:
		return false
	}
}

// AwaitTermination waits until the context has stopped and gives the first error of the program: of a batch, an
// input or the graph. A user function that has not returned within weir.streaming.shutdownTimeout of that is abandoned,
// and named in it. It gives ctx's error if ctx ends first; the program goes on then.
func (ssc *Context) AwaitTermination(ctx context.Context) error {
	if where := ssc.sc.Inside().Inside(); where != "" {
		return fmt.Errorf("AwaitTermination was called from inside %s, for whose end it would wait", where)
	}
	select {
	case <-ssc.done:
		return ssc.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// finish closes what the program held. It runs once, when nothing of the loop is left. Each step has
// weir.streaming.shutdownTimeout for itself, so that an input that hangs takes no time from a sink that must flush.
func (ssc *Context) finish(ctx context.Context) {
	within := func(bound time.Duration, f func(ctx context.Context)) {
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		f(ctx)
	}
	step := func(f func(ctx context.Context)) { within(conf.ShutdownTimeout.Get(ssc.conf), f) }
	step(ssc.closeInputs)
	step(ssc.closeSinks)
	step(ssc.closeStates)
	step(ssc.closeStateStore)
	within(slotTimeout, ssc.closeLog)
	step(func(ctx context.Context) {
		if err := ssc.stopRDD(ctx); err != nil {
			ssc.fail(err)
		}
	})
	ssc.bus.emit(StreamingStopped{ssc.failure()})
	if ssc.loop != nil {
		step(ssc.closeBus)
	}
	if ssc.giveRDDs != nil {
		ssc.giveRDDs()
	}
	ssc.mu.Lock()
	ssc.state = Stopped
	ssc.mu.Unlock()
	close(ssc.done)
}

func (ssc *Context) closeInputs(ctx context.Context) {
	var wg sync.WaitGroup
	for _, in := range ssc.inputs {
		wg.Go(func() {
			if err := in.close(ctx); err != nil {
				ssc.warn("an input did not close", err, "input", in.label())
			}
		})
	}
	wg.Wait()
}

// listenerBehind tells while the program runs what closeBus sums up when it ends.
func (ssc *Context) listenerBehind(dropped int64) {
	ssc.logger.Warn("a listener is so far behind that events are dropped, and does not hear of them: let it return "+
		"sooner; when the program ends it is told how many there were", "events", dropped, "queue", busQueue)
}

func (ssc *Context) closeBus(ctx context.Context) {
	if !ssc.bus.close(ctx) {
		ssc.logger.Warn("a listener does not return and was given up")
	}
	if n := ssc.bus.dropped.Load(); n > 0 {
		ssc.logger.Warn("listeners fell behind and missed events", "events", n)
	}
}

// stopRDD stops the rdd.Context unless it is to outlive this one.
func (ssc *Context) stopRDD(ctx context.Context) error {
	ssc.mu.Lock()
	keep := ssc.keepRDD
	ssc.mu.Unlock()
	if keep {
		return nil
	}
	return ssc.sc.Stop(ctx)
}
