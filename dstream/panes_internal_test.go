package dstream

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A window of panes gives what its definition gives: the values of its last panes, folded from the oldest to the
// newest.
func TestPanes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		length := Time(1 + r.IntN(8))
		keys := 1 + r.IntN(12)
		calls := 0
		w := newPanes[int](folding[string]{f: func(a, b string) string { calls++; return a + b }},
			time.Duration(length)*time.Millisecond, nil)
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
				w.take(pane[int, string]{p.time, slices.Clone(p.rows)})
			} else {
				w.advance(at)
			}
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
	w := newPanes[string](folding[[]int]{f, slices.Clone[[]int]}, 3*time.Millisecond, nil)
	w.undoable = true
	for at := Time(1); at <= 20; at++ {
		v := make([]int, 1, 64) // room to be written into
		v[0] = int(at)
		w.take(pane[string, []int]{at, []paneRow[string, []int]{{key: "k", value: []int{-1}}}})
		w.takeBack()
		w.take(pane[string, []int]{at, []paneRow[string, []int]{{key: "k", value: v}}})
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

// A window that begins with the panes of its length, as after a restart, folds as one that has seen all: also a
// function that is not associative tells no difference. Nor does one that panes were taken back from.
func TestPanesTurnByTime(t *testing.T) {
	fold := folding[string]{f: func(a, b string) string { return "(" + a + b + ")" }}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		length := time.Duration(1+r.IntN(8)) * time.Millisecond
		var history []pane[int, string]
		w := newPanes[int](fold, length, nil)
		w.undoable, w.ordered = true, true
		for at := Time(1); at < 60; at++ {
			if r.IntN(4) == 0 {
				continue
			}
			p := pane[int, string]{time: at}
			for k := range 4 {
				if r.IntN(2) == 0 {
					p.rows = append(p.rows, paneRow[int, string]{key: k, value: fmt.Sprint(at)})
				}
			}
			w.take(pane[int, string]{at, slices.Clone(p.rows)})
			if r.IntN(3) == 0 {
				w.takeBack()
				continue
			}
			history = append(history, p)
			fresh := newPanes[int](fold, length, nil)
			fresh.ordered = true
			for _, p := range history {
				if p.time > at.Add(-length) {
					fresh.take(pane[int, string]{p.time, slices.Clone(p.rows)})
				}
			}
			if got, want := fmt.Sprint(slices.Collect(fresh.all())), fmt.Sprint(slices.Collect(w.all())); got != want {
				t.Fatalf("seed %d, time %d: %s after a restart, %s without one", seed, at, got, want)
			}
		}
	}
}
