package weir

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A Build function makes the graph of a streaming program: inputs, operators, outputs. It may be run more than
// once, does no I/O, and makes the same graph each time.
type Build func(ssc *dstream.Context) error

// An Option of Run and Main.
type Option func(*options)

type options struct {
	conf      *conf.Conf
	logger    *slog.Logger
	out       io.Writer
	interval  time.Duration
	listeners []func(dstream.Event)
	systems   []rdd.Option
	stores    []dstream.StateStore
	flags     []func(*flag.FlagSet)
	ask       *Ask
	listen    listenFunc // for the page; nil for none
}

// Conf gives the settings; the names are Spark's (spark.*) and weir's own (weir.*).
func Conf(c *conf.Conf) Option { return func(o *options) { o.conf = c.Clone() } }

// Interval sets the batch interval, as the setting weir.streaming.interval does.
func Interval(d time.Duration) Option { return func(o *options) { o.interval = d } }

// Flags has Main know flags of the program's own beside weir's, which must have other names: define adds them, and they
// have their values when the build function is called. Run ignores it.
func Flags(define func(*flag.FlagSet)) Option {
	return func(o *options) { o.flags = append(o.flags, define) }
}

// Logger has the program log to l; Run logs nothing without it.
func Logger(l *slog.Logger) Option { return func(o *options) { o.logger = l } }

// Output has dstream.Print write to w instead of standard output.
func Output(w io.Writer) Option { return func(o *options) { o.out = w } }

// Listener has f called with every event of the program, one after the other.
func Listener(f func(dstream.Event)) Option {
	return func(o *options) { o.listeners = append(o.listeners, f) }
}

// WithFileSystem hands in a file system other than this machine's disk, as [rdd.WithFileSystem] does: the value that
// its package gives. Paths that begin with one of its schemes, of inputs and outputs, belong to it.
func WithFileSystem(f vfs.FS) Option {
	return func(o *options) { o.systems = append(o.systems, rdd.WithFileSystem(f)) }
}

// WithStateStore hands in a store for states that are larger than memory: the value that its package gives, such as
// pebble.Store() of state/pebble. The setting weir.state.store says whether it is used.
func WithStateStore(s dstream.StateStore) Option {
	return func(o *options) { o.stores = append(o.stores, s) }
}

// Run runs a streaming program inside of a service: it parses no flags, handles no signals, opens no port,
// registers nothing and never ends the process. Several may run in one process. It returns when the program
// has ended and nothing of it is left: with nil when ctx ended and the program was drained (what was received
// and planned is processed and committed, within spark.streaming.gracefulStopTimeout), with dstream.ErrDrainCut among
// its errors when the deadline cut that, with dstream.ErrLeftOpen when it was stopped at once
// (spark.streaming.stopGracefullyOnShutdown=false, or weir stop --now) and something is left, with dstream.ErrStandby
// when it had waited as a standby, and with the program's error when it failed.
func Run(ctx context.Context, build Build, opts ...Option) error {
	o := options{conf: conf.New(), logger: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		opt(&o)
	}
	return run(ctx, build, o)
}

func run(ctx context.Context, build Build, o options) error {
	ssc, err := newContext(build, o)
	if err != nil {
		return err
	}
	return drive(ctx, ssc, ssc.Start)
}

// errStartInterrupted is among the errors of a program whose context was cancelled before it had started.
var errStartInterrupted = errors.New("interrupted during the start")

// drive starts a context, by its Start or what takes the place of that, and keeps it until it ends or ctx does, which
// drains it. What a stop at once has left, also one that was asked for in the checkpoint, is an error.
func drive(ctx context.Context, ssc *dstream.Context, start func(context.Context) error) error {
	if err := driveOn(ctx, ssc, start); err != nil {
		return err
	}
	return ssc.LeftOpen()
}

func driveOn(ctx context.Context, ssc *dstream.Context, start func(context.Context) error) error {
	if err := start(ctx); err != nil {
		if errors.Is(ctx.Err(), context.Canceled) &&
			(errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))) {
			return errors.Join(errStartInterrupted, err)
		}
		return err
	}
	if err := ssc.AwaitTermination(ctx); ctx.Err() == nil {
		return err
	}
	// The caller's context has ended; the drain has a deadline of its own.
	var opts []dstream.StopOption
	if conf.StopGracefullyOnShutdown.Get(ssc.Conf()) {
		opts = append(opts, dstream.Graceful())
	}
	stopped := ssc.Stop(context.WithoutCancel(ctx), opts...)
	if failed := ssc.AwaitTermination(context.WithoutCancel(ctx)); failed != nil && !errors.Is(stopped, failed) {
		return errors.Join(stopped, failed)
	}
	return stopped
}

// newContext makes the context and has the build function fill it.
func newContext(build Build, o options) (*dstream.Context, error) {
	if build == nil {
		return nil, errors.New("weir.Run needs a build function, not nil")
	}
	if o.interval == 0 {
		o.interval = conf.Interval.Get(o.conf)
	}
	ssc, err := dstream.NewContext(o.conf, o.interval, append(o.systems, rdd.WithLogger(o.logger))...)
	if err != nil {
		return nil, err
	}
	if o.out != nil {
		ssc.SetOutput(o.out)
	}
	for _, s := range o.stores {
		ssc.AddStateStore(s)
	}
	for _, l := range o.listeners {
		ssc.AddListener(l)
	}
	if err := tryBuild(build, ssc); err != nil {
		return nil, errors.Join(err, ssc.Stop(context.Background()))
	}
	return ssc, nil
}

func tryBuild(build Build, ssc *dstream.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the build function panicked: %v\n%s", v, debug.Stack())
		}
	}()
	if err := build(ssc); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	return nil
}
