package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func stop() *cobra.Command {
	var how dstream.OwnerStop
	c := &cobra.Command{
		Use:   "stop DIR",
		Short: "Stop the program that owns a checkpoint",
		Long: "Asks the process that owns the checkpoint in DIR, on whatever machine it runs, to stop: by a request\n" +
			"in DIR, which it sees within two seconds. It is drained, as by SIGTERM: what it has received and\n" +
			"planned is processed and committed. Waits until it has stopped, and says what it waits for.\n" +
			"A standby takes over when the owner has stopped: stop the standby, too.\n\n" +
			"Exit codes: 0 stopped, and nothing is open (or --now: what is open is said, and the program ends\n" +
			"with 5), 1 failed, or the program failed or is dead, 2 wrong usage, 3 another process has taken over,\n" +
			"5 planned batches were left at the deadline, or it has not stopped in time.",
		Example: "  weir stop ./ckpt\n  weir stop ./ckpt --timeout 5m\n  weir stop ./ckpt --now",
		Args:    takes(1, false, "a DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			if how.Within < 0 || how.Within > 0 && how.Within < time.Millisecond {
				return usagef("--timeout must be at least a millisecond, not %v", how.Within)
			}
			sc, err := rdd.NewContext(conf.New().Set(conf.MasterURL.Name(), "local[1]"))
			if err != nil {
				return err
			}
			how.Progress = func(line string) { fmt.Fprintln(c.OutOrStdout(), line) }
			err = dstream.StopOwner(c.Context(), sc, args[0], how)
			return errors.Join(err, sc.Stop(c.Context()))
		},
	}
	c.Flags().DurationVar(&how.Within, "timeout", 0, "how long the drain may take before it is cut off "+
		"(default: as the program's spark.streaming.gracefulStopTimeout says)")
	c.Flags().BoolVar(&how.Now, "now", false, "cut off what runs; its batch runs again at the next start")
	return c
}

// stopCode is the exit code of what stopping a program came to, 0 for what else may be wrong.
func stopCode(err error) int {
	switch {
	case is[*dstream.HeldError](err), is[*dstream.FencedError](err):
		return weir.ExitHeld
	case errors.Is(err, dstream.ErrDrainCut), errors.Is(err, dstream.ErrNotStopped):
		return weir.ExitCut
	}
	return 0
}
