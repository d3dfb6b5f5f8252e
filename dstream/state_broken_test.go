package dstream_test

import (
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
