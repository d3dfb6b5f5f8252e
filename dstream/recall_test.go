package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// lookingBack are programs whose outputs depend on more than their own batch.
var lookingBack = map[string]func(d *dstream.DStream[int], got map[string]string){
	"panes alone": func(d *dstream.DStream[int], got map[string]string) {
		watch(dstream.ReduceByWindow(d, plus, 4*time.Second, 0), "sum", got)
	},
	"panes of panes": func(d *dstream.DStream[int], got map[string]string) {
		sums := dstream.ReduceByKeyAndWindow(keyed(d), plus, 3*time.Second, 0)
		watch(dstream.ReduceByKeyAndWindow(sums, plus, 3*time.Second, 0), "sums", got)
	},
	"a window of elements": func(d *dstream.DStream[int], got map[string]string) {
		watch(dstream.Window(d, 3*time.Second, 0), "all", got)
	},
	"a window of groups": func(d *dstream.DStream[int], got map[string]string) {
		watch(dstream.GroupByKeyAndWindow(keyed(d), 3*time.Second, 0), "groups", got)
	},
	"a state": func(d *dstream.DStream[int], got map[string]string) {
		watch(dstream.UpdateStateByKey(keyed(d), add), "states", got)
	},
	"a state of a window": func(d *dstream.DStream[int], got map[string]string) {
		recent := dstream.Window(keyed(d), 3*time.Second, 0)
		watch(dstream.UpdateStateByKey(recent, add), "states", got)
	},
	"panes of a state of panes": func(d *dstream.DStream[int], got map[string]string) {
		recent := dstream.ReduceByKeyAndWindow(keyed(d), plus, 3*time.Second, 0)
		states := dstream.UpdateStateByKey(recent, add)
		watch(dstream.ReduceByKeyAndWindow(states, plus, 3*time.Second, 0), "sums", got)
	},
}

func plus(a, b int) int { return a + b }

func keyed(d *dstream.DStream[int]) *dstream.DStream[pair] {
	return dstream.Map(d, func(v int) pair { return rdd.KV([]string{"a", "b", "c"}[v%3], v) })
}

// TestRecall: a process that begins with nothing has in its windows and states what one has that ran on, whatever the
// windows stand beside, before or behind.
func TestRecall(t *testing.T) {
	for name, build := range lookingBack {
		run := func(lives ...time.Duration) map[string]string {
			got := map[string]string{}
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				for _, lasts := range lives {
					l := mustLive(t, disk, func(ssc *dstream.Context) {
						build(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"), got)
					})
					time.Sleep(lasts)
					l.stop(t)
				}
			})
			return got
		}
		want := run(12500 * time.Millisecond)
		got := run(1500*time.Millisecond, 5*time.Second, 2*time.Second, 4*time.Second)
		if len(got) < 12 || !maps.Equal(got, want) {
			t.Errorf("%s: lives gave\n%v, want\n%v", name, got, want)
		}
	}
}

// TestDroppedWindow: a window that is dropped is as one that is new, at the start that drops it and at those that
// follow: a batch that runs again has what it had.
func TestDroppedWindow(t *testing.T) {
	type part struct {
		lasts time.Duration
		drop  string
	}
	run := func(parts ...part) map[string]string {
		got := map[string]string{}
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, p := range parts {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					watch(dstream.ReduceByWindow(d, plus, 30*time.Second, 0).Named("sum"), "sum", got)
					watch(dstream.Window(d, 30*time.Second, 0).Named("all"), "all", got)
					ones := dstream.Map(d, func(v int) pair { return rdd.KV("n", 1) })
					watch(dstream.ReduceByKeyAndWindow(ones, plus, 30*time.Second, 0).Named("count"), "count", got)
				}, "weir.checkpoint.drop", p.drop)
				time.Sleep(p.lasts)
				l.stop(t)
			}
		})
		return got
	}
	const all = "sum; all; count"
	want := run(part{lasts: 15500 * time.Millisecond}, part{lasts: 20 * time.Second, drop: all})
	got := run(part{lasts: 15500 * time.Millisecond}, part{lasts: 3 * time.Second, drop: all},
		part{lasts: 4 * time.Second, drop: all}, part{lasts: 5 * time.Second}, part{lasts: 8 * time.Second})
	if len(got) < 105 || !maps.Equal(got, want) {
		for _, k := range slices.Sorted(maps.Keys(want)) {
			if got[k] != want[k] {
				t.Errorf("%s: lives gave %s, want %s", k, got[k], want[k])
			}
		}
	}
}

// TestOrderOfAWindow: the keys of a window come in an order that does not depend on what was there before the window,
// so that a batch that runs again in another process gives the same.
func TestOrderOfAWindow(t *testing.T) {
	keys := [][]string{{"a"}, {}, {"b", "a"}, {"c", "b"}, {}, {"b"}, {"a", "c"}, {"c"}}
	run := func(lives ...time.Duration) (got []string) {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for _, lasts := range lives {
				l := mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					words := dstream.FlatMap(d, func(v int) iter.Seq[pair] {
						return func(yield func(pair) bool) {
							for _, k := range keys[v/2%len(keys)] {
								if v%2 == 0 && !yield(rdd.KV(k, v)) {
									return
								}
							}
						}
					})
					first := func(a, _ int) int { return a }
					w := dstream.ReduceByKeyAndWindow(words, first, 2*time.Second, 0, rdd.Partitions(1))
					dstream.ForeachRDD(w, func(ctx context.Context, r *rdd.RDD[pair], _ *dstream.Batch) error {
						vs, err := rdd.Collect(ctx, r)
						got = append(got, fmt.Sprint(vs))
						return err
					}).Named("out")
				})
				time.Sleep(lasts)
				l.stop(t)
			}
		})
		return got
	}
	want := run(20500 * time.Millisecond)
	for cut := 1; cut < 20; cut++ {
		first := time.Duration(cut)*time.Second + 500*time.Millisecond
		if got := run(first, 20500*time.Millisecond-first); !slices.Equal(got, want) {
			t.Errorf("cut after batch %d:\n%v, want\n%v", cut, got, want)
		}
	}
}

// TestDefaultPartitionsOfAPlannedBatch: a batch that may have written some partitions is not split into other ones.
func TestDefaultPartitionsOfAPlannedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		widths := map[int]bool{}
		build := func(broken bool) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				d = dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
					widths[ssc.RDD().DefaultParallelism()] = true
					return r
				})
				texts := dstream.Map(d, func(v int) pair { return rdd.KV(string(rune('a'+v)), v) })
				keys := dstream.Map(dstream.RepartitionByKey(texts), func(kv pair) string { return kv.Key })
				dstream.ForeachPartition(keys, func(tc *rdd.TaskContext, id dstream.Effect, in iter.Seq[string]) error {
					if broken && id.Sequence == 1 && id.Partition == 2 {
						return errors.New("the sink is full")
					}
					return w.write(tc, id, in)
				}).Named("out")
			}
		}
		l := mustLive(t, disk, build(true), "spark.default.parallelism", "3")
		time.Sleep(2500 * time.Millisecond)
		l.die(t)
		if _, err := liveOn(t, disk, build(false), "spark.default.parallelism", "5"); !errors.Is(err, dstream.ErrUnfit) {
			t.Errorf("started with other partitions: %v", err)
		}
		// A machine with other cores is no such split.
		clear(widths)
		l = mustLive(t, disk, build(false), "spark.master", "local[5]")
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
		if n := l.RDD().DefaultParallelism(); n != 5 {
			t.Errorf("the rdd.Context is left with %d partitions, want its own 5", n)
		}
		if len(widths) != 1 || !widths[3] {
			t.Errorf("the process goes on with partitions %v, want the 3 of the planned batch", widths)
		}
		l = mustLive(t, disk, build(false), "spark.default.parallelism", "5") // All is committed.
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
		for b, rows := range w.batches() {
			if want := string(rune('a' + 2*b)); len(rows) != 2 || rows[0] != want {
				t.Errorf("batch %d wrote %q", b, rows)
			}
		}
	})
}
