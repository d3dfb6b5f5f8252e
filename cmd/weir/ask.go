package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/dstream"
)

// anAsk is what a command asks of the user's program.
type anAsk struct {
	weir.Ask
	// patience is how long the program may take until it says that it has understood. It is built in that time, where
	// it is started by go run.
	patience time.Duration
	// debugged says that a debugger starts the program, at a time that only its user knows.
	debugged bool
}

// asksProgram makes a command's flags for asking.
func (a *anAsk) flags(c *cobra.Command) {
	c.Flags().DurationVar(&a.patience, "patience", time.Minute,
		"how long the program may take to understand what it is asked")
	c.Flags().SetInterspersed(true)
}

// takesProgram checks the arguments: DIR -- PROGRAM [ARGUMENT]...
func takesProgram(c *cobra.Command, args []string) error {
	switch dash := c.ArgsLenAtDash(); {
	case len(args) == 0:
		return usagef("%s needs a DIR, then -- and the PROGRAM with its flags", c.CommandPath())
	case dash < 0 && len(args) == 1, dash == 1 && len(args) == 1:
		return usagef("%s needs the PROGRAM, with its flags, after DIR and --", c.CommandPath())
	case dash != 1:
		return usagef("%s takes a DIR, then -- and the PROGRAM with its flags: %s %s -- PROGRAM", c.CommandPath(),
			c.CommandPath(), args[0])
	}
	return nil
}

// ask starts the program of the arguments and has it do something. Its exit code is that of the command.
func (a *anAsk) ask(c *cobra.Command, args []string) error {
	dir, command := args[0], args[1:]
	// A name with a separator is a path, as for a shell; others are looked up.
	path, err := exec.LookPath(command[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return usagef("the program cannot be started: %w", err)
	}
	tmp, err := os.MkdirTemp("", "weir-ask-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	a.Checkpoint, a.Answer = dir, filepath.Join(tmp, "answer")
	text, err := json.Marshal(a.Ask)
	if err != nil {
		return err
	}
	program := exec.Command(path, command[1:]...)
	program.Env = append(os.Environ(), dstream.AskVariable+"="+string(text))
	program.Stdin, program.Stdout, program.Stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	ctx, cancel := context.WithCancelCause(c.Context())
	defer cancel(nil)
	if !a.debugged {
		over := a.awaitAnswer(cancel, program)
		defer over()
	}
	err = supervise(ctx, program)
	return a.result(ctx, command[0], err)
}

// errSilent is why a program is ended that does not answer.
var errSilent = errors.New("no answer")

// answerPause is how often it is looked whether the program has answered.
const answerPause = 20 * time.Millisecond

// awaitAnswer ends the program if it does not answer in time. over ends the waiting.
func (a *anAsk) awaitAnswer(cancel context.CancelCauseFunc, program *exec.Cmd) (over func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		late := time.NewTimer(a.patience)
		defer late.Stop()
		for {
			if first, _ := a.answers(); first {
				return
			}
			select {
			case <-done:
				return
			case <-late.C:
				cancel(errSilent)
				return
			case <-time.After(answerPause):
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// answers reads what the program has answered so far.
func (a *anAsk) answers() (understood bool, exit *int) {
	data, err := os.ReadFile(a.Answer)
	if err != nil {
		return false, nil
	}
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		var answer weir.Answer
		if json.Unmarshal(s.Bytes(), &answer) == nil {
			understood, exit = true, answer.Exit
		}
	}
	return understood, exit
}

// result is what the program's end comes to.
func (a *anAsk) result(ctx context.Context, program string, err error) error {
	understood, exit := a.answers()
	switch {
	case exit != nil && *exit == weir.ExitDrained && err == nil:
		return nil
	case exit != nil:
		return childExit{*exit}
	case understood && err == nil && !a.debugged:
		return fmt.Errorf("%s ended before it was done: it must not end the process itself (os.Exit) before weir.Main "+
			"does; what it was to do (%s) may not have been done", program, a.Do)
	case understood || a.debugged:
		return err // It has ended before it was done.
	case errors.Is(context.Cause(ctx), errSilent):
		err = fmt.Errorf("it did not answer within %v and was ended", a.patience)
	case err == nil:
		err = errors.New("it ended without an answer")
	}
	return fmt.Errorf("%s does not know how to %s: it must be a program whose main function calls weir.Main, built "+
		"with this version of weir or a later one: %v", program, a.Do, err)
}
