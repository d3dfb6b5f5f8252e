package main

import (
	"github.com/spf13/cobra"
)

func replay() *cobra.Command {
	a := &anAsk{}
	a.Do = "replay"
	c := &cobra.Command{
		Use:   "replay DIR --batch N -- PROGRAM [ARGUMENT]...",
		Short: "Have a program run a batch again that it has run before",
		Long: "Starts PROGRAM, with its flags, to run one batch of the checkpoint in DIR once more, with its plan,\n" +
			"on the states and windows that it had then, and writes the records that each output is given. The\n" +
			"checkpoint is only read, and may be in use: no output is run, nothing is written, committed or taken\n" +
			"over. weir batches DIR lists the batches that are kept; weir.checkpoint.retainedBatches says how many.\n" +
			"Functions may have changed since, the graph may not.\n\n" +
			"With --debug PROGRAM may be a debugger that starts it: tasks run in the program's process, where\n" +
			"break points in its functions are met. With --effects the outputs do what they do: bodies and the\n" +
			"functions of tasks are called, and sinks written to. That takes the checkpoint over, so that the\n" +
			"program must have stopped, and no batch may be left open (weir finish). Sinks that are exactly-once\n" +
			"leave out what they hold; all other effects are there twice then.\n\n" +
			"Exit codes: 0 done, 1 failed, 2 wrong usage, 3 another process owns the checkpoint (--effects), 4 the\n" +
			"program would make another batch of it.",
		Example: "  weir replay ./ckpt --batch 117 -- ./wordcount --interval 1s\n" +
			"  weir replay ./ckpt --batch 117 --records 20 -- go run . --interval 1s\n" +
			"  weir replay ./ckpt --batch 117 --debug -- dlv exec ./wordcount -- --interval 1s",
		Args: takesProgram,
		RunE: func(c *cobra.Command, args []string) error {
			if !c.Flags().Changed("batch") {
				return usagef("%s needs --batch N: weir batches %s lists them", c.CommandPath(), args[0])
			}
			if a.Records < 0 {
				return usagef("--records must be at least 0, not %d", a.Records)
			}
			return a.ask(c, args)
		},
	}
	a.flags(c)
	c.Flags().Int64Var(&a.Batch, "batch", 0, "the number of the batch")
	c.Flags().IntVar(&a.Records, "records", 0, "the most records that are shown of each output; 0 is all")
	c.Flags().BoolVar(&a.Effects, "effects", false, "run the outputs, and own the checkpoint meanwhile")
	c.Flags().BoolVar(&a.debugged, "debug", false, "wait for the program as long as it takes: a debugger starts it")
	return c
}
