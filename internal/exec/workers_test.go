package exec

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// TestWorkers: tasks run on as many goroutines as there are slots, job after job, and on another one where a function
// ended its own. That none is left behind is seen by the bubble.
func TestWorkers(t *testing.T) {
	// ends are what a task's function does last.
	type ends func(t *Task, p int)
	returns := func(*Task, int) {}
	tests := []struct {
		name  string
		slots int
		tries int
		jobs  []ends
		want  int // goroutines at most
	}{
		{"one slot", 1, 1, []ends{returns, returns, returns}, 1},
		{"two slots", 2, 1, []ends{returns, returns, returns}, 2},
		{"tries again", 1, 3, []ends{
			returns,
			func(t *Task, p int) {
				if p == 1 && t.Desc.Attempt < 2 {
					t.Fail(errors.New("not yet"))
				}
			},
			returns,
		}, 1},
		{"panics", 1, 3, []ends{
			returns,
			func(t *Task, p int) {
				if p == 1 && t.Desc.Attempt < 2 {
					panic("not yet")
				}
			},
			returns,
		}, 1},
		{"exits", 1, 4, []ends{
			returns,
			func(t *Task, p int) {
				if p == 1 && t.Desc.Attempt < 2 {
					// What weir itself does on a goroutine without an attempt: the error is known, the goroutine ends.
					t.record(errors.New("not yet"))
					runtime.Goexit()
				}
			},
			returns,
		}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := scheduler(t, tt.slots, tt.tries, nil)
				var (
					mu   sync.Mutex
					seen = map[int64]bool{}
				)
				for i, end := range tt.jobs {
					sum := 0
					err := s.Run(t.Context(), &Job{Action: "sum", Target: &Node{Partitions: 5},
						Partitions: []int{0, 1, 2, 3, 4},
						Task: func(t *Task, p int) (any, error) {
							mu.Lock()
							seen[current()] = true
							mu.Unlock()
							end(t, p)
							return p, nil
						},
						Done: func(_ int, result any) error { sum += result.(int); return nil }})
					if err != nil || sum != 10 {
						t.Errorf("job %d: the sum is %d, %v", i, sum, err)
					}
				}
				if len(seen) > tt.want {
					t.Errorf("%d goroutines, at most %d are wanted", len(seen), tt.want)
				}
			})
		})
	}
}

// TestWorkersOfStopped: tasks that a stop finds running end, and their goroutines with them.
func TestWorkersOfStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 2, 1, nil)
		ran := make(chan error)
		go func() {
			ran <- s.Run(context.Background(), &Job{Action: "wait", Target: &Node{Partitions: 3}, Partitions: []int{0, 1, 2},
				Task: func(t *Task, _ int) (any, error) { <-t.Done(); return nil, t.Err() },
				Done: func(int, any) error { return nil }})
		}()
		synctest.Wait()
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-ran; !errors.Is(err, ErrStopped) {
			t.Errorf("the job ends with %v", err)
		}
	})
}
