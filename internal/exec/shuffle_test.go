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

// reduced is a node that reads a shuffle; its map tasks log that they begin, and write is what else they do.
func reduced(log *[]string, write func(p int) error) *Node {
	var mu sync.Mutex
	return (&Node{Op: "reduce", Partitions: 1}).SetDeps(Deps{Shuffles: []*Shuffle{{
		Parent: &Node{Op: "source", Partitions: 2}, Buckets: 1,
		Write: func(_ *Task, p int) (MapOutput, error) {
			mu.Lock()
			*log = append(*log, fmt.Sprint("map ", p))
			mu.Unlock()
			return words{{fmt.Sprint("of ", p)}}, write(p)
		},
	}}})
}

// read collects what the shuffle below n gives.
func read(ctx context.Context, s *Scheduler, n *Node) (got string, err error) {
	err = s.Run(ctx, &Job{Action: "collect", Target: n, Partitions: []int{0},
		Task: func(t *Task, p int) (any, error) {
			return fmt.Sprint(slices.Collect(t.Fetch(n.Deps().Shuffles[0], p))...), nil
		},
		Done: func(_ int, v any) error { got = v.(string); return nil }})
	return got, err
}

// TestOneMapStage: of jobs that need one shuffle at the same time one runs its map stage, and the others wait for it.
func TestOneMapStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		n := reduced(&log, func(int) error { time.Sleep(time.Second); return nil })
		s, begin := scheduler(t, 8, 1, nil), time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if got, err := read(t.Context(), s, n); got != "[of 0] [of 1]" || err != nil {
					t.Errorf("read %s, %v", got, err)
				}
			})
		}
		wg.Wait()
		slices.Sort(log)
		if got := strings.Join(log, ", "); got != "map 0, map 1" || time.Since(begin) != time.Second {
			t.Errorf("ran %s in %v; want each once in 1s", got, time.Since(begin))
		}
	})
}

// TestAMapStageThatFails leaves what is missing to the job that waits for it; one that is cancelled waits no more.
func TestAMapStageThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log []string
		broken, why := errors.New("the disk broke"), errors.New("cancelled")
		fails := true // only read and written in the task of partition 1
		n := reduced(&log, func(p int) error {
			time.Sleep(time.Second)
			if p == 1 && fails {
				fails = false
				time.Sleep(time.Second) // Partition 0 is published before.
				return broken
			}
			return nil
		})
		s := scheduler(t, 8, 1, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := read(t.Context(), s, n); !errors.Is(err, broken) {
				t.Errorf("the first job: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got, err := read(t.Context(), s, n); got != "[of 0] [of 1]" || err != nil {
				t.Errorf("the second job: %s, %v", got, err)
			}
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, why)
			defer cancel()
			begin := time.Now()
			if _, err := read(ctx, s, n); !errors.Is(err, why) || time.Since(begin) > time.Second {
				t.Errorf("the third job: %v after %v", err, time.Since(begin))
			}
		})
		wg.Wait()
		slices.Sort(log)
		if got := strings.Join(log, ", "); got != "map 0, map 1, map 1" {
			t.Errorf("ran %s", got)
		}
	})
}

// TestPutOnce: an output that readers may hold is not replaced.
func TestPutOnce(t *testing.T) {
	for _, store := range []Store{Memory{}, Honest{}} {
		sh := &Shuffle{Parent: &Node{Partitions: 1}, Buckets: 1,
			Encode: func(bucket any) ([]byte, error) { return []byte(bucket.([]string)[0]), nil },
			Decode: func(data []byte) (any, error) { return []string{string(data)}, nil }}
		for _, word := range []string{"first", "second"} {
			if err := store.Put(sh, 0, words{{word}}); err != nil {
				t.Fatal(err)
			}
		}
		for got, err := range store.Get(sh, 0) {
			if fmt.Sprint(got) != "[first]" || err != nil || !sh.Complete() {
				t.Errorf("%T: %v, %v, complete %v", store, got, err, sh.Complete())
			}
		}
	}
}

// held is an output that tells how often it was released.
type held struct {
	words
	released *int
}

func (h held) Release() { *h.released++ }

// TestRelease: what is released is given back and computed again when it is needed again; what lost against an output
// that was there, and what the honest mode has encoded, is given back at once.
func TestRelease(t *testing.T) {
	for _, tt := range []struct {
		store       Store
		losers, all int
	}{{Memory{}, 1, 2}, {Honest{}, 2, 2}} {
		released := 0
		sh := &Shuffle{Parent: &Node{Op: "source", Partitions: 1}, Buckets: 1,
			Encode: func(any) ([]byte, error) { return nil, nil },
			Decode: func([]byte) (any, error) { return "", nil }}
		for range 2 {
			if err := tt.store.Put(sh, 0, held{words{{"word"}}, &released}); err != nil {
				t.Fatal(err)
			}
		}
		if released != tt.losers {
			t.Errorf("%T: %d were released, want %d", tt.store, released, tt.losers)
		}
		sh.Release()
		if released != tt.all || sh.Complete() {
			t.Errorf("%T: %d were released, want %d; complete %v", tt.store, released, tt.all, sh.Complete())
		}
		for _, err := range tt.store.Get(sh, 0) {
			if err == nil || !strings.Contains(err.Error(), "outputs of source") {
				t.Errorf("%T: error %v", tt.store, err)
			}
		}
	}
	var log []string
	n := reduced(&log, func(int) error { return nil })
	s := scheduler(t, 1, 1, nil)
	for range 2 {
		if got, err := read(t.Context(), s, n); got != "[of 0] [of 1]" || err != nil {
			t.Errorf("read %s, %v", got, err)
		}
		n.Deps().Shuffles[0].Release()
	}
	if got := strings.Join(log, ", "); got != "map 0, map 1, map 0, map 1" {
		t.Errorf("ran %s", got)
	}
}

// TestReleaseWaits: what a job is reading goes when the job has ended.
func TestReleaseWaits(t *testing.T) {
	released := 0
	sh := &Shuffle{Parent: &Node{Op: "source", Partitions: 1}, Buckets: 1,
		Write: func(*Task, int) (MapOutput, error) { return held{words{{"word"}}, &released}, nil }}
	n := (&Node{Op: "reduce", Partitions: 1}).SetDeps(Deps{Shuffles: []*Shuffle{sh}})
	s := scheduler(t, 1, 1, nil)
	err := s.Run(t.Context(), &Job{Action: "collect", Target: n, Partitions: []int{0},
		Task: func(task *Task, p int) (any, error) {
			sh.Release()
			for b := range task.Fetch(sh, p) {
				if fmt.Sprint(b) != "[word]" || released > 0 {
					t.Errorf("read %v when %d were released", b, released)
				}
			}
			return nil, nil
		}, Done: func(int, any) error { return nil }})
	if err != nil || released != 1 || sh.Complete() {
		t.Errorf("%v, %d were released, complete %v", err, released, sh.Complete())
	}
}
