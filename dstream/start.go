package dstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
)

const (
	// startTimeout bounds how long the inputs may take, together, to find where they begin.
	startTimeout = 15 * time.Second
	// sinksTimeout bounds how long the sinks may take to open and to say what they hold: one after the other fences
	// predecessors whose transactions are perhaps on their way, while brokers elect coordinators.
	sinksTimeout = 2 * time.Minute
)

// Start checks the graph, finds the positions at which the inputs begin, and starts the loop. It returns
// every error of the graph at once, each with its file and line; errors of inputs, such as an unreachable
// server, are returned before the first batch. ctx bounds only the start; its local properties, such as the pool that
// rdd.WithPool sets, are those of every batch's jobs, but for the job group. A second Start of an active
// context does nothing but warn; a stopped one cannot be started again. A start that fails stops the context.
func (ssc *Context) Start(ctx context.Context) error {
	if os.Getenv(AskVariable) != "" {
		return errAsked
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	switch ssc.claim(cancel) {
	case Active:
		ssc.warn("Start was called on a context that has been started", nil)
		return nil
	case Stopped:
		return errors.New("Start: the context has been stopped and cannot be started again; make a new one")
	}
	defer close(ssc.begun)
	err := ssc.start(ctx)
	if err != nil {
		ssc.fail(err)
		ssc.finish(context.WithoutCancel(ctx))
	}
	return err
}

// claim gives the state, and makes an initialized context active: what the caller does then is done
// once. cancel ends it.
func (ssc *Context) claim(cancel context.CancelCauseFunc) ContextState {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	state := ssc.state
	if state == Initialized {
		ssc.state, ssc.cancelStart = Active, cancel
	}
	return state
}

func (ssc *Context) start(ctx context.Context) error {
	if err := ssc.validate(); err != nil {
		return err
	}
	ssc.findNeeds()
	ssc.leaveOut()
	if err := ssc.openLog(ctx); err != nil {
		return err
	}
	if err := ssc.takeRDDs(); err != nil {
		return err
	}
	if err := ssc.openStateStore(ctx); err != nil {
		return err
	}
	if err := ssc.loadStates(ctx); err != nil {
		return err
	}
	ids := ssc.inputIDs()
	start, err := ssc.startPositions(ctx, ids)
	if err != nil {
		return err
	}
	if err := ssc.askSinks(ctx); err != nil {
		return err
	}
	if len(start.Positions) > 0 || ssc.durable.found == nil {
		if err := ssc.log.Append(ctx, start); err != nil {
			return fmt.Errorf("log the start positions: %w", err)
		}
	}
	ssc.durable.untouched = false
	if err := ssc.beginReceiving(ctx); err != nil {
		return err
	}
	ssc.properties = batchProperties(ctx)
	ssc.sayGuarantees()
	ssc.sayGivenUp()
	go ssc.bus.run(ssc.sc.Inside(), ssc.listenerPanicked, ssc.listenerBehind)
	loop := newLoop(ssc, ids)
	ssc.mu.Lock()
	ssc.loop = loop
	ending := ssc.ending
	ssc.mu.Unlock()
	if ending {
		loop.kill(ErrStopped) // Stop came while the inputs were asked; nothing will run.
	}
	ssc.bus.emit(StreamingStarted{now()})
	loop.start()
	if ssc.durable.opened {
		go loop.watchLog()
	}
	return nil
}

// startPositions has all inputs stand where they begin, or go on, and gives those positions that the log does not have.
func (ssc *Context) startPositions(ctx context.Context, ids []string) (start checkpoint.Start, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the inputs did not answer in time"))
	defer cancel()
	start.Positions = map[string]checkpoint.Range{}
	for i, in := range ssc.inputs {
		in.rate = newRateControl(ssc.conf, ssc.interval)
		if found := ssc.durable.found; found != nil {
			in.logged = found.Rates[ids[i]]
			in.rate.recall(in.logged)
		}
		found := ssc.resume(in, ids[i])
		if in.from, err = resolve(ctx, in, found); err != nil {
			return start, fmt.Errorf("start of %s: %w", in.where(), err)
		}
		if found == nil || in.imported(found) {
			start.Positions[ids[i]] = checkpoint.Range{Data: in.from}
		}
	}
	return start, nil
}

// askSinks opens the sinks, and has batches be planned anew of which none has anything.
func (ssc *Context) askSinks(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sinksTimeout, errors.New("the sinks did not answer in time"))
	defer cancel()
	if err := ssc.openAll(ctx); err != nil {
		return err
	}
	return ssc.replan(ctx)
}

// batchProperties are the local properties that the jobs of batches take over from the context that Start is given: all
// but the job group, for who cancels the group of the starter does not mean the stream.
func batchProperties(ctx context.Context) map[string]string {
	for _, key := range []string{exec.JobGroup, exec.JobDescription} {
		ctx = exec.WithProperty(ctx, key, "")
	}
	return exec.PropertiesOf(ctx)
}

func (ssc *Context) listenerPanicked(v any) {
	ssc.warn("a listener panicked", exec.NewPanic(v, debug.Stack()))
}

// resolve asks an input where it starts, or goes on from the range of the checkpoint.
func resolve(ctx context.Context, in *input, from []byte) ([]byte, error) {
	return call(ctx, func(ctx context.Context) ([]byte, error) { return in.resolve(ctx, from) })
}

// watchLog ends the program when it can write nothing any more, for another process owns the checkpoint, and has it
// stop when that is asked for there.
func (l *loop) watchLog() {
	for {
		select {
		case <-l.ssc.log.Over():
			if err := l.ssc.log.Err(); !errors.Is(err, checkpoint.ErrClosed) {
				l.end(err)
			}
			return
		case r := <-l.ssc.log.Asked():
			l.ssc.heed(r)
		case <-l.over:
			return
		}
	}
}

// validate joins all that is wrong with the graph.
func (ssc *Context) validate() error {
	errs := ssc.errs
	for _, n := range ssc.nodes {
		if n.err != nil {
			errs = append(errs, n.err)
		}
	}
	names := map[string]*node{}
	for _, n := range ssc.nodes {
		if n.name == "" {
			continue
		}
		if first, ok := names[n.name]; ok {
			errs = append(errs, fmt.Errorf("%s: the name %q is taken by %s at %s: each name must be given once",
				n.site, n.name, first.op, first.site))
		}
		names[n.name] = n
	}
	errs = append(errs, ssc.letters.check(ssc)...)
	if len(ssc.outputs) == 0 {
		errs = append(errs, errors.New("no output operations registered, so nothing to execute: "+
			"add one, such as dstream.Print or dstream.ForeachRDD"))
	}
	if _, err := ssc.stateStoreNamed(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w:\n%w", ErrGraph, err)
	}
	return nil
}

// ErrGraph is wrapped by the error of a Start whose graph is wrong.
var ErrGraph = errors.New("the program's graph is wrong")

// sayGuarantees is what the first log lines tell about each output.
func (ssc *Context) sayGuarantees() {
	ssc.said = ssc.outputStatuses()
	for _, o := range ssc.said {
		ssc.logger.Info("output", "output", o.Name, "site", o.Site, "guarantee", o.Guarantee, "why", o.Why)
	}
}
