package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// counterIs is what a run of the program counter does otherwise.
var counterIs struct {
	dieAt int64 // the batch at which the process ends, as if it were killed
	also  bool  // one more output
	slow  time.Duration
	moved string // a checkpoint of its own
}

func counterFlags(set *flag.FlagSet) {
	set.Int64Var(&counterIs.dieAt, "die-at", -1, "")
	set.BoolVar(&counterIs.also, "also", false, "")
	set.DurationVar(&counterIs.slow, "slow", 0, "")
	set.StringVar(&counterIs.moved, "moved", "", "")
}

// counter is a program that keeps a state of each batch's one number, by whether it is odd.
func counter(ssc *dstream.Context) error {
	if counterIs.moved != "" {
		ssc.Checkpoint(counterIs.moved)
	}
	ones := dstream.FromSource(ssc, "ones", dstream.Source[string](ones{})).Named("ones")
	keyed := dstream.Map(ones, func(s string) rdd.Pair[bool, int] {
		n := 0
		_, _ = fmt.Sscan(s, &n)
		return rdd.KV(n%2 == 1, n)
	})
	spec := dstream.Spec(func(odd bool, n rdd.Optional[int], s *dstream.State[int]) string {
		s.Update(s.Option().Or(0) + n.Value)
		return fmt.Sprintf("odd %v: %d", odd, s.Get())
	})
	sums, _ := dstream.MapWithState(keyed, spec)
	dstream.ForeachRDD(sums.Named("sums"), func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
		texts, err := rdd.Collect(ctx, r)
		if b.Sequence == counterIs.dieAt {
			os.Exit(9)
		}
		fmt.Println(b.Sequence, strings.Join(texts, ", "))
		select {
		case <-time.After(counterIs.slow):
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}).Named("out")
	if counterIs.also {
		dstream.Print(ones, 1).Named("also")
	}
	return nil
}

// ownMain is a main function that knows nothing of being asked.
func ownMain() {
	ssc, err := dstream.GetOrCreate(os.Args[1], conf.New(), time.Second, counter)
	if err == nil {
		err = errors.Join(ssc.Start(context.Background()), ssc.Stop(context.Background()))
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// programs has the programs that commands start be the test's binary, as what says.
func programs(t *testing.T, what string) (self string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(asChild, what)
	return self
}

// crashed leaves a checkpoint with a planned batch.
func crashed(t *testing.T, self string) (dir string) {
	t.Helper()
	dir = t.TempDir() + "/ckpt"
	out, err := exec.Command(self, "--checkpoint", dir, "--interval", "100ms", "--die-at", "3").CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 9 {
		t.Fatalf("%v:\n%s", err, out)
	}
	return dir
}

// A step is a command line, its exit code, and what it says.
type step struct {
	line string // "%" is the checkpoint, "@" the program
	code int
	out  string // a regular expression
	err  string
}

func (s step) run(t *testing.T, dir, self string) {
	t.Helper()
	var args []string
	for _, word := range strings.Fields(s.line) {
		args = append(args, strings.NewReplacer("%", dir, "@", self).Replace(word))
	}
	r := weirIn(t.Context(), nil, args...)
	says := func(want, got string) bool { return regexp.MustCompile(want).MatchString(got) }
	if r.code != s.code || !says(s.out, r.out) || !says(s.err, r.err) {
		t.Errorf("weir %s: code %d\n%s\n%s\nwant %d, %q, %q", s.line, r.code, r.out, r.err, s.code, s.out, s.err)
	}
}

// none is what is said of a folder without a checkpoint.
const none = `checkpoint .*/none: there is none: .*: looked for the folder .*/none/log; check the folder that is given`

// TestUpgradeByHand is what one does when a program has died and another version is to go on.
func TestUpgradeByHand(t *testing.T) {
	self := programs(t, "program")
	dir := crashed(t, self)
	for _, s := range []step{
		{"checkpoint check % -- @ --interval 100ms", 0,
			`epoch 1 of counter, process \d+ on .*: (ended, with batches that are planned and not committed|in use, ` +
				`or its owner died)\n` +
				`fits: the program would go on, and first run batch.* 3.*, planned and not committed\n$`, `^$`},
		{"checkpoint check % -- @ --interval 100ms --also", 4, `the operator "also" is new \(print at ask_test.go:\d+\)\n$`,
			`counter: the checkpoint does not fit the program(?s:.*)batch 3 is planned and not committed, and would be ` +
				`split differently now: the operator "also" is new(?s:.*)weir finish `},
		{"checkpoint check % -- @ --interval 3s", 4, `the setting "weir.streaming.interval" was 100ms, is 3s\n$`,
			`"weir.streaming.interval" was 100ms, is 3s`},
		{"checkpoint check % -- @ --intervall 3s", 2, ``, `unknown flag --intervall: did you mean --interval`},
		{"checkpoint check % -- @ --moved /elsewhere", 2, ``, `keeps its checkpoint elsewhere: it calls Context.Checkpoint`},
		{"finish % -- @ --interval 100ms --also", 4, ``, `does not fit the program`},
		{"finish % -- @ --interval 100ms", 0,
			`^3 odd false: 6\n(.*\n)?batch.* 3.* finished; the checkpoint is clean\n$`, ``},
		{"finish % -- @ --interval 100ms", 0, `nothing is to be finished: the last stop was clean`, ``},
		{"checkpoint check % -- @ --interval 3s --also", 0,
			`: stopped cleanly\n(?s:.*)the operator "also" is new(?s:.*)fits: the program would go on\n$`, `^$`},
		{"checkpoint check %/none -- @", 1, ``, "counter: " + none},
		{"finish %/none -- @", 1, ``, "counter: " + none},
	} {
		s.run(t, dir, self)
	}
	var got struct {
		Fits           bool
		StoppedCleanly bool
		Changes        []dstream.Change
	}
	r := weirIn(t.Context(), nil, "checkpoint", "check", dir, "--json", "--", self, "--interval", "100ms", "--also")
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || !got.Fits || !got.StoppedCleanly ||
		len(got.Changes) != 1 || got.Changes[0].Name != "also" || got.Changes[0].What != "added" {
		t.Errorf("%v: %+v of %q", err, got, r.out)
	}
}

// TestReplay runs batches again that a program has run.
func TestReplay(t *testing.T) {
	self := programs(t, "program")
	dir := crashed(t, self)
	sums := `^-+\nTime: \d+ ms  out \(foreachRDD at ask_test.go:\d+\), records: 1\n-+\n`
	for _, s := range []step{
		{"replay % --batch 2 -- @ --interval 100ms", 0, sums + `odd true: 4\n\n$`, ``},
		{"replay % --batch 1 -- @ --interval 100ms", 0, sums + `odd false: 2\n\n$`, ``},
		{"replay % --batch 3 -- @ --interval 100ms", 0, sums + `odd false: 6\n\n$`, ``}, // It is planned.
		{"replay % --batch 2 --debug -- @ --interval 100ms", 0, sums + `odd true: 4\n\n$`, ``},
		{"replay % --batch 2 -- @ --interval 100ms --also", 4, `^$`, `batch 2 would not be what it was: the operator "also"`},
		{"replay % --batch 99 -- @ --interval 100ms", 1, `^$`, `counter: checkpoint .*: batch 99 has not been planned: `},
		{"replay % --batch 2 --effects -- @ --interval 100ms", 1, `^$`, `finish it first \(weir finish\)`},
		{"finish % -- @ --interval 100ms", 0, ``, ``},
		{"replay % --batch 2 --effects -- @ --interval 100ms", 0,
			`^2 odd true: 4\nbatch 2 has run again, with the effects of 1 output\n$`, ``},
		{"checkpoint check % -- @ --interval 100ms", 0, `epoch 3 of counter, .*: stopped cleanly\nfits`, ``},
		{"replay % -- @", 2, ``, `weir replay needs --batch N: weir batches .* lists them`},
		{"replay % --batch 1 --records -1 -- @", 2, ``, `--records must be at least 0`},
		{"replay --batch 1", 2, ``, `weir replay needs a DIR, then -- and the PROGRAM`},
	} {
		s.run(t, dir, self)
	}
}

// TestProgramsThatCannotBeAsked: nothing runs in their place.
func TestProgramsThatCannotBeAsked(t *testing.T) {
	for _, tt := range []struct{ as, line, err string }{
		{"0", "check % -- @", `does not know how to check: it must be a program whose main function calls weir.Main, .*: ` +
			`it ended without an answer`},
		{"3", "check % -- @", `does not know how to check: .*: exit code 3`},
		{"early end", "check % -- @", `ended before it was done: .* may not have been done`},
		{"wait", "check % --patience 30ms -- @", `it did not answer within 30ms and was ended`},
		{"own main", "check % -- @ %", `asked, by WEIR_ASK, to do something else(?s:.*)does not know how to check`},
	} {
		t.Run(tt.as, func(t *testing.T) {
			self := programs(t, tt.as)
			step{"checkpoint " + tt.line, 1, ``, tt.err}.run(t, t.TempDir(), self)
		})
	}
	for _, s := range []step{
		{"checkpoint check", 2, ``, `weir checkpoint check needs a DIR, then -- and the PROGRAM with its flags`},
		{"checkpoint check %", 2, ``, `needs the PROGRAM, with its flags, after DIR and --`},
		{"checkpoint check % --", 2, ``, `needs the PROGRAM, with its flags, after DIR and --`},
		{"finish % prog", 2, ``, `weir finish takes a DIR, then -- and the PROGRAM with its flags: weir finish `},
		{"finish % -- /no/such/program", 2, ``, `the program cannot be started: .*/no/such/program`},
		{"checkpoint", 2, ``, `weir checkpoint needs a command: check`},
	} {
		s.run(t, t.TempDir(), "")
	}
}

// begun starts the program, and waits for its first batch.
func begun(t *testing.T, self string, args ...string) (dir string, p *exec.Cmd) {
	t.Helper()
	dir = t.TempDir() + "/ckpt"
	p = exec.Command(self, append([]string{"--checkpoint", dir, "--interval", "100ms"}, args...)...)
	out, err := p.StdoutPipe()
	if err == nil {
		err = p.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // It fails if the process has ended.
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return dir, p
}

// TestStop stops programs through their checkpoints.
func TestStop(t *testing.T) {
	self := programs(t, "program")
	ended := func(p *exec.Cmd, want int) {
		t.Helper()
		_ = p.Wait() // Its error is the code.
		if code := p.ProcessState.ExitCode(); code != want {
			t.Errorf("the program ended with %d, want %d", code, want)
		}
	}
	dir, p := begun(t, self)
	step{"stop %", 0, `^asked counter, process \d+ on .* \(epoch 1\) to stop\n(?s:.*)stopped cleanly, with batch ` +
		`\d+ committed\n$`, `^$`}.run(t, dir, self)
	ended(p, 0)
	step{"stop %", 0, `^counter, process \d+ on .* has stopped cleanly already\n$`, `^$`}.run(t, dir, self)

	dir, p = begun(t, self, "--slow", "2s", "--conf", "weir.streaming.maxQueuedBatches=1")
	step{"stop % --timeout 100ms", 5, `it is stopping, within 100ms\n`,
		`^weir: checkpoint .*: the deadline cut the drain: counter, .* has stopped; batch(es \d+ to)? \d+ (is|are) planned ` +
			`and not committed, and runs? again at the next start or by weir finish; more time gives --timeout or the ` +
			`program's spark.streaming.gracefulStopTimeout\n$`}.run(t, dir, self)
	ended(p, 5)
	step{"stop %", 1, ``, `no process owns the checkpoint: counter, .* has stopped before; batch.* \d+ (is|are)`}.run(t, dir, self)

	dir, p = begun(t, self, "--slow", "30s")
	step{"stop % --now", 0, `asked counter, .*\n(?s:.*)counter, .* has stopped; batch.* \d+ (is|are) planned`, `^$`}.run(t, dir, self)
	ended(p, 5)

	dir, p = begun(t, self)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ended(p, -1)
	step{"stop %", 1, ``, `no process owns the checkpoint: counter, .* has died; `}.run(t, dir, self)
	for _, s := range []step{
		{"stop", 2, ``, `weir stop needs a DIR`},
		{"stop %/none", 1, ``, none},
		{"stop % --timeout 1us", 2, ``, `--timeout must be at least a millisecond`},
	} {
		s.run(t, dir, self)
	}
}
