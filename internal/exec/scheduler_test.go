package exec

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
)

// words is what a map task writes in these tests.
type words [][]string

func (w words) Bucket(i int) any { return w[i] }

// diamond is a graph whose source is read by two shuffles that one node joins:
//
//	source(2) ─► left(2)  ─┐
//	         └─► right(2) ─┴► join(2)
func diamond(log *[]string, mu *sync.Mutex) *Node {
	source := &Node{Op: "source", Partitions: 2}
	edge := func(name string) *Shuffle {
		return &Shuffle{Parent: source, Buckets: 2, Write: func(_ *Task, p int) (MapOutput, error) {
			mu.Lock()
			defer mu.Unlock()
			*log = append(*log, fmt.Sprint(name, p))
			return words{{fmt.Sprint(name, p, ">0")}, {fmt.Sprint(name, p, ">1")}}, nil
		}}
	}
	return (&Node{Op: "join", Partitions: 2}).SetDeps(Deps{Shuffles: []*Shuffle{edge("l"), edge("r")}})
}

func scheduler(t *testing.T, slots, failures int, listen func(Event)) *Scheduler {
	s := NewScheduler(slots, failures, Memory{}, &Goroutines{}, listen)
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestStages: parents first, each once, buckets in map order, and nothing again for a second job.
func TestStages(t *testing.T) {
	var (
		mu  sync.Mutex
		log []string
	)
	s := scheduler(t, 2, 1, nil)
	n := diamond(&log, &mu)
	run := func() string {
		got := make([]string, 2)
		err := s.Run(context.Background(), &Job{Action: "collect", Target: n, Partitions: []int{0, 1},
			Task: func(t *Task, p int) (any, error) {
				var all []string
				for _, sh := range n.Deps().Shuffles {
					for b := range t.Fetch(sh, p) {
						all = append(all, b.([]string)...)
					}
				}
				return strings.Join(all, " "), nil
			},
			Done: func(i int, v any) error { got[i] = v.(string); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(got, " | ")
	}
	const want = "l0>0 l1>0 r0>0 r1>0 | l0>1 l1>1 r0>1 r1>1"
	for range 2 {
		if got := run(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	slices.Sort(log)
	if got := strings.Join(log, " "); got != "l0 l1 r0 r1" {
		t.Errorf("map tasks %s", got)
	}
}

// TestEvents are heard in the order of a stage's life.
func TestEvents(t *testing.T) {
	var (
		mu  sync.Mutex
		log []string
	)
	s := scheduler(t, 1, 2, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		switch e := e.(type) {
		case StageStarted:
			log = append(log, fmt.Sprintf("stage %d of %s: %d tasks", e.Desc.Stage, e.Op, e.Tasks))
		case TaskStarted:
			log = append(log, fmt.Sprintf("task %d.%d", e.Desc.Partition, e.Desc.Attempt))
		case TaskEnded:
			log = append(
				log,
				fmt.Sprintf("task %d.%d ended: %v, retry %v", e.Desc.Partition, e.Desc.Attempt, e.Err, e.Retry),
			)
		case StageEnded:
			log = append(log, fmt.Sprint("ended: ", e.Err))
		}
	})
	n := &Node{Op: "source", Partitions: 1}
	err := s.Run(context.Background(), &Job{Action: "count", Target: n, Partitions: []int{0},
		Task: func(t *Task, _ int) (any, error) {
			if t.Desc.Attempt == 0 {
				return nil, errors.New("flaky")
			}
			return 1, nil
		},
		Done: func(int, any) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"stage 0 of source: 1 tasks", "task 0.0", "task 0.0 ended: flaky, retry true", "task 0.1",
		"task 0.1 ended: <nil>, retry false", "ended: <nil>"}
	if !slices.Equal(log, want) {
		t.Errorf("%q\nwant %q", log, want)
	}
}

// TestPermanent: what another attempt cannot mend is not tried again.
func TestPermanent(t *testing.T) {
	s := scheduler(t, 1, 5, nil)
	tries := 0
	cause := errors.New("corrupt")
	err := s.Run(
		context.Background(),
		&Job{Action: "count", Target: &Node{Op: "source", Partitions: 1}, Partitions: []int{0},
			Task: func(*Task, int) (any, error) { tries++; return nil, Permanent(cause) }},
	)
	if !errors.Is(err, cause) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// TestSlots: no more tasks run than there are slots, over all jobs.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 3, 1, nil)
		var (
			mu            sync.Mutex
			running, most int
		)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				err := s.Run(
					t.Context(),
					&Job{Action: "count", Target: &Node{Partitions: 6}, Partitions: []int{0, 1, 2, 3, 4, 5},
						Task: func(*Task, int) (any, error) {
							mu.Lock()
							running++
							most = max(most, running)
							mu.Unlock()
							time.Sleep(time.Second)
							mu.Lock()
							running--
							mu.Unlock()
							return nil, nil
						}, Done: func(int, any) error { return nil }},
				)
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(begin); most != 3 || took != 4*time.Second {
			t.Errorf("%d tasks at a time, %v in all; want 3 and 4s", most, took)
		}
	})
}

// TestStopAbandons: a task that ignores its context is named, its job returns, and Stop keeps its deadline.
func TestStopAbandons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 2, 1, nil)
		release := make(chan struct{})
		ran := make(chan error)
		go func() {
			ran <- s.Run(t.Context(), &Job{Action: "foreach", Partitions: []int{0, 1},
				Target: &Node{Op: "map", Site: Site{File: "main.go", Line: 7}, Partitions: 2},
				Task: func(t *Task, p int) (any, error) {
					if p == 0 {
						<-t.Done()
						return nil, t.Err()
					}
					<-release
					return nil, nil
				}})
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		err := s.Stop(ctx)
		if err == nil || !strings.Contains(err.Error(), "partition 1 of foreach (map at main.go:7)") ||
			strings.Contains(err.Error(), "partition 0") {
			t.Errorf("Stop: %v", err)
		}
		if err := <-ran; !errors.Is(err, ErrStopped) {
			t.Errorf("the job: %v", err)
		}
		if err := s.Stop(ctx); err != nil {
			t.Errorf("a second Stop: %v", err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		if err := s.Run(t.Context(), &Job{Action: "count", Target: &Node{}}); !errors.Is(err, ErrStopped) {
			t.Errorf("a job after Stop: %v", err)
		}
		close(release)
		synctest.Wait()
	})
}

// TestCleanup runs last things first, however the attempt ends.
func TestCleanup(t *testing.T) {
	s := scheduler(t, 1, 1, nil)
	for name, end := range map[string]func(*Task) (any, error){
		"success": func(*Task) (any, error) { return 1, nil },
		"error":   func(*Task) (any, error) { return nil, errors.New("oh") },
		"panic":   func(*Task) (any, error) { panic("oh") },
		"Fail":    func(t *Task) (any, error) { t.Fail(errors.New("oh")); return nil, nil },
	} {
		var order []int
		_ = s.Run(context.Background(), &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
			Task: func(t *Task, _ int) (any, error) {
				t.OnEnd(func() { order = append(order, 1) })
				t.OnEnd(func() { order = append(order, 2) })
				return end(t)
			}, Done: func(int, any) error { return nil }})
		if !slices.Equal(order, []int{2, 1}) {
			t.Errorf("%s: cleanup ran %v", name, order)
		}
	}
}

// TestInvalidGraphs: all that is wrong below an action is told at once.
func TestInvalidGraphs(t *testing.T) {
	s := scheduler(t, 1, 1, nil)
	first, second := errors.New("nil function"), errors.New("no partitions")
	a := &Node{Err: first}
	b := (&Node{Err: second}).SetDeps(Deps{Narrow: []*Node{a}})
	target := (&Node{}).SetDeps(Deps{Narrow: []*Node{a}, Shuffles: []*Shuffle{{Parent: b}}})
	err := s.Run(context.Background(), &Job{Target: target})
	if !errors.Is(err, first) || !errors.Is(err, second) {
		t.Errorf("%v", err)
	}
}

// TestScope numbers the actions of an output in their order, whatever runs beside it.
func TestScope(t *testing.T) {
	s := &Scope{Batch: 4, BatchTime: 4000, Output: 1}
	ctx := s.In(context.Background())
	for want := range 3 {
		if d := ScopeOf(ctx).Desc(nil); d.Job != want || d.Batch != 4 || d.Output != 1 {
			t.Errorf("%+v", d)
		}
	}
}

func TestSiteSkipsOurOwnFrames(t *testing.T) {
	tests := []struct {
		function, file string
		ours           bool
	}{
		{"main.build", "/src/job/main.go", false},
		{module + "/examples/kafka_rdd.main", "main.go", false},
		{module + "/cmd/weir.main", "main.go", false},
		{module + "/rdd.Map[...]", "map.go", true},
		{module + "/connector/kafka.DirectStream[...]", "directstream.go", true},
		{module + ".Run", "weir.go", true},
		{module + "/rdd_test.TestMap", "map_test.go", false},
		{"runtime.gopanic", standard().root + "runtime/panic.go", true},
		{"strings.FieldsSeq.func1", standard().root + "strings/iter.go", true},
		{"example.com/rdd.Count", "count.go", false},
	}
	for _, tt := range tests {
		if got := ours(tt.function, tt.file); got != tt.ours {
			t.Errorf("%s: %v", tt.function, got)
		}
	}
}

func TestGoroutines(t *testing.T) {
	var g Goroutines
	if g.Inside() != "" {
		t.Error("inside of nothing")
	}
	leave := g.Enter("a body")
	refused := func() bool { return g.Refuse(t.Context(), "count", Site{}) != nil }
	if refused() {
		t.Error("refused inside of a body")
	}
	inner := g.Enter("a task")
	if g.Inside() != "a task" || !refused() {
		t.Error(g.Inside(), refused())
	}
	inner()
	if refused() || !g.noneRefused() {
		t.Error("refused, or looked for, when the task was over")
	}
	other := make(chan string)
	go func() { other <- g.Inside() }()
	if got := g.Inside() + "," + <-other; got != "a body," {
		t.Error(got)
	}
	leave()
	if g.Inside() != "" {
		t.Error(g.Inside())
	}
}

// TestEndedByItsContext: an action whose context ends says which one it was, and nothing is named twice.
func TestEndedByItsContext(t *testing.T) {
	why := errors.New("the shop closes")
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, s *Scheduler) (context.Context, context.CancelFunc)
		want string
		is   error
	}{
		{"deadline", func(t *testing.T, _ *Scheduler) (context.Context, context.CancelFunc) {
			return context.WithTimeout(t.Context(), time.Second)
		}, "count at main.go:7 (job 0): context deadline exceeded", context.DeadlineExceeded},
		{"reason", func(t *testing.T, _ *Scheduler) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(why) })
			return ctx, func() { cancel(nil) }
		}, "count at main.go:7 (job 0): the shop closes", why},
		{"before it began", func(t *testing.T, _ *Scheduler) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, cancel
		}, "count at main.go:7 (job 0): context canceled", context.Canceled},
		{"stopped", func(t *testing.T, s *Scheduler) (context.Context, context.CancelFunc) {
			time.AfterFunc(time.Second, func() { _ = s.Stop(context.Background()) })
			return t.Context(), func() {}
		}, "count at main.go:7 (job 0): the context has been stopped", ErrStopped},
		{"cancelled", func(t *testing.T, s *Scheduler) (context.Context, context.CancelFunc) {
			all := func(int, map[string]string) bool { return true }
			time.AfterFunc(time.Second, func() { s.Cancel("cancelAllJobs", Site{File: "main.go", Line: 9}, all) })
			return t.Context(), func() {}
		}, "count at main.go:7 (job 0) was cancelled by cancelAllJobs at main.go:9", ErrCancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scheduler(t, 1, 1, nil)
				ctx, cancel := tt.end(t, s)
				defer cancel()
				err := s.Run(ctx, &Job{Action: "count", Site: Site{File: "main.go", Line: 7},
					Target: &Node{Op: "source", Partitions: 2}, Partitions: []int{0, 1},
					Task: func(t *Task, _ int) (any, error) {
						<-t.Context.Done()
						return nil, context.Cause(t.Context)
					},
					Done: func(int, any) error { return nil }})
				if err == nil || err.Error() != tt.want || !errors.Is(err, tt.is) {
					t.Errorf("got  %v\nwant %s", err, tt.want)
				}
			})
		})
	}
}
