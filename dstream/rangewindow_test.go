package dstream_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// ranged has a window over a stream that a range partitioner of the program dealt, and writes its partitions. A broken
// one stops in the middle of batch 3.
func ranged(t *testing.T, w *world, broken bool, got map[string]string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		var known []pair
		for i := range 8 {
			known = append(known, rdd.KV(fmt.Sprint(i), 0))
		}
		by, err := rdd.NewRangePartitioner(t.Context(), rdd.Parallelize(ssc.RDD(), known), 4)
		if err != nil {
			t.Fatal(err)
		}
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		pairs := dstream.FlatMap(d, func(v int) iter.Seq[pair] {
			return func(yield func(pair) bool) {
				for i := 0; i < 8 && yield(rdd.KV(fmt.Sprint(i), v)); i++ {
				}
			}
		})
		dealt := dstream.RepartitionByKey(pairs, rdd.PartitionBy[string](by))
		window := dstream.Window(dealt, 3*time.Second, 0)
		order(window, "window", got)
		texts := dstream.Map(window, func(kv pair) string { return fmt.Sprint(kv) })
		dstream.ForeachPartition(texts, func(tc *rdd.TaskContext, id dstream.Effect, in iter.Seq[string]) error {
			if broken && id.Sequence == 3 && id.Partition == 2 {
				return errors.New("the sink is full")
			}
			return w.write(tc, id, in)
		}).Named("tasks")
	}
}

// TestWindowOfRanges: a window over what a range partitioner dealt has its partitions in the next process, too, if that
// one's bounds are the same: a batch that runs again writes under each identity what it wrote before.
func TestWindowOfRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole, want := &world{}, map[string]string{}
		l := mustLive(t, vfs.NewDisk("disk"), ranged(t, whole, false, want))
		time.Sleep(8500 * time.Millisecond)
		l.stop(t)
		disk, w, got := vfs.NewDisk("disk"), &world{}, map[string]string{}
		l = mustLive(t, disk, ranged(t, w, true, got))
		time.Sleep(4500 * time.Millisecond)
		l.die(t)
		time.Sleep(20 * time.Second)
		l = mustLive(t, disk, ranged(t, w, false, got))
		time.Sleep(500 * time.Millisecond)
		l.stop(t)
		for seq := int64(0); seq < 8; seq++ {
			if got, want := w.batches()[seq], whole.batches()[seq]; !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("batch %d wrote\n%q, want\n%q", seq, got, want)
			}
			if at := fmt.Sprintf("%03d window", seq); got[at] != want[at] {
				t.Errorf("%s:\ngot  %s\nwant %s", at, got[at], want[at])
			}
		}
	})
}
