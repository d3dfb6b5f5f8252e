package dstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// drying is twos whose third batch cannot be planned.
type drying struct {
	twos
	err error
}

func (s drying) Plan(ctx context.Context, from []byte, l dstream.Limit) ([]byte, int64, error) {
	if string(from) == "2-4" && s.err != nil {
		return nil, 0, s.err
	}
	return s.twos.Plan(ctx, from, l)
}

// hung has a function, of a kind that is named, wait for release in its first batch, whatever its context says.
func hung(where string, source drying, release chan struct{}) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](source)).Named("numbers")
		switch where {
		case "body":
			dstream.ForeachRDD(d, func(context.Context, *rdd.RDD[int], *dstream.Batch) error {
				<-release
				return nil
			}).Named("out")
		case "task":
			dstream.Foreach(d, func(int) error { <-release; return nil }).Named("out")
		case "transform":
			dstream.Foreach(dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
				<-release
				return r
			}), func(int) error { return nil }).Named("out")
		}
	}
}

var errDry = errors.New("the topic was deleted")

// TestOwnErrorEnds: a program that fails while a function does not return ends, says why at once, and lets the next one
// go on; and so it does whoever stops it meanwhile, with a deadline that is sooner or later.
func TestOwnErrorEnds(t *testing.T) {
	const says = `level=ERROR msg="the program ends, and waits for what it has cancelled"`
	stops := map[string]time.Duration{"": 0, ", stopped soon": 3 * time.Second, ", stopped late": time.Hour}
	for where, named := range map[string]string{
		"body":      "it ignores that its context has ended: output out (boundend_test.go:",
		"task":      "its function ignores that its context has ended: partition 0 of foreach (numbers at boundend_test.go:",
		"transform": "its function does not return: transform (boundend_test.go:",
	} {
		for stop, within := range stops {
			t.Run(where+stop, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					disk, release, free := vfs.NewDisk("disk"), make(chan struct{}), make(chan struct{})
					close(free)
					l := mustLive(t, disk, hung(where, drying{err: errDry}, release))
					late := time.AfterFunc(2*time.Minute, func() { close(release) })
					begin, stopped := time.Now(), make(chan error, 1)
					time.Sleep(5 * time.Second)
					if within > 0 {
						go func() {
							ctx, cancel := context.WithTimeout(context.Background(), within)
							defer cancel()
							stopped <- l.Stop(ctx, dstream.Graceful())
						}()
					} else {
						stopped <- nil
					}
					next := mustLive(t, disk, hung(where, drying{}, free), "weir.checkpoint.standby", "true")
					if took := time.Since(begin); took > time.Minute {
						t.Errorf("the standby has waited for %v", took)
					}
					err := l.AwaitTermination(t.Context())
					if !errors.Is(err, errDry) {
						t.Errorf("it ends with %v", err)
					}
					if err := errors.Join(err, <-stopped); !strings.Contains(err.Error(), named) {
						t.Errorf("it does not say %q: %v", named, err)
					}
					if got := l.log.String(); strings.Count(got, says) != 1 || strings.Count(got, named) == 0 {
						t.Errorf("logged\n%s", got)
					}
					if late.Stop() {
						close(release)
					}
					next.stop(t)
				})
			})
		}
	}
}

// TestOwnErrorIsSaidOnce: where nothing hangs it is said by the error alone.
func TestOwnErrorIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		close(free)
		l := mustLive(t, vfs.NewDisk("disk"), hung("body", drying{err: errDry}, free))
		if err := l.AwaitTermination(t.Context()); !errors.Is(err, errDry) || strings.Contains(err.Error(), "abandoned") {
			t.Errorf("it ends with %v", err)
		}
		if got := l.log.String(); strings.Contains(got, "the program ends") {
			t.Errorf("logged\n%s", got)
		}
	})
}

// TestFencedWhileHung: a process that slept while another one took over ends when it wakes up, and a body that does not
// return is named.
func TestFencedWhileHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, release, free := vfs.NewDisk("disk"), make(chan struct{}), make(chan struct{})
		close(free)
		asleep, awake := make(chan struct{}), make(chan struct{})
		l, err := liveOnFaulty(t, disk, func(vfs.Step) vfs.Fault {
			select {
			case <-asleep:
				<-awake
			default:
			}
			return vfs.None
		}, hung("body", drying{}, release))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		close(asleep)
		next := mustLive(t, disk, hung("body", drying{}, free), "weir.checkpoint.standby", "true")
		close(awake)
		late := time.AfterFunc(2*time.Minute, func() { close(release) })
		begin := time.Now()
		err = l.AwaitTermination(t.Context())
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it takes %v", took)
		}
		if _, fenced := errors.AsType[*dstream.FencedError](err); !fenced || !strings.Contains(err.Error(), "output out (") {
			t.Errorf("it ends with %v", err)
		}
		if late.Stop() {
			close(release)
		}
		next.stop(t)
	})
}

// TestLostTransactionWhileHung: the batch whose transaction fails ends the program also while a later one does not
// return.
func TestLostTransactionWhileHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		l := mustLive(t, vfs.NewDisk("disk"), func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			dstream.WriteTo(d, dstream.Sink[int](&refusing{})).Named("chest")
			dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				if b.Sequence == 1 {
					<-release
				}
				return nil
			}).Named("out")
		}, "weir.streaming.failedBatch.maxRetries", "1", "weir.streaming.failedBatch.backoff", "3s")
		late := time.AfterFunc(2*time.Minute, func() { close(release) })
		begin := time.Now()
		err := l.AwaitTermination(t.Context())
		if took := time.Since(begin); took > time.Minute {
			t.Errorf("it takes %v", took)
		}
		if err == nil || !strings.Contains(err.Error(), "too large") || strings.Count(err.Error(), "output out (") != 1 {
			t.Errorf("it ends with %v", err)
		}
		if late.Stop() {
			close(release)
		}
	})
}
