package dstream_test

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

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestDrainOfAPlannedRange: what was planned for a batch that never came, because another input was away when the drain
// began, is processed.
func TestDrainOfAPlannedRange(t *testing.T) {
	for _, first := range []string{"receiver", "numbers"} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				go func() {
					time.Sleep(1200 * time.Millisecond)
					_ = st.One("record")
				}()
				return nil
			}}
			s := &numbers{plan: func(context.Context, int) error {
				if at := time.Since(begin); at > 1500*time.Millisecond && at < 5*time.Second {
					return dstream.Transient(errors.New("the broker is away"))
				}
				return nil
			}}
			ssc := newContext(t)
			var got []string
			receive := func() {
				dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
					func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
						vs, err := rdd.Collect(ctx, r)
						got = append(got, vs...)
						return err
					})
			}
			number := func() {
				dstream.Foreach(dstream.FromSource(ssc, "numbers", dstream.Source[string](s)),
					func(string) error { return nil })
			}
			if first == "receiver" {
				receive()
				number()
			} else {
				number()
				receive()
			}
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500*time.Millisecond - time.Since(begin)) // The batch of 2 s is being planned.
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Error(err)
			}
			if want := []string{"record"}; !slices.Equal(got, want) {
				t.Errorf("%s first: processed %q, want %q", first, got, want)
			}
		})
	}
}

// TestAReceiverThatBlocks in its Start, against the contract, receives all the same, and a stop ends it at once.
func TestAReceiverThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{run: func(ctx context.Context, st *dstream.Store[string], _ int) error {
			_ = st.One("record")
			<-ctx.Done()
			return context.Cause(ctx)
		}}
		var began time.Time
		batches, events, err := received(t, f, func() {
			time.Sleep(1500 * time.Millisecond)
			began = time.Now()
		})
		if took := time.Since(began); err != nil || took > 0 {
			t.Errorf("stopping took %v: %v", took, err)
		}
		got := strings.Join(batches, "; ") + " | " + strings.Join(events, "; ")
		if want := "1 blocks: record | started; stopped"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestADrainIsNotSlowed by the rate that a batch gives while it lasts: what a receiver has in hand is let in.
func TestADrainIsNotSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const inHand = 5000
		var st *dstream.Store[string]
		f := &feed{run: func(_ context.Context, s *dstream.Store[string], _ int) error {
			st = s
			go func() {
				for range 2 {
					time.Sleep(700 * time.Millisecond)
					_ = s.Many(slices.Repeat([]string{"early"}, 100), nil)
				}
			}()
			return nil
		}}
		rated := make(chan struct{})
		f.stop = func(context.Context) error {
			<-rated
			return st.Many(slices.Repeat([]string{"late"}, inHand), nil)
		}
		ssc := newContext(t, "spark.streaming.backpressure.enabled", "true")
		got := 0
		dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
			func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
				if b.Sequence < 2 {
					time.Sleep(time.Second) // 100 records a second
				}
				vs, err := rdd.Collect(ctx, r)
				for _, v := range vs {
					if v == "late" {
						got++
					}
				}
				return err
			})
		var rates []float64
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.RateUpdated:
				rates = append(rates, e.Rate)
			case dstream.BatchCommitted:
				if e.Sequence == 1 {
					close(rated)
				}
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond) // Batch 1 runs.
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		if fmt.Sprint(rates) != "[100]" || got != inHand {
			t.Errorf("rates %v; of %d records in hand %d were processed", rates, inHand, got)
		}
	})
}

// TestAStopThatCutsADrain is told by the graceful one and by AwaitTermination, if it left anything.
func TestAStopThatCutsADrain(t *testing.T) {
	tests := []struct {
		name string
		// body and stop are how long a batch and the end of the receiver take.
		body, stop time.Duration
		stored     string
		want       error
		says       string
	}{
		{"a batch runs", 20 * time.Second, 0, "1.5s", dstream.ErrDrainCut,
			"the deadline cut the drain: batch 1 is planned and not committed; more time gives " +
				"spark.streaming.gracefulStopTimeout, the deadline of Stop's context or weir stop --timeout"},
		{"a record is left", 0, 5 * time.Second, "2.2s", dstream.ErrDrainCut,
			"the deadline cut the drain: records lost, which inputs hold and no batch has taken: 1; more time gives " +
				"spark.streaming.gracefulStopTimeout, the deadline of Stop's context or weir stop --timeout"},
		{"all is committed", 0, 5 * time.Second, "", nil, "<nil>"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				if at, err := time.ParseDuration(tt.stored); err == nil {
					go func() {
						time.Sleep(at)
						_ = st.One("record")
					}()
				}
				return nil
			}}
			f.stop = func(context.Context) error { time.Sleep(tt.stop); return nil }
			ssc := newContext(t)
			dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
				func(ctx context.Context, _ *rdd.RDD[string], b *dstream.Batch) error {
					if b.Records() == 0 {
						return nil
					}
					select {
					case <-time.After(tt.body):
						return nil
					case <-ctx.Done():
						return context.Cause(ctx)
					}
				})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := ssc.Stop(t.Context(), dstream.Graceful()); !errors.Is(err, tt.want) {
					t.Errorf("%s: the graceful stop gives %v, want %v", tt.name, err, tt.want)
				}
			})
			time.Sleep(time.Second)
			stopNow(t, ssc)
			wg.Wait()
			if err := ssc.AwaitTermination(t.Context()); !errors.Is(err, tt.want) || fmt.Sprint(err) != tt.says {
				t.Errorf("%s: AwaitTermination gives %v, want %v, %s", tt.name, err, tt.want, tt.says)
			}
		})
	}
}
