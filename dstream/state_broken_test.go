package dstream_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A fullStore has no room any more after some commits.
type fullStore struct {
	dstream.Sorted
	left *atomic.Int64
}

type fullRows struct {
	dstream.StateRows
	left *atomic.Int64
}

type fullBatch struct {
	dstream.StateBatch
	left *atomic.Int64
}

func (f fullStore) Open(dir string, memory int64) (dstream.StateRows, error) {
	rows, err := f.Sorted.Open(dir, memory)
	return fullRows{rows, f.left}, err
}

func (r fullRows) Batch() dstream.StateBatch { return fullBatch{r.StateRows.Batch(), r.left} }

func (b fullBatch) Commit() error {
	if b.left.Add(-1) < 0 {
		return errors.New("no space left on device")
	}
	return b.StateBatch.Commit()
}

// TestBrokenState: a store that fails when it takes a committed batch over ends the program, whatever becomes of failed
// batches, for no other batch would fare better; the next one lacks nothing.
func TestBrokenState(t *testing.T) {
	for _, policy := range []string{"retry", "skipWithState"} {
		t.Run(policy, func(t *testing.T) {
			disk, got, left := vfs.NewDisk("disk"), map[string]string{}, new(atomic.Int64)
			start := func(t *testing.T, room int64) *life {
				left.Store(room)
				return mustLive(t, disk, func(ssc *dstream.Context) {
					ssc.AddStateStore(fullStore{left: left})
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					keyed := dstream.Map(d, func(int) pair { return rdd.KV("k", 1) })
					watch(dstream.UpdateStateByKey(keyed, add).Named("sums"), "sums", got)
				}, "weir.state.store", "sorted", "weir.streaming.failedBatch", policy)
			}
			synctest.Test(t, func(t *testing.T) {
				skipped := 0
				l := start(t, 6)
				l.AddListener(func(e dstream.Event) {
					if _, ok := e.(dstream.BatchSkipped); ok {
						skipped++
					}
				})
				err := l.AwaitTermination(t.Context())
				if err == nil || !strings.Contains(err.Error(), "the next start loads it anew: no space left on device") ||
					strings.Contains(err.Error(), "weir.checkpoint.skip") {
					t.Errorf("it ends with %v", err)
				}
				if skipped > 0 {
					t.Errorf("%d batches were given up", skipped)
				}
				_ = l.Stop(t.Context())
			})
			synctest.Test(t, func(t *testing.T) {
				l := start(t, 1000)
				time.Sleep(10 * time.Second)
				l.stop(t)
			})
			if got["09 sums"] != "(k,20)" {
				t.Errorf("%v", got)
			}
		})
	}
}

// A deafStore answers nothing while it is told to.
type deafStore struct {
	dstream.Sorted
	deaf *atomic.Bool
}

type deafRows struct {
	dstream.StateRows
	deaf *atomic.Bool
}

func (d deafStore) Open(dir string, memory int64) (dstream.StateRows, error) {
	rows, err := d.Sorted.Open(dir, memory)
	return deafRows{rows, d.deaf}, err
}

func (r deafRows) Get(key, buf []byte) ([]byte, bool, error) {
	if r.deaf.Load() {
		return nil, false, errors.New("input/output error")
	}
	return r.StateRows.Get(key, buf)
}

func (r deafRows) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	if r.deaf.Load() {
		return errors.New("input/output error")
	}
	return r.StateRows.Scan(from, to, yield)
}

// TestUnreadableStore: a store that cannot be read for a while is asked again; for good, it ends the program, and no
// batch is given up for it: the next start has the state.
func TestUnreadableStore(t *testing.T) {
	for _, operator := range []string{"updateStateByKey", "mapWithState"} {
		t.Run(operator, func(t *testing.T) {
			disk, got, deaf := vfs.NewDisk("disk"), map[string]string{}, new(atomic.Bool)
			start := func(t *testing.T) *life {
				deaf.Store(false)
				return mustLive(t, disk, func(ssc *dstream.Context) {
					ssc.AddStateStore(deafStore{deaf: deaf})
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					keyed := dstream.Map(d, func(int) pair { return rdd.KV("k", 1) })
					if operator == "updateStateByKey" {
						watch(dstream.UpdateStateByKey(keyed, add).Named("sums"), "sums", got)
						return
					}
					_, rows := dstream.MapWithState(keyed, dstream.Spec(func(_ string, v rdd.Optional[int],
						s *dstream.State[int]) int {
						s.Update(s.Option().Or(0) + v.Or(0))
						return 0
					}))
					watch(rows.Named("sums"), "sums", got)
				}, "weir.state.store", "sorted", "weir.streaming.failedBatch", "skipWithState")
			}
			synctest.Test(t, func(t *testing.T) {
				skipped := 0
				l := start(t)
				l.AddListener(func(e dstream.Event) {
					if _, ok := e.(dstream.BatchSkipped); ok {
						skipped++
					}
				})
				time.Sleep(2500 * time.Millisecond)
				deaf.Store(true)
				time.Sleep(1200 * time.Millisecond)
				deaf.Store(false)
				time.Sleep(3 * time.Second)
				if l.State() != dstream.Active {
					t.Error("a store that mends has ended it")
				}
				deaf.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				err := l.AwaitTermination(ctx)
				if err == nil || !strings.Contains(err.Error(), "the store of states in spark.local.dir has failed: "+
					"input/output error; the states are in the checkpoint") ||
					strings.Contains(err.Error(), "weir.checkpoint.skip") {
					t.Errorf("it ends with %v", err)
				}
				if skipped > 0 {
					t.Errorf("%d batches were given up", skipped)
				}
				_ = l.Stop(t.Context())
			})
			synctest.Test(t, func(t *testing.T) {
				l := start(t)
				time.Sleep(20 * time.Second)
				l.stop(t)
			})
			if got["09 sums"] != "(k,20)" {
				t.Errorf("%v", got)
			}
		})
	}
}
