package dstream

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// newBareWindow makes a window of so many partitions that no program has.
func newBareWindow[V any](partitions int, length time.Duration, f func(V, V) V) *keyedWindow[int, V] {
	w := &keyedWindow[int, V]{length: length, fold: folding[V]{f: f}}
	for range partitions {
		w.partitions = append(w.partitions, newPanes[int](w.fold, length, nil))
	}
	return w
}

// bareRows are keys of each partition from 0 up, with the value that v gives a key.
func bareRows[V any](partitions, keys int, v func(partition, key int) V) [][]paneRow[int, V] {
	out := make([][]paneRow[int, V], partitions)
	for p := range out {
		out[p] = make([]paneRow[int, V], keys)
		for k := range out[p] {
			out[p][k] = paneRow[int, V]{key: k, value: v(p, k), next: nowhere}
		}
	}
	return out
}

// TestPartitionsOfAWindow: each partition folds its own rows, from the oldest to the newest, whichever turns first.
func TestPartitionsOfAWindow(t *testing.T) {
	w := newBareWindow(7, 3*time.Millisecond, func(a, b string) string { return a + b })
	for at := 1; at <= 20; at++ {
		rows := bareRows(7, 3, func(p, k int) string { return fmt.Sprintf("%d %d at %d;", p, k, at) })
		if err := w.letIn(t.Context(), Time(at), rows); err != nil {
			t.Fatal(err)
		}
		for p, of := range w.partitions {
			keys := 0
			for kv := range of.all() {
				want := ""
				for old := max(1, at-2); old <= at; old++ {
					want += fmt.Sprintf("%d %d at %d;", p, kv.Key, old)
				}
				if keys++; kv.Value != want {
					t.Fatalf("at %d partition %d has %q of the key %d, want %q", at, p, kv.Value, kv.Key, want)
				}
			}
			if keys != 3 {
				t.Fatalf("at %d partition %d has %d keys", at, p, keys)
			}
		}
	}
}

// TestWindowLeftHalfWay: a stop does not wait for partitions that were not begun, and a function that does not return
// fails the batch, in whichever partition it is called.
func TestWindowLeftHalfWay(t *testing.T) {
	ended := errors.New("the program ends")
	tests := map[string]struct {
		f    func(cancel func()) // what the function does in each call
		want string
	}{
		"stop":  {func(cancel func()) { cancel() }, ended.Error()},
		"panic": {func(func()) { panic("no sum") }, "no sum"},
		"exit":  {func(func()) { runtime.Goexit() }, "runtime.Goexit"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			var calls atomic.Int64
			w := newBareWindow(64, 10*time.Millisecond, func(a, b int) int {
				calls.Add(1)
				tt.f(func() { cancel(ended) })
				return a + b
			})
			one := func(int, int) int { return 1 }
			if err := w.letIn(ctx, 1, bareRows(64, 1, one)); err != nil {
				t.Fatal(err)
			}
			err := w.letIn(ctx, 2, bareRows(64, 1, one))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want one that says %q", err, tt.want)
			}
			if n, most := calls.Load(), int64(runtime.GOMAXPROCS(0)); name == "stop" && n > most {
				t.Errorf("%d partitions were taken in after the end, want %d at most", n, most)
			}
		})
	}
}

// BenchmarkWindowFlip is the batch in which a window of 3 million rows turns.
func BenchmarkWindowFlip(b *testing.B) {
	const partitions, panes, keys = 8, 5, 94_000
	w := newBareWindow(partitions, panes*time.Millisecond, func(a, b int) int { return a + b })
	pane := bareRows(partitions, keys, func(_, key int) int { return key })
	letIn := func(at int) {
		rows := make([][]paneRow[int, int], partitions)
		for p := range rows {
			rows[p] = slices.Clone(pane[p])
		}
		if err := w.letIn(b.Context(), Time(at), rows); err != nil {
			b.Fatal(err)
		}
	}
	at := 0
	for b.Loop() {
		b.StopTimer()
		for at++; at%panes != 0; at++ {
			letIn(at)
		}
		letIn(at)
		runtime.GC()
		rows := bareRows(partitions, 0, func(int, int) int { return 0 })
		at++
		b.StartTimer()
		if err := w.letIn(b.Context(), Time(at), rows); err != nil {
			b.Fatal(err)
		}
	}
}
