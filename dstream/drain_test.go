package dstream_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
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

// A late drain is one of a receiver that stores records while it is stopped.
type lateDrain struct {
	stored, processed, batches int
	took                       time.Duration
	err                        error
	clean                      bool // says the checkpoint, if there is one
}

// drainLate stops a program whose receiver stores a record at each of these times, from when it is stopped on.
func drainLate(t *testing.T, at []time.Duration, logs bool) (d lateDrain) {
	synctest.Test(t, func(t *testing.T) {
		var st *dstream.Store[string]
		f := &feed{run: func(_ context.Context, s *dstream.Store[string], _ int) error { st = s; return nil }}
		f.stop = func(context.Context) error {
			stopped := time.Now()
			for _, at := range at {
				time.Sleep(at - time.Since(stopped))
				if st.One("late") == nil {
					d.stored++
				}
			}
			return nil
		}
		disk := vfs.NewDisk("disk")
		ssc := newContextOn(t, disk.Mount(nil), walSetting, fmt.Sprint(logs))
		if logs {
			ssc.Checkpoint("disk:/ck")
		}
		dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
			func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
				n, err := rdd.Count(ctx, r)
				d.processed, d.batches = d.processed+int(n), d.batches+1
				return err
			})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		begin := time.Now()
		d.err = ssc.Stop(t.Context(), dstream.Graceful())
		d.took = time.Since(begin)
		if logs {
			s, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
			if err != nil {
				t.Fatal(err)
			}
			d.clean = s.Stopped
		}
	})
	return d
}

// TestADrainTakesAllThatIsStored, also by a receiver that is slow to stop, or says what it leaves: no record that was
// acknowledged is dropped without a word.
func TestADrainTakesAllThatIsStored(t *testing.T) {
	var ever []time.Duration
	for at := 100 * time.Millisecond; at <= 9*time.Second; at += 100 * time.Millisecond {
		ever = append(ever, at)
	}
	for _, tt := range []struct {
		name   string
		stores []time.Duration
		left   int // records that were stored and came into no batch
		most   int // batches
		took   time.Duration
	}{
		{"after a third of the time", []time.Duration{5 * time.Second}, 0, 4, 5 * time.Second},
		{"at the last moment", []time.Duration{9900 * time.Millisecond}, 0, 4, 9900 * time.Millisecond},
		{"all the time", ever, 0, 12, 9 * time.Second},
		{"beyond the deadline", []time.Duration{9900 * time.Millisecond, 10100 * time.Millisecond}, 1, 3,
			10100 * time.Millisecond},
	} {
		for _, logs := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with a log: %v", tt.name, logs), func(t *testing.T) {
				d, cut := drainLate(t, tt.stores, logs), tt.left > 0
				if errors.Is(d.err, dstream.ErrDrainCut) != cut || d.err != nil && !cut {
					t.Errorf("the stop gives %v, want that the drain was cut: %v", d.err, cut)
				}
				if d.processed != d.stored-tt.left || d.batches > tt.most || d.took != tt.took {
					t.Errorf("%d stored, %d processed in %d batches, in %v, want %d left in %v", d.stored, d.processed,
						d.batches, d.took, tt.left, tt.took)
				}
				if d.clean != (logs && !cut) {
					t.Errorf("stopped cleanly: %v", d.clean)
				}
			})
		}
	}
}

// TestADrainAwaitsTheDisk, which a record is on its way to when its receiver has stopped: it will be acknowledged.
func TestADrainAwaitsTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		var slow atomic.Bool
		ssc := newContextOn(t, disk.Mount(func(s vfs.Step) vfs.Fault {
			if s.Op == "sync" && strings.Contains(s.Name, "/received/") && slow.Load() {
				time.Sleep(2 * time.Second)
			}
			return vfs.None
		}), walSetting, "true")
		ssc.Checkpoint("disk:/ck")
		var st *dstream.Store[string]
		f := &feed{run: func(_ context.Context, s *dstream.Store[string], _ int) error { st = s; return nil }}
		stored, got := make(chan error, 1), int64(0)
		f.stop = func(context.Context) error {
			slow.Store(true)
			go func() { stored <- st.One("late") }()
			time.Sleep(time.Second)
			return nil
		}
		countFed(ssc, f, &got)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		begin := time.Now()
		err := ssc.Stop(t.Context(), dstream.Graceful())
		if took := time.Since(begin); err != nil || <-stored != nil || got != 1 || took != 2*time.Second {
			t.Errorf("%d processed after %v: %v", got, took, err)
		}
	})
}

// countFed counts what is processed of what a receiver stores.
func countFed(ssc *dstream.Context, f *feed, n *int64) {
	dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
		func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
			more, err := rdd.Count(ctx, r)
			*n += more
			return err
		})
}

// TestADrainLetsIn those who wait for the rate already.
func TestADrainLetsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const senders = 30
		var wg sync.WaitGroup
		var refused atomic.Int64
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			for range senders {
				wg.Go(func() {
					if st.One("record") != nil {
						refused.Add(1)
					}
				})
			}
			return nil
		}}
		f.stop = func(context.Context) error { wg.Wait(); return nil }
		ssc, got := newContext(t, "spark.streaming.receiver.maxRate", "1"), int64(0)
		countFed(ssc, f, &got)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		begin := time.Now()
		err := ssc.Stop(t.Context(), dstream.Graceful())
		if took := time.Since(begin); err != nil || got != senders || refused.Load() > 0 || took > time.Second {
			t.Errorf("%d processed, %d refused, in %v: %v", got, refused.Load(), took, err)
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
		own        error // of the batch, when it is cut off; nil for that of its context
	}{
		{"a batch runs", 20 * time.Second, 0, "1.5s", dstream.ErrDrainCut,
			"the deadline cut the drain: batch 1 is planned and not committed; more time gives " +
				"spark.streaming.gracefulStopTimeout, the deadline of Stop's context or weir stop --timeout", nil},
		{"a record is left", 0, 5 * time.Second, "2.2s", dstream.ErrDrainCut,
			"the deadline cut the drain: records lost, which inputs hold and no batch has taken: 1; more time gives " +
				"spark.streaming.gracefulStopTimeout, the deadline of Stop's context or weir stop --timeout", nil},
		{"all is committed", 0, 5 * time.Second, "", nil, "<nil>", nil},
		{"a batch that says so in its own words", 20 * time.Second, 0, "1.5s", dstream.ErrDrainCut,
			"the deadline cut the drain: batch 1 is planned and not committed; more time gives " +
				"spark.streaming.gracefulStopTimeout, the deadline of Stop's context or weir stop --timeout",
			errors.New("the connection was closed")},
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
						return cmp.Or(tt.own, context.Cause(ctx))
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
