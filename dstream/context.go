package dstream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// ContextState is where a Context is in its life: it goes from Initialized over Active to Stopped and never back.
type ContextState int

// The states of a Context.
const (
	Initialized ContextState = iota
	Active
	Stopped
)

// String gives the name of the state as Spark has it.
func (s ContextState) String() string { return [...]string{"INITIALIZED", "ACTIVE", "STOPPED"}[s] }

// A Context holds the graph of a streaming program and runs its batches. Streams are made with it before
// Start; they cannot be added after.
type Context struct {
	sc       *rdd.Context
	conf     *conf.Conf
	interval time.Duration
	log      *checkpoint.Log
	logger   *slog.Logger
	out      io.Writer
	printing chan struct{} // held by the output that writes to out
	remember time.Duration

	nodes     []*node
	inputs    []*input
	outputs   []*Output
	steps     []*step
	states    []*keeping
	alike     []*node     // windows that the checkpoint could not tell apart, and does not hold
	windowed  []*node     // what stands for the elements that windows look back to
	unwritten []unwritten // windows whose elements the checkpoint cannot hold
	replaced  []*node     // what substituted streams were made from
	errs      []error
	keep      time.Duration // the longest that any stream's RDDs are kept; findNeeds sets it
	recall    time.Duration // the longest recall of any node
	// byDefault tells that a shuffle has as many partitions as spark.default.parallelism says.
	byDefault bool
	// width is how many that are: those of a planned batch where the settings do not say.
	width int
	// dealSeed is that of the hash which deals keys: 0 without a checkpoint.
	dealSeed uint64

	job   string // names the effects of this program
	epoch int64  // of this owner of the checkpoint

	durable durability
	sinks   sinks
	rows    stateRows
	letters letters
	bus     *bus
	loop    *loop
	begun   chan struct{}  // closed when Start has succeeded or failed
	said    []OutputStatus // what the first log lines tell

	properties map[string]string // of the batches' jobs
	instance   string

	mu    sync.Mutex // guards what follows; never held while waiting
	state ContextState
	err   error         // the first error of the program
	late  error         // the first call that came too late
	done  chan struct{} // closed when stopped
	// finishes tells that the program ends when the planned batches have run.
	finishes bool
	// ending tells that Stop was called, keepRDD that the rdd.Context is to outlive this one.
	ending, keepRDD bool
	cancelStart     context.CancelCauseFunc // ends what Start waits for
	leftOpen        error                   // what an immediate stop has left
	giveRDDs        func()                  // gives the rdd.Context free for another stream
}

// NewContext makes a context, and the rdd.Context under it, with the settings of c and a batch interval of
// whole milliseconds.
func NewContext(c *conf.Conf, interval time.Duration, opts ...rdd.Option) (*Context, error) {
	sc, err := rdd.NewContext(c, opts...)
	if err != nil {
		return nil, err
	}
	ssc, err := On(sc, interval)
	if err != nil {
		return nil, errors.Join(err, sc.Stop(context.Background()))
	}
	ssc.keepRDD = false
	return ssc, nil
}

// On makes a context on an existing rdd.Context, which may serve several, one after the other. A start or a batch
// that fails leaves the rdd.Context running; Stop stops it, unless it is told to keep it by KeepContext.
func On(sc *rdd.Context, interval time.Duration) (*Context, error) {
	if interval < time.Millisecond || interval%time.Millisecond != 0 {
		return nil, fmt.Errorf(
			"the batch interval must be a whole number of milliseconds, at least 1, not %v",
			interval,
		)
	}
	return &Context{
		sc:       sc,
		conf:     sc.Conf(),
		interval: interval,
		log:      checkpoint.NewMemory(),
		logger:   sc.Logger(),
		instance: rand.Text(),
		out:      os.Stdout,
		printing: make(chan struct{}, 1),
		keepRDD:  true,
		width:    sc.Parallelism().Default,
		job:      newJobID(),
		bus:      newBus(),
		begun:    make(chan struct{}),
		done:     make(chan struct{}),
	}, nil
}

// newJobID names a program that has no checkpoint: at random, for nothing of it outlives it.
func newJobID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // It never fails.
	return hex.EncodeToString(id[:])
}

// RDD is the context in which the batches' jobs run.
func (ssc *Context) RDD() *rdd.Context { return ssc.sc }

// Interval is the batch interval.
func (ssc *Context) Interval() time.Duration { return ssc.interval }

// Conf is a copy of the settings.
func (ssc *Context) Conf() *conf.Conf { return ssc.conf.Clone() }

// Logger is where the context logs to.
func (ssc *Context) Logger() *slog.Logger { return ssc.logger }

// SetOutput has Print write to w instead of standard output, one write at a time; call it before Start.
func (ssc *Context) SetOutput(w io.Writer) { ssc.out = w }

// Output is where Print writes to.
func (ssc *Context) Output() io.Writer { return ssc.out }

// State tells where the context is in its life.
func (ssc *Context) State() ContextState {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	return ssc.state
}

// Remember sets how long each stream keeps its RDDs at least. It may be called once, before Start.
func (ssc *Context) Remember(d time.Duration) {
	if ssc.State() != Initialized {
		ssc.tooLate(fmt.Errorf("%s: Remember: %w", exec.Caller(), ErrStarted))
		return
	}
	if d < ssc.interval {
		ssc.misbuilt("Remember needs at least the batch interval of %v, not %v", ssc.interval, d)
		return
	}
	if ssc.remember != 0 {
		ssc.misbuilt("Remember was called twice")
	}
	ssc.remember = d
}

// AddListener has f called with every event, one after the other on a goroutine of its own. remove ends that. A slow
// listener does not hold up batches; when it is 16,384 events behind, it misses some, of any kind, and so do the
// others: a warning in the log tells of the first, and one at the end of the program how many there were.
func (ssc *Context) AddListener(f func(Event)) (remove func()) { return ssc.bus.add(f) }

func (ssc *Context) misbuilt(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if at := exec.Caller().String(); at != "" {
		err = fmt.Errorf("%s: %w", at, err)
	}
	ssc.errs = append(ssc.errs, err)
}

// ErrStarted is the error of adding a stream or an output to a context that has been started. Operators return no
// errors: it is logged when it happens and comes with what AwaitTermination returns.
var ErrStarted = errors.New("inputs, transformations and outputs cannot be added after the context was started")

// add takes a node into the graph. Its number follows from the order of definition, which is the same each
// time the build function runs.
func (ssc *Context) add(n *node) bool {
	if ssc.State() != Initialized {
		n.err = fmt.Errorf("%s: %s: %w", n.site, n.op, ErrStarted)
		ssc.tooLate(n.err)
		return false
	}
	n.number = len(ssc.nodes)
	ssc.nodes = append(ssc.nodes, n)
	return true
}

// tooLate tells of a call that belongs before Start, at once and again when the program ends, which it does not do for
// that.
func (ssc *Context) tooLate(err error) {
	ssc.warn("a call that belongs before Start was ignored", err)
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	if ssc.late == nil {
		ssc.late = err
	}
}

// fail keeps the first error of the program.
func (ssc *Context) fail(err error) {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	if ssc.err == nil {
		ssc.err = err
	}
}

// failToo adds what else went wrong when the program failed.
func (ssc *Context) failToo(err error) {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	ssc.err = errors.Join(ssc.err, err)
}

// failure is why the program failed, and what it did wrong without failing of it.
func (ssc *Context) failure() error {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	if ssc.late == nil {
		return ssc.err
	}
	return errors.Join(ssc.err, ssc.late)
}

// takeRDDs has the rdd.Context be this stream's: its keys are dealt under the stream's seed, and the scheduler's events
// are carried on to the listeners.
func (ssc *Context) takeRDDs() error {
	unobserve, err := ssc.sc.Observe(func(e exec.Event) {
		if ssc.bus.count.Load() > 0 {
			ssc.bus.emit(fromExec(e))
		}
	})
	if err != nil {
		return err
	}
	undeal := ssc.sc.DealUnder(ssc.dealSeed)
	ssc.giveRDDs = func() { undeal(); unobserve() }
	return nil
}

// Instance is a random text that no other context has, in this process or another: for sinks that share what they know
// of the job's owner in a store.
func (ssc *Context) Instance() string { return ssc.instance }

// Warn tells of trouble that fails no batch, in the log and to listeners: for sources and sinks. attrs are
// as for slog.
func (ssc *Context) Warn(message string, err error, attrs ...any) { ssc.warn(message, err, attrs...) }

func (ssc *Context) warn(msg string, err error, attrs ...any) {
	if err != nil {
		attrs = append(append(attrs, "error", err), stackOf(err)...)
	}
	ssc.logger.Warn(msg, attrs...)
	ssc.bus.emit(Warning{Message: msg, Err: err})
}
