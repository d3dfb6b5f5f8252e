package weir

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// An Ask is what a program is to do instead of running. [Main] finds it, as JSON, in the environment variable
// [dstream.AskVariable], where the command weir has put it; the program's flags hold as ever.
type Ask struct {
	// Do is what to do: check, finish or replay, as the commands of weir are called.
	Do string `json:"do"`
	// Checkpoint is the directory of the checkpoint, in place of the one that the flags and settings name.
	Checkpoint string `json:"checkpoint"`
	// Answer is a file to which Main appends each [Answer], on a line of its own.
	Answer string `json:"answer"`
	// JSON asks for a result as JSON: of check.
	JSON bool `json:"json,omitempty"`
	// Batch, Records and Effects are those of a replay; see [dstream.Replay].
	Batch   int64 `json:"batch,omitempty"`
	Records int   `json:"records,omitempty"`
	Effects bool  `json:"effects,omitempty"`
}

// An Answer of a program. The first one says, before all else, that it has understood; the last one has its exit code,
// which a program between it and the asker, such as go run, may hide.
type Answer struct {
	PID  int  `json:"pid"`
	Exit *int `json:"exit,omitempty"`
}

// takeAsk gives what the environment asks for, nil for nothing. Programs that this one starts are not asked.
func takeAsk() (*Ask, error) {
	text, ok := os.LookupEnv(dstream.AskVariable)
	if !ok || text == "" {
		return nil, nil
	}
	var a Ask
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, fmt.Errorf("%s=%q is not what this version is asked: %w", dstream.AskVariable, text, err)
	}
	if asks[a.Do] == nil {
		return nil, fmt.Errorf("%s asks for %q, which this version does not know: use the weir command of the version "+
			"that the program was built with", dstream.AskVariable, a.Do)
	}
	return &a, os.Unsetenv(dstream.AskVariable)
}

// asks are what there is to be asked for.
var asks = map[string]func(ctx context.Context, a *Ask, ssc *dstream.Context, stdout io.Writer) error{
	"check": check, "finish": finish, "replay": replay,
}

// answer appends an answer. Who asked may have gone.
func (a *Ask) answer(exit *int) error {
	line, err := json.Marshal(Answer{os.Getpid(), exit})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(a.Answer, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// do does what is asked for with a context that is built.
func (a *Ask) do(ctx context.Context, ssc *dstream.Context, stdout io.Writer) error {
	if own := ssc.CheckpointDirectory(); !samePlace(own, a.Checkpoint) {
		return errors.Join(fmt.Errorf("%w: it calls Context.Checkpoint with %s, which is not %s", errOtherPlace, own,
			a.Checkpoint), ssc.Stop(ctx))
	}
	err := asks[a.Do](ctx, a, ssc, stdout)
	return errors.Join(err, ssc.Stop(context.WithoutCancel(ctx)))
}

var errOtherPlace = errors.New("the program keeps its checkpoint elsewhere")

func samePlace(a, b string) bool {
	if strings.Contains(a, ":/") || strings.Contains(b, ":/") {
		return a == b
	}
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return a == b || errA == nil && errB == nil && absA == absB
}

// aCheck is the result of a check for programs.
type aCheck struct {
	Fits           bool             `json:"fits"`
	Error          string           `json:"error,omitempty"`
	Job            string           `json:"job"`
	Epoch          int64            `json:"epoch"`
	Owner          string           `json:"owner"`
	StoppedCleanly bool             `json:"stoppedCleanly"`
	Open           []int64          `json:"open"`
	Anew           []int64          `json:"anew,omitempty"`
	Changes        []dstream.Change `json:"changes"`
}

// check says whether the program would go on from the checkpoint.
func check(ctx context.Context, a *Ask, ssc *dstream.Context, stdout io.Writer) error {
	fit, err := ssc.CheckCheckpoint(ctx)
	if fit == nil {
		return err
	}
	c := fit.Checkpoint
	if a.JSON {
		j := aCheck{Fits: err == nil, Job: c.Job, Epoch: c.Epoch, Owner: c.Owner, StoppedCleanly: c.StoppedCleanly,
			Open: append([]int64{}, fit.Open...), Anew: fit.Anew, Changes: append([]dstream.Change{}, fit.Changes...)}
		if err != nil {
			j.Error = err.Error()
		}
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return errors.Join(err, enc.Encode(j))
	}
	fmt.Fprintf(stdout, "job %s, epoch %d of %s: %s\n", c.Job, c.Epoch, c.Owner, c.Standing())
	for _, change := range fit.Changes {
		fmt.Fprintln(stdout, change)
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "fits: the program would go on"+first(fit.Open))
	if len(fit.Anew) > 0 {
		fmt.Fprintln(stdout, batchesText(fit.Anew)+" would be split anew, if no sink has anything of it; if one has, "+
			"the start is refused, and the old program has to finish it (weir finish)")
	}
	return nil
}

// first says what a start begins with.
func first(open []int64) string {
	if len(open) == 0 {
		return ""
	}
	return ", and first run " + batchesText(open) + ", planned and not committed"
}

func batchesText(list []int64) string {
	if len(list) == 1 {
		return fmt.Sprintf("batch %d", list[0])
	}
	return fmt.Sprintf("batches %d to %d", list[0], list[len(list)-1])
}

// finish runs the planned batches, and leaves the checkpoint clean.
func finish(ctx context.Context, _ *Ask, ssc *dstream.Context, stdout io.Writer) error {
	fit, err := ssc.CheckCheckpoint(ctx)
	if err != nil {
		return err
	}
	if fit.Checkpoint.StoppedCleanly {
		fmt.Fprintln(stdout, "nothing is to be finished: the last stop was clean")
		return nil
	}
	if err := drive(ctx, ssc, ssc.Finish); err != nil {
		return err
	}
	what := "no batch was open"
	if len(fit.Open) > 0 {
		what = batchesText(fit.Open) + " finished"
	}
	fmt.Fprintln(stdout, what+"; the checkpoint is clean")
	return nil
}

// replay runs a batch again, and shows what its outputs are given.
func replay(ctx context.Context, a *Ask, ssc *dstream.Context, stdout io.Writer) error {
	done, err := ssc.Replay(ctx, dstream.Replay{Sequence: a.Batch, Records: a.Records, Effects: a.Effects})
	if err == nil && a.Effects {
		n, outputs := len(done.Outputs), "outputs"
		if n == 1 {
			outputs = "output"
		}
		fmt.Fprintf(stdout, "batch %d has run again, with the effects of %d %s\n", done.Sequence, n, outputs)
	}
	return err
}

// askedConf has the context keep its checkpoint where the asker says. It waits for no owner's end there: who asks wants
// an answer, and its own program may be the owner.
func (a *Ask) askedConf(c *conf.Conf) {
	c.Set(conf.CheckpointDirectory.Name(), a.Checkpoint).Set(conf.Standby.Name(), "false")
}
