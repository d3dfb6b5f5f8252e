package dstream_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// windowOfSums runs a window over the sums of a window by key, and gives what the batches of 2, 4 and 6 had. meanwhile
// is called in the midst of the first batch interval.
func windowOfSums(t *testing.T, level rdd.StorageLevel, meanwhile func(), settings ...string) (got string) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, settings...)
		sums := dstream.ReduceByKeyAndWindow(
			byParity(dstream.QueueStream(ssc, dstream.NewQueue([]int{2}, []int{4}, []int{6}))),
			func(a, b int) int { return a + b }, 3*time.Second, 0).Persist(level)
		dstream.ForeachRDD(dstream.Window(sums, 3*time.Second, 0),
			func(ctx context.Context, r *rdd.RDD[pair], _ *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				got += fmt.Sprint(vs)
				return err
			})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		meanwhile()
		time.Sleep(2 * time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return got
}

const sumsOfSums = "[(even,2)][(even,2) (even,6)][(even,2) (even,6) (even,12)]"

// TestWindowOfAWindowWithoutMemory: what a window by key gave in earlier batches cannot be computed again, so that a
// level of memory alone, which drops what has no room, must not lose it.
func TestWindowOfAWindowWithoutMemory(t *testing.T) {
	got := windowOfSums(t, rdd.MemoryOnly, func() {}, "spark.master", "local[1]", "spark.local.dir", t.TempDir(),
		"weir.memory.budget", "64k", "weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "1k")
	if got != sumsOfSums {
		t.Errorf("%s, want %s", got, sumsOfSums)
	}
}

// TestWindowInABatchRunAgain: a batch that failed when its pane had been taken in does not take it in again.
func TestWindowInABatchRunAgain(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "mounted-late")
	mount := func() {
		if err := os.Mkdir(disk, 0o700); err != nil {
			t.Error(err)
		}
	}
	got := windowOfSums(t, rdd.DiskOnly, mount, "spark.local.dir", disk, "weir.streaming.failedBatch", "retry",
		"weir.streaming.failedBatch.backoff", "1s")
	if got != sumsOfSums {
		t.Errorf("%s, want %s", got, sumsOfSums)
	}
}

// TestWindowsLongerThanTheProgram hold all that was there, and cost what was there and not their length.
func TestWindowsLongerThanTheProgram(t *testing.T) {
	forever := time.Duration(math.MaxInt64).Truncate(time.Second)
	in := [][]int{{1, 2}, {}, {3}}
	for name, length := range map[string]time.Duration{"a century": 100 * 365 * 24 * time.Hour, "all": forever} {
		t.Run(name, func(t *testing.T) {
			weirtest.Op(t, in, func(d *dstream.DStream[int]) *dstream.DStream[int] {
				return dstream.Window(d, length, time.Second)
			}, [][]int{{1, 2}, {1, 2}, {1, 2, 3}})
			weirtest.Op(t, in, func(d *dstream.DStream[int]) *dstream.DStream[int64] {
				return dstream.CountByWindow(d, length, time.Second)
			}, [][]int64{{2}, {2}, {3}})
		})
	}
}
