package dstream_test

import (
	"fmt"
	"iter"
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

// rangesOf deals the keys 0 to 7 by their order, as a partitioner that each process makes again.
func rangesOf(t *testing.T, ssc *dstream.Context) rdd.Partitioner[string] {
	var known []pair
	for i := range 8 {
		known = append(known, rdd.KV(fmt.Sprint(i), 0))
	}
	by, err := rdd.NewRangePartitioner(t.Context(), rdd.Parallelize(ssc.RDD(), known), 4)
	if err != nil {
		t.Fatal(err)
	}
	return by
}

// byDigit deals keys by their number, and by others where it was changed.
type byDigit struct{ n, changed int }

func (b byDigit) NumPartitions() int     { return b.n }
func (b byDigit) Partition(k string) int { return (int(k[0]) + b.changed) % b.n }

// dealtBy gives pairs that by deals, but in the seconds that are empty.
func dealtBy(ssc *dstream.Context, by rdd.Partitioner[string], empty ...int) *dstream.DStream[pair] {
	d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
	pairs := dstream.FlatMap(d, func(v int) iter.Seq[pair] {
		return func(yield func(pair) bool) {
			for i := 0; i < 8 && yield(rdd.KV(fmt.Sprint(i), v)); i++ {
			}
		}
	})
	dealt := dstream.RepartitionByKey(pairs, rdd.PartitionBy(by))
	return dstream.Transform(dealt, func(r *rdd.RDD[pair], at dstream.Time) *rdd.RDD[pair] {
		if slices.Contains(empty, at.Std().Second()) {
			return rdd.Empty[pair](ssc.RDD())
		}
		return r
	}).Named("dealt")
}

// TestDealtBeforeItIsKnown: a process that does not know yet the partitioner by which panes of the one before are
// dealt, for Slice came first, or the first batches had nothing that was dealt, has windows in the partitions in which
// a process that ran on has them.
func TestDealtBeforeItIsKnown(t *testing.T) {
	partitioners := map[string]func(t *testing.T, ssc *dstream.Context) rdd.Partitioner[string]{
		"by ranges":      rangesOf,
		"by the program": func(*testing.T, *dstream.Context) rdd.Partitioner[string] { return byDigit{n: 3} },
	}
	tests := map[string]dealtLives{
		"after a Slice":          {slice: true},
		"after an empty batch":   {empty: []int{6}},
		"after both":             {slice: true, empty: []int{6, 7}},
		"after empty ones alone": {empty: []int{6, 7, 8}},
	}
	for by, partitioner := range partitioners {
		for name, tt := range tests {
			t.Run(by+" "+name, func(t *testing.T) { tt.compare(t, partitioner) })
		}
	}
}

// dealtLives is what befalls a program that is stopped and started again: Slice before the first batch, and batches in
// the seconds that are empty.
type dealtLives struct {
	slice bool
	empty []int
}

// compare has it see what one sees that runs on.
func (lives dealtLives) compare(t *testing.T,
	partitioner func(t *testing.T, ssc *dstream.Context) rdd.Partitioner[string],
) {
	synctest.Test(t, func(t *testing.T) {
		run := func(slice bool, lasts ...time.Duration) map[string]string {
			disk, got := vfs.NewDisk("disk"), map[string]string{}
			for i, lasts := range lasts {
				var dealt *dstream.DStream[pair]
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					dealt = dealtBy(ssc, partitioner(t, ssc), lives.empty...)
					window := dstream.Window(dealt, 4*time.Second, 0)
					order(window, "window", got)
					order(dstream.Transform(window, grouped), "groups", got)
					order(dstream.Window(window, 2*time.Second, 0), "twice", got)
				}, "spark.default.parallelism", "5")
				if slice && i > 0 {
					sliceAll(t, dealt)
				}
				time.Sleep(lasts)
				l.stop(t)
			}
			return got
		}
		want := run(false, 12500*time.Millisecond)
		// The seconds are the same ones again.
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)))
		got := run(lives.slice, 5500*time.Millisecond, 7*time.Second)
		for _, at := range slices.Sorted(maps.Keys(want)) {
			if got[at] != want[at] {
				t.Errorf("%s:\ngot  %s\nwant %s", at, got[at], want[at])
			}
		}
		if len(want) != 36 || len(got) != 36 {
			t.Errorf("saw %d and %d, want 36", len(got), len(want))
		}
	})
}

// grouped has the keys where they lie already.
func grouped(r *rdd.RDD[pair], _ dstream.Time) *rdd.RDD[rdd.Pair[string, []int]] {
	return rdd.GroupByKey(r)
}

// sliceAll asks for the batches of a stream that are there.
func sliceAll(t *testing.T, d *dstream.DStream[pair]) {
	t.Helper()
	now := dstream.Time(time.Now().UnixMilli())
	rs, err := dstream.Slice(t.Context(), d, dstream.Interval{Begin: now.Add(-4 * time.Second), End: now})
	if err != nil || len(rs) < 4 {
		t.Errorf("sliced %d, %v", len(rs), err)
	}
}

// TestDealtOtherwise: where the partitioner was changed, and Slice has seen the panes before it was known, windows have
// the keys where it has them now.
func TestDealtOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		for changed := range 2 {
			var dealt *dstream.DStream[pair]
			l := mustLive(t, disk, func(ssc *dstream.Context) {
				dealt = dealtBy(ssc, byDigit{3, changed})
				order(dstream.Window(dealt, 4*time.Second, 0), "window", got)
			})
			if changed > 0 {
				sliceAll(t, dealt)
			}
			time.Sleep(time.Duration(11-changed) * 500 * time.Millisecond) // It ends between two batches.
			l.stop(t)
		}
		for at, partitions := range got {
			changed := 0
			if at >= "005" {
				changed = 1
			}
			parts := strings.Split(strings.Trim(partitions, "[]"), "] [")
			if len(parts) != 3 {
				t.Errorf("%s has %d partitions", at, len(parts))
				continue
			}
			for p, part := range parts {
				for row := range strings.FieldsSeq(part) {
					if in := (byDigit{3, changed}).Partition(strings.Trim(row, "(")); in != p {
						t.Errorf("%s: %s is in partition %d, not %d", at, row, p, in)
					}
				}
			}
		}
		if len(got) != 10 {
			t.Errorf("saw %d windows", len(got))
		}
	})
}
