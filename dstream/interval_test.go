package dstream_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestIntervalChanges: windows hold what batches of another interval brought, whose times are none of this one.
func TestIntervalChanges(t *testing.T) {
	type shown struct{ window, pane, group string }
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		taken, got := map[dstream.Time][]int{}, map[dstream.Time]*shown{}
		show := func(b *dstream.Batch) *shown {
			if got[b.Time] == nil {
				got[b.Time] = &shown{}
			}
			return got[b.Time]
		}
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			keyed := dstream.Map(d, func(n int) pair { return rdd.KV("", n) })
			out(d, "raw", func(b *dstream.Batch, vs []int) { taken[b.Time] = vs })
			out(dstream.Window(d, 4*time.Second, 2*time.Second), "window",
				func(b *dstream.Batch, vs []int) { show(b).window = fmt.Sprint(vs) })
			out(dstream.ReduceByKeyAndWindow(keyed, plus, 4*time.Second, 2*time.Second), "pane",
				func(b *dstream.Batch, vs []pair) { show(b).pane = fmt.Sprint(vs) })
			out(dstream.GroupByKeyAndWindow(keyed, 4*time.Second, 2*time.Second), "group",
				func(b *dstream.Batch, vs []rdd.Pair[string, []int]) { show(b).group = fmt.Sprint(vs) })
		}
		two := 2 * time.Second
		for _, interval := range []time.Duration{time.Second, two, 500 * time.Millisecond, two} {
			ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), interval,
				rdd.WithFileSystem(disk.Mount(nil)))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			build(ssc)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7200 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}
		for at, s := range got {
			var all []int
			sum := 0
			for from := at.Add(-4 * time.Second); from <= at; from++ {
				if from > at.Add(-4*time.Second) {
					all = append(all, taken[from]...)
				}
			}
			for _, n := range all {
				sum += n
			}
			want := shown{fmt.Sprint(all), fmt.Sprintf("[(,%d)]", sum), fmt.Sprintf("[(,%v)]", all)}
			if *s != want {
				t.Errorf("the windows of %v are %v, want %v", at, *s, want)
			}
		}
		if len(got) < 12 {
			t.Errorf("only %d windows", len(got))
		}
	})
}

// out has f see each batch.
func out[T any](d *dstream.DStream[T], name string, f func(b *dstream.Batch, vs []T)) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		f(b, vs)
		return err
	}).Named(name)
}
