package main

import (
	"github.com/spf13/cobra"
)

func checkpoints() *cobra.Command {
	c := &cobra.Command{
		Use:     "checkpoint",
		Short:   "Say whether a program would go on from a checkpoint",
		Example: "  weir checkpoint check ./ckpt -- ./wordcount --interval 1s",
		Args:    knownCommand,
		RunE:    oneOf,
	}
	c.AddCommand(checkProgram())
	return c
}

func checkProgram() *cobra.Command {
	a := &anAsk{}
	a.Do = "check"
	c := &cobra.Command{
		Use:   "check DIR -- PROGRAM [ARGUMENT]...",
		Short: "Say whether a program would go on from a checkpoint, without starting it",
		Long: "Starts PROGRAM, with its flags, only to make its graph and to compare that with the checkpoint\n" +
			"in DIR, which may be in use: no input is asked, nothing is written or taken over. Names what was\n" +
			"added, removed, renamed or changed since the last batch was planned, and says whether a start would go\n" +
			"on from there, as a start would say it. DIR takes the place of the program's own --checkpoint. PROGRAM\n" +
			"is one whose main function calls weir.Main, or a command that starts one, such as go run.\n\n" +
			"Exit codes: 0 it fits, 4 it does not, 1 it could not be found out, 2 wrong usage.",
		Example: "  weir checkpoint check ./ckpt -- ./wordcount --interval 1s\n" +
			"  weir checkpoint check ./ckpt --json -- go run . --interval 1s",
		Args: takesProgram,
		RunE: a.ask,
	}
	a.flags(c)
	c.Flags().BoolVar(&a.JSON, "json", false, "write a JSON object")
	return c
}

func finish() *cobra.Command {
	a := &anAsk{}
	a.Do = "finish"
	c := &cobra.Command{
		Use:   "finish DIR -- PROGRAM [ARGUMENT]...",
		Short: "Have a program finish the batches that it has planned, and stop",
		Long: "Starts PROGRAM, with its flags, to run the batches that are planned in the checkpoint in DIR and\n" +
			"not committed, with their plans, and to stop cleanly without planning another one. After a crash\n" +
			"an upgrade to another graph begins with this, done by the old program; a graceful stop leaves\n" +
			"nothing to finish. Ctrl-C drains it. DIR takes the place of the program's own --checkpoint. PROGRAM\n" +
			"is one whose main function calls weir.Main, or a command that starts one.\n\n" +
			"Exit codes: 0 the checkpoint is clean, 1 failed, 2 wrong usage, 3 another process owns the checkpoint,\n" +
			"4 it is not the program that planned the batches, 5 a deadline cut the end short.",
		Example: "  weir finish ./ckpt -- ./wordcount-old --interval 1s\n" +
			"  weir finish ./ckpt -- ./wordcount-old && ./wordcount --checkpoint ./ckpt",
		Args: takesProgram,
		RunE: a.ask,
	}
	a.flags(c)
	return c
}
