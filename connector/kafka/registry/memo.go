package registry

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
)

// A memo remembers what was found under each of at most limit keys. Many tasks may ask at once: those
// who ask for what is there take no lock, and those who ask for what is not yet there wait for the
// one among them who looks. Failures are not remembered. The zero memo is of no use; see newMemo.
type memo[K comparable, V any] struct {
	limit int
	// known is replaced as a whole, never changed, so that readers need no lock. It is copied once a
	// key, which costs less over a program's life than a lock would cost every record.
	known atomic.Pointer[map[K]*known[V]]

	mu      sync.Mutex // guards flights and the replacing of known; never held while somebody looks
	flights map[K]*flight[V]
}

type known[V any] struct {
	value V
	// used is set by readers and cleared by sweep: what nobody asked for between two sweeps goes.
	used atomic.Bool
}

// A flight is one look-up under way. value and err are set before done is closed.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
	// cancelled says that the one who looked gave up, which says nothing about what was looked for.
	cancelled bool
}

// errAbandoned is what those who wait see if the one who looks panics.
var errAbandoned = errors.New("the look-up was abandoned by a panic")

func newMemo[K comparable, V any](limit int) *memo[K, V] {
	m := &memo[K, V]{limit: max(limit, 1), flights: map[K]*flight[V]{}}
	m.known.Store(&map[K]*known[V]{})
	return m
}

// get returns the value of a key and calls look to find it if need be, with ctx. It returns when ctx
// ends, whoever looks.
func (m *memo[K, V]) get(ctx context.Context, key K, look func(context.Context) (V, error)) (V, error) {
	for {
		if k := (*m.known.Load())[key]; k != nil {
			// Written once a sweep and not once a record, so that the line stays shared among cores.
			if !k.used.Load() {
				k.used.Store(true)
			}
			return k.value, nil
		}
		f, mine := m.join(key)
		if f == nil {
			continue // found by another between the two looks
		}
		if mine {
			return m.lead(ctx, key, f, look)
		}
		select {
		case <-f.done:
			if f.cancelled && ctx.Err() == nil {
				continue // he gave up; we have not, so one of us looks again
			}
			return f.value, f.err
		case <-ctx.Done():
			var none V
			return none, context.Cause(ctx)
		}
	}
}

// join returns the flight for a key and whether the caller has to fly it, or nil if the key is known
// by now.
func (m *memo[K, V]) join(key K) (f *flight[V], mine bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if (*m.known.Load())[key] != nil {
		return nil, false
	}
	if f := m.flights[key]; f != nil {
		return f, false
	}
	f = &flight[V]{done: make(chan struct{}), err: errAbandoned}
	m.flights[key] = f
	return f, true
}

func (m *memo[K, V]) lead(ctx context.Context, key K, f *flight[V], look func(context.Context) (V, error)) (V, error) {
	defer func() { // deferred, so that a panic in look leaves nobody waiting
		f.cancelled = ctx.Err() != nil && f.err != nil
		m.land(key, f)
		close(f.done)
	}()
	f.value, f.err = look(ctx)
	return f.value, f.err
}

func (m *memo[K, V]) land(key K, f *flight[V]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.flights, key)
	if f.err != nil {
		return
	}
	next := maps.Clone(*m.known.Load())
	if len(next) >= m.limit {
		next = sweep(next, m.limit/2)
	}
	k := &known[V]{value: f.value}
	k.used.Store(true)
	next[key] = k
	m.known.Store(&next)
}

// sweep keeps up to n entries that were used since the last sweep and clears their marks.
func sweep[K comparable, V any](all map[K]*known[V], n int) map[K]*known[V] {
	kept := make(map[K]*known[V], n+1)
	for key, k := range all {
		if k.used.Swap(false) && len(kept) < n {
			kept[key] = k
		}
	}
	return kept
}
