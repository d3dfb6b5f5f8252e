package conformance

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// numbered is a source of the batches of a case, which a process that comes later can read, too, but for those that
// were released. A range is the number of a batch, counted from 1.
type numbered struct {
	batches  [][]string
	released atomic.Uint64
}

func place(batch uint64) []byte { return binary.BigEndian.AppendUint64(nil, batch) }

// Resolve implements dstream.Source.
func (*numbered) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return place(0), nil
	}
	return from, nil
}

// Plan implements dstream.Source.
func (s *numbered) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	next := binary.BigEndian.Uint64(from) + 1
	return place(next), int64(len(s.batch(next))), nil
}

func (s *numbered) batch(number uint64) []string {
	if number > uint64(len(s.batches)) {
		return nil
	}
	return s.batches[number-1]
}

// Read implements dstream.Source.
func (s *numbered) Read(sc *rdd.Context, rng []byte) *rdd.RDD[string] {
	number := binary.BigEndian.Uint64(rng)
	if gone := s.released.Load(); number <= gone {
		return rdd.FromPartitions(sc, "batch", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[string] {
			tc.Fail(fmt.Errorf("batch %d is read, and all up to %d were released", number, gone))
			return nil
		})
	}
	return rdd.Parallelize(sc, s.batch(number), sc.DefaultParallelism())
}

// Committed implements dstream.Source.
func (*numbered) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (s *numbered) Released(_ context.Context, upTo []byte) error {
	s.released.Store(binary.BigEndian.Uint64(upTo))
	return nil
}

// TestDStreamRestarts runs each case on a checkpoint, where a process lasts for 1, 2 or 3 batches and the next one,
// with another number of partitions, goes on: what all of them answer is what one gives that runs on.
func TestDStreamRestarts(t *testing.T) {
	for _, c := range casesOf[streamCase](t, "dstream.json") {
		t.Run(c.Name, func(t *testing.T) {
			build, want, err := streamOp(c)
			if err != nil {
				t.Fatal(err)
			}
			stores := []string{"memory"}
			if stateOps[c.Name] != nil {
				stores = append(stores, "pebble")
			}
			for _, store := range stores {
				for batches := 1; batches <= 3; batches++ {
					got := restarted(t, c, build, store, batches)
					c.compare(t, got, want, fmt.Sprintf("processes of %d batches, state in %s", batches, store))
				}
			}
		})
	}
}

// restarted runs a case in processes that last for so many batches each.
func restarted(t *testing.T, c streamCase, build builder, store string, batches int) map[string]bag {
	t.Helper()
	got := map[string]bag{}
	synctest.Test(t, func(t *testing.T) {
		disk, begin := vfs.NewDisk("disk"), time.Now()
		a, b := &numbered{batches: c.Input}, &numbered{batches: c.Input2}
		for done, life := 0, 0; done < c.Ticks; done, life = done+batches, life+1 {
			ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]").
				Set("spark.default.parallelism", []string{"2", "3", "1"}[life%3]).
				Set("weir.state.store", store).Set("weir.state.memory", "8m"),
				time.Second, rdd.WithFileSystem(disk.Mount(nil)))
			if err != nil {
				t.Fatal(err)
			}
			ssc.AddStateStore(pebble.Store())
			ssc.Checkpoint("disk:/checkpoint")
			build(streams{
				dstream.FromSource(ssc, "a", dstream.Source[string](a)).Named("a"),
				dstream.FromSource(ssc, "b", dstream.Source[string](b)).Named("b"),
			}, reportTo(got, begin))
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(begin.Add(time.Duration(done+batches)*time.Second + time.Second/2)))
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}
	})
	return got
}
