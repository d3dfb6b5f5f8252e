package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/internal/spelling"
)

// usageError is an error of flags or arguments: nothing has been done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isUsage tells errors of the command line from those of the work. Kafka's parameters are part of it.
func isUsage(err error) bool {
	return is[usageError](err) || is[*kafka.ParamError](err)
}

// is tells whether an error of type E is in err's chain.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// takes checks the number of arguments: at least least, and no more unless more. what names them for the error.
func takes(least int, more bool, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s", c.CommandPath(), what)
		case len(args) > least && !more && what == "":
			return usagef("%s takes no arguments: %q is one too many", c.CommandPath(), args[least])
		case len(args) > least && !more:
			return usagef("%s takes only %s: %q is one too many", c.CommandPath(), what, args[least])
		}
		return nil
	}
}

// nothing is for commands without arguments.
var nothing = takes(0, false, "")

// knownCommand is for commands that only have commands: an argument is a command that there is not.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s has no command %q%s", c.CommandPath(), args[0], spelling.DidYouMean(args[0], commandNames(c)))
}

// oneOf is what a command that only has commands does when it is called without one.
func oneOf(c *cobra.Command, _ []string) error {
	return usagef("%s needs a command: %s", c.CommandPath(), strings.Join(commandNames(c), ", "))
}

func commandNames(c *cobra.Command) (names []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" { // Cobra hides its own name for help.
			names = append(names, sub.Name())
		}
	}
	return names
}

// flagError adds the nearest flag to the error of an unknown one. A flag of a misspelt command is unknown, too; then
// the command is what is wrong.
func flagError(c *cobra.Command, err error) error {
	if c.HasAvailableSubCommands() && c.Flags().NArg() > 0 {
		return knownCommand(c, c.Flags().Args())
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usageError{err}
	}
	name := unknown.GetSpecifiedName()
	if '0' <= name[0] && name[0] <= '9' {
		return usagef("%w: an argument that begins with a - comes behind --, as in -- -%s", err,
			unknown.GetSpecifiedShortnames())
	}
	if len(name) < 2 {
		return usageError{err}
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if name := spelling.Nearest(name, names); name != "" {
		return usagef("%w: did you mean --%s?", err, name)
	}
	return usageError{err}
}
