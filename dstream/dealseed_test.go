package dstream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// crowding are keys that all fall in the first of four partitions where nobody keeps a seed.
func crowding(t *testing.T) (keys []string) {
	t.Helper()
	by, err := rdd.NewHashPartitioner[string](4)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; len(keys) < 60; i++ {
		if k := fmt.Sprint("chosen ", i); by.Partition(k) == 0 {
			keys = append(keys, k)
		}
	}
	return keys
}

// A crowd is what a program sees of its keys, as the last batch left it.
type crowd struct {
	keys []string
	// filled counts the partitions that have some of them, by the way in which they were dealt.
	filled map[string]int
	// shuffles counts those of a cogroup with what was dealt before the start.
	shuffles int
	// found is what a look at one partition found of them.
	found int
	sums  map[string]int
}

// build has each key come once a batch.
func (c *crowd) build(t *testing.T, partitions int) func(ssc *dstream.Context) {
	n := rdd.Partitions(partitions)
	by, err := rdd.NewHashPartitioner[string](partitions)
	if err != nil {
		t.Fatal(err)
	}
	c.filled, c.sums = map[string]int{}, map[string]int{}
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		keyed := dstream.FlatMap(d, func(v int) iter.Seq[pair] {
			return func(yield func(pair) bool) {
				for i, k := range c.keys {
					if i%2 == v%2 && !yield(rdd.KV(k, 1)) {
						return
					}
				}
			}
		})
		static := rdd.RepartitionByKey(rdd.Map(rdd.Parallelize(ssc.RDD(), c.keys, 2), func(k string) pair {
			return rdd.KV(k, 1)
		}), n)
		sums := dstream.UpdateStateByKey(keyed, total, n).Named("sums")
		c.watch(sums, "state", static)
		c.watch(dstream.UpdateStateByKey(keyed, total, rdd.PartitionBy(by)).Named("sums by"), "state by", static)
		c.watch(dstream.ReduceByKey(keyed, plus, n), "shuffle", static)
		c.watch(dstream.RepartitionByKey(keyed, rdd.PartitionBy(by)), "partitioner", static)
		c.watch(dstream.ReduceByKeyAndWindow(keyed, plus, 3*time.Second, 0, n).Named("panes"), "panes", static)
		dstream.ForeachRDD(sums, func(ctx context.Context, r *rdd.RDD[pair], _ *dstream.Batch) error {
			m, err := rdd.CollectAsMap(ctx, r)
			c.sums, c.found = m, 0
			for k, v := range m {
				if vs, err := rdd.Lookup(ctx, r, k); err != nil || !slices.Equal(vs, []int{v}) {
					continue
				}
				c.found++
			}
			return err
		}).Named("lookup")
	}
}

func (c *crowd) watch(d *dstream.DStream[pair], how string, static *rdd.RDD[pair]) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[pair], _ *dstream.Batch) error {
		parts, err := rdd.Collect(ctx, rdd.Glom(r))
		c.filled[how] = len(slices.DeleteFunc(parts, func(vs []pair) bool { return len(vs) == 0 }))
		for _, dep := range rdd.CoGroup(r, static).Dependencies() {
			if dep.Shuffle {
				c.shuffles++
			}
		}
		return err
	}).Named("watch " + how)
}

// spreads fails unless all keys lie where they are looked for, in so many partitions.
func (c *crowd) spreads(t *testing.T, what string, partitions, batches int) {
	t.Helper()
	for _, how := range []string{"state", "state by", "shuffle", "partitioner", "panes"} {
		if n := c.filled[how]; n != partitions {
			t.Errorf("%s: %s: keys are in %d partitions, want %d", what, how, n, partitions)
		}
	}
	if c.shuffles != 0 || c.found != len(c.keys) || len(c.sums) != len(c.keys) {
		t.Errorf("%s: %d shuffles, of %d keys the state has %d, of which %d are found", what, c.shuffles, len(c.keys),
			len(c.sums), c.found)
	}
	for k, n := range c.sums {
		if n != batches {
			t.Errorf("%s: %s was counted %d times, want %d", what, k, n, batches)
			return
		}
	}
}

// dealSeed is what a checkpoint keeps.
func dealSeed(t *testing.T, disk *vfs.Disk) uint64 {
	t.Helper()
	st, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
	if err != nil || st.Split == nil {
		t.Fatalf("%+v, %v", st, err)
	}
	return st.Split.DealSeed
}

// TestKeysOfStrangers: keys that were chosen to fill one partition do so without a checkpoint, and with one are spread:
// by a seed of the checkpoint's own, which it keeps whatever becomes of its processes.
func TestKeysOfStrangers(t *testing.T) {
	keys := crowding(t)
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{keys: keys}
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.build(t, 4)(ssc)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		c.spreads(t, "without a checkpoint", 1, 2)
	})
	synctest.Test(t, func(t *testing.T) {
		disk, c := vfs.NewDisk("disk"), &crowd{keys: keys}
		l := mustLive(t, disk, c.build(t, 4))
		time.Sleep(2500 * time.Millisecond)
		l.die(t)
		c.spreads(t, "at first", 4, 2)
		seed := dealSeed(t, disk)
		if seed == 0 {
			t.Error("the checkpoint has no seed")
		}
		for i, partitions := range []int{4, 3, 5} {
			l = mustLive(t, disk, c.build(t, partitions))
			time.Sleep(1200 * time.Millisecond)
			l.stop(t)
			c.spreads(t, fmt.Sprint("then with ", partitions), partitions, c.sums[keys[0]])
			if c.sums[keys[0]] < 3+i || dealSeed(t, disk) != seed {
				t.Errorf("%d batches, seed %d, was %d", c.sums[keys[0]], dealSeed(t, disk), seed)
			}
		}
		r, err := dstream.OpenState[string, int](outside(t, disk), "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if e, ok, err := r.Get(t.Context(), k); err != nil || !ok || e.Value != c.sums[k] {
				t.Errorf("%s: %v, %v, %v", k, e, ok, err)
			}
		}
	})
}

// TestTwoSeedsInAProcess: programs that run side by side deal keys each by its own checkpoint's seed.
func TestTwoSeedsInAProcess(t *testing.T) {
	keys := crowding(t)
	synctest.Test(t, func(t *testing.T) {
		a, b := vfs.NewDisk("disk"), vfs.NewDisk("disk")
		one, two := &crowd{keys: keys}, &crowd{keys: keys}
		first := mustLive(t, a, one.build(t, 4))
		second := mustLive(t, b, two.build(t, 3))
		time.Sleep(3500 * time.Millisecond)
		first.stop(t)
		second.stop(t)
		one.spreads(t, "one", 4, one.sums[keys[0]])
		two.spreads(t, "two", 3, two.sums[keys[0]])
		if dealSeed(t, a) == dealSeed(t, b) {
			t.Error("both have one seed")
		}
	})
}

// TestDealtBeforeTheStart: what was dealt before a stream had its seed lies where it does, and is dealt anew for a
// join.
func TestDealtBeforeTheStart(t *testing.T) {
	keys := crowding(t)
	synctest.Test(t, func(t *testing.T) {
		joined, disk := 0, vfs.NewDisk("disk")
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			static := rdd.RepartitionByKey(rdd.Map(rdd.Parallelize(ssc.RDD(), keys, 2), func(k string) pair {
				return rdd.KV(k, 1)
			}), rdd.Partitions(4)).Cache()
			if n, err := rdd.Count(t.Context(), static); err != nil || n != int64(len(keys)) {
				t.Errorf("%d, %v", n, err)
			}
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			all := dstream.RepartitionByKey(dstream.FlatMap(d, func(v int) iter.Seq[pair] {
				return func(yield func(pair) bool) {
					for _, k := range keys {
						if !yield(rdd.KV(k, v)) {
							return
						}
					}
				}
			}), rdd.Partitions(4))
			dstream.ForeachRDD(all, func(ctx context.Context, r *rdd.RDD[pair], _ *dstream.Batch) error {
				n, err := rdd.Count(ctx, rdd.Join(r, static))
				vs, wrong := rdd.Lookup(ctx, static, keys[7])
				if joined = int(n); wrong != nil || !slices.Equal(vs, []int{1}) {
					t.Errorf("%v, %v", vs, wrong)
				}
				return err
			}).Named("join")
		})
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
		if joined != 2*len(keys) {
			t.Errorf("joined %d pairs, want %d", joined, 2*len(keys))
		}
	})
}
