package dstream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// statesBeside has two states, one with time-outs and one with an initial state, windows over them and over the input;
// got has what each output saw last of each batch.
func statesBeside(got map[string]string, partitions int) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		keyed := dstream.Map(d, func(v int) pair { return rdd.KV(fmt.Sprint("key ", v*v%23), v) })
		spec := dstream.Spec(func(k string, v rdd.Optional[int], s *dstream.State[int]) string {
			if !s.IsTimingOut() {
				s.Update(s.Option().Or(0) + v.Value)
			}
			return fmt.Sprint(k, " ", s.Get(), s.IsTimingOut())
		}).Timeout(3 * time.Second).Partitions(partitions)
		out, snapshots := dstream.MapWithState(keyed, spec)
		initial := rdd.Parallelize(ssc.RDD(), []pair{rdd.KV("key 1", 100), rdd.KV("old", 1)}, 2)
		sums := dstream.UpdateStateByKeyFrom(keyed, initial, add, rdd.Partitions(partitions)).Named("sums")
		watch(out.Named("mapped"), "mapped", got)
		watch(snapshots, "snapshots", got)
		watch(sums, "sums", got)
		watch(dstream.Window(d, 3*time.Second, 0), "window", got)
		watch(dstream.ReduceByKeyAndWindow(keyed, plus, 3*time.Second, 0), "panes", got)
	}
}

func watch[T any](d *dstream.DStream[T], name string, got map[string]string) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		texts := make([]string, len(vs))
		for i, v := range vs {
			texts[i] = fmt.Sprint(v)
		}
		slices.Sort(texts)
		got[fmt.Sprintf("%02d %s", b.Sequence, name)] = strings.Join(texts, ", ")
		return err
	}).Named("watch " + name)
}

// TestStateRestarts: a program that is stopped, killed, and started with other numbers of partitions gives in each
// batch what one gives that runs on.
func TestStateRestarts(t *testing.T) {
	type lifetime struct {
		lasts      time.Duration
		partitions int
		killed     bool
	}
	run := func(lives ...lifetime) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, l := range lives {
				p := mustLive(t, disk, statesBeside(got, l.partitions))
				time.Sleep(l.lasts)
				if l.killed {
					p.die(t)
					time.Sleep(20 * time.Second) // The times that were missed have a batch each.
				} else {
					p.stop(t)
				}
			}
		})
		return got
	}
	const ms = time.Millisecond
	want := run(lifetime{59500 * ms, 2, false})
	got := run(lifetime{2300 * ms, 3, false}, lifetime{4300 * ms, 5, false}, lifetime{5300 * ms, 1, true},
		lifetime{3300 * ms, 1, false}, lifetime{3300 * ms, 7, true}, lifetime{2300 * ms, 7, false})
	if len(got) < 5*50 {
		t.Fatalf("only %d outputs were seen", len(got))
	}
	for name, text := range got {
		if w, ok := want[name]; ok && w != text {
			t.Errorf("%s:\ngot  %s\nwant %s", name, text, w)
		}
	}
}
