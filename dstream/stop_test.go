package dstream_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// telling is a source that says how much time it is given.
type telling struct {
	numbers
	committing, closing chan time.Duration
}

// left is how much time ctx still has: nothing if it has ended.
func left(ctx context.Context) time.Duration {
	at, ok := ctx.Deadline()
	if ctx.Err() != nil || !ok {
		return 0
	}
	return time.Until(at)
}

func (s *telling) Committed(ctx context.Context, _ *dstream.Batch, _ []byte) error {
	s.committing <- left(ctx)
	return nil
}

func (s *telling) Close(ctx context.Context) error {
	s.closing <- left(ctx)
	return nil
}

// hanging is a source that waits as long as it may, and longer.
type hanging struct {
	numbers
	release chan struct{}
}

func (s *hanging) Committed(context.Context, *dstream.Batch, []byte) error { <-s.release; return nil }
func (s *hanging) Close(context.Context) error                             { <-s.release; return nil }

// vault is a sink that says how much time it is given to flush.
type vault struct {
	store
	closing chan time.Duration
	hang    chan struct{}
}

func (v *vault) Close(ctx context.Context) error {
	v.closing <- left(ctx)
	if v.hang != nil {
		<-v.hang
	}
	return nil
}

// TestTimesAtTheEnd: who hangs takes no time from others.
func TestTimesAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		release := make(chan struct{})
		bad := &hanging{release: release}
		good := &telling{committing: make(chan time.Duration, 9), closing: make(chan time.Duration, 1)}
		dstream.Foreach(dstream.FromSource(ssc, "bad", dstream.Source[string](bad)), func(string) error { return nil })
		d := dstream.FromSource(ssc, "good", dstream.Source[string](good))
		sinks := []*vault{{closing: make(chan time.Duration, 1), hang: release}, {closing: make(chan time.Duration, 1)}}
		for _, s := range sinks {
			dstream.WriteTo(dstream.Map(d, func(string) int { return 0 }), dstream.Sink[int](s))
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := ssc.Stop(ctx, dstream.Graceful())
		if err == nil || !strings.Contains(err.Error(), "close a sink (*dstream_test.vault)") {
			t.Errorf("Stop: %v", err)
		}
		for name, given := range map[string]struct {
			by   chan time.Duration
			want time.Duration
		}{
			"the source at a commit":   {good.committing, 15 * time.Second},
			"the source at its close":  {good.closing, 10 * time.Second},
			"the sink that hangs":      {sinks[0].closing, 10 * time.Second},
			"the sink at its own time": {sinks[1].closing, 10 * time.Second},
		} {
			if got := <-given.by; got != given.want {
				t.Errorf("%s has %v, want %v", name, got, given.want)
			}
		}
		close(release)
		synctest.Wait()
	})
}

// TestADeadlineWhileClosing cuts nothing: all is committed, and the sink has the time that it needs to flush.
func TestADeadlineWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		v := &vault{closing: make(chan time.Duration, 1), hang: make(chan struct{})}
		dstream.WriteTo(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), dstream.Sink[int](v))
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		time.AfterFunc(5*time.Second, func() { close(v.hang) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if err := ssc.Stop(ctx, dstream.Graceful()); err != nil || time.Since(begin) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Errorf("AwaitTermination: %v", err)
		}
	})
}

// TestADeadlineWhileCommitting cuts nothing either: what the batch does is in, and so is its commit.
func TestADeadlineWhileCommitting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		ssc, s := newContextOn(t, disk.Mount(nil)), &hanging{release: make(chan struct{})}
		ssc.Checkpoint("disk:/ck")
		dstream.Foreach(dstream.FromSource(ssc, "hanging", dstream.Source[string](s)), func(string) error { return nil })
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		time.AfterFunc(14*time.Second, func() { close(s.release) })
		begin := time.Now()
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil || time.Since(begin) != 14*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Errorf("AwaitTermination: %v", err)
		}
		if s, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck"); err != nil || !s.Stopped {
			t.Errorf("stopped cleanly: %v, %v", s.Stopped, err)
		}
	})
}

// TestALateCallIsNoDirtyStop: a call that came too late was ignored, and leaves nothing open.
func TestALateCallIsNoDirtyStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		ssc := firstVersion(&seen, &sinkOf{}).context(t, disk.Mount(nil))
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ssc.Remember(time.Minute)
		lives(t, ssc, 1500*time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); !errors.Is(err, dstream.ErrStarted) {
			t.Errorf("%v, want that Remember came too late", err)
		}
		if s, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck"); err != nil || !s.Stopped {
			t.Errorf("stopped cleanly: %v, %v", s.Stopped, err)
		}
	})
}

// TestAStopLeavesStrangers: at its deadline a stop gives up the tasks of the stream, and none of others on the same
// rdd.Context.
func TestAStopLeavesStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2]"))
		if err != nil {
			t.Fatal(err)
		}
		ssc, err := dstream.On(sc, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		dstream.Foreach(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})), func(int) error { <-release; return nil })
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			r := rdd.Map(rdd.Parallelize(sc, []int{1}, 1), func(v int) int { <-release; return v })
			if n, err := rdd.Count(t.Context(), r); n != 1 || err != nil {
				t.Errorf("the other job: %d, %v", n, err)
			}
		})
		time.Sleep(1500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = ssc.Stop(ctx, dstream.Graceful(), dstream.KeepContext())
		if !errors.Is(err, dstream.ErrDrainCut) || !strings.Contains(err.Error(), "(queueStream at stop_test.go:") ||
			strings.Contains(err.Error(), "of count") {
			t.Errorf("Stop: %v", err)
		}
		close(release)
		wg.Wait()
		if err := sc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStopCutsABody: that a body gives the error of its context, when it is cut off, is no error of the program.
func TestStopCutsABody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		d := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}))
		dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestADiskThatHangs keeps no stop from its end: neither under a merge of state nor under the last slot of the log.
func TestADiskThatHangs(t *testing.T) {
	for _, tt := range []struct {
		name, hangs string
		late        bool // it hangs when the sinks are closed
		want        string
	}{
		{"under a merge", "/state/", false, ""},
		{"under the last slot", "/log/", true, "it does not return although its context has ended"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var late atomic.Bool
			release := make(chan struct{})
			mount := vfs.NewDisk("disk").Mount(func(s vfs.Step) vfs.Fault {
				if (s.Op == "create" || s.Op == "reuse") && strings.Contains(s.Name, tt.hangs) && late.Load() == tt.late {
					<-release
				}
				return vfs.None
			})
			ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second,
				rdd.WithFileSystem(mount))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			keyed := dstream.Map(d, func(v int) pair { return rdd.KV("k", v) })
			watch(dstream.UpdateStateByKey(keyed, add), "state", map[string]string{})
			dstream.WriteTo(d, dstream.Sink[int](&closing{closed: func() { late.Store(true) }})).Named("out")
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(130*time.Second + time.Second/2) // A merge begins after 128 batches.
			begin := time.Now()
			err = ssc.Stop(t.Context(), dstream.Graceful())
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
			}
			if took := time.Since(begin); took < 5*time.Second || took > 40*time.Second {
				t.Errorf("%s: the stop took %v", tt.name, took) // A slot is tried to be written for half a minute.
			}
			close(release)
			synctest.Wait()
		})
	}
}

// closing is a sink that tells when it is closed.
type closing struct {
	store
	closed func()
}

func (s *closing) Close(context.Context) error { s.closed(); return nil }
