package registry

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// lookUp is a slow look-up that counts its calls.
func lookUp(calls *atomic.Int32, key int) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		calls.Add(1)
		<-time.After(time.Second)
		return strconv.Itoa(key), nil
	}
}

func TestMemoLooksOncePerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[int, string](100)
		var calls atomic.Int32
		var wg sync.WaitGroup
		for i := range 640 {
			wg.Go(func() {
				key := i % 10
				got, err := m.get(t.Context(), key, lookUp(&calls, key))
				if want := strconv.Itoa(key); got != want || err != nil {
					t.Errorf("key %d gave %q, %v", key, got, err)
				}
			})
		}
		wg.Wait()
		if n := calls.Load(); n != 10 {
			t.Errorf("looked %d times for 10 keys", n)
		}
		// The ten look-ups ran side by side: one did not wait for another's.
		start := time.Now()
		_, err := m.get(t.Context(), 3, lookUp(&calls, 3))
		if err != nil || time.Since(start) != 0 || calls.Load() != 10 {
			t.Errorf("what is known took %v and %d look-ups, %v", time.Since(start), calls.Load(), err)
		}
	})
}

func TestMemoForgetsFailures(t *testing.T) {
	m := newMemo[int, string](10)
	fail := errors.New("down")
	if _, err := m.get(t.Context(), 1, func(context.Context) (string, error) { return "", fail }); err != fail {
		t.Errorf("got %v, want the failure", err)
	}
	got, err := m.get(t.Context(), 1, func(context.Context) (string, error) { return "up", nil })
	if got != "up" || err != nil {
		t.Errorf("the second look gave %q, %v", got, err)
	}
}

func TestMemoSharesAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[int, string](10)
		fail := errors.New("down")
		var calls atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := m.get(t.Context(), 1, func(context.Context) (string, error) {
					calls.Add(1)
					time.Sleep(time.Second)
					return "", fail
				})
				if err != fail {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("looked %d times at once", calls.Load())
		}
	})
}

func TestMemoIsBounded(t *testing.T) {
	const limit = 8
	m := newMemo[int, int](limit)
	var calls int
	look := func(key int) int {
		v, err := m.get(t.Context(), key, func(context.Context) (int, error) { calls++; return key, nil })
		if err != nil || v != key {
			t.Fatalf("key %d gave %d, %v", key, v, err)
		}
		return v
	}
	for key := range 1000 {
		look(key)
		look(0) // what is in use between any two others stays
		if n := len(*m.known.Load()); n > limit {
			t.Fatalf("%d entries after key %d, the limit is %d", n, key, limit)
		}
	}
	if calls > 1000+1000/limit {
		t.Errorf("%d look-ups for 1000 keys, one of them in constant use", calls)
	}
}

// A caller that gives up leaves the others their chance.
func TestMemoOutlivesACancelledLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[int, string](10)
		impatient, cancel := context.WithCancel(t.Context())
		look := func(ctx context.Context) (string, error) {
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Minute):
				return "found", nil
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := m.get(impatient, 1, look); !errors.Is(err, context.Canceled) {
				t.Errorf("the one who gave up got %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if got, err := m.get(t.Context(), 1, look); got != "found" || err != nil {
				t.Errorf("the one who waited on got %q, %v", got, err)
			}
		})
		short, done := context.WithTimeout(t.Context(), time.Second)
		defer done()
		wg.Go(func() {
			if _, err := m.get(short, 1, look); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the one with a second got %v", err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestMemoSurvivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemo[int, string](10)
		release := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = m.get(t.Context(), 1, func(context.Context) (string, error) { <-release; panic("bad schema") })
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := m.get(t.Context(), 1, nil); !errors.Is(err, errAbandoned) {
				t.Errorf("the one who waited got %v", err)
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
		if got, err := m.get(t.Context(), 1, func(context.Context) (string, error) { return "ok", nil }); got != "ok" {
			t.Errorf("afterwards: %q, %v", got, err)
		}
	})
}
