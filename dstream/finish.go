package dstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstream/weir/conf"
)

// AskVariable is the environment variable by which the command weir has a program do something else than to run, as
// weir.Main says. A program that has not taken it out of its environment does not know how: no context of it starts.
const AskVariable = "WEIR_ASK"

var errAsked = errors.New("this process was asked, by " + AskVariable + ", to do something else than to run, and " +
	"only programs whose main function calls weir.Main know how: call it, or let the program's own flags call " +
	"Context.CheckCheckpoint, Finish or Replay")

// Finish is Start of a program that only ends what was begun: it owns the checkpoint, which must be there, runs the
// batches that are planned and not committed, with their plans, and stops without planning another one. What receivers
// take in until then is processed as at any graceful stop. AwaitTermination waits for that. So the checkpoint is left
// clean, and a program with another graph can go on from it: an upgrade begins with a Finish of the old program where
// that has died. If nothing is open, and the last stop was clean, nothing is to be done.
func (ssc *Context) Finish(ctx context.Context) error {
	if ssc.State() != Initialized {
		return fmt.Errorf("Finish: %w", ErrStarted)
	}
	if _, err := ssc.readLog(ctx); err != nil { // It would be made.
		return err
	}
	ssc.mu.Lock()
	ssc.finishes = true
	ssc.mu.Unlock()
	return ssc.Start(ctx)
}

// CheckpointDirectory is where the program keeps its checkpoint, "" if it has none.
func (ssc *Context) CheckpointDirectory() string {
	if ssc.durable.dir != "" {
		return ssc.durable.dir
	}
	return conf.CheckpointDirectory.Get(ssc.conf)
}
