package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestPartitionsOfPlannedBatch: RDDs that functions of the program make without being told a number of partitions have
// as many when another process, with other settings and cores, runs a batch again that was planned before it.
func TestPartitionsOfPlannedBatch(t *testing.T) {
	three, five := []string{"spark.default.parallelism", "3"}, []string{"spark.default.parallelism", "5"}
	two, four := []string{"spark.master", "local[2]"}, []string{"spark.master", "local[4]"}
	fourSet := []string{"spark.master", "local[2]", "spark.default.parallelism", "4"}
	for _, c := range []struct {
		name        string
		first, then []string
	}{
		{"another number", three, five},
		{"a number where there was none", two, five},
		{"the same number where there was none", four, fourSet},
		{"no number any more", three, four},
		{"no number any more, and as many cores", fourSet, four},
		{"other cores", two, four},
	} {
		var wrote [][]string
		synctest.Test(t, func(t *testing.T) {
			disk, w := vfs.NewDisk("disk"), &world{}
			l := mustLive(t, disk, untoldPartitions(w, true), c.first...)
			time.Sleep(2500 * time.Millisecond)
			l.die(t)
			for _, settings := range [][]string{c.first, c.then} {
				w := &world{rows: maps.Clone(w.rows)}
				l := mustLive(t, disk.Crash(1), untoldPartitions(w, false), settings...)
				time.Sleep(500 * time.Millisecond)
				l.stop(t)
				wrote = append(wrote, batchOne(w))
			}
		})
		if want, got := wrote[0], wrote[1]; !slices.Equal(want, got) || len(want) == 0 {
			t.Errorf("%s: batch 1 wrote, with %v after %v,\n%q, want\n%q", c.name, c.then, c.first, got, want)
		}
	}
}

// untoldPartitions makes RDDs in a transform, in a body and on a goroutine of a body, and writes what each of their
// partitions holds. A broken one stops in the middle of batch 1.
func untoldPartitions(w *world, broken bool) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		words := dstream.FlatMap(d, func(v int) iter.Seq[string] {
			return func(yield func(string) bool) {
				for i := 0; i < 6 && yield(fmt.Sprintf("%c%d", 'a'+i, v)); i++ {
				}
			}
		})
		untold := func(r *rdd.RDD[string]) *rdd.RDD[string] {
			made := rdd.Parallelize(ssc.RDD(), []string{"v", "w", "x", "y", "z"})
			all := rdd.Union(rdd.Intersection(r, r), rdd.Distinct(made), made)
			return rdd.Map(rdd.Glom(all), func(vs []string) string { return fmt.Sprint(vs) })
		}
		dealt := dstream.TransformWith(words, words, func(a, b *rdd.RDD[string], _ dstream.Time) *rdd.RDD[string] {
			return untold(rdd.Union(a, b))
		})
		dstream.ForeachPartition(dealt, func(tc *rdd.TaskContext, id dstream.Effect, in iter.Seq[string]) error {
			if broken && id.Sequence == 1 && id.Partition == 2 {
				return errors.New("the sink is full")
			}
			return w.write(tc, id, in)
		}).Named("tasks")
		dstream.ForeachRDD(words, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			there, err := rdd.Collect(ctx, untold(r))
			if err != nil {
				return err
			}
			apart := make(chan error)
			go func() {
				more, err := rdd.Collect(ctx, untold(r))
				there = append(there, more...)
				apart <- err
			}()
			id := dstream.Effect{Output: "body", Sequence: b.Sequence}
			return errors.Join(<-apart, w.write(nil, id, slices.Values(there)))
		}).Named("body")
	}
}

// batchOne gives the rows that batch 1 wrote, under their identities but for the job.
func batchOne(w *world) (rows []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, texts := range w.rows {
		if _, of, _ := strings.Cut(key, "/"); strings.Contains(of, "/1/") {
			rows = append(rows, fmt.Sprint(of, " ", texts))
		}
	}
	slices.Sort(rows)
	return rows
}

// TestSliceOfAnotherPlan: while the RDD of an earlier batch is made, which has the partitions of its own plan, the body
// of another output makes RDDs with those of the batch that runs.
func TestSliceOfAnotherPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var earlier, running, behind int
		build := func(broken bool) func(ssc *dstream.Context) {
			return func(ssc *dstream.Context) {
				ssc.Remember(time.Hour)
				asked, made := make(chan struct{}), make(chan struct{})
				meet := sync.OnceFunc(func() {
					close(asked)
					<-made
				})
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				sliced := dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
					meet()
					earlier = ssc.RDD().DefaultParallelism()
					return r
				})
				dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					if b.Sequence == 1 && broken {
						return errors.New("the sink is full")
					}
					if b.Sequence != 2 {
						return nil
					}
					earlier := dstream.Interval{Begin: 0, End: b.Time.Add(-time.Second)}
					_, err := dstream.Slice(ctx, sliced, earlier)
					behind = ssc.RDD().DefaultParallelism()
					return err
				}).Named("slices")
				dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					if b.Sequence == 2 {
						<-asked
						running = ssc.RDD().DefaultParallelism()
						close(made)
					}
					return nil
				}).Named("goes on")
			}
		}
		disk := vfs.NewDisk("disk")
		l := mustLive(t, disk, build(true), "spark.default.parallelism", "3")
		time.Sleep(2500 * time.Millisecond)
		l.die(t)
		l = mustLive(t, disk, build(false), "spark.default.parallelism", "5", "spark.streaming.concurrentJobs", "2")
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
		if earlier != 3 || running != 5 || behind != 5 {
			t.Errorf("%d partitions in the earlier batch, %d and %d in the one that runs, want 3, 5 and 5", earlier,
				running, behind)
		}
	})
}
