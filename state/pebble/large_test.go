package pebble_test

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// many is a source of batches: the first ten bring a tenth of the keys each, two more touch some of them.
type many struct {
	threes
	keys  int
	until int
	done  chan struct{}
}

func (m many) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	at, n := number(from), 0
	if at < m.until {
		n = 1
	}
	return fmt.Append(nil, at+n, n), int64(n), nil
}

func (m many) Read(sc *rdd.Context, rng []byte) *rdd.RDD[rdd.Pair[int, int]] {
	from, step, n := (number(rng)-1)*m.keys/10, 1, m.keys/10
	if strings.HasSuffix(string(rng), " 0") {
		return rdd.Empty[rdd.Pair[int, int]](sc)
	}
	if from >= m.keys {
		from, step, n = 0, m.keys/1000, 1000
	}
	return rdd.FromPartitions(sc, "many", 1, func(*rdd.TaskContext, int) iter.Seq[rdd.Pair[int, int]] {
		return func(yield func(rdd.Pair[int, int]) bool) {
			for i := 0; i < n && yield(rdd.KV(from+i*step, 1)); i++ {
			}
		}
	})
}

func (m many) Committed(_ context.Context, _ *dstream.Batch, rng []byte) error {
	if number(rng) == m.until {
		select {
		case <-m.done:
		default:
			close(m.done)
		}
	}
	return nil
}

// TestLargeState: a million keys live within a memory limit of 64 MiB, of which their table alone would take most, also
// when they are loaded.
func TestLargeState(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds of all cores")
	}
	const keys = 1_000_000
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
	dir := t.TempDir()
	for life := range 2 {
		c := conf.New().Set("spark.master", "local[2]").Set("weir.state.store", "pebble").
			Set("weir.state.memory", "16m").Set("spark.local.dir", t.TempDir())
		ssc, err := dstream.NewContext(c, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		ssc.Checkpoint(dir)
		ssc.AddStateStore(pebble.Store())
		m := many{keys: keys, until: 12 + life, done: make(chan struct{})}
		d := dstream.FromSource(ssc, "many", dstream.Source[rdd.Pair[int, int]](m)).Named("many")
		out, _ := dstream.MapWithState(d, dstream.Spec(
			func(_ int, v rdd.Optional[int], s *dstream.State[int]) int {
				s.Update(s.Option().Value + v.Value)
				return s.Get()
			}))
		dstream.ForeachRDD(out.Named("sums"), func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
			_, err := rdd.Count(ctx, r)
			return err
		}).Named("nothing")
		sums, err := dstream.StateOf[int, int](ssc, "sums")
		if err == nil {
			err = ssc.Start(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-m.done:
		case <-t.Context().Done():
			t.Fatal("the batches did not come to their end")
		}
		runtime.GC()
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		if mem.HeapAlloc > 48<<20 {
			t.Errorf("life %d: %d bytes are on the heap", life, mem.HeapAlloc)
		}
		for k, want := range map[int]int{0: 3 + life, 1: 1, keys / 1000: 3 + life, keys - 1: 1} {
			if e, ok, err := sums.Get(t.Context(), k); err != nil || !ok || e.Value != want {
				t.Errorf("life %d: the key %d has %v, %v (%v), and should have %d", life, k, e, ok, err, want)
			}
		}
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
	}
}
