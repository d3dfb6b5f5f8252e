package dstream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// sizes counts what each batch of a log holds, and takes a while for each record.
func sizes(r dstream.Receiver[string], w *world, record time.Duration, counts *[]int64) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.ReceiverStream(ssc, "counting", r).Named("numbers")
		dstream.ForeachPartition(dstream.Map(d, func(v string) string {
			<-time.After(record)
			return v
		}), w.write).Named("out")
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.BatchSubmitted); ok && e.Records() > 0 {
				*counts = append(*counts, e.Records())
			}
		})
	}
}

// TestBatchesOfALogAreBounded: a backlog in the log becomes batches within the limit, in this process and the next one,
// and a drain takes all of them.
func TestBatchesOfALogAreBounded(t *testing.T) {
	for _, die := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			disk, w, n := vfs.NewDisk("disk"), &world{}, 0
			f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
				for _, size := range []int{2, 2, 2, 7, 1, 3, 1, 4} {
					var vs []string
					for range size {
						vs = append(vs, fmt.Sprint(n))
						n++
					}
					if err := st.Some(vs, nil); err != nil {
						return err
					}
				}
				return nil
			}}
			var counts []int64
			settings := []string{walSetting, "true", "weir.streaming.firstBatchRecords", "5"}
			build := sizes(f, w, 0, &counts)
			l := mustLive(t, disk, build, settings...)
			time.Sleep(500 * time.Millisecond)
			if die {
				l.die(t)
				disk = disk.Crash(1)
				f.run = func(context.Context, *dstream.Store[string], int) error { return nil }
				l = mustLive(t, disk, build, settings...)
				time.Sleep(2500 * time.Millisecond)
			}
			l.stop(t)
			if got := fmt.Sprint(counts); got != "[4 2 7 5 4]" {
				t.Errorf("dies: %v: the batches have %s records", die, got)
			}
			if got := w.ordered(); fromZero(got) != nil || len(got) != 22 {
				t.Errorf("dies: %v: stored are %q", die, got)
			}
		})
	}
}

// TestSendersOfALogWait when too much of it is in no batch: for plans, not for batches that run. A stop does not wait
// for them.
func TestSendersOfALogWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, w := vfs.NewDisk("disk"), &world{}
		var sent, planned atomic.Int64
		var over atomic.Bool
		value := func(i int64) string { // It does not compress to less than 4,000 bytes.
			random, text := rand.New(rand.NewPCG(1, uint64(i))), []byte(strconv.FormatInt(i, 10))
			for range 6000 {
				text = append(text, byte('a'+random.IntN(26)))
			}
			return string(text)
		}
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			go func() {
				defer over.Store(true)
				for {
					if st.One(value(sent.Load())) != nil {
						return
					}
					sent.Add(1)
				}
			}()
			return nil
		}}
		var counts []int64
		build := sizes(f, w, 700*time.Millisecond, &counts)
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			build(ssc)
			ssc.AddListener(func(e dstream.Event) {
				if e, ok := e.(dstream.BatchSubmitted); ok {
					planned.Add(e.Records())
				}
			})
		}, walSetting, "true", "weir.receiver.logBytes", "64k", "weir.streaming.maxQueuedBatches", "2")
		last := int64(0)
		for range 5 {
			time.Sleep(20 * time.Second) // a batch or more
			synctest.Wait()
			waits := sent.Load() - planned.Load()
			if waits <= 0 || waits*4000 > 64<<10 || sent.Load() <= last {
				t.Errorf("%d records were sent, after %d, and %d are in no batch", sent.Load(), last, waits)
			}
			last = sent.Load()
		}
		began := time.Now()
		stopNow(t, l.Context)
		synctest.Wait()
		if took := time.Since(began); took > time.Second || !over.Load() {
			t.Errorf("stopping took %v, the sender has ended: %v", took, over.Load())
		}
		for i, v := range w.ordered() {
			if v != value(int64(i)) {
				t.Fatalf("record %d is another one", i)
			}
		}
	})
}

// TestSmallFramesWait: what is known of a frame in memory counts as bytes of the log, or small ones would fill it.
func TestSmallFramesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent atomic.Int64
		f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
			go func() {
				for st.One("x") == nil {
					sent.Add(1)
				}
			}()
			return nil
		}}
		disk, w := vfs.NewDisk("disk"), &world{}
		for _, wait := range []time.Duration{900, 50} { // The second process finds the frames that the first one left.
			l := mustLive(t, disk, sizes(f, w, time.Millisecond, new([]int64)), walSetting, "true",
				"weir.receiver.logBytes", "64k")
			time.Sleep(wait * time.Millisecond) // No batch has taken any.
			if n := sent.Load(); n < 300 || n > 64<<10/128 {
				t.Errorf("%d frames are in no batch", n)
			}
			stopNow(t, l.Context)
		}
	})
}
