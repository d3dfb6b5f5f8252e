package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// numbers is a source of as many records as the limit allows; its methods can be replaced.
type numbers struct {
	resolve func(from []byte) ([]byte, error)
	plan    func(ctx context.Context, n int) error
	calls   int
	limits  []int64

	mu  sync.Mutex // Committed and Released may overlap with Plan
	log []string
}

func (s *numbers) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

func (s *numbers) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if s.resolve != nil {
		return s.resolve(from)
	}
	return []byte("start"), nil
}

func (s *numbers) Plan(ctx context.Context, from []byte, l dstream.Limit) ([]byte, int64, error) {
	s.calls++
	if s.plan != nil {
		if err := s.plan(ctx, s.calls); err != nil {
			return nil, 0, err
		}
	}
	s.limits = append(s.limits, l.Records)
	rng := fmt.Appendf(nil, "r%d", len(s.limits))
	s.note("plan %s after %s", rng, from)
	return rng, min(l.Records, 100), nil
}

func (s *numbers) Read(sc *rdd.Context, rng []byte) *rdd.RDD[string] {
	return rdd.Parallelize(sc, []string{string(rng)}, 1)
}

func (s *numbers) Committed(_ context.Context, b *dstream.Batch, rng []byte) error {
	s.note("committed %d %s", b.Sequence, rng)
	return nil
}

func (s *numbers) Released(_ context.Context, upTo []byte) error {
	s.note("released %s", upTo)
	return nil
}

func (s *numbers) Close(context.Context) error {
	s.note("closed")
	return nil
}

// TestLifeOfABatch is the order of what happens to a source and what listeners hear.
func TestLifeOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &numbers{}
		d := dstream.FromSource(ssc, "numbers", dstream.Source[string](s))
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			s.note("run %v", vs)
			return err
		})
		var events []string
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.BatchSubmitted:
				events = append(events, fmt.Sprint("submitted ", e.Sequence, " records ", e.Records()))
			case dstream.BatchStarted:
				events = append(events, fmt.Sprint("started ", e.Sequence, " delay ", e.SchedulingDelay()))
			case dstream.OutputOperationStarted:
				events = append(events, fmt.Sprint("output started ", e.Name))
			case dstream.OutputOperationCompleted:
				events = append(events, fmt.Sprint("output completed ", e.Err))
			case dstream.BatchCompleted:
				events = append(events, fmt.Sprint("completed ", len(e.Outputs), " took ", e.TotalDelay()))
			case dstream.TaskStarted, dstream.TaskEnded, dstream.StageStarted, dstream.StageEnded:
			default:
				events = append(events, strings.TrimPrefix(fmt.Sprintf("%T", e), "dstream."))
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		want := []string{"plan r1 after start", "run [r1]", "committed 0 r1", "released r1",
			"plan r2 after r1", "run [r2]", "committed 1 r2", "released r2", "closed"}
		if !slices.Equal(s.log, want) {
			t.Errorf("the source saw\n%s\nwant\n%s", strings.Join(s.log, "\n"), strings.Join(want, "\n"))
		}
		batch := func(n int) []string {
			return []string{fmt.Sprint("submitted ", n, " records 100"), fmt.Sprint("started ", n, " delay 0s"),
				"output started foreachRDD [0]", "output completed <nil>", "completed 1 took 0s", "BatchCommitted"}
		}
		wantEvents := append(
			append(append([]string{"StreamingStarted"}, batch(0)...), batch(1)...),
			"StreamingStopped",
		)
		if !slices.Equal(events, wantEvents) {
			t.Errorf("listeners heard\n%s\nwant\n%s", strings.Join(events, "\n"), strings.Join(wantEvents, "\n"))
		}
	})
}

// TestMissedTimes: times that pass while the queue is full are merged, or run one by one.
func TestMissedTimes(t *testing.T) {
	for policy, want := range map[string]string{"auto": "1 2 3 8 9 10", "merge": "1 2 3 8 9 10", "each": "1 2 3 4 5 6"} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "weir.streaming.missedBatches", policy, "weir.streaming.maxQueuedBatches", "1")
			begin := dstream.Time(time.Now().UnixMilli())
			var (
				times  []string
				missed int64
			)
			dstream.ForeachRDD(
				dstream.QueueStream(ssc, dstream.NewQueue[int]()),
				func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
					if len(times) < 6 {
						times = append(times, fmt.Sprint(int64(b.Time-begin)/1000))
					}
					if b.Sequence == 0 {
						time.Sleep(7100 * time.Millisecond) // until 8.1; batch 2 is queued, 3 is planned and waits
					}
					return nil
				},
			)
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.TimesMissed); ok {
					missed += e.Count
				}
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(12 * time.Second)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(times, " "); got != want {
				t.Errorf("%s: batches at %s, want %s", policy, got, want)
			}
			if wantMissed := map[bool]int64{true: 0, false: 4}[policy == "each"]; missed != wantMissed {
				t.Errorf("%s: %d times are said to be missed, want %d", policy, missed, wantMissed)
			}
		})
	}
}

// TestPlanningTroubles: what time mends is tried again, anything else ends the job, and nothing waits for ever.
func TestPlanningTroubles(t *testing.T) {
	away := errors.New("the broker is away")
	tests := []struct {
		name    string
		plan    func(ctx context.Context, n int) error
		want    error
		says    string
		seconds int
	}{
		{"time mends it", func(_ context.Context, n int) error {
			if n > 1 && n < 30 {
				return dstream.Transient(away)
			}
			return nil
		}, nil, "", 60},
		{
			"time does not mend it",
			func(_ context.Context, n int) error { return dstream.Transient(away) },
			away,
			"spark.network.timeout",
			130,
		},
		{"nothing mends it", func(_ context.Context, n int) error { return away }, away, "numbers [0]", 3},
		{
			"it does not answer",
			func(ctx context.Context, n int) error { <-ctx.Done(); return context.Cause(ctx) },
			nil,
			"did not answer in time",
			20,
		},
		{"it panics", func(context.Context, int) error { panic("oh") }, nil, "loop_test.go", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ssc := newContext(t)
				s := &numbers{plan: tt.plan}
				dstream.Foreach(
					dstream.FromSource(ssc, "numbers", dstream.Source[string](s)),
					func(string) error { return nil },
				)
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(tt.seconds)*time.Second)
				defer cancel()
				err := ssc.AwaitTermination(ctx)
				if tt.want == nil && tt.says == "" {
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v; want the job to go on", err)
					}
				} else if tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(fmt.Sprint(err), tt.says) {
					t.Errorf("%v; want %v and %q", err, tt.want, tt.says)
				}
				stopNow(t, ssc)
			})
		})
	}
}

// TestStartTroubles: an input that cannot resolve its start keeps the job from starting, in time.
func TestStartTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		s := &numbers{resolve: func([]byte) ([]byte, error) { return nil, errors.New("topic \"x\" does not exist") }}
		dstream.Foreach(
			dstream.FromSource(ssc, "numbers", dstream.Source[string](s)),
			func(string) error { return nil },
		)
		err := ssc.Start(t.Context())
		for _, want := range []string{"start of numbers [0]", "loop_test.go:", "topic \"x\" does not exist"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}
		if ssc.State() != dstream.Stopped || !slices.Equal(s.log, []string{"closed"}) {
			t.Errorf("state %v, log %v", ssc.State(), s.log)
		}
	})
}

// TestConcurrentJobs overlaps outputs of a batch, and batches stay in order.
func TestConcurrentJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.streaming.concurrentJobs", "2")
		begin := time.Now()
		var ends [2][]string
		q := dstream.QueueStream(ssc, dstream.NewQueue[int]())
		for i := range ends {
			dstream.ForeachRDD(q, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				time.Sleep(400 * time.Millisecond)
				ends[i] = append(ends[i], fmt.Sprint(b.Sequence, " at ", time.Since(begin)))
				return nil
			})
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		for i := range ends {
			if want := []string{"0 at 1.4s", "1 at 2.4s"}; !slices.Equal(ends[i], want) {
				t.Errorf("output %d ended %v, want %v", i, ends[i], want)
			}
		}
	})
}
