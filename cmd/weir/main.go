// Weir is the command line: a demonstration, a Kafka broker in memory, and tools for topics and offsets.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
	}
	os.Exit(exitCode(err))
}

// usageError is an error of flags or arguments.
type usageError struct{ error }

func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return weir.ExitDrained
	case errors.As(err, &usage):
		return weir.ExitUsage
	}
	return weir.ExitFailed
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "weir",
		Short:         "Streams as series of small, named, replayable batches",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.AddCommand(demo())
	return c
}
