package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestNothingIsAddedToARunningProgram: whatever is added is refused and changes nothing for the batches.
func TestNothingIsAddedToARunningProgram(t *testing.T) {
	add := map[string]func(ssc *dstream.Context, d *dstream.DStream[int]){
		"output": func(_ *dstream.Context, d *dstream.DStream[int]) { dstream.Print(d, 1) },
		"input":  func(ssc *dstream.Context, _ *dstream.DStream[int]) { dstream.QueueStream(ssc, dstream.NewQueue[int]()) },
		"source": func(ssc *dstream.Context, _ *dstream.DStream[int]) {
			dstream.FromSource(ssc, "numbers", dstream.Source[string](&numbers{}))
		},
		"receiver": func(ssc *dstream.Context, _ *dstream.DStream[int]) {
			dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](&feed{}))
		},
		"sink": func(_ *dstream.Context, d *dstream.DStream[int]) { dstream.WriteTo(d, dstream.Sink[int](&store{})) },
	}
	for name, more := range add {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			d := dstream.QueueStream(ssc, dstream.NewQueue[int]())
			batches := 0
			dstream.ForeachRDD(
				d,
				func(context.Context, *rdd.RDD[int], *dstream.Batch) error { batches++; return nil },
			)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			more(ssc, d)
			time.Sleep(2 * time.Second)
			_ = ssc.Stop(t.Context(), dstream.Graceful())
			if err := ssc.AwaitTermination(t.Context()); !errors.Is(err, dstream.ErrStarted) || batches != 3 {
				t.Errorf("%s: %d batches, %v", name, batches, err)
			}
		})
	}
}

// TestStopDuringStart ends the start, and nothing runs afterwards.
func TestStopDuringStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &slow{}
		dstream.Foreach(dstream.FromSource(ssc, "slow", dstream.Source[string](s)), func(string) error { return nil })
		started := make(chan error, 1)
		go func() { started <- ssc.Start(t.Context()) }()
		time.Sleep(time.Second)
		begin := time.Now()
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		if err := <-started; err == nil {
			t.Error("Start succeeded although Stop was called")
		}
		if took := time.Since(begin); took > 5*time.Second || ssc.State() != dstream.Stopped {
			t.Errorf("took %v, state %v", took, ssc.State())
		}
	})
}

// slow is a source that takes its time to find its start.
type slow struct{ numbers }

func (s *slow) Resolve(ctx context.Context, _ []byte) ([]byte, error) {
	select {
	case <-time.After(12 * time.Second):
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// deaf is a source whose methods ignore their contexts.
type deaf struct {
	numbers
	release chan struct{}
	planned atomic.Bool
}

func (d *deaf) Plan(context.Context, []byte, dstream.Limit) ([]byte, int64, error) {
	d.planned.Store(true)
	<-d.release
	return nil, 0, nil
}

func (d *deaf) Close(context.Context) error { <-d.release; return nil }

// TestDeafSources do not hold up a stop.
func TestDeafSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &deaf{release: make(chan struct{})}
		dstream.Foreach(dstream.FromSource(ssc, "deaf", dstream.Source[string](s)), func(string) error { return nil })
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		begin := time.Now()
		_ = ssc.Stop(t.Context())
		// 2 s of grace for Plan, then 10 s and as much grace for Close.
		if took := time.Since(begin); took != 14*time.Second || !s.planned.Load() || ssc.State() != dstream.Stopped {
			t.Errorf("took %v, planned %v, state %v", took, s.planned.Load(), ssc.State())
		}
		close(s.release)
		synctest.Wait()
	})
}

// wild is a source whose methods panic.
type wild struct {
	numbers
	described, rated atomic.Int64
}

func (*wild) Committed(context.Context, *dstream.Batch, []byte) error { panic("committed") }
func (*wild) Released(context.Context, []byte) error                  { panic("released") }
func (*wild) Close(context.Context) error                             { panic("close") }
func (w *wild) Describe([]byte) []string                              { w.described.Add(1); panic("describe") }
func (w *wild) Rate(float64)                                          { w.rated.Add(1); panic("rate") }

// TestPanicsOfSources are warnings, for the batch is done; a range whose description panics has none.
func TestPanicsOfSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.streaming.backpressure.enabled", "true")
		var warnings, descriptions []string
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.Warning:
				warnings = append(warnings, e.Err.Error())
			case dstream.BatchCompleted:
				descriptions = append(descriptions, fmt.Sprint(e.Err, e.Inputs[0].Description))
			}
		})
		s := &wild{}
		dstream.Foreach(dstream.FromSource(ssc, "wild", dstream.Source[string](s)),
			func(string) error { time.Sleep(100 * time.Millisecond); return nil })
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond) // The second batch gives a rate.
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		all := strings.Join(warnings, "; ")
		for _, want := range []string{"committed", "released", "close", "rate"} {
			if !strings.Contains(all, "panic at troubles_test.go:") || !strings.Contains(all, ": "+want) {
				t.Errorf("no warning of the panic in %s: %s", want, all)
			}
		}
		if got := strings.Join(descriptions, "; "); got != "<nil> []; <nil> []" || s.described.Load() != 2 ||
			s.rated.Load() != 1 {
			t.Errorf("batches %s; described %d times, rated %d", got, s.described.Load(), s.rated.Load())
		}
	})
}

// TestGoexitInABody fails the batch; it is neither committed nor waited for.
func TestGoexitInABody(t *testing.T) {
	for _, jobs := range []string{"1", "2"} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.streaming.concurrentJobs", jobs)
			committed := 0
			ssc.AddListener(func(e dstream.Event) {
				if _, ok := e.(dstream.BatchCommitted); ok {
					committed++
				}
			})
			dstream.ForeachRDD(dstream.QueueStream(ssc, dstream.NewQueue[int]()),
				func(context.Context, *rdd.RDD[int], *dstream.Batch) error { runtime.Goexit(); return nil })
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "Goexit") || committed > 0 {
				t.Errorf("%s jobs: %d commits, %v", jobs, committed, err)
			}
		})
	}
}

// TestUncomparableSinks are refused when the graph is built.
func TestUncomparableSinks(t *testing.T) {
	ssc := newContext(t)
	dstream.WriteTo(dstream.QueueStream(ssc, dstream.NewQueue[int]()), dstream.Sink[int](unalike{}))
	if err := ssc.Start(
		t.Context(),
	); !errors.Is(err, dstream.ErrGraph) ||
		!strings.Contains(err.Error(), "pass a pointer") {
		t.Errorf("%v", err)
	}
}

type unalike struct {
	*store
	_ []int
}

// TestDrainWhileAnInputIsAway ends at once: there is nothing to be processed.
func TestDrainWhileAnInputIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &numbers{plan: func(_ context.Context, n int) error {
			if n > 2 {
				return dstream.Transient(errors.New("the broker is away"))
			}
			return nil
		}}
		dstream.Foreach(
			dstream.FromSource(ssc, "numbers", dstream.Source[string](s)),
			func(string) error { return nil },
		)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5500 * time.Millisecond)
		begin := time.Now()
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil || time.Since(begin) > 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestASharedContextOutlivesAFailure: jobs go on after a stream on the same rdd.Context failed.
func TestASharedContextOutlivesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			t.Fatal(err)
		}
		cause := errors.New("oh")
		for _, late := range []bool{false, true} {
			ssc, err := dstream.On(sc, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			s := &numbers{}
			if !late {
				s.resolve = func([]byte) ([]byte, error) { return nil, cause }
			}
			dstream.Foreach(
				dstream.FromSource(ssc, "numbers", dstream.Source[string](s)),
				func(string) error { return cause },
			)
			if err = ssc.Start(t.Context()); err == nil {
				err = ssc.AwaitTermination(t.Context())
			}
			if !errors.Is(err, cause) {
				t.Errorf("late %v: %v", late, err)
			}
			if n, err := rdd.Count(t.Context(), rdd.Parallelize(sc, []int{1, 2})); n != 2 || err != nil {
				t.Errorf("late %v: a job afterwards gives %d, %v", late, n, err)
			}
		}
		if err := sc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestTwoStreamsOnOneContext: the second is refused while the first runs.
func TestTwoStreamsOnOneContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newContext(t)
		dstream.Print(dstream.QueueStream(first, dstream.NewQueue[int]()), 1)
		if err := first.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		second, err := dstream.On(first.RDD(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		dstream.Print(dstream.QueueStream(second, dstream.NewQueue[int]()), 1)
		if err := second.Start(
			t.Context(),
		); err == nil ||
			!strings.Contains(err.Error(), "another streaming context is active") {
			t.Errorf("%v", err)
		}
		stopNow(t, first)
	})
}

// mute is a partitioner that does not tell how many partitions it has.
type mute struct{}

func (mute) NumPartitions() int   { panic("ask somebody else") }
func (mute) Partition(string) int { return 0 }

// TestMisbuiltShuffles are found by Start, with their line.
func TestMisbuiltShuffles(t *testing.T) {
	type hidden struct{ secret int }
	tests := map[string]func(d *dstream.DStream[rdd.Pair[string, int]]){
		"not 0": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.ReduceByKey(d, func(a, _ int) int { return a }, rdd.Partitions(0))
		},
		"nil partitioner": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.GroupByKey(d, rdd.PartitionBy[string](nil))
		},
		"each batch would have 1000000000 partitions": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.GroupByKey(d, rdd.Partitions(1_000_000_000))
		},
		"at most 1048576 are possible": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.Repartition(d, 1_000_000_000)
		},
		"ask somebody else": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.GroupByKey(d, rdd.PartitionBy[string](mute{}))
		},
		"secret": func(d *dstream.DStream[rdd.Pair[string, int]]) {
			dstream.Join(d, dstream.MapValues(d, func(v int) hidden { return hidden{v} }))
		},
	}
	for says, build := range tests {
		ssc := newContext(t)
		d := dstream.Map(dstream.QueueStream(ssc, dstream.NewQueue[int]()), parity)
		build(d)
		dstream.Print(d, 1)
		err := ssc.Start(t.Context())
		if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), says) ||
			!strings.Contains(err.Error(), "troubles_test.go:") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestAQueueInSequence feeds one stream after the other, and not two at a time.
func TestAQueueInSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := dstream.NewQueue([]int{1}, []int{2})
		var seen []int
		for range 2 {
			ssc := newContext(t)
			dstream.ForeachRDD(
				dstream.QueueStream(ssc, q),
				func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
					vs, err := rdd.Collect(ctx, r)
					seen = append(seen, vs...)
					return err
				},
			)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1100 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(seen); got != "[1 2]" {
			t.Errorf("saw %s", got)
		}
		twice := newContext(t)
		dstream.Print(dstream.Union(dstream.QueueStream(twice, q), dstream.QueueStream(twice, q)), 1)
		if err := twice.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "one stream at a time") {
			t.Errorf("%v", err)
		}
	})
}

// TestAFailureInTheDrain is Stop's error.
func TestAFailureInTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		cause := errors.New("oh")
		dstream.ForeachRDD(dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2})),
			func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				if time.Sleep(1700 * time.Millisecond); b.Sequence == 1 {
					return cause
				}
				return nil
			})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); !errors.Is(err, cause) {
			t.Errorf("Stop: %v", err)
		}
	})
}

// TestAReceiverFlushesInStop: what it has in hand when it is stopped is processed.
func TestAReceiverFlushesInStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var st *dstream.Store[string]
		f := &feed{run: func(_ context.Context, s *dstream.Store[string], _ int) error { st = s; return nil }}
		f.stop = func(context.Context) error { return errors.Join(st.One("in"), st.Many([]string{"hand"}, nil)) }
		batches, _, err := received(t, f, func() { time.Sleep(1500 * time.Millisecond) })
		if got := strings.Join(batches, "; "); err != nil || !strings.Contains(got, "in hand") {
			t.Errorf("%s, %v", got, err)
		}
	})
}
