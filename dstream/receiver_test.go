package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// feed is a receiver whose run is a function.
type feed struct {
	run   func(ctx context.Context, st *dstream.Store[string], n int) error
	stop  func(ctx context.Context) error
	mu    sync.Mutex
	runs  int
	stops int
}

func (f *feed) Start(ctx context.Context, st *dstream.Store[string], _ []byte) error {
	f.mu.Lock()
	f.runs++
	n := f.runs
	f.mu.Unlock()
	return f.run(ctx, st, n)
}

func (f *feed) Stop(ctx context.Context) error {
	f.mu.Lock()
	f.stops++
	f.mu.Unlock()
	if f.stop != nil {
		return f.stop(ctx)
	}
	return nil
}

// received runs a receiver as long as wait does and gives what each batch held, and the events of the receiver.
func received(t *testing.T, f *feed, wait func(), settings ...string) (batches, events []string, err error) {
	ssc := newContext(t, settings...)
	dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
		func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			batches = append(batches, fmt.Sprintf("%d blocks: %s", r.NumPartitions(), strings.Join(vs, " ")))
			return err
		})
	ssc.AddListener(func(e dstream.Event) {
		switch e := e.(type) {
		case dstream.ReceiverStarted:
			events = append(events, "started")
		case dstream.ReceiverError:
			events = append(events, "error: "+e.LastError.Error())
		case dstream.ReceiverStopped:
			events = append(events, "stopped")
		case dstream.Warning:
			events = append(events, "warning: "+e.Message)
		}
	})
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait()
	if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
	return batches, events, ssc.AwaitTermination(t.Context())
}

// TestBlocks: records one by one become a block each block interval, Many is a block of its own, and a graceful
// stop processes what is buffered.
func TestBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{run: func(ctx context.Context, st *dstream.Store[string], _ int) error {
			go func() {
				time.Sleep(50 * time.Millisecond)
				for i := range 8 { // 0 and 1 in the first block, then two a block
					_ = st.One(fmt.Sprint(i))
					time.Sleep(100 * time.Millisecond)
				}
				_ = st.Many([]string{"x", "y"}, nil)
				_ = st.Many(nil, nil)
				time.Sleep(time.Second) // 1.85
				_ = st.One("last")
			}()
			return nil
		}}
		batches, events, err := received(t, f, func() { time.Sleep(1900 * time.Millisecond) })
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"5 blocks: 0 1 2 3 4 5 6 7 x y", "1 blocks: last"}
		if !slices.Equal(batches, want) {
			t.Errorf("%q, want %q", batches, want)
		}
		if want := []string{"started", "stopped"}; !slices.Equal(events, want) {
			t.Errorf("events %q, want %q", events, want)
		}
	})
}

// TestManyBlocks: a batch takes 10,000 blocks at most, the next one the others, which is said once, and a graceful stop
// waits for all.
func TestManyBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			for range 30_001 {
				if err := st.Many([]string{""}, nil); err != nil {
					return err
				}
			}
			return nil
		}}
		batches, events, err := received(t, f, func() { time.Sleep(2100 * time.Millisecond) })
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range batches {
			batches[i] = strings.TrimSpace(b)
		}
		want := []string{"10000 blocks:", "10000 blocks:", "10000 blocks:", "1 blocks:"}
		if !slices.Equal(batches, want) {
			t.Errorf("%q, want %q", batches, want)
		}
		said := slices.DeleteFunc(events, func(e string) bool { return !strings.HasPrefix(e, "warning: ") })
		if len(said) != 1 || !strings.Contains(said[0], "more blocks than a batch takes") {
			t.Errorf("it is said: %q", said)
		}
	})
}

// TestLongIntervals: however long the interval is, a batch takes all that came in it, in fewer blocks than it may.
func TestLongIntervals(t *testing.T) {
	for _, logs := range []string{"false", "true"} {
		synctest.Test(t, func(t *testing.T) {
			c := conf.New().Set("spark.master", "local[2]").Set(walSetting, logs)
			ssc, err := dstream.NewContext(c, time.Hour, rdd.WithFileSystem(vfs.NewDisk("disk").Mount(nil)))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			begin := time.Now()
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				go func() {
					for st.One("") == nil {
						time.Sleep(200 * time.Millisecond)
					}
				}()
				return nil
			}}
			d := dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)).Named("feed")
			var got int64
			dstream.ForeachRDD(d, func(_ context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
				got += b.Records()
				came := int64(time.Since(begin) / (200 * time.Millisecond)) // Until the batch, which takes no time.
				if n := r.NumPartitions(); n > 5001 || came-got > 5 {
					t.Errorf("logs: %s: batch %d has %d blocks, and leaves %d records", logs, b.Sequence, n, came-got)
				}
				return nil
			}).Named("out")
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.Warning); ok {
					t.Errorf("logs: %s: %s", logs, e.Message)
				}
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3*time.Hour + time.Minute)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil || got < 54_300 {
				t.Errorf("logs: %s: %d records, %v", logs, got, err)
			}
			time.Sleep(time.Second) // The sender learns of it.
		})
	}
}

// TestReceiverRestarts: it is restarted when it asks for that or cannot start, and not when it stops for good.
func TestReceiverRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var times []string
		f := &feed{run: func(ctx context.Context, st *dstream.Store[string], n int) error {
			times = append(times, fmt.Sprint(time.Since(begin)))
			switch n {
			case 1:
				return errors.New("refused")
			case 2:
				panic("oh")
			case 3:
				told := make(chan struct{}) // It tells of trouble before Start has returned.
				defer func() { <-told }()
				go func() {
					_ = st.One("a")
					st.Report(errors.New("hiccup"))
					st.Restart(errors.New("broken pipe"))
					close(told)
					<-ctx.Done()
					if err := st.One("too late"); err == nil {
						t.Error("a store of a run that is over takes records")
					}
				}()
			case 4:
				st.RestartAfter(100*time.Millisecond, nil)
			default:
				st.Stop(errors.New("end of stream"))
			}
			return nil
		}}
		batches, events, err := received(t, f, func() { time.Sleep(11900 * time.Millisecond) })
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"0s", "2s", "4s", "6s", "6.1s"}; !slices.Equal(times, want) {
			t.Errorf("started at %v, want %v", times, want)
		}
		got := strings.Join(events, "; ")
		for _, want := range []string{"started; error: refused; stopped; started; error: panic at receiver_test.go:",
			"started; error: hiccup; error: broken pipe; stopped; started; stopped; started; error: end of stream; stopped"} {
			if !strings.Contains(got, want) {
				t.Errorf("events %s\ndo not show %s", got, want)
			}
		}
		if !slices.Contains(batches, "1 blocks: a") {
			t.Errorf("the record is missing: %q", batches)
		}
	})
}

// TestStopForGoodGoesFirst: a receiver that asks to be stopped for good is not started again, whatever it had asked for
// before, and how often.
func TestStopForGoodGoesFirst(t *testing.T) {
	lost, closed := errors.New("lost"), errors.New("closed")
	// The supervisor may have looked before the second was asked for.
	either := []string{"started; error: lost; error: closed; stopped", "started; error: lost; stopped; error: closed"}
	for name, tt := range map[string]struct {
		ask  func(st *dstream.Store[string], old *dstream.Store[string])
		want []string
	}{
		"at once": {func(st, _ *dstream.Store[string]) {
			st.Restart(lost)
			st.Stop(closed)
		}, either},
		"in the pause": {func(st, _ *dstream.Store[string]) {
			st.Restart(lost)
			<-time.After(time.Second)
			st.Restart(lost)
			st.Stop(closed)
		}, []string{"started; error: lost; stopped; error: lost; error: closed",
			"started; error: lost; stopped; error: closed"}},
		"after many": {func(st, _ *dstream.Store[string]) {
			for range 100 {
				st.Restart(lost)
			}
			st.Stop(closed)
		}, append(either, "started; error: lost; stopped; error: lost; error: closed")},
		"a run that is over": {func(st, old *dstream.Store[string]) {
			if old == nil {
				st.RestartAfter(0, lost)
				return
			}
			for range 100 {
				old.Stop(lost)
			}
			st.Stop(closed)
		}, []string{"started; error: lost; stopped; started; error: closed; stopped"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var old *dstream.Store[string]
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				before := old
				old = st
				go tt.ask(st, before)
				return nil
			}}
			_, events, err := received(t, f, func() { time.Sleep(10 * time.Second) })
			got := strings.Join(events, "; ")
			if err != nil || !slices.Contains(tt.want, got) {
				t.Errorf("%s: %s, %v\nwant %s", name, got, err, strings.Join(tt.want, "\nor "))
			}
		})
	}
}

// TestFirstComeFirstServed: what needs more memory than there may be is stored, however many others come.
func TestFirstComeFirstServed(t *testing.T) {
	for _, log := range []string{"true", "false"} {
		synctest.Test(t, func(t *testing.T) {
			var large atomic.Bool
			small := incompressible(3_000)
			f := &feed{run: func(ctx context.Context, st *dstream.Store[string], _ int) error {
				for range 20 {
					go func() {
						for st.One(small) == nil {
						}
					}()
				}
				go func() {
					time.Sleep(1500 * time.Millisecond)
					large.Store(st.Many([]string{incompressible(140_000)}, nil) == nil)
				}()
				return nil
			}}
			l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
				d := dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)).Named("feed")
				dstream.Foreach(d, func(string) error { return nil }).Named("out")
			}, walSetting, log, "weir.receiver.memory", "64k", "weir.receiver.logBytes", "64k")
			time.Sleep(5 * time.Second)
			if !large.Load() {
				t.Errorf("log %s: what is large still waits", log)
			}
			stopNow(t, l.Context)
		})
	}
}

// incompressible is a text that no log makes much smaller.
func incompressible(n int) string {
	random, text := rand.New(rand.NewPCG(1, 1)), make([]byte, n)
	for i := range text {
		text[i] = byte('a' + random.IntN(26))
	}
	return string(text)
}

// TestLateRecordsAreProcessed: what a receiver stored that is stopped for good, and the disk took only when Stop had
// waited long enough, is in a batch.
func TestLateRecordsAreProcessed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stalls atomic.Bool
		var acknowledged atomic.Bool
		done := make(chan struct{})
		f := &feed{
			run: func(_ context.Context, st *dstream.Store[string], n int) error {
				go func() {
					defer close(done)
					time.Sleep(1500 * time.Millisecond)
					stalls.Store(true)
					st.Stop(nil)
					acknowledged.Store(st.One("late") == nil)
				}()
				return nil
			},
			stop: func(ctx context.Context) error {
				select {
				case <-done:
				case <-ctx.Done():
				}
				return nil
			},
		}
		w := &world{}
		l, err := liveOnFaulty(t, vfs.NewDisk("disk"), func(s vfs.Step) vfs.Fault {
			if s.Op == "write" && strings.HasSuffix(s.Name, ".seg") && stalls.CompareAndSwap(true, false) {
				time.Sleep(15 * time.Second)
			}
			return vfs.None
		}, intoWorld(f, w), walSetting, "true")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		if got := w.ordered(); !acknowledged.Load() || !slices.Equal(got, []string{"late"}) {
			t.Errorf("acknowledged: %v, processed: %q", acknowledged.Load(), got)
		}
		l.stop(t)
	})
}

// TestReceiverRate: One is held to the rate, Many too, and back-pressure lowers it.
func TestReceiverRate(t *testing.T) {
	const most, pressure = "spark.streaming.receiver.maxRate", "spark.streaming.backpressure.enabled"
	one := func(st *dstream.Store[string]) (int64, error) { return 1, st.One("v") }
	many := func(st *dstream.Store[string]) (int64, error) {
		return 7, st.Many(slices.Repeat([]string{"v"}, 7), nil)
	}
	tests := []struct {
		name        string
		put         func(st *dstream.Store[string]) (int64, error)
		batch       time.Duration // takes this long
		least, most int64         // records a second from the fourth second on
		settings    []string
	}{
		{"One", one, 0, 48, 52, []string{most, "50"}},
		{"Many", many, 0, 48, 52, []string{most, "50"}},
		{"Many beyond a burst", many, 0, 4, 6, []string{most, "5"}},
		// 1,000 at first; a batch of them takes 2 s, and the delay lowers the rate further, to the least of 100.
		{"back-pressure", one, 2 * time.Second, 95, 105, []string{most, "1000", pressure, "true"}},
		{"back-pressure, Many", many, 2 * time.Second, 95, 105, []string{most, "1000", pressure, "true"}},
		{"back-pressure above the most", one, time.Millisecond, 48, 52, []string{most, "50", pressure, "true"}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int64
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				go func() {
					for put, err := tt.put(st); err == nil; put, err = tt.put(st) {
						n.Add(put)
					}
				}()
				return nil
			}}
			ssc := newContext(t, tt.settings...)
			dstream.ForeachRDD(dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
				func(context.Context, *rdd.RDD[string], *dstream.Batch) error { time.Sleep(tt.batch); return nil })
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Second)
			before := n.Load()
			time.Sleep(20 * time.Second)
			got := n.Load() - before
			stopNow(t, ssc)
			if got < 20*tt.least || got > 20*tt.most {
				t.Errorf("%s: %d records in 20 s, want %d to %d a second", tt.name, got, tt.least, tt.most)
			}
		})
	}
}

// TestReceiverMemory: a sender that is faster than the batches is held back, not the batches.
func TestReceiverMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		value := strings.Repeat("v", 1000)
		stored, ended := 0, make(chan struct{})
		f := &feed{run: func(ctx context.Context, st *dstream.Store[string], _ int) error {
			go func() {
				defer close(ended)
				for st.One(value) == nil {
					stored++
				}
			}()
			return nil
		}}
		batches, _, err := received(
			t,
			f,
			func() { time.Sleep(3900 * time.Millisecond) },
			"weir.receiver.memory",
			"100k",
			"weir.memory.budget",
			"64m",
		)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, b := range batches {
			n := strings.Count(b, value)
			if got += n; n > 210 {
				t.Errorf("a batch holds %d records of 1,000 bytes, over twice the bound of 100 KiB", n)
			}
		}
		if <-ended; got != stored || stored < 300 {
			t.Errorf("%d records were stored, %d processed", stored, got)
		}
	})
}

// TestAStubbornReceiver does not hold up a stop for ever.
func TestAStubbornReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &feed{
			run:  func(context.Context, *dstream.Store[string], int) error { return nil },
			stop: func(context.Context) error { <-release; return nil },
		}
		begin := time.Now()
		ssc := newContext(t, "spark.streaming.gracefulStopTimeout", "30s")
		dstream.Foreach(
			dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)),
			func(string) error { return nil },
		)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("took %v", took)
		}
		close(release)
		synctest.Wait()
	})
}

// TestStopFollowsStart: a receiver that is stopped at once has been started before.
func TestStopFollowsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []string
		f := &feed{
			run: func(context.Context, *dstream.Store[string], int) error {
				time.Sleep(10 * time.Millisecond)
				calls = append(calls, "started")
				return nil
			},
			stop: func(context.Context) error { calls = append(calls, "stopped"); return nil },
		}
		_, _, err := received(t, f, func() { time.Sleep(time.Millisecond) })
		if got := strings.Join(calls, ", "); err != nil || got != "started, stopped" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// TestReceiverThatIsNil is found at the start, with the place of the call.
func TestReceiverThatIsNil(t *testing.T) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	dstream.Print(dstream.ReceiverStream[int](ssc, "ticks", nil), 1)
	err = ssc.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ticks needs a receiver, not nil") ||
		!strings.Contains(err.Error(), "receiver_test.go:") {
		t.Error(err)
	}
}
