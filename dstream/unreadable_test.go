package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A deafMount does not give files of states to who reads while it is deaf.
type deafMount struct {
	*vfs.Mount
	deaf *atomic.Bool
}

func (m deafMount) Open(ctx context.Context, name string, from, length int64) (vfs.File, error) {
	if m.deaf.Load() && strings.Contains(name, "/state/") {
		return nil, errors.New("no route to host")
	}
	return m.Mount.Open(ctx, name, from, length)
}

// TestUnreadable: where what any batch needs beside its records cannot be read, none is given up for it, whatever
// becomes of failed batches: the program ends, and the next start lacks nothing.
func TestUnreadable(t *testing.T) {
	for name, tt := range map[string]struct {
		build func(ssc *dstream.Context, deaf *atomic.Bool, got map[string]string)
		first time.Duration // of a life before, in which all can be read
		want  string        // in the error
		right map[string]string
	}{
		"the initial state": {
			build: func(ssc *dstream.Context, deaf *atomic.Bool, got map[string]string) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				initial := rdd.MapPartitions(rdd.Parallelize(ssc.RDD(), []pair{rdd.KV("k", 100)}, 1),
					func(tc *rdd.TaskContext, in iter.Seq[pair]) iter.Seq[pair] {
						if deaf.Load() {
							tc.Fail(errors.New("no route to host"))
						}
						return in
					})
				keyed := dstream.Map(d, func(int) pair { return rdd.KV("k", 1) })
				watch(dstream.UpdateStateByKeyFrom(keyed, initial, add).Named("sums"), "out", got)
			},
			want:  "the initial state: ",
			right: map[string]string{"00 out": "(k,102)", "05 out": "(k,112)"},
		},
		"what a window looks back to": {
			build: func(ssc *dstream.Context, _ *atomic.Bool, got map[string]string) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				large := dstream.Map(d, func(v int) string { // It has no room in an entry of the log.
					return fmt.Sprint(v, " ", strings.Repeat("x", 9000))
				})
				watch(dstream.Map(dstream.Window(large, 4*time.Second, 0).Named("window"), func(v string) string {
					return strings.Fields(v)[0]
				}), "out", got)
			},
			first: 3500 * time.Millisecond,
			want:  "read what a window looks back to, partition ",
			right: map[string]string{"03 out": "0, 1, 2, 3, 4, 5, 6, 7", "05 out": "10, 11, 4, 5, 6, 7, 8, 9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, got, deaf, skipped := vfs.NewDisk("disk"), map[string]string{}, new(atomic.Bool), 0
				start := func() *dstream.Context {
					c := conf.New().Set("spark.master", "local[2]").Set("weir.streaming.failedBatch", "skipWithState")
					ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(deafMount{disk.Mount(nil), deaf}))
					if err != nil {
						t.Fatal(err)
					}
					ssc.Checkpoint("disk:/ck")
					ssc.AddListener(func(e dstream.Event) {
						if _, ok := e.(dstream.BatchSkipped); ok {
							skipped++
						}
					})
					tt.build(ssc, deaf, got)
					if err := ssc.Start(t.Context()); err != nil {
						t.Fatal(err)
					}
					return ssc
				}
				if tt.first > 0 {
					ssc := start()
					time.Sleep(tt.first)
					if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
						t.Fatal(err)
					}
				}
				ssc := start()
				deaf.Store(true)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				err := ssc.AwaitTermination(ctx)
				remedy := "no route to host; the batch is not committed, and the next start runs it again"
				if text := fmt.Sprint(err); !strings.Contains(text, tt.want) || !strings.Contains(text, remedy) ||
					strings.Contains(text, "weir.checkpoint.skip") {
					t.Errorf("it ends with %v", err)
				}
				_ = ssc.Stop(t.Context())
				deaf.Store(false)
				ssc = start()
				time.Sleep(10 * time.Second)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Error(err)
				}
				if skipped > 0 {
					t.Errorf("%d batches were given up", skipped)
				}
				for batch, want := range tt.right {
					if got[batch] != want {
						t.Errorf("%s: %s, want %s", batch, got[batch], want)
					}
				}
			})
		})
	}
}
