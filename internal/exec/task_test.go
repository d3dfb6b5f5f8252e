package exec

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
)

// elsewhere runs f on a goroutine of the user's and waits until it has ended.
func elsewhere(f func()) {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		f()
	}()
	wg.Wait()
}

// pulled runs f in a coroutine.
func pulled(f func()) {
	next, stop := iter.Pull(func(yield func(int) bool) {
		if yield(1) {
			f()
		}
	})
	defer stop()
	next()
	next()
}

// deep runs f below n frames.
func deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
}

// TestFailAnywhere: wherever the user's function iterates over what fails, the task fails with that error and is tried
// again; the process goes on.
func TestFailAnywhere(t *testing.T) {
	tests := map[string]func(fail func()){
		"in the task":                  func(fail func()) { fail() },
		"below many frames":            func(fail func()) { deep(300, fail) },
		"on a goroutine":               func(fail func()) { elsewhere(fail) },
		"on a goroutine, deep":         func(fail func()) { elsewhere(func() { deep(300, fail) }) },
		"in a coroutine":               func(fail func()) { pulled(fail) },
		"in a coroutine, deep":         func(fail func()) { pulled(func() { deep(300, fail) }) },
		"in a coroutine of another":    func(fail func()) { pulled(func() { pulled(fail) }) },
		"in a goroutine's coroutine":   func(fail func()) { elsewhere(func() { pulled(fail) }) },
		"in a goroutine's coroutine's": func(fail func()) { elsewhere(func() { pulled(func() { pulled(fail) }) }) },
		"in a coroutine's goroutine":   func(fail func()) { pulled(func() { elsewhere(fail) }) },
	}
	for name, iterate := range tests {
		var ended []error
		cause := errors.New("the disk broke")
		s := scheduler(t, 1, 2, func(e Event) {
			if e, ok := e.(TaskEnded); ok {
				ended = append(ended, e.Err)
			}
		})
		err := s.Run(context.Background(), &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
			Task: func(t *Task, _ int) (any, error) {
				if t.Desc.Attempt == 0 {
					iterate(func() { t.Fail(cause) })
				}
				return 1, nil
			}, Done: func(int, any) error { return nil }})
		if err != nil || len(ended) != 2 || !errors.Is(ended[0], cause) || ended[1] != nil {
			t.Errorf("%s: %v; the attempts ended with %v", name, err, ended)
		}
	}
}

// TestRunInsideATask: who would wait for its own slot is told so, on a goroutine of the user's too.
func TestRunInsideATask(t *testing.T) {
	type key struct{}
	tests := map[string]func(task *Task, run func(ctx context.Context) error) error{
		"in the task": func(_ *Task, run func(context.Context) error) error { return run(context.Background()) },
		"on a goroutine": func(task *Task, run func(context.Context) error) (err error) {
			elsewhere(func() { err = run(task) })
			return err
		},
		"with a context of the task's": func(task *Task, run func(context.Context) error) (err error) {
			elsewhere(func() { err = run(context.WithValue(task, key{}, 1)) })
			return err
		},
	}
	for name, call := range tests {
		synctest.Test(t, func(t *testing.T) { // which ends if the call hangs
			s := scheduler(t, 1, 1, nil)
			job := func(task func(*Task) error) *Job {
				return &Job{Action: "count", Site: Site{File: "main.go", Line: 7}, Target: &Node{Partitions: 1},
					Partitions: []int{0}, Task: func(t *Task, _ int) (any, error) { return nil, task(t) },
					Done: func(int, any) error { return nil }}
			}
			err := s.Run(t.Context(), job(func(task *Task) error {
				return call(task, func(ctx context.Context) error {
					return s.Run(ctx, job(func(*Task) error { return nil }))
				})
			}))
			if err == nil || !strings.Contains(err.Error(), "count at main.go:7 was called from inside a task") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// TestAbandon gives up what ignores that its context has ended, and nothing else.
func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 2, 1, nil)
		release := make(chan struct{})
		run := func(ctx context.Context, op string) chan error {
			ran := make(chan error, 1)
			go func() {
				ran <- s.Run(ctx, &Job{Action: "foreach", Partitions: []int{0}, Target: &Node{Op: op, Partitions: 1},
					Task: func(*Task, int) (any, error) { <-release; return nil, nil },
					Done: func(int, any) error { return nil }})
			}()
			return ran
		}
		ctx, cancel := context.WithCancel(t.Context())
		mine, other := run(ctx, "mine"), run(t.Context(), "other")
		synctest.Wait()
		if err := s.Abandon(); err != nil {
			t.Errorf("while nothing has been cancelled: %v", err)
		}
		cancel()
		synctest.Wait()
		err := s.Abandon()
		if err == nil || !strings.Contains(err.Error(), "(mine)") || strings.Contains(err.Error(), "other") {
			t.Errorf("abandoned: %v", err)
		}
		if err := <-mine; err == nil {
			t.Error("the job that was given up succeeded")
		}
		close(release)
		if err := <-other; err != nil {
			t.Errorf("the other job: %v", err)
		}
		if err := s.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}

// TestGoexit: a function that ends its goroutine fails the task for good, and listeners hear of its end.
func TestGoexit(t *testing.T) {
	var ended []TaskEnded
	s := scheduler(t, 1, 3, func(e Event) {
		if e, ok := e.(TaskEnded); ok {
			ended = append(ended, e)
		}
	})
	err := s.Run(context.Background(), &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
		Task: func(*Task, int) (any, error) { runtime.Goexit(); return nil, nil }})
	if !errors.Is(err, errGoexit) || len(ended) != 1 || !errors.Is(ended[0].Err, errGoexit) || ended[0].Retry {
		t.Errorf("%v; the attempts ended with %+v", err, ended)
	}
}
