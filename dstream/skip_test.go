package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// poisoned gives the stream but for the batches that begin with these numbers, in which it fails.
func poisoned(d *dstream.DStream[int], bad ...int) *dstream.DStream[int] {
	return dstream.MapTry(d, func(v int) (int, error) {
		for _, b := range bad {
			if v == b {
				return 0, fmt.Errorf("%d is poison", v)
			}
		}
		return v, nil
	})
}

// TestSkip: a batch that is given up was never there for states and windows, wherever in the batch it failed, and
// whether the process that goes on is the one that gave it up.
func TestSkip(t *testing.T) {
	for name, build := range lookingBack {
		// run gives what was seen of the batches that were not given up.
		run := func(lives ...time.Duration) map[string]string {
			got := map[string]string{}
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				for _, lasts := range lives {
					l := mustLive(t, disk, func(ssc *dstream.Context) {
						d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
						build(d, got)
						watch(poisoned(d, 6, 15), "last", map[string]string{})
					}, "weir.streaming.failedBatch", "skipWithState", "weir.streaming.failedBatch.maxRetries", "1",
						"weir.streaming.failedBatch.backoff", "10ms", "spark.task.maxFailures", "1")
					time.Sleep(lasts)
					l.stop(t)
				}
			})
			for key := range got {
				if strings.HasPrefix(key, "03") || strings.HasPrefix(key, "07") { // They ran before the batch failed.
					delete(got, key)
				}
			}
			return got
		}
		want := run(12500 * time.Millisecond)
		if name == "panes alone" && (want["02 sum"] != "15" || want["04 sum"] != "31" || want["06 sum"] != "63" ||
			want["08 sum"] != "79") {
			t.Errorf("%v", want)
		}
		for _, lives := range [][]time.Duration{{4500 * time.Millisecond, 8 * time.Second},
			{3500 * time.Millisecond, time.Second, 5 * time.Second, 3 * time.Second}} {
			if got := run(lives...); len(got) < 9 || !maps.Equal(got, want) {
				t.Errorf("%s: lives gave\n%v, want\n%v", name, got, want)
			}
		}
	}
}

// noughts is a source of nothing.
type noughts struct{ twos }

// Plan implements dstream.Source.
func (noughts) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	return from, 0, nil
}

// Read implements dstream.Source.
func (noughts) Read(sc *rdd.Context, _ []byte) *rdd.RDD[int] { return rdd.Empty[int](sc) }

// TestSkipOfTheFirst: an initial state comes in with the first batch that is committed, and counts from there.
func TestSkipOfTheFirst(t *testing.T) {
	for _, store := range []string{"memory", "sorted"} {
		got, ended, disk := map[string]string{}, "", vfs.NewDisk("disk")
		var first dstream.Time
		for range 3 {
			synctest.Test(t, func(t *testing.T) {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					ssc.AddStateStore(dstream.Sorted{})
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](noughts{})).Named("numbers")
					initial := rdd.Parallelize(ssc.RDD(), []pair{rdd.KV("a", 7)}, 2)
					out, rows := dstream.MapWithState(dstream.Map(d, func(v int) pair { return rdd.KV("a", v) }),
						dstream.Spec(func(k string, _ rdd.Optional[int], s *dstream.State[int]) string {
							return fmt.Sprint(k, s.Get())
						}).Initial(initial).Timeout(5*time.Second))
					watch(rows, "rows", got)
					dstream.ForeachRDD(out.Named("ended"), func(ctx context.Context, r *rdd.RDD[string],
						b *dstream.Batch) error {
						if b.Sequence < 2 {
							return errors.New("poison")
						}
						if b.Sequence == 2 {
							first = b.Time
						}
						vs, err := rdd.Collect(ctx, r)
						for _, v := range vs {
							ended += fmt.Sprint(v, " after ", b.Time.Sub(first), "; ")
						}
						return err
					}).Named("fails")
				}, "weir.streaming.failedBatch", "skipWithState", "weir.streaming.failedBatch.maxRetries", "1",
					"weir.streaming.failedBatch.backoff", "10ms", "weir.state.store", store)
				time.Sleep(4500 * time.Millisecond)
				l.stop(t)
			})
		}
		if want := "(a,7)"; got["02 rows"] != want {
			t.Errorf("%s: %v, want %s in batch 2", store, got, want)
		}
		if ended != "a7 after 6s; " { // More than five.
			t.Errorf("%s: in the end it gave %s", store, ended)
		}
	}
}

// TestSkipLetsGo: what a batch that is given up has persisted is given back.
func TestSkipLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[string]string{}
		var sc *rdd.Context
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			sc = ssc.RDD()
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers").Cache()
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				seen[fmt.Sprint(b.Sequence)] = fmt.Sprint(len(sc.PersistentRDDs()))
				return rdd.Foreach(ctx, r, func(int) error { return nil })
			}).Named("counts")
			watch(poisoned(d, 6), "last", map[string]string{})
		}, "weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.maxRetries", "1",
			"weir.streaming.failedBatch.backoff", "10ms", "spark.task.maxFailures", "1")
		time.Sleep(6500 * time.Millisecond)
		left := sc.PersistentRDDs()
		l.stop(t)
		if got, want := fmt.Sprint(seen), "map[0:1 1:1 2:1 3:1 4:1 5:1]"; got != want || len(left) > 0 {
			t.Errorf("persisted RDDs by batch: %s, want %s, and after them none, not %v", got, want, left)
		}
	})
}

// TestSkipTells: what is given up is written down, with the effects that are in and those that never will be.
func TestSkipTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, events := vfs.NewDisk("disk"), []string{}
		mem := &kept{last: map[string]int64{}}
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.WriteTo(d, dstream.Sink[int](mem)).Named("good")
			dstream.Foreach(d, func(int) error { return nil }).Named("body")
			dstream.WriteTo(poisoned(d, 5), dstream.Sink[int](&kept{last: map[string]int64{}})).Named("bad")
			dstream.WriteTo(d, dstream.Sink[int](&kept{last: map[string]int64{}})).Named("later")
			ssc.AddListener(func(e dstream.Event) {
				switch e := e.(type) {
				case dstream.BatchCommitted:
					events = append(events, fmt.Sprint("committed ", e.Sequence))
				case dstream.BatchSkipped:
					events = append(events, fmt.Sprint("skipped ", e.Sequence, e.In, e.Burned, e.Unknown))
				}
			})
		}, "weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.maxRetries", "1",
			"weir.streaming.failedBatch.backoff", "10ms", "spark.task.maxFailures", "1", "spark.master", "local[1]",
			"spark.default.parallelism", "2") // The first partition is in before the second fails.
		time.Sleep(5500 * time.Millisecond)
		l.stop(t)
		if got := strings.Join(events, ", "); got != "committed 0, committed 1, skipped 2 [good body bad] [bad later] [], "+
			"committed 3, committed 4" {
			t.Error(got)
		}
		sc, err := rdd.NewContext(nil, rdd.WithFileSystem(disk.Mount(nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(t.Context())
		info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
		if err != nil {
			t.Fatal(err)
		}
		if len(info.Skipped) != 1 {
			t.Fatalf("%+v", info)
		}
		s := info.Skipped[0]
		if got := fmt.Sprintf("%d %s %s", s.Sequence, s.In, s.Burned); got != "2 [good body bad] [bad later]" ||
			!strings.Contains(s.Reason, "5 is poison") {
			t.Errorf("%s: %s", got, s.Reason)
		}
		if info.Batches[2].Status != "skipped" || !info.StoppedCleanly {
			t.Errorf("%+v", info)
		}
	})
}

// kept is a sink that keeps the identities of its effects, and may tell of each.
type kept struct {
	mu    sync.Mutex
	last  map[string]int64
	wrote func(id dstream.Effect)
}

func (*kept) Open(context.Context, string, int64) error { return nil }

func (*kept) Close(context.Context) error { return nil }

func (s *kept) Last(_ context.Context, output, _ string, partition int) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok := s.last[fmt.Sprint(output, partition)]
	return seq, ok, nil
}

func (s *kept) Write(_ context.Context, id dstream.Effect, in iter.Seq[int]) error {
	for range in {
	}
	s.mu.Lock()
	s.last[fmt.Sprint(id.Output, id.Partition)] = id.Sequence
	s.mu.Unlock()
	if s.wrote != nil {
		s.wrote(id)
	}
	return nil
}

// TestSkipNamed: a batch at which the program has stopped is given up by a start that names it.
func TestSkipNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			watch(dstream.ReduceByWindow(poisoned(d, 5), func(a, b int) int { return a + b }, 2*time.Second, 0), "sum", got)
		}
		l := mustLive(t, disk, build, "weir.streaming.failedBatch", "stop", "spark.task.maxFailures", "1")
		err := l.AwaitTermination(t.Context())
		if err == nil || !strings.Contains(err.Error(), "5 is poison") || !strings.Contains(err.Error(), "give it and its "+
			"records up by weir.checkpoint.skip=2 at one start, or each such batch by weir.streaming.failedBatch=skipWithState;") {
			t.Fatalf("%v", err)
		}
		for range 2 { // The second start names a batch that is not open any more.
			l = mustLive(t, disk, build, "weir.streaming.failedBatch", "stop", "weir.checkpoint.skip", "2")
			time.Sleep(2500 * time.Millisecond)
			l.stop(t)
			if strings.Contains(l.log.String(), "runs again") {
				t.Errorf("it says\n%s", l.log)
			}
		}
		if got["01 sum"] != "6" || got["02 sum"] != "" || got["03 sum"] != "13" || got["04 sum"] != "30" {
			t.Errorf("%v", got)
		}
	})
}

// TestSkipOfOneToCome: a number that was left in the settings gives no batch up that the new checkpoint may have.
func TestSkipOfOneToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		for _, named := range []string{"0", "2"} {
			_, err := liveOn(t, disk, sums(&seen, &told), "weir.checkpoint.skip", named)
			if want := "weir.checkpoint.skip=" + named + ": the checkpoint has no batch yet: that one would be given up " +
				"some day"; !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		l := mustLive(t, disk, sums(&seen, &told))
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
	})
}

// TestSkipRefused: what giving up would lose must be named.
func TestSkipRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		numbers := func(ssc *dstream.Context) *dstream.DStream[int] {
			return dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		}
		ssc := newContext(t, "weir.streaming.failedBatch", "skip")
		watch(numbers(ssc), "all", got)
		if err := ssc.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "needs a checkpoint") {
			t.Errorf("%v", err)
		}
		for name, build := range map[string]func(d *dstream.DStream[int]){
			"window": func(d *dstream.DStream[int]) { watch(dstream.Window(d, 2*time.Second, 0), "window", got) },
			"countByWindow": func(d *dstream.DStream[int]) {
				watch(dstream.CountByWindow(d, 2*time.Second, 0), "count", got)
			},
			"updateStateByKey": func(d *dstream.DStream[int]) {
				watch(dstream.UpdateStateByKey(dstream.Map(d, func(v int) pair { return rdd.KV("k", v) }), add), "state", got)
			},
		} {
			disk := vfs.NewDisk("disk")
			_, err := liveOn(t, disk, func(ssc *dstream.Context) { build(numbers(ssc)) },
				"weir.streaming.failedBatch", "skip")
			if err == nil || !strings.Contains(err.Error(), name+" (skip_test.go:") ||
				!strings.Contains(err.Error(), "skipWithState") {
				t.Errorf("%s: %v", name, err)
			}
			if errors.Is(err, dstream.ErrUnfit) || len(disk.Files()) > 0 {
				t.Errorf("%s: %v, and files %v", name, err, disk.Files())
			}
		}
	})
}

// TestSkipOfAnother: what is in of a batch that another process has tried is asked for, in all partitions that the log
// knows of, and that there may be others is said; and a number that is no open batch's is said to be one.
func TestSkipOfAnother(t *testing.T) {
	for bad, master := range map[int]string{4: "local[2]", 5: "local[1]"} { // The first partition fails, or the second.
		synctest.Test(t, func(t *testing.T) {
			disk, warned, stored := vfs.NewDisk("disk"), []string{}, make(chan struct{})
			store := &kept{last: map[string]int64{}, wrote: func(id dstream.Effect) {
				if id.Sequence == 2 && id.Partition == 1 {
					close(stored)
				}
			}}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				second := dstream.Map(d, func(v int) int {
					if v == bad && bad == 4 {
						<-stored // The other partition is in before this one fails.
					}
					return v
				})
				dstream.WriteTo(poisoned(second, bad), dstream.Sink[int](store)).Named("out")
				ssc.AddListener(func(e dstream.Event) {
					if w, ok := e.(dstream.Warning); ok {
						warned = append(warned, w.Message)
					}
				})
			}
			settings := []string{"spark.master", master, "spark.default.parallelism", "2", "spark.task.maxFailures", "1"}
			l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch", "stop")...)
			poison := fmt.Sprint(bad, " is poison")
			if err := l.AwaitTermination(t.Context()); err == nil || !strings.Contains(err.Error(), poison) {
				t.Fatalf("%v", err)
			}
			_, err := liveOn(t, disk, build, append(settings, "weir.checkpoint.skip", "7")...)
			if !errors.Is(err, dstream.ErrUnfit) || !strings.Contains(err.Error(), "weir.checkpoint.skip=7: the checkpoint "+
				"has batches up to ") {
				t.Errorf("a batch that is to come: %v", err)
			}
			for _, named := range []string{"2", "1"} {
				l = mustLive(t, disk, build, append(settings, "weir.checkpoint.skip", named)...)
				time.Sleep(1500 * time.Millisecond)
				l.stop(t)
			}
			if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, "In:[out] Burned:[] Unknown:[out]") {
				t.Errorf("%s: %s", poison, got)
			}
			if n := len(warned); n == 0 ||
				!strings.Contains(warned[n-1], "weir.checkpoint.skip names a batch that is not open") {
				t.Errorf("%q", warned)
			}
		})
	}
}

// A sparse sink stores the last partition only, and then fails at the others.
type sparse struct {
	kept
	stored chan struct{}
}

func (s *sparse) Write(ctx context.Context, id dstream.Effect, in iter.Seq[int]) error {
	switch {
	case id.Sequence > 0:
	case id.Partition < 3:
		<-s.stored
		return errors.New("the table is locked")
	default:
		defer close(s.stored)
	}
	return s.kept.Write(ctx, id, in)
}

// A sparseRewinder is a sparse sink that knows all of its partitions.
type sparseRewinder struct{ *sparse }

func (s *sparseRewinder) Newest(ctx context.Context, output, effect string) (int64, bool, error) {
	return s.Last(ctx, output, effect, 3)
}

func (*sparseRewinder) Rewind(context.Context, dstream.Effect) error { return nil }

// TestSkipOfUnseen: partitions that neither the log nor this process has seen are not said to be burned.
func TestSkipOfUnseen(t *testing.T) {
	for want, knows := range map[string]bool{
		"In:[] Burned:[] Unknown:[out]":    false,
		"In:[out] Burned:[] Unknown:[out]": true,
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			part := &sparse{kept{last: map[string]int64{}}, make(chan struct{})}
			store := dstream.Sink[int](part)
			if knows {
				store = &sparseRewinder{part}
			}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				four := dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
					return rdd.Repartition(r, 4)
				})
				dstream.WriteTo(four, store).Named("out")
			}
			settings := []string{"spark.master", "local[4,1]"}
			l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch.backoff", "1h")...)
			time.Sleep(2500 * time.Millisecond)
			l.die(t)
			l = mustLive(t, disk, build, append(settings, "weir.checkpoint.skip", "0")...)
			time.Sleep(500 * time.Millisecond)
			l.die(t)
			if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, want) {
				t.Errorf("%T: %s, want %s", store, got, want)
			}
		})
	}
}

// A burning sink refuses a batch, and may bring it in later.
type burning struct {
	kept
	burn func(partitions int) (in int, err error)
}

func (s *burning) Write(ctx context.Context, id dstream.Effect, in iter.Seq[int]) error {
	if id.Sequence == 2 {
		return errors.New("no answer to the commit")
	}
	return s.kept.Write(ctx, id, in)
}

func (s *burning) Burn(_ context.Context, id dstream.Effect, partitions int) (int, error) {
	if id.Sequence != 2 {
		return 0, fmt.Errorf("batch %d is not given up", id.Sequence)
	}
	return s.burn(partitions)
}

// TestSkipBurns: what may be on its way is burned, once the log says that the batch never runs again, or is not known.
func TestSkipBurns(t *testing.T) {
	says := func(in int, err error) func(int) (int, error) { return func(int) (int, error) { return in, err } }
	for _, tt := range []struct {
		name  string
		burn  func(partitions int) (int, error)
		named bool // by the next start, and not given up by the process that has tried it
		want  string
	}{
		{"a sink that burns nothing", nil, false, "In:[] Burned:[] Unknown:[out]"},
		{"nothing is in", says(0, nil), false, "In:[] Burned:[out] Unknown:[]"},
		{"a partition is in", says(1, nil), false, "In:[out] Burned:[out] Unknown:[]"},
		{"all are in", func(n int) (int, error) { return n, nil }, false, "In:[out] Burned:[] Unknown:[]"},
		{"it fails", says(0, errors.New("no answer")), false, "In:[] Burned:[] Unknown:[out]"},
		{"a sink that burns nothing, at a start", nil, true, "In:[] Burned:[] Unknown:[out]"},
		{"nothing is in, at a start", says(0, nil), true, "In:[] Burned:[out] Unknown:[]"},
		{"a partition is in, at a start", says(1, nil), true, "In:[out] Burned:[] Unknown:[out]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk, before := vfs.NewDisk("disk"), ""
			both := &burning{kept: kept{last: map[string]int64{}}}
			both.burn = func(partitions int) (int, error) {
				before = fmt.Sprintf("%+v", skipsOf(t, disk))
				return tt.burn(partitions)
			}
			store := dstream.Sink[int](both)
			if tt.burn == nil {
				store = &struct{ dstream.Sink[int] }{both} // without the method
			}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				dstream.WriteTo(d, store).Named("out")
			}
			settings := []string{"spark.default.parallelism", "2", "spark.task.maxFailures", "1",
				"weir.streaming.failedBatch.maxRetries", "1", "weir.streaming.failedBatch.backoff", "10ms"}
			if tt.named {
				l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch", "stop")...)
				if err := l.AwaitTermination(t.Context()); err == nil {
					t.Fatal("the batch does not fail")
				}
				settings = append(settings, "weir.checkpoint.skip", "2")
			}
			l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch", "skip")...)
			time.Sleep(3500 * time.Millisecond)
			l.stop(t)
			if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
			if tt.burn != nil && !strings.Contains(before, "In:[] Burned:[] Unknown:[out]") {
				t.Errorf("%s: when the sink burns, the log says %s", tt.name, before)
			}
		})
	}
}

// skipsOf reads what the checkpoint has of batches that were given up.
func skipsOf(t *testing.T, disk *vfs.Disk) any {
	t.Helper()
	sc, err := rdd.NewContext(nil, rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Stop(t.Context())
	info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
	if err != nil {
		t.Fatal(err)
	}
	return info.Skipped
}

// TestSkipAsks: what only the user may answer, and what the next batch would meet as well, gives no batch up, whatever
// a body makes of the error.
func TestSkipAsks(t *testing.T) {
	for _, tt := range []struct {
		name     string
		open     error
		returned func(err error) error
		want     string
	}{
		{"an older checkpoint was restored", nil, func(err error) error { return err }, "weir.sink.accept"},
		{"the body tells the text only", nil, func(err error) error { return fmt.Errorf("save: %v", err) },
			"weir.sink.accept"},
		{"the sink does not open", errors.New("no such table"), func(err error) error { return err },
			"no such table"},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			store := &locked{kept: kept{last: map[string]int64{"out0": 1, "out1": 1}}, open: tt.open}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
					if err := dstream.Save(ctx, b, "", r, dstream.Sink[int](store)); err != nil {
						return tt.returned(err)
					}
					return nil
				}).Named("out")
			}
			settings := []string{"weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.maxRetries", "1",
				"weir.streaming.failedBatch.backoff", "10ms", "spark.task.maxFailures", "1"}
			l := mustLive(t, disk, build, settings...)
			time.Sleep(2500 * time.Millisecond)
			if err := l.AwaitTermination(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.name, err)
			}
			store.open = nil
			l = mustLive(t, disk, build, append(settings, "weir.sink.accept", "out=loss")...)
			time.Sleep(4500 * time.Millisecond)
			l.stop(t)
			if got := fmt.Sprint(skipsOf(t, disk)); got != "[]" || store.last["out0"] < 3 {
				t.Errorf("%s: given up: %s; the sink holds %v", tt.name, got, store.last)
			}
		})
	}
}

// A locked sink may not open.
type locked struct {
	kept
	open error
}

func (s *locked) Open(context.Context, string, int64) error { return s.open }

// TestSkipUnknown: what another process may have written where nobody can be asked is not said to be burned.
func TestSkipUnknown(t *testing.T) {
	body := func(effect string, store *kept) func(d *dstream.DStream[int]) *dstream.Output {
		return func(d *dstream.DStream[int]) *dstream.Output {
			return dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				if store == nil {
					return rdd.Foreach(ctx, r, func(int) error { return nil })
				}
				return dstream.Save(ctx, b, effect, r, dstream.Sink[int](store))
			})
		}
	}
	for _, tt := range []struct {
		name   string
		bad    int // the first batch fails, or the third one, in its second partition
		output func(d *dstream.DStream[int]) *dstream.Output
		want   string
	}{
		{"a body that is not known to save", 1, body("rows", &kept{last: map[string]int64{}}),
			"In:[] Burned:[] Unknown:[out]"},
		{"one of which the log knows", 5, body("rows", &kept{last: map[string]int64{}}),
			"In:[] Burned:[] Unknown:[out/rows]"},
		{"a body of any kind", 5, body("", nil), "In:[] Burned:[] Unknown:[out]"},
		{"a sink that keeps no identities", 5, func(d *dstream.DStream[int]) *dstream.Output {
			return dstream.WriteTo(d, dstream.Sink[int](&forgetful{kept{last: map[string]int64{}}}))
		}, "In:[] Burned:[] Unknown:[out]"},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				tt.output(poisoned(d, tt.bad)).Named("out")
			}
			settings := []string{"spark.master", "local[1]", "spark.default.parallelism", "2",
				"spark.task.maxFailures", "1"}
			l := mustLive(t, disk, build, append(settings, "weir.streaming.failedBatch", "stop")...)
			if err := l.AwaitTermination(t.Context()); err == nil || !strings.Contains(err.Error(), "is poison") {
				t.Fatalf("%s: %v", tt.name, err)
			}
			l = mustLive(t, disk, build, append(settings, "weir.checkpoint.skip", fmt.Sprint(tt.bad/2))...)
			time.Sleep(1500 * time.Millisecond)
			l.stop(t)
			if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, tt.want) {
				t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
			}
		})
	}
}

// TestSkipDone: what an output without a sink has done in an earlier process is in the log, but for short intervals.
func TestSkipDone(t *testing.T) {
	for interval, want := range map[time.Duration]string{
		51 * time.Millisecond: "In:[body] Burned:[] Unknown:[bad]",
		50 * time.Millisecond: "In:[] Burned:[] Unknown:[body bad]",
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			live := func(setting, value string) error {
				c := conf.New().Set("spark.master", "local[1]").Set("spark.task.maxFailures", "1").Set(setting, value)
				ssc, err := dstream.NewContext(c, interval, rdd.WithFileSystem(disk.Mount(nil)))
				if err != nil {
					t.Fatal(err)
				}
				ssc.Checkpoint("disk:/ck")
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				dstream.Foreach(d, func(int) error { return nil }).Named("body")
				dstream.Foreach(poisoned(d, 5), func(int) error { return nil }).Named("bad")
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
				_ = ssc.Stop(t.Context(), dstream.Graceful())
				return ssc.AwaitTermination(t.Context())
			}
			if err := live("weir.streaming.failedBatch", "stop"); err == nil || !strings.Contains(err.Error(), "is poison") {
				t.Fatal(err)
			}
			if err := live("weir.checkpoint.skip", "2"); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, want) {
				t.Errorf("at %v: %s, want %s", interval, got, want)
			}
		})
	}
}

// A forgetful sink cannot be asked.
type forgetful struct{ kept }

func (*forgetful) Guarantee() string { return "at-least-once" }

// TestSkipUnfenced: where a body fails before it uses its sink, nobody can fence what an earlier owner may still have
// open there: the user may say that it is gone.
func TestSkipUnfenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, store := vfs.NewDisk("disk"), &chest{held: map[int64]string{}, stuck: -1}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				if b.Sequence == 1 {
					return errors.New("poison")
				}
				return dstream.Save(ctx, b, "rows", r, dstream.Sink[int](store))
			}).Named("out")
		}
		skip := []string{"weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.maxRetries", "1",
			"weir.streaming.failedBatch.backoff", "10ms"}
		for _, life := range []struct {
			settings []string
			want     string
		}{
			{[]string{"weir.streaming.failedBatch", "stop"}, "poison"},
			{skip, `may still commit the transactions ["chest"]: let the batch run once with ` +
				`weir.streaming.failedBatch=skipWithState; or, if its body fails before that, and that owner is surely ` +
				`gone, set weir.sink.accept to "out=loss"`},
			{append(skip, "weir.sink.accept", "out=loss"), ""},
		} {
			l := mustLive(t, disk, build, life.settings...)
			time.Sleep(3500 * time.Millisecond)
			_ = l.Stop(t.Context(), dstream.Graceful())
			err := l.AwaitTermination(t.Context())
			if (err == nil) != (life.want == "") || err != nil && !strings.Contains(err.Error(), life.want) {
				t.Errorf("%q: %v", life.settings, err)
			}
		}
		if got := fmt.Sprintf("%+v", skipsOf(t, disk)); !strings.Contains(got, "In:[] Burned:[] Unknown:[out/rows]") {
			t.Errorf("given up: %s", got)
		}
		if store.held[0] == "" || store.held[1] != "" || store.held[2] == "" {
			t.Errorf("the sink holds %v", store.held)
		}
	})
}
