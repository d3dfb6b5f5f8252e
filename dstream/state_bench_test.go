package dstream

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A benchState is a program with one state, whose batches are run without its loop's clock.
type benchState struct {
	ssc  *Context
	m    *stateMapper[int, int, int, int]
	seq  int64
	rows []rdd.Pair[int, int]
	fsys vfs.FS
	dir  string
}

func newBenchState(b *testing.B, keys int, timeout time.Duration) *benchState {
	b.Helper()
	ssc, err := NewContext(conf.New().Set("spark.master", "local[2]").Set("spark.default.parallelism", "2"), time.Second)
	if err != nil {
		b.Fatal(err)
	}
	ssc.SetOutput(io.Discard)
	x := &benchState{ssc: ssc, fsys: vfs.Local{}, dir: b.TempDir()}
	src := FromSource(ssc, "rows", Source[rdd.Pair[int, int]](x))
	spec := Spec(func(_ int, v rdd.Optional[int], s *State[int]) int {
		sum := s.Option().Value + v.Value
		s.Update(sum)
		return sum
	})
	if timeout > 0 {
		spec.Timeout(timeout)
	}
	out, _ := MapWithState(src, spec)
	ForeachRDD(out, func(context.Context, *rdd.RDD[int], *Batch) error { return nil })
	x.m = ssc.states[0].stateful.(*stateMapper[int, int, int, int])
	parts := make([][]rdd.Pair[int, int], len(x.m.table.parts))
	for k := range keys {
		parts[0] = append(parts[0], rdd.KV(k, k))
	}
	folder := stateFolder{fs: x.fsys, dir: x.dir, epoch: 1, operator: "op", loaded: -1}
	if err := x.m.load(b.Context(), folder, nil, nil); err != nil {
		b.Fatal(err)
	}
	x.m.files.virgin = false
	if err := x.m.begin(parts, 1); err != nil {
		b.Fatal(err)
	}
	ssc.findNeeds()
	ssc.loop = newLoop(ssc, ssc.inputIDs())
	return x
}

// Resolve, Plan, Read, Committed and Released implement Source.
func (x *benchState) Resolve(context.Context, []byte) ([]byte, error) { return nil, nil }
func (x *benchState) Plan(context.Context, []byte, Limit) ([]byte, int64, error) {
	return nil, 0, nil
}
func (x *benchState) Read(sc *rdd.Context, _ []byte) *rdd.RDD[rdd.Pair[int, int]] {
	return rdd.Parallelize(sc, x.rows, 2)
}
func (x *benchState) Committed(context.Context, *Batch, []byte) error { return nil }
func (x *benchState) Released(context.Context, []byte) error          { return nil }

// batch runs one from the step to the commit record, which is written as a slot of the log is.
func (x *benchState) batch(b *testing.B) {
	x.seq++
	batch := &Batch{Time: Time(1000 * (x.seq + 1)), Sequence: x.seq, ssc: x.ssc,
		stepped: make([]bool, len(x.ssc.steps)), inputs: map[*node]planned{}}
	l := x.ssc.loop
	g := l.newGeneration(batch)
	leave, err := l.generate(b.Context())
	if err == nil {
		err = l.runSteps(batch, g)
		leave()
	}
	if err == nil {
		_, err = rdd.Count(b.Context(), x.m.out.at(g))
	}
	if err != nil {
		b.Fatal(err)
	}
	change, err := x.m.seal(b.Context(), batch)
	if err == nil {
		_, err = x.fsys.PutIfAbsent(b.Context(), fmt.Sprintf("%s/%d", x.dir, x.seq), fmt.Append(nil, change))
	}
	if err != nil {
		b.Fatal(err)
	}
	x.m.settle(batch, true)
	g.drop(func(*node) bool { return true })
}

// BenchmarkMapWithState is a batch of 10,000 records of as many keys, on states of 10^5 and 10^7 keys, its changes and
// a commit record durable: ms/batch is the median.
func BenchmarkMapWithState(b *testing.B) {
	for _, timeout := range []time.Duration{0, time.Hour} {
		for _, keys := range []int{100_000, 10_000_000} {
			b.Run(fmt.Sprintf("keys=%d/timeout=%v", keys, timeout), func(b *testing.B) {
				x := newBenchState(b, keys, timeout)
				defer func() {
					x.m.close()
					if err := x.ssc.sc.Stop(context.Background()); err != nil {
						b.Error(err)
					}
				}()
				r := rand.New(rand.NewPCG(1, 1))
				var times []time.Duration
				runtime.GC()
				for b.Loop() {
					b.StopTimer()
					x.rows = x.rows[:0:0]
					for range 10_000 {
						x.rows = append(x.rows, rdd.KV(r.IntN(keys), 1))
					}
					b.StartTimer()
					began := time.Now()
					x.batch(b)
					times = append(times, time.Since(began))
				}
				slices.Sort(times)
				b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms/batch")
			})
		}
	}
}

// BenchmarkStateLoad is a start on a snapshot of 1 GB: 5 million keys with values of 200 bytes.
func BenchmarkStateLoad(b *testing.B) {
	type value [25]float64
	const keys = 5_000_000
	ssc, err := NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ssc.sc.Stop(context.Background()) }()
	at := stateFolder{fs: vfs.Local{}, dir: b.TempDir(), epoch: 1, operator: "op", loaded: -1}
	store, err := newStateStore[int, value](ssc, "mapWithState", nil, false, nil)
	if err == nil {
		err = store.load(b.Context(), at, nil, nil)
	}
	if err != nil {
		b.Fatal(err)
	}
	snapshot := writeSnapshot(b, store, keys, func(k int) (v value) {
		for i := range v {
			v[i] = float64(k * i)
		}
		return v
	})
	store = nil
	runtime.GC()
	for b.Loop() {
		store, err := newStateStore[int, value](ssc, "mapWithState", nil, false, nil)
		if err == nil {
			err = store.load(b.Context(), at, snapshot, nil)
		}
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(checkpoint.StateRun(snapshot).Bytes())/1e9, "GB")
	}
}

// writeSnapshot makes a run of many keys, as a merge does.
func writeSnapshot[S any](b *testing.B, s *stateStore[int, S], keys int, value func(k int) S) []checkpoint.File {
	b.Helper()
	const batches = 20
	for seq := range int64(batches) {
		open := &openState[int, S]{at: Time(seq + 1)}
		for _, p := range s.table.parts {
			t := &stateTask[int, S]{s: s, part: p, over: newOverlay[int, S](nil)}
			open.overs = append(open.overs, t.over)
		}
		for k := int(seq) * keys / batches; k < int(seq+1)*keys/batches; k++ {
			p, bucket, err := s.table.place(k)
			if err != nil {
				b.Fatal(err)
			}
			n, _ := open.overs[p].table.Place(k)
			_, c := open.overs[p].table.At(n)
			*c = change[S]{value: value(k), bucket: int32(bucket), live: true, put: true}
		}
		for _, o := range open.overs {
			o.finish(false)
		}
		s.open, s.files.virgin = open, false
		batch := &Batch{Time: open.at, Sequence: seq}
		if _, err := s.seal(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if seq == batches-1 {
			s.files.limit = batches
		}
		s.settle(batch, true)
		if s.files.merging != nil {
			done := <-s.files.merging // A delta is large: each begins a merge.
			if done.err != nil {
				b.Fatal(done.err)
			}
			s.files.merging, s.files.ready = nil, done
			s.files.change()
			s.files.settle(seq, true)
		}
	}
	return checkpoint.Files(s.files.runs)
}
