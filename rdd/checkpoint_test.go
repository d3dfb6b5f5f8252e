package rdd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs/objectfile"
	"github.com/weirstream/weir/rdd"
)

// counted is an RDD of n partitions of two words each, and how often its partitions have been computed.
func counted(sc *rdd.Context, n int) (*rdd.RDD[string], *atomic.Int64) {
	var computed atomic.Int64
	return rdd.FromPartitions(sc, "source", n, func(_ *rdd.TaskContext, p int) iter.Seq[string] {
		computed.Add(1)
		return slices.Values([]string{fmt.Sprint("a", p), fmt.Sprint("b", p)})
	}), &computed
}

// TestCheckpoint: the first job writes the RDD by computing it again, later ones read it, and its lineage is gone.
func TestCheckpoint(t *testing.T) {
	for _, compress := range []string{"false", "true"} {
		sc := newContext(t, "spark.checkpoint.compress", compress)
		if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		source, computed := counted(sc, 3)
		upper := rdd.Map(source, strings.ToUpper).Checkpoint().Checkpoint()
		length := rdd.Map(upper, func(s string) int { return len(s) })
		if _, written := upper.CheckpointFile(); written || upper.IsCheckpointed() {
			t.Error("checkpointed before any job")
		}
		state := func() string {
			dir, written := upper.CheckpointFile()
			files, _ := filepath.Glob(filepath.Join(dir, "part-*"))
			return fmt.Sprint(computed.Load(), upper.IsCheckpointed(), written, len(files), upper.Dependencies()[0].Op)
		}
		var states []string
		for range 2 {
			if n, err := rdd.Count(context.Background(), length); n != 6 || err != nil {
				t.Fatal(n, err)
			}
			states = append(states, state())
		}
		if got, want := strings.Join(states, "; "), "6 true true 3checkpoint; 6 true true 3checkpoint"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := show(true, upper); got != "A0 B0 A1 B1 A2 B2" {
			t.Errorf("read %s", got)
		}
		if dir, _ := upper.CheckpointFile(); filepath.Dir(dir) != sc.CheckpointDir() || filepath.Base(dir) != "rdd-1" {
			t.Errorf("written to %s", dir)
		}
	}
}

// TestCheckpointReadsWhatIsPersisted, so that nothing is computed twice.
func TestCheckpointReadsWhatIsPersisted(t *testing.T) {
	sc := newContext(t)
	if err := sc.SetCheckpointDir("file://" + t.TempDir()); err != nil {
		t.Fatal(err)
	}
	source, computed := counted(sc, 2)
	r := rdd.Map(source, strings.ToUpper).Cache().Checkpoint()
	for range 2 {
		show(true, r)
		r.Unpersist()
	}
	if computed.Load() != 2 || !r.IsCheckpointed() {
		t.Errorf("computed %d partitions", computed.Load())
	}
}

// TestNearestCheckpoint: of RDDs that are marked one behind the other the nearest is written, and cuts off the other.
func TestNearestCheckpoint(t *testing.T) {
	sc := newContext(t)
	if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	source, _ := counted(sc, 2)
	first := rdd.Map(source, strings.ToUpper).Checkpoint()
	second := rdd.Map(first, strings.ToLower).Checkpoint()
	keyed := rdd.KeyBy(second, func(s string) string { return s })
	beyond := rdd.Map(rdd.GroupByKey(keyed), func(p rdd.Pair[string, []string]) string { return p.Key }).Checkpoint()
	show(true, second)
	if first.IsCheckpointed() || !second.IsCheckpointed() || beyond.IsCheckpointed() {
		t.Error("of the second's job")
	}
	show(true, rdd.Distinct(beyond)) // below a shuffle
	if first.IsCheckpointed() || !beyond.IsCheckpointed() {
		t.Error("of a job below")
	}
	show(true, first)
	if !first.IsCheckpointed() {
		t.Error("of the first's own job")
	}
}

// TestLocalCheckpoint keeps the partitions and cuts the lineage; when they are gone it says why nothing is there.
func TestLocalCheckpoint(t *testing.T) {
	levels := map[rdd.StorageLevel]rdd.StorageLevel{
		rdd.NotPersisted: rdd.MemoryAndDisk, rdd.MemoryOnly: rdd.MemoryAndDisk, rdd.MemoryOnlySer: rdd.MemoryAndDiskSer,
		rdd.DiskOnly: rdd.DiskOnly,
	}
	for level, want := range levels {
		sc := newContext(t, "spark.task.maxFailures", "4")
		source, computed := counted(sc, 3)
		r := rdd.Map(source, strings.ToUpper)
		if level != rdd.NotPersisted {
			r.Persist(level)
		}
		r.LocalCheckpoint()
		if r.StorageLevel() != want {
			t.Errorf("%v: kept as %v, want %v", level, r.StorageLevel(), want)
		}
		if one, err := rdd.First(context.Background(), r); one != "A0" || err != nil { // computes one partition
			t.Fatal(one, err)
		}
		if _, written := r.CheckpointFile(); !r.IsCheckpointed() || written || r.Dependencies()[0].Op != "localCheckpoint" {
			t.Errorf("%v: checkpointed %v, depends on %v", level, r.IsCheckpointed(), r.Dependencies())
		}
		if got := show(true, r); got != "A0 B0 A1 B1 A2 B2" || computed.Load() != 3 {
			t.Errorf("%v: %s, computed %d partitions", level, got, computed.Load())
		}
		r.Unpersist()
		if got := show(true, r); !strings.Contains(got, "LocalCheckpoint at checkpoint_test.go:") ||
			strings.Contains(got, "times") {
			t.Errorf("%v: then %s", level, got)
		}
	}
}

// TestCheckpointTroubles: what is wrong with a checkpoint is told by the action, and tried again after the next job.
func TestCheckpointTroubles(t *testing.T) {
	ctx := context.Background()
	sc := newContext(t, "spark.task.maxFailures", "1")
	source, _ := counted(sc, 2)
	if _, err := rdd.Count(ctx, rdd.Map(source, strings.ToUpper).Checkpoint()); err == nil ||
		!strings.Contains(err.Error(), "SetCheckpointDir first") {
		t.Errorf("without a folder: %v", err)
	}
	for dir, want := range map[string]string{"": "the path is empty", "hdfs://host/dir": "no file system for hdfs", "/proc/none": "/proc/none"} {
		if err := sc.SetCheckpointDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("SetCheckpointDir(%q): %v", dir, err)
		}
	}
	dir := t.TempDir()
	if err := sc.SetCheckpointDir(dir); err != nil {
		t.Fatal(err)
	}
	hidden := rdd.Map(source, func(string) struct{ secret int } { return struct{ secret int }{} })
	if _, err := rdd.Count(ctx, hidden.Checkpoint()); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("without a codec: %v", err)
	}
	if _, err := rdd.Count(ctx, rdd.Map(hidden, func(v struct{ secret int }) struct{ secret int } {
		return v
	}).LocalCheckpoint()); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("a local one without a codec: %v", err)
	}
	fails := true
	flaky := rdd.MapTry(source, func(s string) (string, error) {
		if fails {
			return "", errors.New("broken")
		}
		return s, nil
	})
	cached := rdd.Map(source, strings.ToUpper).Cache()
	show(true, cached)
	joined := rdd.Union(cached, flaky).Checkpoint()
	if vs, err := rdd.Take(ctx, joined, 2); err == nil || !strings.Contains(err.Error(), "checkpoint at checkpoint_test.go") {
		t.Errorf("took %v, %v; want the error of the checkpoint", vs, err)
	}
	fails = false
	if vs, err := rdd.Take(ctx, joined, 2); len(vs) != 2 || err != nil || !joined.IsCheckpointed() {
		t.Errorf("took %v, %v, checkpointed %v", vs, err, joined.IsCheckpointed())
	}
}

// checkpointed writes an RDD of one partition and gives the name of its file.
func checkpointed(t *testing.T, settings ...string) (r *rdd.RDD[string], file string) {
	t.Helper()
	sc := newContext(t, append(settings, "spark.task.maxFailures", "4")...)
	if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	r = rdd.Map(rdd.Parallelize(sc, []string{"a", "bc"}, 1), strings.ToUpper).Checkpoint()
	show(true, r)
	dir, _ := r.CheckpointFile()
	return r, filepath.Join(dir, "part-00000")
}

// TestCheckpointFormat: files are object files.
func TestCheckpointFormat(t *testing.T) {
	_, file := checkpointed(t)
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	o, err := objectfile.NewWriter(&want, "string")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"\x01A", "\x02BC"} {
		if err := o.Append(func(dst []byte) ([]byte, error) { return append(dst, s...), nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Close(); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%v, got  %q\nwant %q", err, got, want.Bytes())
	}
}

// TestCompressedCheckpoints are smaller by spark.checkpoint.compress, and only by that.
func TestCompressedCheckpoints(t *testing.T) {
	sizes := map[string]int64{}
	for _, compress := range []string{"false", "true"} {
		sc := newContext(t, "spark.checkpoint.compress", compress)
		if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		r := rdd.Parallelize(sc, make([]string, 10_000), 1).Checkpoint()
		show(true, r)
		dir, _ := r.CheckpointFile()
		info, err := os.Stat(filepath.Join(dir, "part-00000"))
		if err != nil {
			t.Fatal(err)
		}
		sizes[compress] = info.Size()
	}
	if sizes["false"] < 10_000 || sizes["true"] > 1000 {
		t.Errorf("sizes %v", sizes)
	}
}

// TestCheckpointOnAnotherFileSystem, one that was handed in, and of elements without bytes.
func TestCheckpointOnAnotherFileSystem(t *testing.T) {
	sc, m := onFiles(t, nil)
	if err := sc.SetCheckpointDir("mem:/checkpoints"); err != nil {
		t.Fatal(err)
	}
	r := rdd.Map(rdd.Parallelize(sc, []int{1, 2, 3}, 2), func(int) struct{} { return struct{}{} }).Checkpoint()
	for range 2 {
		if n, err := rdd.Count(t.Context(), r); n != 3 || err != nil {
			t.Errorf("counted %d, %v", n, err)
		}
	}
	dir, _ := r.CheckpointFile()
	if got := listing(t, m, dir); !strings.Contains(got, "part-00000 part-00001") {
		t.Errorf("%s holds %s", dir, got)
	}
}

// TestDamagedCheckpoints are told, with the file, and are not read again: no bit of them is taken for another.
func TestDamagedCheckpoints(t *testing.T) {
	for _, compress := range []string{"false", "true"} {
		r, file := checkpointed(t, "spark.checkpoint.compress", compress)
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		damaged := func(name string, data []byte) {
			t.Helper()
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			got := show(true, r)
			if !strings.Contains(got, "part-00000") || !strings.Contains(got, "error: ") || strings.Contains(got, "times") {
				t.Errorf("%s: %s", name, got)
			}
		}
		for n := range whole {
			damaged(fmt.Sprint("cut at ", n), whole[:n])
			flipped := slices.Clone(whole)
			flipped[n] ^= 0x10
			damaged(fmt.Sprint("flipped at ", n), flipped)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if got := show(true, r); !strings.Contains(got, "no such file") {
			t.Errorf("removed: %s", got)
		}
	}
}

// TestCleanCheckpoints: with spark.cleaner.referenceTracking.cleanCheckpoints files go when their RDD has gone.
func TestCleanCheckpoints(t *testing.T) {
	_, kept := checkpointed(t)
	r, file := checkpointed(t, "spark.cleaner.referenceTracking.cleanCheckpoints", "true")
	runtime.GC()
	if got := show(true, r); got != "A BC" {
		t.Errorf("while it is used: %s", got)
	}
	r = nil
	for begin := time.Now(); ; runtime.Gosched() {
		runtime.GC()
		if _, err := os.Stat(file); errors.Is(err, os.ErrNotExist) {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("the files are still there")
		}
	}
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("without the setting: %v", err)
	}
}

// TestCheckpointLetsGo: what an RDD was computed from can be collected when its lineage is cut.
func TestCheckpointLetsGo(t *testing.T) {
	sc := newContext(t)
	if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	gone := make(chan bool)
	make := func() *rdd.RDD[rdd.Pair[string, int]] {
		source := rdd.Parallelize(sc, []int{1, 2, 3}, 2)
		runtime.AddCleanup(source, func(gone chan bool) { close(gone) }, gone)
		return rdd.Union(rdd.ReduceByKey(kv(source), add), kv(source)).Checkpoint()
	}
	r := make()
	show(false, r)
	for begin := time.Now(); ; {
		runtime.GC()
		select {
		case <-gone:
			if got := show(false, r); got != "(a,3) (a,3) (b,1) (b,1) (c,2) (c,2)" {
				t.Errorf("%s", got)
			}
			return
		default:
		}
		if time.Since(begin) > time.Minute {
			t.Fatal("the source is still held")
		}
	}
}

// TestCheckpointBesideJobs: jobs that run while the lineage is cut see one whole RDD.
func TestCheckpointBesideJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newContext(t, "spark.master", "local[4]")
		if err := sc.SetCheckpointDir(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		source, _ := counted(sc, 3)
		r := rdd.Distinct(source).Checkpoint()
		var all []*rdd.FutureAction[int64]
		for range 20 {
			all = append(all, rdd.CountAsync(t.Context(), rdd.Map(r, strings.ToUpper)))
		}
		for _, f := range all {
			if n, err := f.Wait(t.Context()); n != 6 || err != nil {
				t.Errorf("counted %d, %v", n, err)
			}
		}
		if !r.IsCheckpointed() {
			t.Error("not checkpointed")
		}
	})
}

var siteless = regexp.MustCompile(`at \w+\.go:\d+`)

// TestDebugString: the form is Spark's.
func TestDebugString(t *testing.T) {
	sc := newContext(t, "spark.master", "local[1]")
	words := rdd.Parallelize(sc, []string{"a", "b"}, 12).Named("words")
	ones := rdd.MapToPair(words, func(s string) (string, int) { return s, 1 }).Persist(rdd.MemoryOnlySer)
	sums := rdd.ReduceByKey(ones, add, rdd.Partitions(2))
	both := rdd.Join(sums, rdd.GroupByKey(ones, rdd.Partitions(3)), rdd.Partitions(4))
	show(false, ones)
	got := siteless.ReplaceAllString(both.DebugString(), "at X")
	want := strings.Join([]string{
		"(4) join[5] at X []",
		" |  cogroup[4] at X []",
		" +-(2) reduceByKey[2] at X []",
		" |  +-(12) mapToPair[1] at X [Memory Serialized 1x Replicated]",
		" |     |       CachedPartitions: 12; MemorySize: 6.0 B; DiskSize: 0.0 B",
		" |     |   words parallelize[0] at X []",
		" +-(3) groupByKey[3] at X []",
		"    +-(12) mapToPair[1] at X [Memory Serialized 1x Replicated]",
		"       |       CachedPartitions: 12; MemorySize: 6.0 B; DiskSize: 0.0 B",
		"       |   words parallelize[0] at X []",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
