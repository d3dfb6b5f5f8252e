package main

import "github.com/spf13/cobra"

// help is cobra's, but for a topic that it does not know: that is an error here.
func help() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Show what a command does",
		RunE: func(c *cobra.Command, args []string) error {
			cmd, rest, err := c.Root().Find(args)
			if err != nil || cmd == nil {
				return knownCommand(c.Root(), args)
			}
			if len(rest) > 0 {
				return knownCommand(cmd, rest)
			}
			cmd.InitDefaultHelpFlag() // so that it is shown among the flags
			return cmd.Help()
		},
	}
}
