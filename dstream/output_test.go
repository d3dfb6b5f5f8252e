package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestOneMapStageForTwoOutputs: outputs that overlap compute the shuffle that they share once.
func TestOneMapStageForTwoOutputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.streaming.concurrentJobs", "2", "spark.master", "local[4]")
		var mapped atomic.Int64
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3, 4}))
		sums := dstream.ReduceByKey(dstream.Map(d, func(v int) pair {
			mapped.Add(1)
			time.Sleep(100 * time.Millisecond)
			return rdd.KV("all", v)
		}), func(a, b int) int { return a + b })
		var got [2][]pair
		for i := range got {
			dstream.ForeachRDD(sums, func(ctx context.Context, r *rdd.RDD[pair], b *dstream.Batch) (err error) {
				if b.Sequence == 0 {
					got[i], err = rdd.Collect(ctx, r)
				}
				return err
			})
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1900 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != "[[(all,10)] [(all,10)]]" || mapped.Load() != 4 {
			t.Errorf("%v; 4 records were mapped %d times", got, mapped.Load())
		}
	})
}

// TestASourceThatFailsElsewhere: read on a goroutine of the user's, it fails the task, which is tried again.
func TestASourceThatFailsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.task.maxFailures", "2")
		broken := errors.New("the disk broke")
		var tries atomic.Int64
		d := dstream.Transform(dstream.QueueStream(ssc, dstream.NewQueue[int]()),
			func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
				return rdd.FromPartitions(r.Context(), "source", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
					return func(yield func(int) bool) {
						if tries.Add(1); yield(1) {
							tc.Fail(broken)
						}
					}
				})
			})
		dstream.ForeachPartition(d, func(_ *rdd.TaskContext, _ dstream.Effect, in iter.Seq[int]) error {
			var wg sync.WaitGroup
			wg.Go(func() { in(func(int) bool { return true }) })
			wg.Wait()
			return nil
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); !errors.Is(err, broken) || tries.Load() != 2 {
			t.Errorf("%v after %d tries", err, tries.Load())
		}
	})
}

// TestOutputsOfARetriedBatch: each output is listed once, by its number, with the result of its last run; a batch that
// has not completed lists none.
func TestOutputsOfARetriedBatch(t *testing.T) {
	for _, retries := range []string{"2", "1"} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "weir.streaming.failedBatch", "retry", "weir.streaming.failedBatch.maxRetries", retries,
				"weir.streaming.failedBatch.backoff", "100ms")
			q := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}))
			runs := 0
			dstream.Foreach(q, func(int) error { return nil }).Named("first")
			dstream.ForeachRDD(q, func(context.Context, *rdd.RDD[int], *dstream.Batch) error {
				if runs++; runs < 3 {
					return fmt.Errorf("failure %d", runs)
				}
				return nil
			}).Named("second")
			dstream.Foreach(q, func(int) error { return nil }).Named("third")
			var log []string
			list := func(when string, b dstream.BatchInfo) {
				for _, o := range b.Outputs {
					when += fmt.Sprintf(", %d %s %v", o.ID, o.Name, o.Err != nil)
				}
				if b.Sequence == 0 {
					log = append(log, when)
				}
			}
			ssc.AddListener(func(e dstream.Event) {
				switch e := e.(type) {
				case dstream.BatchSubmitted:
					list("submitted", e.BatchInfo)
				case dstream.BatchStarted:
					list("started", e.BatchInfo)
				case dstream.BatchCompleted:
					list("completed", e.BatchInfo)
				}
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1900 * time.Millisecond)
			_ = ssc.Stop(t.Context(), dstream.Graceful())
			err := ssc.AwaitTermination(t.Context())
			want := "submitted; started; completed, 0 first false, 1 second false, 2 third false"
			if retries == "1" {
				want = "submitted; started; completed, 0 first false, 1 second true"
			}
			if got := strings.Join(log, "; "); got != want || (err != nil) != (retries == "1") {
				t.Errorf("%s retries: %s\nwant %s; %v", retries, got, want, err)
			}
		})
	}
}

// halves is a writer that is slow in the middle of a write.
type halves struct {
	mu    sync.Mutex
	text  strings.Builder
	pause func()
}

func (w *halves) Write(p []byte) (int, error) {
	w.put(p[:len(p)/2])
	w.pause()
	w.put(p[len(p)/2:])
	return len(p), nil
}

func (w *halves) put(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
}

// TestPrintsThatOverlap come whole, one after the other.
func TestPrintsThatOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.streaming.concurrentJobs", "2")
		out := &halves{pause: func() { time.Sleep(50 * time.Millisecond) }}
		ssc.SetOutput(out)
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2}))
		dstream.Print(d, 10)
		dstream.Print(dstream.Map(d, func(v int) int { return 10 * v }), 10)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1900 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		const rule = "-------------------------------------------\n"
		const plain = rule + "Time: 946684801000 ms\n" + rule + "1\n2\n\n"
		const tenfold = rule + "Time: 946684801000 ms\n" + rule + "10\n20\n\n"
		if got := out.text.String(); got != plain+tenfold && got != tenfold+plain {
			t.Errorf("printed\n%s", got)
		}
	})
}

// TestNamedOutputs: their effects have identities that no other output changes.
func TestNamedOutputs(t *testing.T) {
	effects := func(before bool) string {
		s := &store{}
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}))
			if before {
				dstream.WriteTo(d, dstream.Sink[int](s))
			}
			dstream.WriteTo(d, dstream.Sink[int](s)).Named("ledger")
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		})
		return strings.Join(slices.Sorted(maps.Keys(s.effects)), " ")
	}
	const ledger = "ledger//0/0"
	if got := effects(false); got != ledger {
		t.Errorf("stored %s, want %s", got, ledger)
	}
	if got, want := effects(true), ledger+" writeTo[](queueStream[int]())//0/0"; got != want {
		t.Errorf("with another one before it: stored %s, want %s", got, want)
	}
}

// TestNamesOfOutputs that are taken or empty are found by Start.
func TestNamesOfOutputs(t *testing.T) {
	tests := map[string]func(d *dstream.DStream[int]){
		`the name "twin" is taken by print at output_test.go:`: func(d *dstream.DStream[int]) {
			dstream.Print(d, 1).Named("twin")
			dstream.Foreach(d, func(int) error { return nil }).Named("twin")
		},
		`the name "in" is taken by queueStream at output_test.go:`: func(d *dstream.DStream[int]) {
			dstream.Print(d.Named("in"), 1).Named("in")
		},
		"Named needs a name that is not empty": func(d *dstream.DStream[int]) { dstream.Print(d, 1).Named("") },
	}
	for want, build := range tests {
		ssc := newContext(t)
		build(dstream.QueueStream(ssc, dstream.NewQueue[int]()))
		if err := ssc.Start(t.Context()); !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

// TestPrintOfAll takes the largest number for no limit.
func TestPrintOfAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		var out strings.Builder
		ssc.SetOutput(&out)
		dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2})), math.MaxInt)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil || !strings.Contains(out.String(), "\n1\n2\n\n") {
			t.Errorf("%q, %v", out.String(), err)
		}
	})
}
