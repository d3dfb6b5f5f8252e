package dstream_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A recalling life is one of a program with a state, of which it may ask again, after a start, what it gave in batches
// before.
type recalling struct {
	left, unread bool // the program lacks the state, or no output reads it
	remember     bool
	windows      int  // over the state; alike ones have no panes in the checkpoint
	drops        bool // the function drops the key X
	batches      int
}

// build watches the numbers and, if it is read, the state.
func (l recalling) build(got map[string]string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		if l.remember {
			ssc.Remember(10 * time.Second)
		}
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		watch(d, "numbers", got)
		if l.left {
			return
		}
		keyed := dstream.Map(d, func(v int) pair { return rdd.KV(keyOf(v), 1) })
		sums := dstream.UpdateStateByKeyWithTime(keyed, nil, func(_ dstream.Time, k string, vs []int, s int, _ bool,
		) (int, bool) {
			return s + len(vs), !l.drops || k != "X"
		}).Named("sums")
		if l.unread {
			return
		}
		watch(sums, "sums", got)
		for i := range l.windows {
			watch(dstream.ReduceByKeyAndWindow(sums, plus, time.Duration(8+i)*time.Second, 0), fmt.Sprint("window", i), got)
		}
	}
}

// keyOf has the key X come now and then.
func keyOf(v int) string {
	if v%10 == 4 {
		return "X"
	}
	return "k"
}

// TestRecalledStates: a state is what its batches made of it, and no start makes it again, whatever is asked for again
// of what it gave.
func TestRecalledStates(t *testing.T) {
	for name, lives := range map[string][]recalling{
		"no output reads it for a while": {{batches: 5}, {unread: true, batches: 5}, {batches: 5}},
		"it is new, and remembered": {{left: true, remember: true, batches: 20}, {remember: true, batches: 3},
			{remember: true, batches: 3}, {remember: true, batches: 3}},
		"it is new, below windows that are alike": {{left: true, batches: 20}, {windows: 2, batches: 3},
			{windows: 2, batches: 3}, {windows: 2, batches: 3}},
		"it is left out for a while, and remembered": {{remember: true, batches: 20}, {left: true, batches: 3},
			{remember: true, batches: 20}, {remember: true, batches: 3}},
		"it is left out, and a window is new": {{batches: 20}, {left: true, batches: 3}, {windows: 1, batches: 20},
			{windows: 1, batches: 3}},
		"its function is another one, and a window is new": {{drops: true, batches: 20}, {windows: 1, batches: 20},
			{windows: 1, batches: 3}},
		"its function is another one, below windows that are alike": {{windows: 2, batches: 20},
			{windows: 2, drops: true, batches: 4}, {windows: 2, batches: 4}, {windows: 2, batches: 4}},
	} {
		for _, store := range []string{"memory", "sorted"} {
			t.Run(name+", "+store, func(t *testing.T) { recall(t, store, lives) })
		}
	}
}

// recall runs the lives, one after the other, on one disk.
func recall(t *testing.T, store string, lives []recalling) {
	disk, sums, at := vfs.NewDisk("disk"), map[string]int{}, clock(0)
	for i, l := range lives {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			defer at.goOn()()
			p := mustLive(t, disk, func(ssc *dstream.Context) {
				ssc.AddStateStore(dstream.Sorted{})
				l.build(got)(ssc)
			}, "weir.state.store", store)
			time.Sleep(time.Duration(l.batches)*time.Second + time.Second/2)
			p.stop(t)
		})
		for _, seen := range slices.Sorted(maps.Keys(got)) {
			if batch, ok := strings.CutSuffix(seen, " numbers"); ok {
				l.check(t, fmt.Sprintf("life %d, batch %s", i, batch), sums, got[seen], got[batch+" sums"])
			}
		}
	}
}

// check takes a batch into the sums by the definition, and compares.
func (l recalling) check(t *testing.T, where string, sums map[string]int, numbers, got string) {
	t.Helper()
	if l.left {
		return
	}
	for text := range strings.SplitSeq(numbers, ", ") {
		var v int
		if _, err := fmt.Sscan(text, &v); err == nil {
			sums[keyOf(v)]++
		}
	}
	if l.drops {
		delete(sums, "X")
	}
	var want []string
	for k, v := range sums {
		want = append(want, fmt.Sprint(rdd.KV(k, v)))
	}
	slices.Sort(want)
	if want := strings.Join(want, ", "); !l.unread && got != want {
		t.Errorf("%s: the state is %s, want %s", where, got, want)
	}
}

// TestRecalledWindows: the same holds of the panes of a window, and of the order of its keys.
func TestRecalledWindows(t *testing.T) {
	type version struct {
		times, parallelism int
		lasts              time.Duration
	}
	run := func(disk *vfs.Disk, at clock, remember time.Duration, lives ...version) (got []string) {
		for _, v := range lives {
			synctest.Test(t, func(t *testing.T) {
				defer at.goOn()()
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					if remember > 0 {
						ssc.Remember(remember)
					}
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					sums := dstream.ReduceByKeyAndWindow(dstream.Map(d, func(n int) pair {
						return rdd.KV(fmt.Sprint("key ", n%7), n*v.times)
					}), plus, 8*time.Second, 0)
					dstream.ForeachRDD(sums, func(ctx context.Context, r *rdd.RDD[pair], b *dstream.Batch) error {
						vs, err := rdd.Collect(ctx, r)
						got = append(got, fmt.Sprint(b.Sequence, vs))
						return err
					}).Named("out")
				}, "spark.default.parallelism", fmt.Sprint(v.parallelism))
				time.Sleep(v.lasts + time.Second/2)
				l.stop(t)
			})
		}
		return got
	}
	for name, lives := range map[string][]version{
		"its function is another one": {{1, 3, 6 * time.Second}, {100, 3, 3 * time.Second}, {1, 3, 9 * time.Second}},
		"fewer partitions":            {{1, 5, 6 * time.Second}, {1, 1, 3 * time.Second}, {1, 2, 9 * time.Second}},
		"more partitions":             {{1, 1, 6 * time.Second}, {1, 4, 3 * time.Second}, {1, 7, 9 * time.Second}},
	} {
		disk := vfs.NewDisk("disk") // The seed that deals keys is drawn when a checkpoint is made.
		run(disk, 0, 0, lives[0])
		want := run(disk.Crash(1), clock(7*time.Second), 0, lives[1:]...)
		for _, remember := range []time.Duration{time.Second, 3 * time.Second, 20 * time.Second} {
			got := run(disk.Crash(1), clock(7*time.Second), remember, lives[1:]...)
			if len(got) < 12 || !slices.Equal(got, want) {
				t.Errorf("%s, remember %v:\n%s\nwant\n%s", name, remember, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
}
