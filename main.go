package weir

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// Exit codes of Main.
const (
	// ExitDrained: the program ended and all that was received is processed and committed.
	ExitDrained = 0
	// ExitFailed: the program failed.
	ExitFailed = 1
	// ExitUsage: flags, settings or the graph are wrong; nothing has run.
	ExitUsage = 2
	// ExitCut: the deadline cut the drain; planned batches are uncommitted.
	ExitCut = 5
)

// Main runs a streaming program as a process and ends it: the only part of weir that parses flags, handles
// signals and exits. Flags are spark-submit's (--master, --name, --conf NAME=VALUE, --properties-file) and
// weir's own (--interval, --checkpoint, --for, --log-level, --settings). Settings in the program win over
// flags, and flags over the properties file.
//
// The first SIGINT or SIGTERM drains the program (spark.streaming.stopGracefullyOnShutdown), the second ends
// it at once. Exit codes: 0 drained, 1 failed, 2 usage, 5 the deadline cut the drain.
func Main(name string, build Build, opts ...Option) {
	ctx, stop := signals(context.Background())
	code := mainCode(ctx, name, os.Args[1:], os.Stderr, build, opts)
	stop()
	os.Exit(code)
}

// signals gives a context that ends at the first signal; the second one ends the process.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-ch:
			cancel()
		case <-ctx.Done():
		}
		<-ch
		os.Exit(ExitFailed)
	}()
	return ctx, func() { signal.Stop(ch); cancel() }
}

// mainCode is Main without the process.
func mainCode(ctx context.Context, name string, args []string, stderr io.Writer, build Build, opts []Option) int {
	f, err := parseFlags(name, args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitDrained
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	o := options{
		conf:   conf.New(),
		logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.level})),
	}
	for _, opt := range opts {
		opt(&o)
	}
	o.conf = o.conf.Merge(f.conf)
	if _, ok := o.conf.Get(conf.AppName.Name()); !ok {
		o.conf.Set(conf.AppName.Name(), name)
	}
	if conf.ShowConsoleProgress.Get(o.conf) && isTerminal(stderr) {
		p := newProgress(stderr)
		o.listeners = append(o.listeners, p.event)
		defer p.clear()
	}
	if f.last > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.last)
		defer cancel()
	}
	ssc, err := newContext(build, o)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return ExitUsage
	}
	err = drive(ctx, ssc)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return ExitDrained
	case errors.Is(err, dstream.ErrDrainCut):
		return ExitCut
	case errors.Is(err, dstream.ErrGraph):
		return ExitUsage
	}
	return ExitFailed
}

// flags are the parsed command line.
type flags struct {
	conf  *conf.Conf
	level slog.Level
	last  time.Duration
}

func parseFlags(name string, args []string, stderr io.Writer) (flags, error) {
	f := flags{conf: conf.New(), level: slog.LevelInfo}
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	short := func(flagName, setting, doc string) {
		set.Func(flagName, doc, func(v string) error { f.conf.SetFrom("--"+flagName, setting, v); return nil })
	}
	short("master", conf.MasterURL.Name(), "where tasks run: `local`, local[N], local[*]")
	short("name", conf.AppName.Name(), "the program's `name`")
	short("checkpoint", conf.CheckpointDirectory.Name(), "the checkpoint `directory`")
	short("interval", conf.Interval.Name(), "the batch `interval`, such as 500ms or 2s")
	set.Func(
		"conf",
		"a setting, `NAME=VALUE`; may be repeated",
		func(v string) error { return f.conf.SetPair("--conf", v) },
	)
	var file string
	set.StringVar(&file, "properties-file", "", "a `file` of settings, as spark-defaults.conf")
	set.DurationVar(&f.last, "for", 0, "drain and end after this `time`")
	set.TextVar(&f.level, "log-level", f.level, "the least `level` that is logged: debug, info, warn, error")
	set.BoolFunc("settings", "print all settings and end", func(string) error {
		if err := conf.WriteMarkdown(stderr); err != nil {
			return err
		}
		return flag.ErrHelp
	})
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) || strings.Contains(err.Error(), flag.ErrHelp.Error()) {
			return f, flag.ErrHelp
		}
		return f, err
	}
	if set.NArg() > 0 {
		return f, fmt.Errorf("unexpected argument %q: the program takes flags only; see --help", set.Arg(0))
	}
	if file != "" {
		weaker, err := conf.LoadFile(file)
		if err != nil {
			return f, err
		}
		f.conf = f.conf.Merge(weaker)
	}
	return f, nil
}
