package dstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
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

// order has what an output saw of each batch in got: partition by partition, all in its order.
func order[T any](d *dstream.DStream[T], name string, got map[string]string) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		parts, err := rdd.Collect(ctx, rdd.Glom(r))
		got[fmt.Sprintf("%03d %s", b.Sequence, name)] = fmt.Sprint(parts)
		return err
	}).Named("order " + name)
}

// lookingBackTo are windows of elements of all kinds, over streams of all kinds.
func lookingBackTo(ssc *dstream.Context, from dstream.Source[int], length time.Duration, partitions int,
	got map[string]string,
) {
	d := dstream.FromSource(ssc, "numbers", from).Named("numbers")
	texts := dstream.Map(d, func(v int) pair { return rdd.KV(fmt.Sprint("key ", v*v%71), v) }).Named("texts")
	order(dstream.Window(d, length, 0), "all", got)
	order(dstream.Window(d, length/5, 2*time.Second), "some", got)
	order(dstream.Window(dstream.Window(d, 2*time.Second, 2*time.Second), length/5/4*4, 4*time.Second), "twice", got)
	dealt := dstream.RepartitionByKey(texts, rdd.Partitions(3))
	order(dstream.Window(dealt, length/2, 0), "dealt", got)
	order(dstream.Window(dstream.RepartitionByKey(texts, rdd.PartitionBy[string](byLength{3})), length/3, 0), "by", got)
	sums := dstream.UpdateStateByKey(texts, add, rdd.Partitions(2)).Named("sums")
	order(dstream.Window(sums, 3*time.Second, 0), "states", got)
	order(dstream.Window(dstream.Map(d, func(int) struct{} { return struct{}{} }), length/2, 0), "nothing", got)
	parts := rdd.Partitions(partitions)
	watch(dstream.GroupByKeyAndWindow(texts, length, 2*time.Second, parts), "groups", got)
	by := dstream.GroupByKeyAndWindow(texts, length/5, 0, rdd.PartitionBy[string](byLength{3}))
	order(by.Named("groups by three"), "groups by three", got)
	never := dstream.Transform(d, func(r *rdd.RDD[int], t dstream.Time) *rdd.RDD[int] {
		if t%3000 == 0 {
			return rdd.Empty[int](ssc.RDD())
		}
		return r
	})
	order(dstream.Window(never, 5*time.Second, 0), "at times", got)
}

// TestElementsAreKept: what windows of elements look back to is in the checkpoint. A process that goes on reads it
// there, whatever became of the sources, and has in each batch what one has that ran on, in that order.
func TestElementsAreKept(t *testing.T) {
	begun := vfs.NewDisk("disk") // Both have the seed by which its first batch deals keys.
	run := func(disk *vfs.Disk, from, until int, lives ...time.Duration) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			committed := new(atomic.Int64)
			committed.Store(int64(until))
			time.Sleep(time.Duration(from) * time.Millisecond)
			for i, lasts := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					lookingBackTo(ssc, gone{until: committed}, 30*time.Second, 3+i%2, got)
				})
				time.Sleep(lasts)
				if i%3 == 1 {
					l.die(t)
				} else {
					l.stop(t)
				}
			}
		})
		return got
	}
	run(begun, 0, 0, 1500*time.Millisecond)
	want := run(begun.Crash(1), 1500, 2, 299*time.Second)
	got := run(begun.Crash(1), 1500, 2, time.Second, 5*time.Second, 2*time.Second, 91*time.Second, 130*time.Second,
		71*time.Second)
	if len(want) < 299*8 || len(got) < len(want) {
		t.Fatalf("lives gave %d results, want %d", len(got), len(want))
	}
	for k, v := range want {
		if got[k] != v {
			t.Fatalf("%s: lives gave %q, want %q", k, got[k], v)
		}
	}
}

// TestElementsGo: the checkpoint holds what windows look back to, once, and little more, however long the program runs,
// and of batches only those that it retains.
func TestElementsGo(t *testing.T) {
	for name, heavy := range map[string]int{"panes alike": 1000, "large ones, then small ones": 200} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					texts := dstream.Map(d, func(v int) string {
						if v >= 2*heavy {
							return fmt.Sprint(v)
						}
						return strings.Repeat(fmt.Sprintf("%04d", v), 2000)
					})
					w := dstream.Window(texts, 200*time.Second, 0)
					dstream.ForeachRDD(w, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
						n, err := rdd.Count(ctx, r)
						if want := min(2*(b.Sequence+1), 400); n != want {
							t.Errorf("batch %d has %d elements, want %d", b.Sequence, n, want)
						}
						return err
					}).Named("out")
					watch(dstream.Window(texts, 50*time.Second, 100*time.Second), "short", map[string]string{})
				}, "weir.checkpoint.retainedBatches", "10")
				time.Sleep(1000*time.Second + 500*time.Millisecond)
				l.stop(t)
				most := 2 * 400 * 8000
				if heavy < 1000 {
					most = 200 << 10
				}
				keepsLittle(t, l, disk, most)
			})
		})
	}
}

// TestElementsWithoutMemory: what windows look back to and is persisted in memory alone, which drops what has no room,
// is read from the checkpoint, and not from inputs, which may give it no more.
func TestElementsWithoutMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](gone{until: new(atomic.Int64)})).Named("numbers")
			long := dstream.Map(d, func(v int) string { return strings.Repeat(fmt.Sprint(v, " "), 10_000) })
			long.Persist(rdd.MemoryOnly)
			w := dstream.Window(long, 4*time.Second, 0)
			order(dstream.Map(w, func(s string) string { return s[:strings.IndexByte(s, ' ')] }), "window", got)
		}, "spark.local.dir", t.TempDir(), "weir.memory.budget", "64k", "weir.receiver.memory", "64k",
			"weir.kafka.fetchBytes", "1k")
		time.Sleep(9500 * time.Millisecond)
		l.stop(t)
		if got["008 window"] != "[[10] [11] [12] [13] [14] [15] [16] [17]]" {
			t.Errorf("%q", got)
		}
	})
}

// TestElementsOfABatchRunAgain: tasks that fail and batches that run again write what a batch had once.
func TestElementsOfABatchRunAgain(t *testing.T) {
	run := func(fail func(v int) bool, lives ...time.Duration) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, lasts := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					weak := dstream.MapTry(d, func(v int) (int, error) {
						if fail(v) {
							return 0, fmt.Errorf("%d fails", v)
						}
						return v, nil
					}).Named("weak")
					order(dstream.Window(weak, 4*time.Second, 0), "window", got)
					watch(dstream.MapTry(d, func(v int) (int, error) {
						if fail(v + 1000) {
							return 0, fmt.Errorf("%d fails in another output", v)
						}
						return v, nil
					}), "other", got)
				}, "spark.task.maxFailures", "2", "weir.streaming.failedBatch.backoff", "10ms")
				time.Sleep(lasts)
				l.stop(t)
			}
		})
		return got
	}
	want := run(func(int) bool { return false }, 12500*time.Millisecond)
	var tries [2000]atomic.Int64
	got := run(func(v int) bool { return v%3 == 0 && tries[v].Add(1) < 4 }, 3500*time.Millisecond, 5*time.Second,
		4*time.Second)
	if len(got) < 24 || !maps.Equal(got, want) {
		t.Errorf("got\n%v, want\n%v", got, want)
	}
}

// TestElementsOfAnotherProgram: a stream whose windows become shorter or longer, or that has another name, goes on with
// what the checkpoint holds of it.
func TestElementsOfAnotherProgram(t *testing.T) {
	type program struct {
		name     string
		length   int // in seconds
		settings []string
		refused  string
	}
	rename := []string{"weir.checkpoint.rename", "numbers => digits"}
	synctest.Test(t, func(t *testing.T) {
		disk, until := vfs.NewDisk("disk"), new(atomic.Int64)
		for i, p := range []program{
			{name: "numbers", length: 6},
			{name: "numbers", length: 5},
			{name: "digits", length: 5, settings: rename,
				refused: `the window "numbers (elements)" of the checkpoint is not in the program, and "digits (elements)" is new`},
			{name: "digits", length: 5,
				settings: []string{rename[0], rename[1] + "; numbers (elements) => digits (elements)"}},
			{name: "digits", length: 7}, // Of its first windows what is older has gone, or may have.
			{name: "digits", length: 3},
		} {
			got := map[string]string{}
			l, err := liveOn(t, disk, func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](gone{until: until})).Named(p.name)
				order(dstream.Window(d, time.Duration(p.length)*time.Second, 0), "window", got)
			}, p.settings...)
			if p.refused != "" {
				wantError(t, p.name, err, dstream.ErrUnfit, p.refused)
				continue
			}
			if err != nil {
				t.Fatalf("program %d: %v", i, err)
			}
			time.Sleep(4500 * time.Millisecond)
			l.stop(t)
			last := slices.Max(slices.Collect(maps.Keys(got)))
			n, _ := strconv.Atoi(strings.Fields(last)[0])
			var want []string
			for v := max(0, 2*(n+1-p.length)); v < 2*(n+1); v++ {
				want = append(want, fmt.Sprintf("[%d]", v))
			}
			if got[last] != fmt.Sprint(want) || len(got) < 4 {
				t.Errorf("program %d had %d windows, the last, of batch %d, %s, want %s", i, len(got), n, got[last], want)
			}
		}
	})
}

// TestElementsWithoutEncoding: a window of elements that have no encoding reads its inputs once more, and says so.
func TestElementsWithoutEncoding(t *testing.T) {
	type opaque struct{ of func() int }
	synctest.Test(t, func(t *testing.T) {
		disk, got, log := vfs.NewDisk("disk"), map[string]string{}, &logged{}
		for range 2 {
			ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second,
				rdd.WithFileSystem(disk.Mount(nil)), rdd.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			opaques := dstream.Map(d, func(v int) opaque { return opaque{func() int { return v }} })
			w := dstream.Window(opaques, 3*time.Second, 0)
			order(dstream.Map(w, func(o opaque) int { return o.of() }), "window", got)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}
		if got["004 window"] != "[[4] [5] [6] [7] [8] [9]]" ||
			strings.Count(log.String(), "has no encoding and is not in the checkpoint") != 2 {
			t.Errorf("%q\n%s", got, log)
		}
	})
}

// TestSliceOfElements: Slice gives what windows look back to in the next process, too, and no input is read for it.
func TestSliceOfElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, until, begin := vfs.NewDisk("disk"), new(atomic.Int64), dstream.Time(time.Now().UnixMilli())
		var d, tens, other *dstream.DStream[int]
		build := func(ssc *dstream.Context) {
			d = dstream.FromSource(ssc, "numbers", dstream.Source[int](gone{until: until})).Named("numbers")
			order(dstream.Window(d, 4*time.Second, 0), "window", map[string]string{})
			tens = dstream.Map(d, func(v int) int { return 10 * v })
			watch(tens, "tens", map[string]string{})
			others := dstream.FromSource(ssc, "others", dstream.Source[int](twos{})).Named("others")
			other = dstream.Map(others, func(v int) int { return v })
			watch(other, "other", map[string]string{})
		}
		l := mustLive(t, disk, build)
		time.Sleep(4500 * time.Millisecond)
		l.stop(t)
		l = mustLive(t, disk, build)
		time.Sleep(2 * time.Second)
		for _, tt := range []struct {
			d    *dstream.DStream[int]
			from int
			want string
		}{
			{d, 4, "[6 7] [8 9] [10 11]"},
			{d, 3, "slice of numbers (elements_test.go:"},
			{tens, 4, "[60 70] [80 90] [100 110]"},
			{other, 5, "[8 9] [10 11]"},
			{other, 4, "slice of map (elements_test.go:"},
		} {
			since := begin.Add(time.Duration(tt.from) * time.Second)
			i := dstream.Interval{Begin: since, End: begin.Add(6 * time.Second)}
			if got := show(t.Context(), tt.d, i); !strings.HasPrefix(got, tt.want) {
				t.Errorf("from %d s: %s, want %s", tt.from, got, tt.want)
			}
		}
		l.stop(t)
	})
}

// TestDamagedElements: a pane that is not what was written is refused at the start, by its file.
func TestDamagedElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			long := dstream.Map(d, func(v int) string { return strings.Repeat(fmt.Sprint(v), 10_000) })
			watch(dstream.Window(long, 4*time.Second, 0), "long", map[string]string{})
		}
		l := mustLive(t, disk, build)
		time.Sleep(2500 * time.Millisecond)
		l.stop(t)
		damaged := ""
		for _, name := range slices.Sorted(maps.Keys(disk.Files())) {
			if strings.Contains(name, "/state/") {
				damaged = name
			}
		}
		if err := disk.Spoil(damaged, func(data []byte) []byte { data[len(data)/2]++; return data }); err != nil {
			t.Fatal(err)
		}
		_, err := liveOn(t, disk, build)
		if err == nil || !strings.Contains(err.Error(), damaged) || !strings.Contains(err.Error(), "checksum") {
			t.Errorf("a start on a damaged pane, %s: %v", damaged, err)
		}
	})
}
