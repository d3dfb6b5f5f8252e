package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// A stateBench is a program with one state: batches that fill it, and batches that touch some of its keys.
type stateBench struct {
	store, memory, dir string
	limit              int64 // of the process, in MiB
	keys, fill         int64
	touched, batches   int64
	every, wide        bool

	mu    sync.Mutex
	times []time.Duration // since the program was started, of each commit
	begun time.Time
	done  chan struct{}
}

func (s *stateBench) flags(args []string) error {
	set := flag.NewFlagSet("state", flag.ContinueOnError)
	set.StringVar(&s.store, "store", "pebble", "weir.state.store")
	set.StringVar(&s.memory, "memory", "32m", "weir.state.memory")
	set.StringVar(&s.dir, "dir", os.TempDir(), "where the checkpoint and the store are made")
	set.Int64Var(&s.limit, "limit", 256,
		"MiB of Go's memory (GOMEMLIMIT); 0 for no limit. With cgo pebble's memory lies beside it: set CGO_ENABLED=0")
	set.Int64Var(&s.keys, "keys", 10_000_000, "keys of the state")
	set.Int64Var(&s.fill, "fill", 25_000, "keys that a batch brings while the state grows")
	set.Int64Var(&s.touched, "touched", 10_000, "keys that a batch touches then")
	set.Int64Var(&s.batches, "batches", 50, "batches that touch keys")
	set.BoolVar(&s.every, "every", false, "measure UpdateStateByKey, which calls its function for every key")
	set.BoolVar(&s.wide, "wide", false, "keep 200 bytes a key")
	return set.Parse(args)
}

// run fills a state, touches it, and starts once more on what was left.
func (s *stateBench) run(ctx context.Context) error {
	if s.limit > 0 {
		debug.SetMemoryLimit(s.limit << 20)
	}
	dir, err := os.MkdirTemp(s.dir, "weir-bench-state-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fills := (s.keys + s.fill - 1) / s.fill
	if err := s.live(ctx, dir, fills+s.batches); err != nil {
		return err
	}
	filled := s.times[fills-1]
	var touched []time.Duration
	for i := fills; i < fills+s.batches; i++ {
		touched = append(touched, s.times[i]-s.times[i-1])
	}
	slices.Sort(touched)
	fmt.Printf("store=%s keys=%d: filled in %.1f s (%d keys a batch), %s\n", s.store, s.keys, filled.Seconds(), s.fill,
		residency())
	if s.batches > 0 {
		fmt.Printf("batches of %d keys, to their commit: median %.0f ms, slowest %.0f ms\n", s.touched,
			1000*touched[len(touched)/2].Seconds(), 1000*touched[len(touched)-1].Seconds())
	}
	runtime.GC()
	if err := s.live(ctx, dir, fills+s.batches+3); err != nil {
		return err
	}
	fmt.Printf("started again: first commit after %.1f s, %s\n", s.times[0].Seconds(), residency())
	return nil
}

// live runs the program until so many batches are committed in all.
func (s *stateBench) live(ctx context.Context, dir string, until int64) error {
	c := conf.New().Set("spark.master", "local[2]").Set("spark.default.parallelism", "2").
		Set("weir.state.store", s.store).Set("weir.state.memory", s.memory).Set("spark.local.dir", dir)
	ssc, err := dstream.NewContext(c, time.Millisecond)
	if err != nil {
		return err
	}
	ssc.AddStateStore(pebble.Store())
	ssc.Checkpoint(filepath.Join(dir, "checkpoint"))
	s.times, s.begun, s.done = nil, time.Now(), make(chan struct{})
	d := dstream.FromSource(ssc, "records", dstream.Source[rdd.Pair[int64, int64]](&recordsUntil{s, until})).
		Named("records")
	out := s.sums(d)
	ignore := func(context.Context, *rdd.RDD[rdd.Pair[int64, int64]], *dstream.Batch) error { return nil }
	dstream.ForeachRDD(out.Named("sums"), ignore).Named("nothing")
	if err := ssc.Start(ctx); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- ssc.AwaitTermination(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-s.done:
	}
	return ssc.Stop(context.WithoutCancel(ctx), dstream.Graceful())
}

type intStream = dstream.DStream[rdd.Pair[int64, int64]]

// sums keeps the sum of each key.
func (s *stateBench) sums(d *intStream) *intStream {
	var out *intStream
	switch {
	case s.every:
		out = dstream.UpdateStateByKey(d, func(vs []int64, sum int64, _ bool) (int64, bool) {
			for _, v := range vs {
				sum += v
			}
			return sum, true
		})
	case s.wide:
		out, _ = dstream.MapWithState(d, dstream.Spec(
			func(k int64, v rdd.Optional[int64], s *dstream.State[[25]float64]) rdd.Pair[int64, int64] {
				sums := s.Option().Value
				sums[k%25] += float64(v.Value)
				s.Update(sums)
				return rdd.KV(k, int64(sums[k%25]))
			}))
	default:
		out, _ = dstream.MapWithState(d, dstream.Spec(
			func(k int64, v rdd.Optional[int64], s *dstream.State[int64]) rdd.Pair[int64, int64] {
				s.Update(s.Option().Value + v.Value)
				return rdd.KV(k, s.Get())
			}))
	}
	return out
}

// recordsUntil is a source whose ranges are the numbers of batches.
type recordsUntil struct {
	*stateBench
	until int64
}

// Resolve implements dstream.Source.
func (r *recordsUntil) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return make([]byte, 8), nil
	}
	return from, nil
}

// Plan implements dstream.Source.
func (r *recordsUntil) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	n := int64(binary.BigEndian.Uint64(from))
	if n >= r.until {
		return from, 0, nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(n+1)), 1, nil
}

// Read implements dstream.Source.
func (r *recordsUntil) Read(sc *rdd.Context, rng []byte) *rdd.RDD[rdd.Pair[int64, int64]] {
	n := int64(binary.BigEndian.Uint64(rng)) - 1
	return rdd.FromPartitions(sc, "records", 2, func(_ *rdd.TaskContext, p int) iter.Seq[rdd.Pair[int64, int64]] {
		return func(yield func(rdd.Pair[int64, int64]) bool) {
			from, until, key := n*r.fill, min((n+1)*r.fill, r.keys), func(i int64) int64 { return i }
			if from >= r.keys {
				random := rand.New(rand.NewPCG(uint64(n), uint64(p)))
				from, until, key = 0, r.touched, func(int64) int64 { return random.Int64N(r.keys) }
			}
			for i := from + int64(p); i < until; i += 2 {
				if !yield(rdd.KV(key(i), int64(1))) {
					return
				}
			}
		}
	})
}

// Committed implements dstream.Source.
func (r *recordsUntil) Committed(_ context.Context, _ *dstream.Batch, rng []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(binary.BigEndian.Uint64(rng))
	if len(r.times) > 0 && n > r.until {
		return nil
	}
	r.times = append(r.times, time.Since(r.begun))
	if n == r.until && r.done != nil {
		select {
		case <-r.done:
		default:
			close(r.done)
		}
	}
	return nil
}

// Released implements dstream.Source.
func (r *recordsUntil) Released(context.Context, []byte) error { return nil }

// residency is the memory of the process, as the system counts it.
func residency() string {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "its memory is not known on this system"
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		if name, size, ok := strings.Cut(line, ":"); ok && (name == "VmHWM" || name == "VmRSS") {
			all = append(all, name+" "+strings.Join(strings.Fields(size), " "))
		}
	}
	return strings.Join(all, ", ")
}
