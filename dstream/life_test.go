package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// newContext makes a streaming context with an interval of a second.
func newContext(t testing.TB, settings ...string) *dstream.Context {
	t.Helper()
	return newContextOn(t, nil, settings...)
}

// newContextOn is newContext with a file system, unless that is nil.
func newContextOn(t testing.TB, m *vfs.Mount, settings ...string) *dstream.Context {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for i := 0; i < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	var opts []rdd.Option
	if m != nil {
		opts = append(opts, rdd.WithFileSystem(m))
	}
	ssc, err := dstream.NewContext(c, time.Second, opts...)
	if err != nil {
		t.Fatal(err)
	}
	ssc.SetOutput(io.Discard)
	return ssc
}

// stopNow ends a context in the middle of what it does.
func stopNow(t testing.TB, ssc *dstream.Context) {
	t.Helper()
	if err := ssc.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue[int]()), 1)
		states := []dstream.ContextState{ssc.State()}
		for range 2 { // The second Start only warns.
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		states = append(states, ssc.State())
		for range 2 {
			stopNow(t, ssc)
		}
		states = append(states, ssc.State())
		if got := fmt.Sprint(states); got != "[INITIALIZED ACTIVE STOPPED]" {
			t.Errorf("states %s", got)
		}
		if err := ssc.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "make a new one") {
			t.Errorf("Start of a stopped context: %v", err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Errorf("AwaitTermination after Stop: %v", err)
		}
	})
}

func TestStopBeforeStart(t *testing.T) {
	ssc := newContext(t)
	stopNow(t, ssc)
	if ssc.State() != dstream.Stopped {
		t.Errorf("state %v", ssc.State())
	}
	if err := ssc.AwaitTermination(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestGraphErrors: Start tells all that is wrong at once, with the line of each.
func TestGraphErrors(t *testing.T) {
	ssc := newContext(t)
	q := dstream.QueueStream(ssc, dstream.NewQueue[int]())
	dstream.Map(q, (func(int) int)(nil))
	_, _, line, _ := runtime.Caller(0)
	dstream.Union(q, dstream.QueueStream(newContext(t), dstream.NewQueue[int]()))
	dstream.Print(q, -1)
	a := dstream.Map(q, func(v int) int { return v }).Named("twin")
	dstream.Map(a, func(v int) int { return v }).Named("twin")
	err := ssc.Start(t.Context())
	if !errors.Is(err, dstream.ErrGraph) {
		t.Fatalf("Start gives %v", err)
	}
	for _, want := range []string{
		fmt.Sprintf("life_test.go:%d: map needs a function", line-1),
		fmt.Sprintf("life_test.go:%d: union of streams of different contexts", line+1),
		fmt.Sprintf("life_test.go:%d: print needs a number of elements", line+2),
		fmt.Sprintf("life_test.go:%d: the name \"twin\" is taken by map at life_test.go:%d", line+4, line+3),
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if ssc.State() != dstream.Stopped {
		t.Errorf("state %v after a failed start", ssc.State())
	}
}

func TestNoOutput(t *testing.T) {
	ssc := newContext(t)
	dstream.QueueStream(ssc, dstream.NewQueue[int]())
	if err := ssc.Start(
		t.Context(),
	); err == nil ||
		!strings.Contains(err.Error(), "no output operations registered") {
		t.Errorf("%v", err)
	}
}

func TestAwaitTerminationTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue[int]()), 1)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := ssc.AwaitTermination(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		stopNow(t, ssc)
	})
}

// TestContextsInSequence: one rdd.Context serves several streaming contexts, one after the other.
func TestContextsInSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			ssc, err := dstream.On(sc, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			seen := 0
			dstream.ForeachRDD(
				dstream.QueueStream(ssc, dstream.NewQueue([]int{1})),
				func(ctx context.Context, r *rdd.RDD[int], _ *dstream.Batch) error {
					n, err := rdd.Count(ctx, r)
					seen += int(n)
					return err
				},
			)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.KeepContext()); err != nil {
				t.Fatal(err)
			}
			if seen != 1 {
				t.Errorf("saw %d records", seen)
			}
		}
		if err := sc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStopFromInside: who would wait for itself is told so, and the program stops after the batch.
func TestStopFromInside(t *testing.T) {
	for _, where := range []string{"body", "task", "listener"} {
		t.Run(where, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ssc := newContext(t)
				var (
					mu   sync.Mutex
					told []error
				)
				stop := func() {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, ssc.Stop(context.Background()), ssc.AwaitTermination(context.Background()))
				}
				dstream.ForeachRDD(
					dstream.QueueStream(ssc, dstream.NewQueue([]int{1})),
					func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
						if where == "body" && b.Sequence == 0 {
							stop()
						}
						return rdd.Foreach(ctx, r, func(int) error {
							if where == "task" {
								stop()
							}
							return nil
						})
					},
				)
				ssc.AddListener(func(e dstream.Event) {
					if e, ok := e.(dstream.BatchCompleted); ok && where == "listener" && e.Sequence == 0 {
						stop()
					}
				})
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := ssc.AwaitTermination(t.Context()); err != nil {
					t.Error(err)
				}
				for _, err := range told {
					if err == nil || !strings.Contains(err.Error(), "from inside") {
						t.Errorf("told %v", err)
					}
				}
				if len(told) != 2 {
					t.Errorf("stopped %d times", len(told)/2)
				}
			})
		})
	}
}

// TestGracefulStop finishes and commits what is planned; an immediate one cuts it.
func TestGracefulStop(t *testing.T) {
	for _, graceful := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			var done, committed []int64
			dstream.ForeachRDD(dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}, []int{3})),
				func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					select {
					case <-time.After(1700 * time.Millisecond):
						done = append(done, b.Sequence)
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				})
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.BatchCommitted); ok {
					committed = append(committed, e.Sequence)
				}
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond) // Batch 0 runs, batch 1 waits.
			var opts []dstream.StopOption
			want := "[]"
			if graceful {
				opts, want = append(opts, dstream.Graceful()), "[0 1]"
			}
			if err := ssc.Stop(t.Context(), opts...); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(done); got != want {
				t.Errorf("graceful %v: processed %s, want %s", graceful, got, want)
			}
			if got := fmt.Sprint(committed); got != want {
				t.Errorf("graceful %v: committed %s, want %s", graceful, got, want)
			}
		})
	}
}

// TestDeadlineCutsTheDrain: a body that watches its context ends; a task and a body that do not are abandoned and
// named.
func TestDeadlineCutsTheDrain(t *testing.T) {
	type ints = dstream.DStream[int]
	tests := map[string]struct {
		use  func(d *ints, release chan struct{})
		want []string
	}{
		"obedient body": {func(d *ints, _ chan struct{}) {
			dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})
		}, nil},
		"stubborn body": {func(d *ints, release chan struct{}) {
			dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { <-release; return nil })
		}, []string{"abandoned at the deadline", "output foreachRDD [0] (life_test.go:"}},
		"stubborn task": {func(d *ints, release chan struct{}) {
			dstream.Foreach(d, func(int) error { <-release; return nil })
		}, []string{"abandoned at the deadline", "partition 0 of foreach (queueStream at life_test.go:"}},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.streaming.gracefulStopTimeout", "3s", "spark.task.maxFailures", "1")
			release := make(chan struct{})
			var warned []string
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.Warning); ok {
					warned = append(warned, fmt.Sprint(e.Message, ": ", e.Err))
				}
			})
			tt.use(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), release)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			begin := time.Now()
			err := ssc.Stop(t.Context(), dstream.Graceful())
			if !errors.Is(err, dstream.ErrDrainCut) {
				t.Errorf("%s: %v", name, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(fmt.Sprint(err), want) || !strings.Contains(strings.Join(warned, "\n"), want) {
					t.Errorf("%s: %v, or the warning %q, does not say %q", name, err, warned, want)
				}
			}
			if len(tt.want) == 0 && strings.Contains(fmt.Sprint(err), "abandoned") {
				t.Errorf("%s: %v", name, err)
			}
			if took := time.Since(begin); took > 6*time.Second {
				t.Errorf("%s: took %v", name, took)
			}
			close(release)
			synctest.Wait()
		})
	}
}

// TestFailedBatch: the program stops with the error, and what came after the batch is not run.
func TestFailedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		cause := errors.New("the table is locked")
		var ran []int64
		var after bool
		q := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}, []int{3}))
		dstream.ForeachRDD(q, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			ran = append(ran, b.Sequence)
			if b.Sequence == 1 {
				return cause
			}
			return nil
		})
		dstream.ForeachRDD(q, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			after = after || b.Sequence == 1
			return nil
		})
		var committed, completed []string
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.BatchCommitted:
				committed = append(committed, fmt.Sprint(e.Sequence))
			case dstream.BatchCompleted:
				completed = append(completed, fmt.Sprint(e.Sequence, e.Err != nil))
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := ssc.AwaitTermination(t.Context())
		if !errors.Is(err, cause) {
			t.Fatalf("%v", err)
		}
		for _, want := range []string{"batch 1 (", "foreachRDD [0]", "life_test.go"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not name %q", err, want)
			}
		}
		got := fmt.Sprint(ran, committed, completed, after)
		if want := "[0 1] [0] [0 false 1 true] false"; got != want {
			t.Errorf("ran, committed, completed, after: %s; want %s", got, want)
		}
	})
}

// TestRetriedBatch: with failedBatch=retry a batch runs again, without the outputs that have finished.
func TestRetriedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "weir.streaming.failedBatch", "retry", "weir.streaming.failedBatch.maxRetries", "2",
			"weir.streaming.failedBatch.backoff", "100ms")
		var log []string
		q := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}))
		dstream.ForeachRDD(q, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			log = append(log, fmt.Sprint("first ", b.Sequence))
			return nil
		})
		dstream.ForeachRDD(q, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			log = append(log, fmt.Sprint("second ", b.Sequence))
			if len(log) < 4 {
				panic("not yet")
			}
			return nil
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1900 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"first 0", "second 0", "second 0", "second 0"}; !slices.Equal(log, want) {
			t.Errorf("%v, want %v", log, want)
		}
	})
}

// TestPanicsOfUserFunctions end a batch with an error that names their line, never the process.
func TestPanicsOfUserFunctions(t *testing.T) {
	tests := map[string]func(d *dstream.DStream[int]){
		"map": func(d *dstream.DStream[int]) { dstream.Print(dstream.Map(d, func(int) int { panic("oh") }), 1) },
		"transform": func(d *dstream.DStream[int]) {
			dstream.Print(dstream.Transform(d, func(*rdd.RDD[int], dstream.Time) *rdd.RDD[int] { panic("oh") }), 1)
		},
		"transform to nil": func(d *dstream.DStream[int]) {
			dstream.Print(dstream.Transform(d, func(*rdd.RDD[int], dstream.Time) *rdd.RDD[int] { return nil }), 1)
		},
		"body": func(d *dstream.DStream[int]) {
			dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error { panic("oh") })
		},
		"foreach": func(d *dstream.DStream[int]) { dstream.Foreach(d, func(int) error { panic("oh") }) },
	}
	for name, use := range tests {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.task.maxFailures", "1")
			use(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})))
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := ssc.AwaitTermination(t.Context())
			if err == nil || !strings.Contains(err.Error(), "life_test.go:") ||
				!strings.Contains(err.Error(), "panic") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestStartProperties: the local properties of the context that Start is given are those of each batch's jobs, but for
// the job group, and a body sets its own.
func TestStartProperties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		var mu sync.Mutex
		var got []string
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}))
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
			note := func(tc *rdd.TaskContext, _ iter.Seq[int]) error {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf("%d %s/%s/%s", b.Sequence, tc.LocalProperty("spark.scheduler.pool"),
					tc.LocalProperty("tenant"), tc.LocalProperty("spark.jobGroup.id")))
				return nil
			}
			one := rdd.Coalesce(r, 1)
			if err := rdd.ForeachPartition(ctx, one, note); err != nil {
				return err
			}
			return rdd.ForeachPartition(rdd.WithJobGroup(ctx, "body", ""), one, note)
		})
		ctx := rdd.WithPool(rdd.WithJobGroup(t.Context(), "starter", "its description"), "streams")
		if err := ssc.Start(rdd.WithLocalProperty(ctx, "tenant", "blue")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		stopNow(t, ssc)
		want := "0 streams/blue/, 0 streams/blue/body, 1 streams/blue/, 1 streams/blue/body"
		if got := strings.Join(got, ", "); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
