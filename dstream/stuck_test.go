package dstream_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// stuck has a function that runs in the driver not return before it is released: one of a window, or one that makes
// RDDs.
func stuck(which string, release chan struct{}) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		one := dstream.Map(d, func(v int) pair { return rdd.KV("k", v) })
		out := dstream.ReduceByKeyAndWindow(one, func(a, b int) int {
			if which == "reduceByKeyAndWindow" && a == 0+1 && b == 2+3 { // Batch 1 enters the window.
				<-release
			}
			return a + b
		}, 10*time.Second, 0).Named("sums")
		if which == "transform" {
			out = dstream.Transform(out, func(r *rdd.RDD[pair], _ dstream.Time) *rdd.RDD[pair] {
				<-release
				return r
			})
		}
		dstream.Foreach(out, func(pair) error { return nil }).Named("out")
	}
}

// TestStuckFunctions: a function in the driver that does not return is named and left to itself at the deadline of a
// stop, and nobody waits for it.
func TestStuckFunctions(t *testing.T) {
	for _, which := range []string{"reduceByKeyAndWindow", "transform"} {
		for name, opts := range map[string][]dstream.StopOption{"graceful": {dstream.Graceful()}, "immediate": nil} {
			t.Run(which+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					disk := vfs.NewDisk("disk")
					l := mustLive(t, disk, stuck(which, release), "spark.streaming.gracefulStopTimeout", "5s",
						"weir.streaming.shutdownTimeout", "5s")
					time.Sleep(3500 * time.Millisecond)
					begin := time.Now()
					err := l.Stop(t.Context(), opts...)
					if took := time.Since(begin); took > 15*time.Second {
						t.Errorf("the stop took %v", took)
					}
					if err == nil || !strings.Contains(err.Error(), "abandoned at the deadline, for its function does "+
						"not return: "+which+" (stuck_test.go:") {
						t.Errorf("the stop gives %v", err)
					}
					close(release) // What was abandoned finds that the program is gone.
					synctest.Wait()
					again := mustLive(t, disk, stuck(which, release))
					time.Sleep(2500 * time.Millisecond)
					again.stop(t)
				})
			})
		}
	}
}

// TestStandbyOfStuck: who waits for the checkpoint of a program that is stopped while a function does not return has it
// soon.
func TestStandbyOfStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, free, disk := make(chan struct{}), make(chan struct{}), vfs.NewDisk("disk")
		defer close(release)
		close(free)
		l := mustLive(t, disk, stuck("transform", release))
		time.Sleep(3500 * time.Millisecond)
		begin := time.Now()
		go func() { _ = l.Stop(context.Background(), dstream.Graceful()) }()
		standby := mustLive(t, disk, stuck("transform", free), "weir.checkpoint.standby", "true")
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it has waited for %v", took)
		}
		standby.stop(t)
	})
}

// sliced has, in its second batch, somebody ask for the RDDs of a stream that nothing else makes, by a function that
// does not return before it is released.
func sliced(release chan struct{}) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		entered := make(chan struct{}, 1)
		unused := dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
			entered <- struct{}{}
			<-release
			return r
		})
		dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			if b.Sequence == 1 {
				go func() {
					_, _ = dstream.Slice(context.Background(), unused, dstream.Interval{Begin: b.Time, End: b.Time})
				}()
				<-entered
			}
			return nil
		}).Named("out")
	}
}

// TestStuckSlice: a function that Slice calls, on its caller's goroutine, and that does not return, is as those that
// the batch calls.
func TestStuckSlice(t *testing.T) {
	for name, opts := range map[string][]dstream.StopOption{"graceful": {dstream.Graceful()}, "immediate": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release, free, disk := make(chan struct{}), make(chan struct{}), vfs.NewDisk("disk")
				close(free)
				l := mustLive(t, disk, sliced(release), "spark.streaming.gracefulStopTimeout", "5s",
					"weir.streaming.shutdownTimeout", "5s")
				time.Sleep(3500 * time.Millisecond)
				late := time.AfterFunc(2*time.Minute, func() { close(release) })
				standby, begin := make(chan *life), time.Now()
				go func() { standby <- mustLive(t, disk, sliced(free), "weir.checkpoint.standby", "true") }()
				err := l.Stop(t.Context(), opts...)
				if took := time.Since(begin); took > 15*time.Second {
					t.Errorf("the stop took %v", took)
				}
				if err == nil || !strings.Contains(err.Error(), "does not return: transform (stuck_test.go:") {
					t.Errorf("the stop gives %v", err)
				}
				next := <-standby
				if took := time.Since(begin); took > time.Minute {
					t.Errorf("the standby has waited for %v", took)
				}
				if late.Stop() {
					close(release) // What was abandoned finds that the program is gone.
				}
				next.stop(t)
			})
		})
	}
}
