package dstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A window of panes gives what its definition gives: the values of its last panes, folded from the oldest to the
// newest.
func TestPanes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		length := Time(1 + r.IntN(8))
		keys := 1 + r.IntN(12)
		calls := 0
		w := newPanes[int](folding[string]{f: func(a, b string) string { calls++; return a + b }}, nil)
		var history []pane[int, string]
		rows := 0
		for at := Time(1); at < 60; at++ {
			if r.IntN(4) > 0 { // There may be no batch at a time.
				p := pane[int, string]{time: at}
				for k := range keys {
					if r.IntN(3) == 0 {
						p.rows = append(p.rows, paneRow[int, string]{key: k, value: fmt.Sprintf("%d;", at)})
					}
				}
				rows += len(p.rows)
				history = append(history, p)
				w.push(pane[int, string]{p.time, slices.Clone(p.rows)})
			}
			w.expire(at - length)
			if r.IntN(2) == 0 {
				continue // The window slides by more than a batch.
			}
			want := map[int]string{}
			for _, p := range history {
				for _, row := range p.rows {
					if p.time > at-length {
						want[row.key] += row.value
					}
				}
			}
			before := calls
			for range 2 { // It may be read again.
				n := 0
				for kv := range w.all() {
					if n++; want[kv.Key] != kv.Value {
						t.Fatalf("seed %d, time %d: key %d is %q, want %q", seed, at, kv.Key, kv.Value, want[kv.Key])
					}
				}
				if n != len(want) {
					t.Fatalf("seed %d, time %d: %d keys, want %d", seed, at, n, len(want))
				}
			}
			if most := 2 * len(want); calls-before > most {
				t.Fatalf("seed %d: %d calls to read %d keys twice", seed, calls-before, len(want))
			}
			calls = before
		}
		if calls > 2*rows {
			t.Errorf("seed %d: %d calls for %d rows: more than two a row", seed, calls, rows)
		}
	}
}

// A function may change and give back its first argument: what the window keeps is not what it was given.
func TestPanesOfSlices(t *testing.T) {
	f := func(a, b []int) []int { return append(a, b...) }
	w := newPanes[string](folding[[]int]{f, slices.Clone[[]int]}, nil)
	for at := Time(1); at <= 20; at++ {
		v := make([]int, 1, 64) // room to be written into
		v[0] = int(at)
		w.push(pane[string, []int]{at, []paneRow[string, []int]{{key: "k", value: v}}})
		w.expire(at - 3)
		want := []int{int(at) - 2, int(at) - 1, int(at)}[max(0, 3-int(at)):]
		for range 2 {
			for kv := range w.all() {
				if !slices.Equal(kv.Value, want) {
					t.Fatalf("at %d: %v, want %v", at, kv.Value, want)
				}
				kv.Value = append(kv.Value[:0], 99)
			}
		}
	}
}
