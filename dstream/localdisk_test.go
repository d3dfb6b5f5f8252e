package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A localDisk is a folder for spark.local.dir that can be lost.
type localDisk struct {
	dir  string
	harm func(dir string) error
	sane bool // nothing befalls it
}

// lose does the harm when it comes to batch 2, each time it is tried.
func (d *localDisk) lose(t *testing.T) {
	if !d.sane {
		if err := d.harm(d.dir); err != nil {
			t.Error(err)
		}
	}
}

// mend puts an empty disk in the place of whatever is there.
func (d *localDisk) mend(t *testing.T) {
	t.Helper()
	d.sane = true
	if err := errors.Join(os.RemoveAll(d.dir), os.Mkdir(d.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
}

// unwritable has a file stand where the folder was.
func unwritable(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600))
}

// cutShort takes from all files what lies behind their beginnings.
func cutShort(dir string) (err error) {
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, f := range files {
		err = errors.Join(err, os.Truncate(f, 10))
	}
	return err
}

// many gives so many elements for each that a task does not have the memory for, and calls f at batch 2.
func many(d *dstream.DStream[int], f func()) *dstream.DStream[int] {
	return dstream.FlatMap(d, func(v int) iter.Seq[int] {
		return func(yield func(int) bool) {
			if v == 4 {
				f()
			}
			for i := 0; i < 12_000 && yield(v*12_000+i); i++ {
			}
		}
	})
}

func values(d *dstream.DStream[rdd.Pair[int, int]]) *dstream.DStream[int] {
	return dstream.Map(d, func(p rdd.Pair[int, int]) int { return p.Value })
}

// sumsTwice writes the sum of each batch down, which it asks for twice, calling f in between at batch 2.
func sumsTwice(d *dstream.DStream[int], got map[string]string, f func()) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
		n, err := rdd.Count(ctx, r)
		if err != nil {
			return err
		}
		if b.Sequence == 2 {
			f()
		}
		sum, err := rdd.Sum(ctx, r)
		got[fmt.Sprintf("%02d", b.Sequence)] = fmt.Sprint(n, sum)
		return err
	}).Named("sums")
}

// TestLostLocalDisk: where spark.local.dir is lost while a program runs, the program ends, and no batch is given up for
// it: any other batch would have met the same. The next start lacks nothing.
func TestLostLocalDisk(t *testing.T) {
	same := func(v int) rdd.Pair[int, int] { return rdd.KV(v, v) }
	for name, tt := range map[string]struct {
		harm  func(dir string) error
		cause error
		build func(d *dstream.DStream[int], got map[string]string, lose func())
	}{
		"a shuffle cannot be written": {os.RemoveAll, fs.ErrNotExist,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				reduced := dstream.ReduceByKey(dstream.Map(many(d, lose), same), func(a, b int) int { return a + b })
				sumsTwice(values(reduced), got, func() {})
			}},
		"a sort cannot be written": {unwritable, syscall.ENOTDIR,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sorted := dstream.Transform(dstream.Map(many(d, lose), same),
					func(r *rdd.RDD[rdd.Pair[int, int]], _ dstream.Time) *rdd.RDD[rdd.Pair[int, int]] {
						return rdd.SortByKey(r)
					})
				sumsTwice(values(sorted), got, func() {})
			}},
		"a shuffle cannot be read": {os.RemoveAll, fs.ErrNotExist,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sumsTwice(values(dstream.RepartitionByKey(dstream.Map(many(d, func() {}), same))), got, lose)
			}},
		"a shuffle is damaged": {cutShort, block.ErrDamaged,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sumsTwice(values(dstream.RepartitionByKey(dstream.Map(many(d, func() {}), same))), got, lose)
			}},
		"what is persisted cannot be written": {unwritable, syscall.ENOTDIR,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sumsTwice(many(d, lose).Persist(rdd.DiskOnly), got, func() {})
			}},
		"what is persisted cannot be read": {os.RemoveAll, fs.ErrNotExist,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sumsTwice(many(d, func() {}).Persist(rdd.DiskOnly), got, lose)
			}},
		"a local checkpoint cannot be read": {os.RemoveAll, fs.ErrNotExist,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				sc := d.Context().RDD()
				fixed := rdd.Map(rdd.Range(sc, 0, 20_000, 1, 2), func(i int64) int { return int(i) })
				fixed.LocalCheckpoint()
				sumsTwice(dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
					return rdd.Union(r, fixed)
				}), got, lose)
			}},
		"the elements of a window cannot be staged": {os.RemoveAll, fs.ErrNotExist,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				long := dstream.Map(many(d, lose), func(v int) string { return fmt.Sprintf("%09d", v) })
				window := dstream.Window(long.Persist(rdd.MemoryOnly), 2*time.Second, 0)
				sumsTwice(dstream.Map(window, func(s string) int { return len(s) }), got, func() {})
			}},
		"a transaction cannot be staged": {unwritable, syscall.ENOTDIR,
			func(d *dstream.DStream[int], got map[string]string, lose func()) {
				dstream.WriteTo(many(d, lose), dstream.Sink[int](&tally{got: got})).Named("tally")
			}},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(t *testing.T, local *localDisk, disk *vfs.Disk, got map[string]string) *life {
				return mustLive(t, disk, func(ssc *dstream.Context) {
					d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
					tt.build(d, got, func() { local.lose(t) })
				}, "spark.local.dir", local.dir, "weir.memory.budget", "64k", "weir.receiver.memory", "64k",
					"weir.kafka.fetchBytes", "1k", "spark.master", "local[1]", "spark.default.parallelism", "2",
					"weir.streaming.failedBatch", "skipWithState")
			}
			batches := func(local *localDisk, disk *vfs.Disk) map[string]string {
				got := map[string]string{}
				synctest.Test(t, func(t *testing.T) {
					if !local.sane {
						endsOf(t, run(t, local, disk, got), tt.cause)
						local.mend(t)
					}
					l := run(t, local, disk, got)
					time.Sleep(6500 * time.Millisecond)
					l.stop(t)
				})
				maps.DeleteFunc(got, func(key, _ string) bool { return key > "05" })
				return got
			}
			disk := vfs.NewDisk("disk")
			got := batches(&localDisk{dir: t.TempDir(), harm: tt.harm}, disk)
			want := batches(&localDisk{dir: t.TempDir(), sane: true}, vfs.NewDisk("disk"))
			if len(want) < 6 || !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if skipped := fmt.Sprint(skipsOf(t, disk)); skipped != "[]" {
				t.Errorf("given up are %s", skipped)
			}
		})
	}
}

// endsOf waits until a program ends of its local disk.
func endsOf(t *testing.T, l *life, cause error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	err := l.AwaitTermination(ctx)
	_, local := errors.AsType[*block.DiskError](err)
	if !local || !errors.Is(err, cause) || !strings.Contains(err.Error(), "the disk of spark.local.dir has failed: ") ||
		strings.Contains(err.Error(), "weir.checkpoint.skip") {
		t.Errorf("it ends with %v, want %v", err, cause)
	}
	_ = l.Stop(t.Context())
}

// A tally is a store with transactions that keeps how much was written.
type tally struct {
	chest
	got map[string]string
}

// Last implements dstream.Sink.
func (s *tally) Last(context.Context, string, string, int) (int64, bool, error) {
	for seq := int64(20); seq >= 0; seq-- {
		if s.got[fmt.Sprintf("%02d 0", seq)] != "" {
			return seq, true, nil
		}
	}
	return 0, false, nil
}

// WriteAll implements dstream.Transactor.
func (s *tally) WriteAll(_ context.Context, effects []dstream.Staged) error {
	for _, e := range effects {
		n := 0
		for raw, err := range e.Records {
			if err != nil {
				return err
			}
			n += len(raw)
		}
		s.got[fmt.Sprintf("%02d %d", e.ID.Sequence, e.ID.Partition)] = fmt.Sprint(n)
	}
	return nil
}

// TestFullOutputDisk: the disk on which an output writes is the output's, and a batch that does not fit there may be
// given up.
func TestFullOutputDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		l := mustLive(t, disk, func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			watch(dstream.MapTry(d, func(v int) (int, error) {
				if v == 5 {
					return 0, &fs.PathError{Op: "write", Path: "/out/5", Err: syscall.ENOSPC}
				}
				return v, nil
			}), "out", got)
		}, "weir.streaming.failedBatch", "skip", "weir.streaming.failedBatch.backoff", "10ms")
		time.Sleep(4500 * time.Millisecond)
		l.stop(t)
		skipped := fmt.Sprintf("%+v", skipsOf(t, disk))
		if !strings.Contains(skipped, "/out/5: no space left on device") || got["03 out"] != "6, 7" {
			t.Errorf("given up are %s, and written is %v", skipped, got)
		}
	})
}
