package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// twos is a source whose batches take two more of the natural numbers each, from what lies outside of the process.
type twos struct{ told *[]string }

func (s twos) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		from = []byte("0-0")
	}
	s.tell("resolve " + string(from))
	return from, nil
}

func (s twos) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	_, until := parseSpan(from)
	return fmt.Appendf(nil, "%d-%d", until, until+2), 2, nil
}

func (s twos) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] {
	from, until := parseSpan(rng)
	var vs []int
	for v := from; v < until; v++ {
		vs = append(vs, v)
	}
	return rdd.Parallelize(sc, vs)
}

func (s twos) Committed(_ context.Context, _ *dstream.Batch, rng []byte) error {
	s.tell("committed " + string(rng))
	return nil
}

func (s twos) Released(_ context.Context, upTo []byte) error { return nil }

func (s twos) tell(what string) {
	if s.told != nil {
		*s.told = append(*s.told, what)
	}
}

func parseSpan(rng []byte) (from, until int) {
	a, b, _ := strings.Cut(string(rng), "-")
	from, _ = strconv.Atoi(a)
	until, _ = strconv.Atoi(b)
	return from, until
}

// A life is one process of a durable program, on a disk that outlives it.
type life struct {
	*dstream.Context
	mount *vfs.Mount
	log   *strings.Builder // to be read when the process has ended
}

// liveOn starts a program on a disk.
func liveOn(t *testing.T, disk *vfs.Disk, build func(ssc *dstream.Context), settings ...string) (*life, error) {
	t.Helper()
	return liveOnFaulty(t, disk, nil, build, settings...)
}

// liveOnFaulty is liveOn with a disk that fails at some steps.
func liveOnFaulty(t *testing.T, disk *vfs.Disk, faults func(vfs.Step) vfs.Fault, build func(ssc *dstream.Context),
	settings ...string,
) (*life, error) {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for pair := range slices.Chunk(settings, 2) {
		c.Set(pair[0], pair[1])
	}
	l := &life{mount: disk.Mount(faults), log: &strings.Builder{}}
	ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(l.mount),
		rdd.WithLogger(slog.New(slog.NewTextHandler(l.log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	l.Context = ssc
	ssc.Checkpoint("disk:/ck")
	build(ssc)
	return l, ssc.Start(t.Context())
}

// TestFrequentBatchesShareSlots: a commit and the plan that follows it are one slot, and all is committed at the end.
func TestFrequentBatchesShareSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		c := conf.New().Set("spark.master", "local[1]")
		ssc, err := dstream.NewContext(c, 10*time.Millisecond, rdd.WithFileSystem(disk.Mount(nil)))
		if err != nil {
			t.Fatal(err)
		}
		ssc.Checkpoint("disk:/ck")
		sums(&seen, &told)(ssc)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(505 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		slots := 0
		for name := range disk.Files() {
			if strings.HasSuffix(name, ".slot") {
				slots++
			}
		}
		if len(seen) != 50 || slots > 50+4 {
			t.Errorf("%d batches took %d slots", len(seen), slots)
		}
		if last := told[len(told)-1]; last != "committed 98-100" || len(told) != 51 {
			t.Errorf("the source was told %d things, the last is %q", len(told), last)
		}
	})
}

// TestRatesOutlive: what back-pressure has learnt is known to the next process.
func TestRatesOutlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, limits := vfs.NewDisk("disk"), []int64{}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](limited{&limits})).Named("numbers")
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
				n, err := rdd.Count(ctx, r)
				time.Sleep(time.Duration(n) * 10 * time.Millisecond) // a hundred in a second
				return err
			}).Named("slow")
		}
		settings := []string{"spark.streaming.backpressure.enabled", "true"}
		l := mustLive(t, disk, build, settings...)
		time.Sleep(20500 * time.Millisecond)
		l.stop(t)
		before := limits[len(limits)-1]
		limits = nil
		l = mustLive(t, disk, build, settings...)
		time.Sleep(1700 * time.Millisecond)
		l.stop(t)
		if after := limits[0]; before > 1000 || after > 2*before {
			t.Errorf("the last limit was %d, and the first of the next process %d", before, after)
		}
	})
}

// limited is twos that notes its limits, and gives up to 300 numbers a batch.
type limited struct{ limits *[]int64 }

func (s limited) Resolve(ctx context.Context, from []byte) ([]byte, error) {
	return twos{}.Resolve(ctx, from)
}

func (s limited) Plan(_ context.Context, from []byte, l dstream.Limit) ([]byte, int64, error) {
	*s.limits = append(*s.limits, l.Records)
	_, at := parseSpan(from)
	n := min(l.Records, 300)
	return fmt.Appendf(nil, "%d-%d", at, at+int(n)), n, nil
}

func (s limited) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] { return twos{}.Read(sc, rng) }

func (s limited) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (s limited) Released(context.Context, []byte) error { return nil }

func mustLive(t *testing.T, disk *vfs.Disk, build func(ssc *dstream.Context), settings ...string) *life {
	t.Helper()
	l, err := liveOn(t, disk, build, settings...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A clock goes on from bubble to bubble, in the second after that in which the last one ended: else each begins at the
// same time, as if it had been set back.
type clock time.Duration

func (c *clock) goOn() (ends func()) {
	began := time.Now()
	if *c > 0 {
		<-time.After(time.Duration(*c))
	}
	return func() { *c = clock((time.Since(began) + time.Second - 1).Truncate(time.Second)) }
}

// die ends the process as kill -9 does: nothing reaches the disk any more.
func (l *life) die(t *testing.T) {
	t.Helper()
	l.mount.Kill()
	_ = l.Stop(t.Context())
}

func (l *life) stop(t *testing.T) {
	t.Helper()
	if err := l.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
}

// sums has each batch's sequence, range and sum written down.
func sums(seen *[]string, told *[]string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{told})).Named("numbers")
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			*seen = append(*seen, fmt.Sprintf("%d:%v", b.Sequence, vs))
			return err
		}).Named("sums")
	}
}

// TestGoOn: after a stop the next batch follows the last one, whatever time has passed, and inputs are told once more
// of what was committed last.
func TestGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		l := mustLive(t, disk, sums(&seen, &told))
		time.Sleep(2500 * time.Millisecond)
		l.stop(t)
		time.Sleep(time.Hour)
		l = mustLive(t, disk, sums(&seen, &told))
		time.Sleep(1400 * time.Millisecond) // a batch for the times that were missed, and one more
		l.stop(t)
		if got := strings.Join(seen, " "); got != "0:[0 1] 1:[2 3] 2:[4 5] 3:[6 7]" {
			t.Error(got)
		}
		want := "resolve 0-0, committed 0-2, committed 2-4, resolve 2-4, committed 2-4, committed 4-6, committed 6-8"
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("the source was told\n%s, want\n%s", got, want)
		}
	})
}

// TestRefusedStartIsNone: a start that fails before anything has run leaves a clean stop a clean stop.
func TestRefusedStartIsNone(t *testing.T) {
	var seen, told []string
	other := func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("other numbers")
		dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { return nil })
	}
	silent := func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](unresolved{})).Named("numbers")
		dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { return nil })
	}
	for _, tt := range []struct {
		name   string
		before func(l *life, t *testing.T) // ends the program that was there before; nil for none
		build  func(ssc *dstream.Context)
		unfit  bool
		want   bool
	}{
		{"another program after a clean stop", (*life).stop, other, true, true},
		{"another program after a death", (*life).die, other, true, false},
		{"an input that does not answer", (*life).stop, silent, false, true},
		{"an input that does not answer at the first start", nil, silent, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			if tt.before != nil {
				l := mustLive(t, disk, sums(&seen, &told))
				time.Sleep(1500 * time.Millisecond)
				tt.before(l, t)
				time.Sleep(time.Minute)
			}
			for range 2 {
				if _, err := liveOn(t, disk, tt.build); err == nil || errors.Is(err, dstream.ErrUnfit) != tt.unfit {
					t.Errorf("%s: the start gives %v", tt.name, err)
				}
				info, err := dstream.ReadCheckpoint(t.Context(), outside(t, disk), "disk:/ck")
				if err != nil || info.StoppedCleanly != tt.want || (info.Standing() == "stopped cleanly") != tt.want {
					t.Errorf("%s: %v, it is said to have %s", tt.name, err, info.Standing())
				}
			}
			before := len(seen)
			l := mustLive(t, disk, sums(&seen, &told))
			time.Sleep(1500 * time.Millisecond)
			l.stop(t)
			if len(seen) == before {
				t.Errorf("%s: the program does not go on", tt.name)
			}
		})
	}
}

// unresolved are twos that do not say where they begin.
type unresolved struct{ twos }

func (unresolved) Resolve(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("nobody answers")
}

// TestPlannedBatchRunsAgain: a process dies within a batch; the next one runs that first, with the range of its plan.
func TestPlannedBatchRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		var doomed atomic.Pointer[life]
		dying := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				seen = append(seen, fmt.Sprintf("%d:%v", b.Sequence, vs))
				if b.Sequence == 1 {
					doomed.Load().mount.Kill()
				}
				return err
			}).Named("sums")
		}
		first := mustLive(t, disk, dying)
		doomed.Store(first)
		time.Sleep(2500 * time.Millisecond)
		first.die(t)
		second := mustLive(t, disk.Crash(1), sums(&seen, nil))
		time.Sleep(1700 * time.Millisecond)
		second.stop(t)
		if got := strings.Join(seen, " "); !strings.HasPrefix(got, "0:[0 1] 1:[2 3] 1:[2 3] 2:[4 5]") {
			t.Error(got)
		}
	})
}

// TestFinishedOutputIsNotRunAgain: a process dies within the second output of a batch; the first is not run again.
func TestFinishedOutputIsNotRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		var doomed atomic.Pointer[life]
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				seen = append(seen, fmt.Sprint("first ", b.Sequence))
				return nil
			}).Named("first")
			dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				seen = append(seen, fmt.Sprint("second ", b.Sequence))
				if l := doomed.Load(); b.Sequence == 1 && l != nil {
					l.mount.Kill()
				}
				return nil
			}).Named("second")
		}
		l := mustLive(t, disk, build)
		doomed.Store(l)
		time.Sleep(2500 * time.Millisecond)
		l.die(t)
		doomed.Store(nil)
		l = mustLive(t, disk.Crash(3), build)
		time.Sleep(100 * time.Millisecond)
		l.stop(t)
		want := "first 0, second 0, first 1, second 1, second 1"
		if got := strings.Join(seen, ", "); !strings.HasPrefix(got, want) || strings.Count(got, "first 1") != 1 {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestWindowsComeBack: what windows have taken in is brought back from the ranges of the batches.
func TestWindowsComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		windows := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			add := func(a, b int) int { return a + b }
			write := func(name string) func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				return func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
					vs, err := rdd.Collect(ctx, r)
					slices.Sort(vs)
					seen = append(seen, fmt.Sprintf("%s%d:%v", name, b.Sequence, vs))
					return err
				}
			}
			dstream.ForeachRDD(dstream.Window(d, 3*time.Second, time.Second), write("all")).Named("all")
			dstream.ForeachRDD(dstream.ReduceByWindow(d, add, 3*time.Second, time.Second), write("sum")).Named("sum")
		}
		l := mustLive(t, disk, windows)
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		l = mustLive(t, disk, windows)
		time.Sleep(1700 * time.Millisecond)
		l.stop(t)
		want := "all0:[0 1] sum0:[1] all1:[0 1 2 3] sum1:[6] all2:[0 1 2 3 4 5] sum2:[15] " +
			"all3:[2 3 4 5 6 7] sum3:[27] all4:[4 5 6 7 8 9] sum4:[39]"
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	})
}

// TestWindowOfAState: what a state gave in earlier batches is brought back by running through them once more, from the
// state that they began with.
func TestWindowOfAState(t *testing.T) {
	run := func(lives ...time.Duration) (seen []string) {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				all := dstream.Map(d, func(v int) rdd.Pair[string, int] { return rdd.KV("sum", v) })
				sums, _ := dstream.MapWithState(all, dstream.Spec(
					func(_ string, v rdd.Optional[int], s *dstream.State[int]) int {
						s.Update(s.Option().Or(0) + v.Value)
						return s.Get()
					}))
				dstream.ForeachRDD(dstream.Window(sums.Named("sums"), 3*time.Second, time.Second),
					func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
						vs, err := rdd.Collect(ctx, r)
						slices.Sort(vs)
						seen = append(seen, fmt.Sprintf("%d:%v", b.Sequence, vs))
						return err
					}).Named("out")
			}
			for _, d := range lives {
				l := mustLive(t, disk, build)
				time.Sleep(d)
				l.stop(t)
			}
		})
		return seen
	}
	want := run(7300 * time.Millisecond)
	got := run(1300*time.Millisecond, 3300*time.Millisecond, 1300*time.Millisecond, 2300*time.Millisecond)
	if n := min(len(got), len(want)); n < 7 || !slices.Equal(got[:n], want[:n]) {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
}

// TestOneOwner: a second process is turned away while the first is alive, or waits; a stop lets it go on at once.
func TestOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		first := mustLive(t, disk, sums(&seen, nil))
		_, err := liveOn(t, disk, sums(&seen, nil))
		if _, held := errors.AsType[*dstream.HeldError](err); !held {
			t.Fatalf("a second start gives %v", err)
		}
		waited := make(chan time.Duration)
		go func() {
			begin := time.Now()
			second := mustLive(t, disk, sums(&seen, nil), "weir.checkpoint.standby", "true")
			waited <- time.Since(begin)
			time.Sleep(1700 * time.Millisecond)
			second.stop(t)
			close(waited)
		}()
		time.Sleep(5500 * time.Millisecond)
		first.stop(t)
		if d := <-waited; d > 8*time.Second {
			t.Errorf("the standby waited %v, want at most 2 seconds after the stop", d)
		}
		<-waited
		if last := seen[len(seen)-1]; !strings.HasPrefix(last, strconv.Itoa(len(seen)-1)+":") {
			t.Errorf("%v", seen)
		}
	})
}

// TestUnfit: what does not fit the checkpoint is refused before anything runs, and says what to do.
func TestUnfit(t *testing.T) {
	renamed := func(name string, seen *[]string) func(ssc *dstream.Context) {
		return func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named(name)
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				*seen = append(*seen, fmt.Sprintf("%d:%v", b.Sequence, vs))
				return err
			}).Named("sums")
		}
	}
	for _, tt := range []struct {
		name     string
		settings []string
		says     string
		want     string
	}{
		{"refused", nil, `the input "numbers" of the checkpoint is not in the program, and "others" is new: set ` +
			`weir.checkpoint.rename to "numbers => others"`, ""},
		{"renamed", []string{"weir.checkpoint.rename", "numbers => others"}, "", "2:[4 5]"},
		{"dropped", []string{"weir.checkpoint.drop", "numbers"}, "", "2:[0 1]"},
		{"misspelt", []string{"weir.checkpoint.rename", "numbers=others"}, "is not of the form OLD => NEW", ""},
		{"no end of a quote", []string{"weir.checkpoint.drop", `"numbers`}, "has no end", ""},
		{"signs: refused", nil, `set weir.checkpoint.rename to '"a; b => \"c\"" => "=d"' if it is the same one, or ` +
			`weir.checkpoint.drop to '"a; b => \"c\""'`, ""},
		{"signs: renamed", []string{"weir.checkpoint.rename", `"a; b => \"c\"" => "=d"`}, "", "2:[4 5]"},
		{"signs: dropped", []string{"weir.checkpoint.drop", `; "a; b => \"c\"" ;`}, "", "2:[0 1]"},
		{"acceptance of a wrong form", []string{"weir.sink.accept", "sums=all"}, "is not of the form NAME=loss", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, seen := vfs.NewDisk("disk"), []string{}
				before, after := "numbers", "others"
				if strings.HasPrefix(tt.name, "signs") {
					before, after = `a; b => "c"`, "=d"
				}
				l := mustLive(t, disk, renamed(before, &seen))
				time.Sleep(2500 * time.Millisecond)
				l.stop(t)
				seen = nil
				l, err := liveOn(t, disk, renamed(after, &seen), tt.settings...)
				if tt.says != "" {
					if err == nil || !strings.Contains(err.Error(), tt.says) || len(seen) > 0 {
						t.Fatalf("%v, and saw %v", err, seen)
					}
					if tt.name == "refused" && !errors.Is(err, dstream.ErrUnfit) {
						t.Errorf("%v is not ErrUnfit", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(1700 * time.Millisecond)
				l.stop(t)
				if seen[0] != tt.want {
					t.Errorf("the first batch is %s, want %s", seen[0], tt.want)
				}
			})
		})
	}
}

// TestChangedGraphMeetsPlannedBatch: an open batch runs with the graph that planned it, or not at all.
func TestChangedGraphMeetsPlannedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
				<-ctx.Done()
				return ctx.Err()
			}).Named("sums")
		})
		time.Sleep(1700 * time.Millisecond)
		l.die(t)
		_, err := liveOn(t, disk.Crash(2), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.Print(dstream.Count(d), 1).Named("sums")
		})
		if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), "batch 0 is planned and not committed") {
			t.Errorf("%v", err)
		}
	})
}

// TestAlikeOutputs: what a checkpoint could not tell apart is refused by place.
func TestAlikeOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := liveOn(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{}))
			dstream.Print(d, 1)
			dstream.Print(d, 2)
		})
		if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), "are alike, and a checkpoint could not") {
			t.Errorf("%v", err)
		}
	})
}

// TestReleasedWhenLogged: a source is told that nothing will ask for a range again when the log does not offer its
// batch any more, so that what it offers after a stop, clean or not, is there.
func TestReleasedWhenLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, last := vfs.NewDisk("disk"), int64(-1)
		sc := outside(t, disk)
		first := func() int64 {
			info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
			if err != nil || len(info.Batches) == 0 {
				t.Fatalf("%+v, %v", info, err)
			}
			return info.Batches[0].Sequence
		}
		for range 2 {
			l := mustLive(t, disk, func(ssc *dstream.Context) {
				s := releasing{twos{}, func(upTo []byte) {
					_, until := parseSpan(upTo)
					if last = int64(until)/2 - 1; first() <= last {
						t.Errorf("%s is released, and the log offers batch %d", upTo, first())
					}
				}}
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](s)).Named("numbers")
				dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { return nil })
			}, "weir.checkpoint.retainedBatches", "2")
			time.Sleep(6500 * time.Millisecond)
			l.stop(t)
			if first() <= last {
				t.Errorf("the log offers batches from %d on, and batch %d is released", first(), last)
			}
		}
		if last < 7 {
			t.Errorf("batch %d is the last one released", last)
		}
	})
}

// releasing is a source that is told what is released.
type releasing struct {
	twos
	released func(upTo []byte)
}

func (s releasing) Released(_ context.Context, upTo []byte) error {
	s.released(upTo)
	return nil
}
