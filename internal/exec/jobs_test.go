package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCancelJobs: who is cancelled says by whom; the others go on.
func TestCancelJobs(t *testing.T) {
	at := Site{File: "main.go", Line: 9}
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 4, 1, nil)
		var wg sync.WaitGroup
		ended := make([]error, 3)
		for i, group := range []string{"etl", "etl", "other"} {
			wg.Go(func() {
				time.Sleep(time.Duration(i))
				ctx := WithProperty(t.Context(), JobGroup, group)
				ended[i] = s.Run(ctx, &Job{Action: "count", Site: Site{File: "main.go", Line: i},
					Target: &Node{Partitions: 2}, Partitions: []int{0, 1}, Done: func(int, any) error { return nil },
					Task: func(t *Task, _ int) (any, error) {
						select {
						case <-t.Done():
							return nil, t.Err()
						case <-time.After(time.Minute):
							return nil, nil
						}
					}})
			})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		n := s.Cancel("CancelJobGroup", at, func(_ int, ps map[string]string) bool { return ps[JobGroup] == "etl" })
		wg.Wait()
		if n != 2 || ended[2] != nil {
			t.Errorf("cancelled %d jobs, the other ended with %v", n, ended[2])
		}
		for i, err := range ended[:2] {
			want := fmt.Sprintf("count at main.go:%d (job %d) was cancelled by CancelJobGroup at main.go:9", i, i)
			if !errors.Is(err, ErrCancelled) || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		if n := s.Cancel("x", at, func(int, map[string]string) bool { return true }); n != 0 || len(s.Jobs()) != 0 {
			t.Errorf("cancelled %d jobs when none ran", n)
		}
	})
}

// TestJobs: the list of what runs counts stages and tasks.
func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 2, 2, nil)
		write := func(int) error { time.Sleep(time.Second); return nil }
		n := reduced(new([]string), write)
		n.Partitions = 3
		ended := make(chan error)
		go func() {
			ended <- s.Run(WithProperty(t.Context(), JobGroup, "g"), &Job{Action: "count", Target: n,
				Partitions: []int{0, 1, 2}, Done: func(int, any) error { return nil },
				Task: func(t *Task, p int) (any, error) {
					time.Sleep(time.Second)
					if p == 0 && t.Desc.Attempt == 0 {
						return nil, errors.New("flaky")
					}
					return nil, nil
				}})
		}()
		var got []string
		for range 5 {
			time.Sleep(time.Second - 1)
			synctest.Wait()
			var line string
			for _, j := range s.Jobs() {
				line += fmt.Sprint(j.ID, " ", j.Action, " ", j.Properties[JobGroup])
				for _, st := range j.Stages {
					line += fmt.Sprintf("; %d %s of %d: %d done, %d run, %d failed", st.Number, st.Op, st.Tasks, st.Done,
						st.Running, st.Failed)
				}
			}
			got = append(got, line)
			time.Sleep(time.Nanosecond)
		}
		want := []string{
			"0 count g; 0 source of 2: 0 done, 2 run, 0 failed; 1 reduce of 0: 0 done, 0 run, 0 failed",
			"0 count g; 0 source of 2: 2 done, 0 run, 0 failed; 1 reduce of 3: 0 done, 2 run, 0 failed",
			"0 count g; 0 source of 2: 2 done, 0 run, 0 failed; 1 reduce of 3: 1 done, 2 run, 1 failed",
			"", "",
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestProperties are a job's own: its tasks read them, and who made the context before does not see them.
func TestProperties(t *testing.T) {
	outer := WithProperty(context.Background(), "a", "1")
	inner := WithProperty(WithProperty(outer, "b", "2"), "a", "")
	s := scheduler(t, 1, 1, nil)
	for ctx, want := range map[context.Context]string{outer: "1,", inner: ",2", context.Background(): ","} {
		var got string
		err := s.Run(ctx, &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
			Task: func(t *Task, _ int) (any, error) { return t.Property("a") + "," + t.Property("b"), nil },
			Done: func(_ int, v any) error { got = v.(string); return nil }})
		if err != nil || got != want {
			t.Errorf("properties %q, %v; want %q", got, err, want)
		}
	}
}

// TestBackground: an action in the background has the number and the place of its call, whatever runs before it.
func TestBackground(t *testing.T) {
	var others atomic.Int64
	s := scheduler(t, 1, 1, nil)
	b := NewBackground(context.Background(), &others, s.Reserve())
	var numbers []int
	run := func(ctx context.Context) {
		site, desc := Describe(ctx, &others)
		numbers = append(numbers, desc.Job)
		if !strings.Contains(site.String(), "jobs_test.go") {
			t.Errorf("at %s", site)
		}
		err := s.Run(ctx, &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
			Task: func(*Task, int) (any, error) { numbers = append(numbers, s.Jobs()[0].ID); return nil, nil },
			Done: func(int, any) error { return nil }})
		if err != nil {
			t.Error(err)
		}
	}
	run(context.Background())
	run(b.In(context.Background()))
	run(b.In(context.Background()))
	if got, want := fmt.Sprint(numbers, b.IDs()), "[1 1 0 0 2 2] [0 2]"; got != want {
		t.Errorf("numbers %s, want %s", got, want)
	}
}
