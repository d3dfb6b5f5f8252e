package weir

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// Exit codes of Main.
const (
	// ExitDrained: the program ended and all that was received is processed and committed, or it was a standby that had
	// nothing to do.
	ExitDrained = 0
	// ExitFailed: the program failed.
	ExitFailed = 1
	// ExitUsage: flags, settings or the graph are wrong; nothing has run.
	ExitUsage = 2
	// ExitHeld: the checkpoint is owned by another process that is alive, or was taken over by one.
	ExitHeld = 3
	// ExitUnfit: the checkpoint does not fit the program; nothing has run.
	ExitUnfit = 4
	// ExitCut: the deadline cut the drain, or the program was stopped at once; planned batches are uncommitted.
	ExitCut = 5
)

// Main runs a streaming program as a process and ends it: the only part of weir that parses flags, handles
// signals, listens and exits. Flags are spark-submit's (--master, --name, --conf NAME=VALUE, --properties-file) and
// weir's own (--interval, --checkpoint, --ui, --for, --log-level, --settings). Settings in the program win over
// flags, and flags over the properties file. Help and settings go to standard output, the log to standard error.
//
// Main serves the page of the program (package ui), as the first lines of the log say: by default to this machine
// alone, on port 4040 or the next one that is free. --ui HOST:PORT says where, spark.ui.enabled=false that it does not.
//
// The first SIGINT or SIGTERM drains the program (spark.streaming.stopGracefullyOnShutdown), the second ends
// it at once. Exit codes: 0 drained, 1 failed, 2 usage, 3 the
// checkpoint is held by another process, 4 the checkpoint does not fit the program, 5 the deadline cut the drain or the
// program was stopped at once (stopGracefullyOnShutdown=false, weir stop --now), and planned batches are left.
//
// Started by weir checkpoint check, weir finish or weir replay, the program does what that asks for, with its own flags
// and in place of running; see [Ask].
func Main(name string, build Build, opts ...Option) {
	ctx, stop := signals(context.Background())
	code := askedCode(ctx, name, os.Args[1:], os.Stdout, os.Stderr, build, opts)
	stop()
	os.Exit(code)
}

// askedCode is mainCode, of what the environment asks for if it does.
func askedCode(ctx context.Context, name string, args []string, stdout, stderr io.Writer, build Build,
	opts []Option) int {
	ask, err := takeAsk()
	if err == nil && ask != nil {
		err = ask.answer(nil)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	if ask == nil {
		opts = append(slices.Clone(opts), func(o *options) { o.listen = net.Listen })
		return mainCode(ctx, name, args, stdout, stderr, build, opts)
	}
	opts = append(slices.Clone(opts), func(o *options) { o.ask = ask })
	code := mainCode(ctx, name, args, stdout, stderr, build, opts)
	if err := ask.answer(&code); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return code
}

// errSignalled is why the context of Main's program ends at the first signal.
var errSignalled = errors.New("received a signal")

// signals gives a context that ends at the first signal; the second one ends the process.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-ch:
			cancel(errSignalled)
			awaitAnother(ch)
		case <-ctx.Done():
			<-ch
		}
		os.Exit(ExitFailed)
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}

// sameSignal is how long after a signal another one is taken for the same.
const sameSignal = 200 * time.Millisecond

// awaitAnother returns at the second signal. One that comes right behind the first is no second wish: timeout(1), and
// others who stop a program, send theirs to the process and then to its group.
func awaitAnother(ch <-chan os.Signal) {
	same := time.After(sameSignal)
	for {
		select {
		case <-ch:
		case <-same:
			<-ch
			return
		}
	}
}

// tellSignal says what the first signal does when it comes: a drain may take a while. After stop it writes no more.
func tellSignal(ctx context.Context, name string, graceful bool, stderr io.Writer) (stop func()) {
	tell := func() {
		if !errors.Is(context.Cause(ctx), errSignalled) {
			return
		}
		what := "draining"
		if !graceful {
			what = "stopping"
		}
		fmt.Fprintf(stderr, "%s: %s; a second Ctrl-C ends at once\n", name, what)
	}
	told := make(chan struct{})
	before := context.AfterFunc(ctx, func() {
		defer close(told)
		tell()
	})
	return func() {
		switch {
		case !before():
			<-told
		case ctx.Err() != nil: // A context is done before it calls its functions, and the program may be faster.
			tell()
		}
	}
}

// mainCode is Main without the process.
func mainCode(ctx context.Context, name string, args []string, stdout, stderr io.Writer, build Build,
	opts []Option) int {
	o := options{conf: conf.New()}
	for _, opt := range opts {
		opt(&o)
	}
	f, err := parseFlags(name, args, stdout, o.flags)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitDrained
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	case f.settings:
		return said(name, conf.WriteMarkdown(stdout), stderr)
	}
	o.conf = o.conf.Merge(f.conf)
	if _, ok := o.conf.Get(conf.AppName.Name()); !ok {
		o.conf.Set(conf.AppName.Name(), name)
	}
	if conf.ShowConsoleProgress.Get(o.conf) && isTerminal(stderr) {
		p := newProgress(stderr)
		o.listeners = append(o.listeners, p.event)
		defer p.clear()
		stderr = p.console.beside(stderr)
		if o.out == nil && isTerminal(stdout) {
			o.out = p.console.beside(stdout)
		}
	}
	if o.logger == nil {
		o.logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.level}))
	}
	if len(f.passed) > 0 {
		o.logger.Info("flags of spark-submit that say nothing to a Go program were passed over", "flags",
			strings.Join(f.passed, " "))
	}
	defer tellSignal(ctx, name, conf.StopGracefullyOnShutdown.Get(o.conf), stderr)()
	if o.ask != nil {
		o.ask.askedConf(o.conf)
	}
	ssc, err := newContext(build, o)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	if o.ask != nil {
		return said(name, o.ask.do(ctx, ssc, stdout), stderr)
	}
	closePage, err := servePage(o.listen, ssc)
	if err != nil {
		return said(name, errors.Join(err, ssc.Stop(ctx)), stderr)
	}
	defer closePage()
	return said(name, driveFor(ctx, ssc, f.last), stderr)
}

// driveFor has the program run for a time that counts from its start, which may wait for another owner of the
// checkpoint; 0 is for ever.
func driveFor(ctx context.Context, ssc *dstream.Context, last time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return drive(ctx, ssc, func(ctx context.Context) error {
		err := ssc.Start(ctx)
		if err == nil && last > 0 {
			time.AfterFunc(last, cancel)
		}
		return err
	})
}

// said says what went wrong, and gives the exit code.
func said(name string, err error, stderr io.Writer) int {
	switch {
	case errors.Is(err, dstream.ErrStandby):
		fmt.Fprintf(stderr, "%s: %v\n", name, dstream.ErrStandby)
	case errors.Is(err, errStartInterrupted):
		// What the start was waiting for when it was interrupted is not what is wrong.
		fmt.Fprintf(stderr, "%s: %v\n", name, errStartInterrupted)
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case err == nil, errors.Is(err, dstream.ErrStandby):
		return ExitDrained // Of a standby nothing is left to be done.
	case errors.Is(err, dstream.ErrDrainCut), errors.Is(err, dstream.ErrLeftOpen):
		return ExitCut
	case errors.Is(err, dstream.ErrGraph), errors.Is(err, dstream.ErrSetting), errors.Is(err, errOtherPlace):
		return ExitUsage
	case errors.Is(err, dstream.ErrUnfit):
		return ExitUnfit
	case is[*dstream.HeldError](err), is[*dstream.FencedError](err):
		return ExitHeld
	}
	return ExitFailed
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
