package weir

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// counting builds a program that counts the records of a queue into n.
func counting(n *int64, q *dstream.Queue[int]) Build {
	return func(ssc *dstream.Context) error {
		dstream.ForeachRDD(
			dstream.QueueStream(ssc, q),
			func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
				c, err := rdd.Count(ctx, r)
				*n += c
				return err
			},
		)
		return nil
	}
}

// TestRunEmbeds: two programs in one process, each ended by its own context, leave nothing behind.
func TestRunEmbeds(t *testing.T) {
	flags := 0
	flag.VisitAll(func(*flag.Flag) { flags++ })
	synctest.Test(t, func(t *testing.T) {
		var wg sync.WaitGroup
		var counts [2]int64
		for i := range counts {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+2)*time.Second+500*time.Millisecond)
			defer cancel()
			wg.Go(func() {
				if err := Run(
					ctx,
					counting(&counts[i], dstream.NewQueue([]int{1}, []int{2, 3}, []int{4})),
					Interval(time.Second),
				); err != nil {
					t.Errorf("program %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if want := [2]int64{3, 4}; counts != want {
			t.Errorf("counted %v, want %v", counts, want)
		}
		// The bubble itself fails the test if a goroutine is left.
	})
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, left := range []string{"weir/dstream.", "weir/internal/exec.", "os/signal.", "net.(*netFD).accept"} {
		if bytes.Contains(stacks, []byte(left)) {
			t.Errorf("a goroutine of %s is left:\n%s", left, stacks)
		}
	}
	n := 0
	flag.VisitAll(func(*flag.Flag) { n++ })
	if n != flags {
		t.Errorf("Run registered flags")
	}
}

// TestWithFileSystem: a program reads and writes a file system that was handed in; nil is none.
func TestWithFileSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMemory("mem")
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		err := Run(ctx, func(ssc *dstream.Context) error {
			dstream.SaveAsTextFiles(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), "mem://host/out", "")
			return nil
		}, Interval(time.Second), WithFileSystem(m))
		if err != nil {
			t.Fatal(err)
		}
		found, err := vfs.Glob(t.Context(), m, "mem://host/out-*/_SUCCESS")
		if err != nil || len(found) == 0 {
			t.Errorf("found %v, %v", found, err)
		}
		err = Run(ctx, counting(new(int64), dstream.NewQueue[int]()), WithFileSystem(nil))
		if err == nil || !strings.Contains(err.Error(), "WithFileSystem needs a file system") {
			t.Errorf("nil: %v", err)
		}
	})
}

func TestRunErrors(t *testing.T) {
	cause := errors.New("no such table")
	tests := []struct {
		name  string
		build Build
		opts  []Option
		says  string
	}{
		{"no build function", nil, nil, "build function"},
		{"build fails", func(*dstream.Context) error { return cause }, nil, "no such table"},
		{"build panics", func(*dstream.Context) error { panic("oh") }, nil, "panicked: oh"},
		{"no output", func(*dstream.Context) error { return nil }, nil, "no output operations"},
		{
			"bad setting",
			counting(new(int64), dstream.NewQueue[int]()),
			[]Option{Conf(conf.New().Set("spark.streaming.blokInterval", "1s"))},
			"spark.streaming.blockInterval",
		},
		{
			"bad interval",
			counting(new(int64), dstream.NewQueue[int]()),
			[]Option{Interval(time.Microsecond)},
			"whole number of milliseconds",
		},
		{
			"checkpoint",
			counting(new(int64), dstream.NewQueue[int]()),
			[]Option{Conf(conf.New().Set("spark.streaming.checkpoint.directory", "/dev/null/x"))},
			"checkpoint /dev/null/x: ",
		},
	}
	for _, tt := range tests {
		if err := Run(t.Context(), tt.build, tt.opts...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v does not say %q", tt.name, err, tt.says)
		}
	}
}

// TestRunGivesTheProgramsError, and ends by itself.
func TestRunGivesTheProgramsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("no such table")
		err := Run(t.Context(), func(ssc *dstream.Context) error {
			dstream.Foreach(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), func(int) error { return cause })
			return nil
		})
		if !errors.Is(err, cause) {
			t.Errorf("%v", err)
		}
	})
}

// TestMainsFlags: what spark-submit takes, what wins over what, and the exit codes.
func TestMainsFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spark-defaults.conf")
	if err := os.WriteFile(file, []byte("spark.master local[3]\nspark.default.parallelism 7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen string
	build := func(ssc *dstream.Context) error {
		c := ssc.Conf()
		seen = fmt.Sprint(
			conf.MasterURL.Get(c),
			" ",
			conf.AppName.Get(c),
			" ",
			ssc.RDD().DefaultParallelism(),
			" ",
			ssc.Interval(),
		)
		dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), 1)
		return nil
	}
	tests := []struct {
		args string
		opts []Option
		code int
		seen string
		says string
	}{
		{"--for 100ms --interval 10ms --master local[1]", nil, ExitDrained, "local[1] job 1 10ms", ""},
		{"--for 50ms --interval 10ms --properties-file FILE", nil, ExitDrained, "local[3] job 7 10ms", ""},
		{
			"--for 50ms --interval 10ms --properties-file FILE --master local[2] --name other --conf spark.default.parallelism=5",
			nil,
			ExitDrained,
			"local[2] other 5 10ms",
			"",
		},
		{
			"--for 50ms --interval 10ms --master local[2]",
			[]Option{Conf(conf.New().Set("spark.master", "local[4]"))},
			ExitDrained,
			"local[4] job 4 10ms",
			"",
		},
		{"--maste local", nil, ExitUsage, "", "job: unknown flag --maste: did you mean --master? see --help\n"},
		{"--zzz", nil, ExitUsage, "", "job: unknown flag --zzz; see --help\n"},
		{"--for", nil, ExitUsage, "", "job: --for needs a value; see --help\n"},
		{"--for 0s", nil, ExitUsage, "", "job: --for must be more than 0, such as 30s, not 0s: without it the program runs until Ctrl-C\n"},
		{"--for -5s", nil, ExitUsage, "", "job: --for must be more than 0, such as 30s, not -5s: without it the program runs until Ctrl-C\n"},
		{"--for 0", nil, ExitUsage, "", "job: --for must be more than 0, with a unit, such as 500ms or 30s, not 0\n"},
		{"--interval 0", nil, ExitUsage, "",
			"job: --interval must be more than 0, with a unit, such as 500ms or 30s, not 0\n"},
		{"--interval 0s", nil, ExitUsage, "", "job: --interval: weir.streaming.interval=0s: must be whole milliseconds, at least 1ms"},
		{"--settings=maybe", nil, ExitUsage, "", "job: --settings takes true, false or no value; see --help\n"},
		{"--for 50ms --interval 10ms --master local[1] --class org.x.Main --deploy-mode client --executor-memory 2g " +
			"--num-executors 4 --jars a.jar --supervise", nil, ExitDrained, "local[1] job 1 10ms",
			`were passed over" flags="--class --supervise"`},
		{"--for 50ms --interval 10ms --master local[1] --executor-memory 2g", nil, ExitDrained, "local[1] job 1 10ms",
			"1 setting has no meaning here: spark.executor.memory"},
		{"--proxy-user bob", nil, ExitUsage, "",
			"job: --proxy-user is not for weir: weir acts as the user that runs it: start the program as the other user\n"},
		{"--kill app-1", nil, ExitUsage, "", "job: --kill is not for weir: a program is its own process"},
		{"--checkpoint=", nil, ExitUsage, "", "job: --checkpoint needs a directory, and was given an empty one: " +
			"leave the flag out to run without a checkpoint\n"},
		{"--for 50ms --interval 10ms --master local[1] --checkpoint CKPT/new --conf weir.checkpoint.rename=a->b", nil,
			ExitUsage, "local[1] job 1 10ms", `weir.checkpoint.rename: "a->b" is not of the form OLD => NEW`},
		{"--for 50ms --interval 10ms --master local[1] --conf weir.streaming.failedBatch=skip", nil,
			ExitUsage, "local[1] job 1 10ms", `weir.streaming.failedBatch=skip needs a checkpoint`},
		{"--conf spark.foo=1", nil, ExitUsage, "", "job: --conf: spark.foo: weir knows no setting of this name: correct or " +
			"remove it (weir settings lists all)\n"},
		{"--for 5", nil, ExitUsage, "", "job: --for 5 has no unit: 5s or 5ms\n"},
		{"--for soon", nil, ExitUsage, "", `job: --for "soon" is not a time such as 30s, 5m or 1h` + "\n"},
		{"--interval 5", nil, ExitUsage, "", "job: --interval 5 has no unit: 5s or 5ms\n"},
		{"--log-level loud", nil, ExitUsage, "", `job: --log-level "loud" is none of debug, info, warn, error` + "\n"},
		{"extra", nil, ExitUsage, "", `unexpected argument "extra"`},
		{"--conf spark.streaming.blokInterval=1s", nil, ExitUsage, "", "spark.streaming.blockInterval"},
		{"--conf s3cr3t", nil, ExitUsage, "", "job: --conf: a setting is given as name=value\n"},
		{"--master yarn", nil, ExitUsage, "", "yarn"},
		{"--master sc://host:15002", nil, ExitUsage, "", "this version runs programs on one machine only: use local[*]"},
		{"--properties-file /does/not/exist", nil, ExitUsage, "", "/does/not/exist"},
		{"--for 50ms --interval 10ms --master local[1] --checkpoint CKPT", nil, ExitDrained, "local[1] job 1 10ms", ""},
		{"--for 50ms --interval 10ms --master local[1] --checkpoint CKPT", nil, ExitFailed, "local[1] job 1 10ms",
			"cannot be recovered from a checkpoint"},
	}
	ckpt := t.TempDir()
	for _, tt := range tests {
		seen = ""
		var stdout, stderr bytes.Buffer
		args := strings.Fields(strings.NewReplacer("FILE", file, "CKPT", ckpt).Replace(tt.args))
		code := mainCode(t.Context(), "job", args, &stdout, &stderr, build, append(tt.opts, Output(&bytes.Buffer{})))
		said := stderr.String()
		if code != tt.code || seen != tt.seen || !strings.Contains(said, tt.says) {
			t.Errorf("%s: exit %d, saw %q, said %q; want %d, %q, %q", tt.args, code, seen, said, tt.code, tt.seen, tt.says)
		}
		if strings.Contains(said, "s3cr3t") || stdout.Len() > 0 {
			t.Errorf("%s: said %q on standard error and %q on standard output", tt.args, said, stdout.String())
		}
		if strings.HasSuffix(tt.says, "\n") && said != tt.says {
			t.Errorf("%s: said %q, want %q and no more", tt.args, said, tt.says)
		}
	}
}

// TestMainsOwnFlags: a program may have flags beside weir's, which have their values when it is built.
func TestMainsOwnFlags(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		seen string
		says string
	}{
		{"--for 50ms --interval 10ms", ExitDrained, "lines", ""},
		{"--for 50ms --topic words --interval 10ms", ExitDrained, "words", ""},
		{"--topik words", ExitUsage, "", "unknown flag --topik: did you mean --topic?"},
		{"--count secret", ExitUsage, "", "job: --count does not take the value that it was given: parse error; see --help\n"},
		{"--count=_for_flag_-x:_secret", ExitUsage, "", "job: --count does not take the value"},
		{"--fast=secret", ExitUsage, "", "job: --fast takes true, false or no value; see --help\n"},
		{"--from secret", ExitUsage, "", "job: --from does not take the value that it was given: it is no city; see --help\n"},
		{"--now=secret", ExitUsage, "", "job: --now does not take the value that it was given: it is late; see --help\n"},
	} {
		var topic, seen string
		var stderr bytes.Buffer
		args := strings.Fields(tt.args)
		for i, a := range args {
			args[i] = strings.ReplaceAll(a, "_", " ")
		}
		build := func(ssc *dstream.Context) error {
			seen = topic
			dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue[int]()), 1)
			return nil
		}
		own := Flags(func(set *flag.FlagSet) {
			set.StringVar(&topic, "topic", "lines", "the `topic` that is read")
			set.Int("count", 1, "how many")
			set.Bool("fast", false, "in haste")
			set.Func("from", "the `city` of departure", func(string) error { return errors.New("it is no city") })
			set.BoolFunc("now", "at once", func(string) error { return errors.New("it is late") })
		})
		code := mainCode(t.Context(), "job", args, io.Discard, &stderr, build,
			[]Option{own, Output(io.Discard)})
		if code != tt.code || seen != tt.seen || !strings.Contains(stderr.String(), tt.says) ||
			strings.Contains(stderr.String(), "secret") {
			t.Errorf("%s: exit %d, saw %q, said %q; want %d, %q, %q", tt.args, code, seen, stderr.String(), tt.code,
				tt.seen, tt.says)
		}
	}
	var stdout bytes.Buffer
	mainCode(t.Context(), "job", []string{"--help"}, &stdout, io.Discard, nil,
		[]Option{Flags(func(set *flag.FlagSet) { set.String("topic", "", "the `topic` that is read") })})
	if !strings.Contains(stdout.String(), "--topic topic") {
		t.Errorf("--help says\n%s", stdout.String())
	}
}

// TestMainTells: what was asked for goes to standard output.
func TestMainTells(t *testing.T) {
	for args, want := range map[string]string{
		"--help":     "  --checkpoint directory      the directory of the checkpoint, which makes the program durable",
		"-h":         "Usage of job:\n",
		"--settings": "`spark.streaming.backpressure.enabled`",
	} {
		var stdout, stderr bytes.Buffer
		code := mainCode(t.Context(), "job", []string{args}, &stdout, &stderr, nil, nil)
		if code != ExitDrained || stderr.Len() > 0 || !strings.Contains(stdout.String(), want) {
			t.Errorf("%s: exit %d, standard error %q, output %.200q", args, code, stderr.String(), stdout.String())
		}
		if strings.Contains(stdout.String(), " -properties") || strings.Contains(stdout.String(), "--jars") {
			t.Errorf("%s: %s", args, stdout.String())
		}
	}
}

// TestFirstSignal says that the program drains.
func TestFirstSignal(t *testing.T) {
	for cause, want := range map[error]string{
		errSignalled: "job: draining; a second Ctrl-C ends at once\n", context.Canceled: "",
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			build := func(ssc *dstream.Context) error {
				dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), 1)
				return nil
			}
			time.AfterFunc(1500*time.Millisecond, func() { cancel(cause) })
			var stderr bytes.Buffer
			code := mainCode(ctx, "job", []string{"--log-level", "error"}, &bytes.Buffer{}, &stderr, build,
				[]Option{Output(io.Discard)})
			if code != ExitDrained || stderr.String() != want {
				t.Errorf("%v: exit %d, said %q, want %q", cause, code, stderr.String(), want)
			}
		})
	}
}

// TestInterruptedStart: what the start was waiting for is not what is wrong.
// TestSecondSignal: what comes right behind the first signal is the same one.
func TestSecondSignal(t *testing.T) {
	for _, c := range []struct {
		at   []time.Duration
		ends time.Duration
	}{
		{[]time.Duration{time.Second}, time.Second},
		{[]time.Duration{0, 10 * time.Millisecond, time.Minute}, time.Minute},
		{[]time.Duration{300 * time.Millisecond, 310 * time.Millisecond}, 300 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin, ch := time.Now(), make(chan os.Signal, 2)
			for _, at := range c.at {
				time.AfterFunc(at, func() { ch <- os.Interrupt })
			}
			awaitAnother(ch)
			if got := time.Since(begin); got != c.ends {
				t.Errorf("behind a signal others come after %v: the process ends after %v, want %v", c.at, got, c.ends)
			}
		})
	}
}

func TestInterruptedStart(t *testing.T) {
	for _, why := range []error{nil, errors.New("enough")} {
		ctx, cancel := context.WithCancelCause(t.Context())
		build := func(ssc *dstream.Context) error {
			sink := &asking{func() { cancel(why) }}
			dstream.WriteTo(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), dstream.Sink[int](sink))
			return nil
		}
		var stderr bytes.Buffer
		code := mainCode(ctx, "job", []string{"--log-level", "error"}, &bytes.Buffer{}, &stderr, build, nil)
		if want := "job: interrupted during the start\n"; code != ExitFailed || stderr.String() != want {
			t.Errorf("%v: exit %d, said %q, want %q", why, code, stderr.String(), want)
		}
	}
}

// asking is a sink during whose opening the program is interrupted.
type asking struct{ interrupt func() }

func (a *asking) Open(ctx context.Context, _ string, _ int64) error {
	a.interrupt()
	<-ctx.Done()
	return fmt.Errorf("asking what the store is: %w", context.Cause(ctx))
}

func (*asking) Last(context.Context, string, string, int) (int64, bool, error) { return 0, false, nil }

func (*asking) Write(context.Context, dstream.Effect, iter.Seq[int]) error { return nil }

func (*asking) Close(context.Context) error { return nil }

// TestStandbyEnds: a standby says that it waits and for whom, and one that is ended meanwhile has failed at nothing.
func TestStandbyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		program := func(ctx context.Context, log io.Writer, args ...string) int {
			build := func(ssc *dstream.Context) error {
				dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), 1)
				return nil
			}
			return mainCode(ctx, "job", append(args, "--checkpoint", "disk:/ck"), io.Discard, log, build,
				[]Option{Output(io.Discard), WithFileSystem(disk.Mount(nil))})
		}
		owner := make(chan int)
		go func() { owner <- program(t.Context(), io.Discard, "--for", "20s") }()
		time.Sleep(5 * time.Second)
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(5*time.Second, func() { cancel(errors.New("enough")) })
		var log bytes.Buffer
		code := program(ctx, &log, "--conf", "weir.checkpoint.standby=true")
		if code != ExitDrained {
			t.Errorf("it exits with %d", code)
		}
		for _, want := range []string{`msg="waiting as a standby for the end of the checkpoint's owner" ` +
			`checkpoint=disk:/ck owner="job, process `, "\njob: ended while it waited as a standby\n"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("it says\n%s\nwant %q", log.String(), want)
			}
		}
		if code := <-owner; code != ExitDrained {
			t.Errorf("the owner exits with %d", code)
		}
	})
}

// TestExitCodes of programs that fail and of drains that are cut.
func TestExitCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		fails := func(ssc *dstream.Context) error {
			dstream.Foreach(
				dstream.QueueStream(ssc, dstream.NewQueue([]int{1})),
				func(int) error { return errors.New("oh") },
			)
			return nil
		}
		if code := mainCode(t.Context(), "job", nil, &bytes.Buffer{}, &stderr, fails, nil); code != ExitFailed {
			t.Errorf("a failing program exits with %d", code)
		}
		slow := func(ssc *dstream.Context) error {
			dstream.ForeachRDD(
				dstream.QueueStream(ssc, dstream.NewQueue([]int{1})),
				func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
					<-ctx.Done()
					return ctx.Err()
				},
			)
			return nil
		}
		if code := mainCode(t.Context(), "job", []string{"--for", "1500ms"}, &bytes.Buffer{}, &stderr, slow, nil); code != ExitCut {
			t.Errorf("a drain that is cut exits with %d: %s", code, stderr.String())
		}
		if code := mainCode(
			t.Context(),
			"job",
			nil,
			&bytes.Buffer{},
			&stderr,
			func(*dstream.Context) error { return nil },
			nil,
		); code != ExitUsage {
			t.Errorf("a program without output exits with %d", code)
		}
	})
}

// TestExitCodesOfCheckpoints: who may not have the checkpoint says so, and who is stopped at once says what is left, by
// whichever way it was stopped.
func TestExitCodesOfCheckpoints(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		stop bool // in the checkpoint, at once
		code int
		left string
	}{
		{"drained", nil, false, ExitDrained, ""},
		{"stopped by a signal", []string{"--conf", "spark.streaming.stopGracefullyOnShutdown=false"}, false, ExitCut,
			"batch 1 is planned and not committed, and runs again at the next start or by weir finish"},
		{"stopped in the checkpoint", nil, true, ExitCut, "batch 1 is planned and not committed, and runs again at the " +
			"next start or by weir finish"},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			program := func(log io.Writer, args ...string) int {
				build := func(ssc *dstream.Context) error {
					d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}))
					dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
						if b.Sequence == 0 {
							return nil
						}
						select {
						case <-time.After(10 * time.Second):
							return nil
						case <-ctx.Done():
							return ctx.Err()
						}
					})
					return nil
				}
				return mainCode(t.Context(), "job", append(args, "--checkpoint", "disk:/ck", "--conf",
					"weir.streaming.maxQueuedBatches=1", "--conf", "weir.streaming.interval=3s"), io.Discard, log, build,
					[]Option{Output(io.Discard), WithFileSystem(disk.Mount(nil))})
			}
			var log, other bytes.Buffer
			owner := make(chan int)
			last := "7s" // The drain has 30.
			if tt.stop {
				last = "30s"
			}
			go func() { owner <- program(&log, append(tt.args, "--for", last)...) }()
			time.Sleep(time.Second)
			if code := program(&other); code != ExitHeld || !strings.Contains(other.String(), "is held by job, process ") {
				t.Errorf("%s: who does not own the checkpoint exits with %d: %s", tt.name, code, other.String())
			}
			if tt.stop {
				sc, err := rdd.NewContext(nil, rdd.WithFileSystem(disk.Mount(nil)))
				if err != nil {
					t.Fatal(err)
				}
				defer sc.Stop(t.Context())
				time.Sleep(time.Until(time.Date(2000, 1, 1, 0, 0, 6, 5e8, time.UTC))) // Batch 1 runs.
				if err := dstream.StopOwner(t.Context(), sc, "disk:/ck", dstream.OwnerStop{Now: true}); err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			}
			code := <-owner
			logged := strings.Contains(log.String(), `msg="the program was stopped at once" left="`+tt.left+`"`)
			said := strings.HasSuffix(log.String(), "job: the program was stopped at once: "+tt.left+"\n")
			if code != tt.code || tt.left != "" && (!logged || !said) || tt.left == "" && strings.Contains(log.String(), "at once") {
				t.Errorf("%s: exit %d, want %d; it says\n%s", tt.name, code, tt.code, log.String())
			}
		})
	}
}

// TestProgress shows a long stage on one line and clears it.
func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		p.console.width = func() int { return 40 }
		p.event(dstream.StageStarted{Tasks: 4})
		p.event(dstream.TaskStarted{})
		p.event(dstream.TaskEnded{})
		if out.Len() > 0 {
			t.Errorf("a short stage is shown: %q", out.String())
		}
		p.event(dstream.TaskStarted{})
		time.Sleep(600 * time.Millisecond) // No task begins or ends: the line comes by itself.
		synctest.Wait()
		if want := "\r[Stage 0:====>              (1 + 1) / 4]"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
		p.event(dstream.StageEnded{})
		if !strings.HasSuffix(out.String(), "\r"+strings.Repeat(" ", 40)+"\r") {
			t.Errorf("the line is not cleared: %q", out.String())
		}
	})
	if isTerminal(&bytes.Buffer{}) {
		t.Error("a buffer is taken for a terminal")
	}
}

// TestConsole: what is written beside the progress line stands above it, and the line is drawn again.
func TestConsole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out)
		var width atomic.Int64
		width.Store(40)
		p.console.width = func() int { return int(width.Load()) }
		log := p.console.beside(&out)
		write := func(text string) {
			if _, err := io.WriteString(log, text); err != nil {
				t.Error(err)
			}
		}
		write("before\n")
		p.event(dstream.StageStarted{Tasks: 2})
		time.Sleep(600 * time.Millisecond)
		write("a warning\n")
		write("half of ")
		write("a line\n")
		width.Store(20)
		time.Sleep(progressAfter)
		p.clear()
		time.Sleep(progressAfter)
		write("after\n")
		long, short := "[Stage 0:>"+strings.Repeat(" ", 18)+"(0 + 0) / 2]", "[Stage 0:(0 + 0) / 2"
		wipe := func(n int) string { return "\r" + strings.Repeat(" ", n) + "\r" }
		want := "before\n\r" + long + wipe(40) + "a warning\n\r" + long + wipe(40) + "half of a line\n" +
			"\r" + short + wipe(20) + "after\n"
		if out.String() != want {
			t.Errorf("%q, want\n%q", out.String(), want)
		}
	})
}
