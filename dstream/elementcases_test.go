package dstream_test

import (
	"fmt"
	"log/slog"
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

// TestElementsHaveIDs: what a window looks back to has an id of its own, whatever it looks back to: a start refuses
// nothing, takes nothing for alike, and reads no input again.
func TestElementsHaveIDs(t *testing.T) {
	for name, build := range map[string]func(d *dstream.DStream[int], got map[string]string){
		"a state over one of two streams that are alike": func(d *dstream.DStream[int], got map[string]string) {
			alike := func() *dstream.DStream[pair] {
				return dstream.Map(d, func(v int) pair { return rdd.KV("key", v) })
			}
			watch(alike(), "first", map[string]string{})
			sums := dstream.UpdateStateByKey(alike(), add, rdd.Partitions(1))
			order(dstream.Window(sums, 3*time.Second, 0), "window", got)
		},
		"a named window of a named window": func(d *dstream.DStream[int], got map[string]string) {
			counts := dstream.CountByWindow(d, 2*time.Second, time.Second).Named("counts")
			order(dstream.Window(counts, 3*time.Second, 0), "window", got)
		},
		"a name with a sign": func(d *dstream.DStream[int], got map[string]string) {
			order(dstream.Window(dstream.Map(d, func(v int) int { return v }).Named("a#1"), 3*time.Second, 0), "window", got)
			order(dstream.Window(dstream.Map(d, func(v int) int { return v }).Named("a#2"), 3*time.Second, 0), "other", got)
		},
	} {
		run := func(lives ...time.Duration) (map[string]string, string) {
			got, log := map[string]string{}, &logged{}
			synctest.Test(t, func(t *testing.T) {
				disk, until := vfs.NewDisk("disk"), new(atomic.Int64)
				for _, lasts := range lives {
					ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second,
						rdd.WithFileSystem(disk.Mount(nil)), rdd.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
					if err != nil {
						t.Fatal(err)
					}
					ssc.Checkpoint("disk:/ck")
					build(dstream.FromSource(ssc, "numbers", dstream.Source[int](gone{until: until})).Named("numbers"), got)
					if err := ssc.Start(t.Context()); err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					time.Sleep(lasts)
					if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
			return got, log.String()
		}
		want, _ := run(6500 * time.Millisecond)
		got, log := run(3500*time.Millisecond, 3*time.Second)
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) < 6 || strings.Contains(log, "alike") {
			t.Errorf("%s:\ngot  %v\nwant %v\n%s", name, got, want, log)
		}
	}
}

// TestElementsOfALongerPast: an operator that is new looks back further than the panes that there are. What these lack
// comes from the inputs.
func TestElementsOfALongerPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		for _, more := range []bool{false, true} {
			l := mustLive(t, disk, func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				order(dstream.Window(d, 2*time.Second, 0), "short", map[string]string{})
				if more {
					ones := dstream.Map(d, func(int) int64 { return 1 })
					order(dstream.ReduceByWindow(ones, func(a, b int64) int64 { return a + b }, 200*time.Second, 0).
						Named("count"), "count", got)
				}
			}, "weir.checkpoint.retainedBatches", "280")
			time.Sleep(300*time.Second + 500*time.Millisecond)
			l.stop(t)
		}
		if got["301 count"] != "[[400]]" {
			t.Errorf("a window of 200 batches with two elements each has %s", got["301 count"])
		}
	})
}

// TestSubstitutedWindow: what a window would look back to is not asked for when it is substituted itself.
func TestSubstitutedWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := map[string]string{}
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			lines := dstream.FromSource(ssc, "away", dstream.Source[string](away{}))
			window := dstream.Window(lines, 3*time.Second, 0)
			if err := dstream.Substitute(window, dstream.Source[string](&numbers{})); err != nil {
				t.Fatal(err)
			}
			order(window, "window", got)
		})
		time.Sleep(2500 * time.Millisecond)
		l.stop(t)
		if got["000 window"] != "[[r1]]" || got["001 window"] != "[[r2]]" {
			t.Errorf("%v", got)
		}
	})
}

// TestSliceAtOnce: a Slice that is asked for as soon as the program has started waits for what earlier batches left.
func TestSliceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, until, begin := vfs.NewDisk("disk"), new(atomic.Int64), dstream.Time(time.Now().UnixMilli())
		var d *dstream.DStream[int]
		build := func(ssc *dstream.Context) {
			d = dstream.FromSource(ssc, "numbers", dstream.Source[int](gone{until: until})).Named("numbers")
			order(dstream.Window(d, 40*time.Second, 0), "window", map[string]string{})
		}
		for range 2 {
			l := mustLive(t, disk, build)
			if until.Load() > 0 {
				i := dstream.Interval{Begin: begin.Add(40 * time.Second), End: begin.Add(50 * time.Second)}
				if got := show(t.Context(), d, i); strings.Count(got, "[") != 11 {
					t.Errorf("got %s", got)
				}
			}
			time.Sleep(50*time.Second + 500*time.Millisecond)
			l.stop(t)
		}
	})
}

// TestReplayOfDealtElements: a replay joins the panes of a stream that a user's partitioner dealt, partition by
// partition, as the batch did.
func TestReplayOfDealtElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			texts := dstream.Map(d, func(v int) pair { return rdd.KV(strings.Repeat("k", v%4), v) })
			dealt := dstream.RepartitionByKey(texts, rdd.PartitionBy[string](byLength{3}))
			order(dstream.Window(dealt, 3*time.Second, 0), "window", got)
		}
		l := mustLive(t, disk, build)
		time.Sleep(5500 * time.Millisecond)
		l.stop(t)
		want := got["004 window"]
		delete(got, "004 window")
		if _, _, err := replayOf(t, disk, build, dstream.Replay{Sequence: 4, Effects: true}); err != nil {
			t.Fatal(err)
		}
		if got["004 window"] != want || strings.Count(want, "[") != 4 {
			t.Errorf("got %s, want %s", got["004 window"], want)
		}
	})
}

// TestElementsOfAnEarlierRelease: a checkpoint that has the window, and not what it looks back to, is none in which
// that has taken the place of a window that has gone.
func TestElementsOfAnEarlierRelease(t *testing.T) {
	type opaque struct{ of func() int }
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		for i, opaques := range []bool{true, true, false} {
			l := mustLive(t, disk, func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				if i == 0 {
					watch(dstream.CountByWindow(d, 3*time.Second, 0).Named("w"), "counts", map[string]string{})
				}
				if opaques { // As the earlier release, it keeps no elements.
					all := dstream.Map(d, func(v int) opaque { return opaque{func() int { return v }} }).Named("all")
					watch(dstream.Window(all, 3*time.Second, 0).Named("window"), "window", map[string]string{})
					return
				}
				watch(dstream.Window(d, 3*time.Second, 0).Named("window"), "window", map[string]string{})
			})
			time.Sleep(2500 * time.Millisecond)
			l.stop(t)
		}
	})
}
