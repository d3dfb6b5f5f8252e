// Weir is the command line: a demonstration, a Kafka broker in memory, tools for records, topics and offsets, and the
// examples.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
)

func main() {
	ctx, stop := signals(context.Background())
	code := run(ctx, root())
	stop()
	os.Exit(code)
}

// signalled is the cause of a context's end when a signal ended it.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return "received the signal " + s.String() }

// signals gives a context that ends at the first SIGINT or SIGTERM. The second one ends the process, as it would have
// without this.
func signals(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-ch:
			signal.Stop(ch)
			cancel(signalled{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(ch); cancel(nil) }
}

// tellDrain says, when a signal ends ctx, that what runs is being drained, which may take a while. After stop it writes
// no more.
func tellDrain(ctx context.Context, stderr io.Writer) (stop func()) {
	told := make(chan struct{})
	before := context.AfterFunc(ctx, func() {
		defer close(told)
		if is[signalled](context.Cause(ctx)) {
			fmt.Fprintln(stderr, "weir: draining; a second Ctrl-C ends at once")
		}
	})
	return func() {
		if !before() {
			<-told
		}
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "weir",
		Short: "Streams as series of small, named, replayable batches",
		Long: "Weir runs programs as Spark Streaming does, in Go. This command shows one at work (demo), writes a\n" +
			"first one (new), runs the examples, and has what it takes to try them: a Kafka broker, and tools for\n" +
			"its records, topics and offsets.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 wrong usage, 3 another process has the checkpoint, 5 a deadline\n" +
			"cut the end short (demo, consume --follow, stop). Commands that run a program have its exit code,\n" +
			"which may be 4, too (it does not fit the checkpoint), and 5 if it was stopped at once and left\n" +
			"batches.",
		Example: "  weir demo --for 10s\n" +
			"  weir broker --dir ./kafka &\n" +
			"  weir topics create lines --partitions 4\n" +
			"  weir produce lines 'to be' 'or not to be'\n" +
			"  weir consume lines --offsets\n" +
			"  weir run-example SparkPi\n" +
			"  weir new wordcount",
		Args:          knownCommand,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
		// Cobra's own --version shows what the command version does.
		Version: "x",
	}
	c.SetVersionTemplate(versionText(buildInfo()))
	c.SetFlagErrorFunc(flagError)
	c.SetHelpCommand(help())
	c.AddCommand(demo(), newProject(), broker(), produce(), consume(), topics(), offsets(), batches(), state(),
		checkpoints(), finish(), replay(), stop(), runExample(), settings(), version())
	return c
}

// completion has cobra make its command now, when the command's output is known, and lets a shell that it does not know
// be an error.
func completion(c *cobra.Command) {
	c.InitDefaultCompletionCmd()
	for _, sub := range c.Commands() {
		if sub.Name() == "completion" {
			sub.Args, sub.RunE = knownCommand, oneOf
		}
	}
}

// run runs a command line, says what went wrong on its standard error, and gives the exit code.
func run(ctx context.Context, c *cobra.Command) int {
	completion(c)
	// What goes wrong before a command's own function is called is the command line's fault.
	began := false
	c.PersistentPreRun = func(*cobra.Command, []string) { began = true }
	called, err := c.ExecuteContextC(ctx)
	if err != nil && !began {
		err = usageError{err}
	}
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || is[signalled](err)) {
		err = errors.New("interrupted")
	}
	if err == nil {
		return weir.ExitDrained
	}
	if child, ok := errors.AsType[childExit](err); ok {
		return child.code // It has said itself what is wrong.
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		fmt.Fprintln(c.ErrOrStderr(), "weir:", line)
	}
	switch code := stopCode(err); {
	case code != 0:
		return code
	case !isUsage(err):
		return weir.ExitFailed
	}
	if is[usageError](err) {
		fmt.Fprintf(c.ErrOrStderr(), "see '%s --help'\n", called.CommandPath())
	}
	return weir.ExitUsage
}
