package dstream_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestBatchesGiveBack: what the shuffles of a batch hold is given back when nobody asks for its RDDs any more, and no
// sooner; RDDs from outside of the stream keep what they have.
func TestBatchesGiveBack(t *testing.T) {
	for _, tt := range []struct {
		remember time.Duration
		// before each batch: the shuffles of how many batches are held, and how often elements were computed in all
		held, computed string
	}{
		{0, "0 0 0 0 0", "0 1 2 3 4"},
		{2 * time.Second, "0 1 2 2 2", "0 1 2 3 4"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			if tt.remember > 0 {
				ssc.Remember(tt.remember)
			}
			var elements, static atomic.Int64
			var held, computed []string
			add := func(a, b int) int { return a + b }
			queue := dstream.NewQueue([]int{1}, []int{2}, []int{3}, []int{4}, []int{5})
			d := dstream.Map(dstream.QueueStream(ssc, queue),
				func(v int) rdd.Pair[int, int] { elements.Add(1); return rdd.KV(v, v) })
			sums := dstream.ReduceByKey(d, add, rdd.Partitions(1))
			var table *rdd.RDD[rdd.Pair[int, int]]
			joined := dstream.Transform(sums, func(r *rdd.RDD[rdd.Pair[int, int]], _ dstream.Time,
			) *rdd.RDD[rdd.Pair[int, rdd.Pair[int, int]]] {
				return rdd.Join(r, table)
			})
			var base, each int64
			dstream.ForeachRDD(joined, func(ctx context.Context, r *rdd.RDD[rdd.Pair[int, rdd.Pair[int, int]]],
				b *dstream.Batch,
			) error {
				used := func() int64 { return r.Context().Memory().Used() }
				if base == 0 {
					if _, err := rdd.Count(ctx, table); err != nil {
						return err
					}
					base = used()
				}
				before := used() - base
				computed = append(computed, fmt.Sprint(elements.Load()))
				for range 2 {
					if n, err := rdd.Count(ctx, r); n != 1 || err != nil {
						return fmt.Errorf("%d elements, %w", n, err)
					}
				}
				if each == 0 {
					each = used() - base
				}
				held = append(held, fmt.Sprint(before/each))
				if tt.remember == 0 {
					return nil
				}
				past, err := dstream.Slice(ctx, sums, dstream.Interval{Begin: b.Time.Add(-time.Second), End: b.Time})
				for _, r := range past {
					if _, err := rdd.Count(ctx, r); err != nil {
						return err
					}
				}
				return err
			})
			table = rdd.ReduceByKey(rdd.Map(rdd.Range(ssc.RDD(), 0, 10, 1, 2), func(i int64) rdd.Pair[int, int] {
				static.Add(1)
				return rdd.KV(int(i), 1)
			}), add, rdd.Partitions(1))
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.KeepContext()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(held, " "); got != tt.held {
				t.Errorf("remember %v: the shuffles of so many batches were held: %s, want %s", tt.remember, got, tt.held)
			}
			if got := strings.Join(computed, " "); got != tt.computed {
				t.Errorf("remember %v: elements were computed %s times, want %s", tt.remember, got, tt.computed)
			}
			if n := static.Load(); n != 10 {
				t.Errorf("remember %v: the elements of the table were computed %d times, want 10", tt.remember, n)
			}
			if used := table.Context().Memory().Used(); used != base {
				t.Errorf("remember %v: %d bytes are held in the end, want %d", tt.remember, used, base)
			}
			if err := ssc.RDD().Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReceivedCounts: what a receiver stored counts against the budget until its batch is over.
func TestReceivedCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		memory := ssc.RDD().Memory()
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			for _, ms := range []time.Duration{100, 300, 500, 1300} {
				go func() { // A receiver's Start does not block.
					time.Sleep(ms * time.Millisecond)
					_ = st.One(strings.Repeat("x", 1000))
				}()
			}
			return nil
		}}
		var inBody []int64
		dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
			func(context.Context, *rdd.RDD[string], *dstream.Batch) error {
				inBody = append(inBody, memory.Used()/1000)
				return nil
			})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(800 * time.Millisecond)
		if got := memory.Used() / 1000; got != 3 {
			t.Errorf("%d records are held before the first batch", got)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.KeepContext()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(inBody); got != "[3 1 0]" || memory.Used() != 0 {
			t.Errorf("the batches found %s records held, and %d bytes are held in the end", got, memory.Used())
		}
	})
}
