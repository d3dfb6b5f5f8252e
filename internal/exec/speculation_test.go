package exec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A speculated run is a job whose tasks sleep, and what was heard of it.
type speculated struct {
	slots, failures int
	how             Speculation
	// sleep is how long an attempt takes, and whether it listens to its context; an error fails it.
	sleep func(p, attempt int) (d time.Duration, deaf bool, err error)
	tasks int
}

// run gives the results, and a line for each attempt that ended: partition.attempt, when, and how.
func (sp speculated) run(t *testing.T) (results, log string, err error) {
	var (
		mu    sync.Mutex
		lines []string
		begin = time.Now()
	)
	s := scheduler(t, sp.slots, sp.failures, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e, ok := e.(TaskEnded); ok {
			how := "ok"
			switch {
			case e.Lost:
				how = "lost"
			case e.Err != nil:
				how = e.Err.Error()
			}
			if e.Desc.Speculative {
				how += " beside"
			}
			lines = append(lines, fmt.Sprintf("%d.%d %v %s", e.Desc.Partition, e.Desc.Attempt, time.Since(begin), how))
		}
	})
	s.Speculate(sp.how)
	got, parts := make([]string, sp.tasks), make([]int, sp.tasks)
	for p := range parts {
		parts[p] = p
	}
	err = s.Run(t.Context(), &Job{Action: "count", Target: &Node{Partitions: sp.tasks}, Partitions: parts,
		Task: func(task *Task, p int) (any, error) {
			d, deaf, err := sp.sleep(p, task.Desc.Attempt)
			done := task.Done()
			if deaf {
				done = nil
			}
			select {
			case <-time.After(d):
			case <-done:
				return nil, task.Err()
			}
			return fmt.Sprint(p), err
		}, Done: func(i int, v any) error { got[i] += v.(string); return nil }})
	mu.Lock()
	lines = append(lines, fmt.Sprint("job ended ", time.Since(begin)))
	mu.Unlock()
	if e := s.Stop(t.Context()); e != nil { // It waits for attempts that have lost.
		t.Error(e)
	}
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	return strings.Join(got, " "), strings.Join(lines, "; "), err
}

// TestSpeculation: when a second attempt is made beside the first, who wins, and what becomes of the other.
func TestSpeculation(t *testing.T) {
	const ms = time.Millisecond
	usual := Speculation{Interval: 100 * ms, Quantile: 0.75, Multiplier: 1.5, MinRuntime: 100 * ms}
	slow := func(p, attempt int) (time.Duration, bool, error) {
		if p == 3 && attempt == 0 {
			return time.Hour, false, nil
		}
		return time.Duration(p+1) * 100 * ms, false, nil
	}
	tests := []struct {
		name string
		speculated
		results, log string
	}{
		{"off", speculated{4, 1, Speculation{}, slow, 4}, "0 1 2 3",
			"0.0 100ms ok; 1.0 200ms ok; 2.0 300ms ok; 3.0 1h0m0s ok; job ended 1h0m0s"},
		{"the second attempt is first", speculated{4, 1, usual, slow, 4}, "0 1 2 3",
			"0.0 100ms ok; 1.0 200ms ok; 2.0 300ms ok; 3.1 800ms ok beside; job ended 800ms; 3.0 800ms lost"},
		{"the first attempt is first", speculated{4, 1, usual, func(p, attempt int) (time.Duration, bool, error) {
			if p == 3 && attempt == 0 {
				return 500 * ms, false, nil
			}
			return time.Duration(p+1) * 100 * ms, false, nil
		}, 4}, "0 1 2 3",
			"0.0 100ms ok; 1.0 200ms ok; 2.0 300ms ok; 3.0 500ms ok; job ended 500ms; 3.1 500ms lost beside"},
		{"nobody waits for a loser that hangs", speculated{4, 1, usual, func(p, attempt int) (time.Duration, bool, error) {
			d, _, err := slow(p, attempt)
			return d, true, err
		}, 4}, "0 1 2 3",
			"0.0 100ms ok; 1.0 200ms ok; 2.0 300ms ok; 3.1 800ms ok beside; job ended 800ms; 3.0 1h0m0s lost"},
		{"no slot that a first attempt waits for", speculated{2, 1, usual, func(p, attempt int) (time.Duration, bool, error) {
			if p == 0 && attempt == 0 {
				return time.Hour, false, nil
			}
			return 100 * ms, false, nil
		}, 6}, "0 1 2 3 4 5", "1.0 100ms ok; 2.0 200ms ok; 3.0 300ms ok; 4.0 400ms ok; 5.0 500ms ok; " +
			"0.1 600ms ok beside; job ended 600ms; 0.0 600ms lost"},
		{"alone no task is slow", speculated{4, 1, usual, func(int, int) (time.Duration, bool, error) {
			return time.Minute, false, nil
		}, 1}, "0", "0.0 1m0s ok; job ended 1m0s"},
		{"by a threshold one is", speculated{4, 1, Speculation{Interval: 100 * ms, Threshold: time.Second},
			func(_, attempt int) (time.Duration, bool, error) {
				return time.Duration(60-59*attempt) * time.Second, false, nil
			}, 1}, "0", "0.1 2.1s ok beside; job ended 2.1s; 0.0 2.1s lost"},
		{"no short task is", speculated{4, 1, Speculation{100 * ms, 0.75, 1.5, time.Minute, 0},
			func(p, _ int) (time.Duration, bool, error) {
				return time.Duration(1+p*p*p) * time.Second, false, nil
			}, 4}, "0 1 2 3", "0.0 1s ok; 1.0 2s ok; 2.0 9s ok; 3.0 28s ok; job ended 28s"},
		{"a failure beside is made up for", speculated{4, 3, usual, func(p, attempt int) (time.Duration, bool, error) {
			switch {
			case p < 3:
				return 100 * ms, false, nil
			case attempt == 1:
				return 100 * ms, false, errors.New("broken")
			}
			return time.Second, false, nil
		}, 4}, "0 1 2 3", "0.0 100ms ok; 1.0 100ms ok; 2.0 100ms ok; 3.1 300ms broken beside; " +
			"3.0 1s ok; job ended 1s; 3.2 1s lost beside"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			results, log, err := tt.run(t)
			if err != nil || results != tt.results || sortedAt(log) != sortedAt(tt.log) {
				t.Errorf("%s: %v\n got %s: %s\nwant %s: %s", tt.name, err, results, log, tt.results, tt.log)
			}
		})
	}
}

// sortedAt puts the lines of a log in one order: of what happens at the same time none is first.
func sortedAt(log string) string {
	lines := strings.Split(log, "; ")
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// TestSpeculativeFailures count as the others do: a task that fails too often fails its job, however it was tried.
func TestSpeculativeFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usual := Speculation{Interval: 100 * time.Millisecond, Quantile: 0.5, Multiplier: 1.5}
		broken := errors.New("broken")
		_, log, err := speculated{4, 2, usual, func(p, attempt int) (time.Duration, bool, error) {
			switch {
			case p == 0:
				return 100 * time.Millisecond, false, nil
			case attempt == 0:
				return time.Hour, false, nil
			}
			return 100 * time.Millisecond, false, broken
		}, 2}.run(t)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "failed 2 times") {
			t.Errorf("%v\n%s", err, log)
		}
	})
}

// TestAbandonedLoser: an attempt that has lost and ignores it is named by Stop, and its job has not failed.
func TestAbandonedLoser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 3, 1, nil)
		s.Speculate(Speculation{Interval: time.Second, Quantile: 0.5, Multiplier: 1.5})
		release := make(chan struct{})
		defer close(release)
		job := func(task func(*Task, int) (any, error)) *Job {
			return &Job{Action: "foreach", Target: &Node{Op: "map", Partitions: 2}, Partitions: []int{0, 1}, Task: task,
				Done: func(int, any) error { return nil }}
		}
		err := s.Run(t.Context(), job(func(task *Task, p int) (any, error) {
			if p == 1 && task.Desc.Attempt == 0 {
				<-release
				return nil, nil
			}
			time.Sleep(time.Second)
			return nil, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Abandon(); err == nil || !strings.Contains(err.Error(), "partition 1 of foreach") {
			t.Errorf("abandoned: %v", err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}
