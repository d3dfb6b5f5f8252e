package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstream/weir/rdd"
)

// computed makes an RDD of n strings of 100 bytes in parts partitions and counts how often a partition is computed.
func computed(sc *rdd.Context, n, parts int) (*rdd.RDD[string], *atomic.Int64) {
	count := new(atomic.Int64)
	return rdd.FromPartitions(sc, "computed", parts, func(_ *rdd.TaskContext, p int) iter.Seq[string] {
		return func(yield func(string) bool) {
			count.Add(1)
			for i := p * n / parts; i < (p+1)*n/parts; i++ {
				if !yield(fmt.Sprintf("%0100d", i)) {
					return
				}
			}
		}
	}), count
}

// TestPersist: how often each partition is computed by three jobs, with a budget that holds all and one that does not.
func TestPersist(t *testing.T) {
	tests := []struct {
		level         rdd.StorageLevel
		roomy, narrow int64 // computations by three jobs over four partitions
		files         bool  // with the narrow budget
		name          string
	}{
		{rdd.MemoryOnly, 4, 12, false, "MEMORY_ONLY"},
		{rdd.MemoryOnlySer, 4, 12, false, "MEMORY_ONLY_SER"},
		{rdd.MemoryAndDisk, 4, 4, true, "MEMORY_AND_DISK"},
		{rdd.MemoryAndDiskSer, 4, 4, true, "MEMORY_AND_DISK_SER"},
		{rdd.DiskOnly, 4, 4, true, "DISK_ONLY"},
	}
	for _, tt := range tests {
		if tt.level.String() != tt.name {
			t.Errorf("%v, want %s", tt.level, tt.name)
		}
		for _, budget := range []struct {
			bytes string
			want  int64
			files bool
		}{{"64m", tt.roomy, tt.level == rdd.DiskOnly}, {"100k", tt.narrow, tt.files}} {
			dir := t.TempDir()
			sc := newContext(t, "weir.memory.budget", budget.bytes, "spark.local.dir", dir, "weir.receiver.memory", "64k",
				"weir.kafka.fetchBytes", "64k")
			r, count := computed(sc, 8000, 4)
			if r.Persist(tt.level); r.StorageLevel() != tt.level {
				t.Errorf("level %v, want %v", r.StorageLevel(), tt.level)
			}
			for range 3 {
				vs, err := rdd.Collect(context.Background(), r)
				if err != nil || len(vs) != 8000 || !slices.IsSorted(vs) {
					t.Fatalf("%s in %s: %d elements, %v", tt.name, budget.bytes, len(vs), err)
				}
			}
			if got := count.Load(); got != budget.want {
				t.Errorf("%s in %s: %d computations, want %d", tt.name, budget.bytes, got, budget.want)
			}
			if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) > 0 != budget.files {
				t.Errorf("%s in %s: files %v", tt.name, budget.bytes, files)
			}
			r.Unpersist()
			if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) > 0 {
				t.Errorf("%s in %s: files are left: %v", tt.name, budget.bytes, files)
			}
			if err := sc.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%s: the folder is left", tt.name)
			}
		}
	}
}

// What was not used for longest goes first, to disk or to be computed anew.
func TestPersistEvicts(t *testing.T) {
	sc := newContext(t, "weir.memory.budget", "1m", "spark.local.dir", t.TempDir(), "weir.receiver.memory", "64k",
		"weir.kafka.fetchBytes", "64k")
	collect := func(r *rdd.RDD[string]) {
		t.Helper()
		if vs, err := rdd.Collect(context.Background(), r); err != nil || len(vs) != 3000 {
			t.Fatalf("%d, %v", len(vs), err)
		}
	}
	old, oldCount := computed(sc, 3000, 2)
	used, usedCount := computed(sc, 3000, 2)
	old.Persist(rdd.MemoryOnly)
	used.Persist(rdd.MemoryAndDisk)
	collect(old)
	collect(used)
	late, lateCount := computed(sc, 3000, 2)
	collect(late.Cache()) // there is room for two of them: old goes
	collect(used)
	collect(old) // and now late and, to disk, used
	collect(used)
	collect(late)
	if a, b, c := oldCount.Load(), usedCount.Load(), lateCount.Load(); a < 3 || b != 2 || c < 3 {
		t.Errorf("computed %d, %d and %d times", a, b, c)
	}
}

// A partition that failed half-way is not kept, nor is one that nobody could read.
func TestPersistFailure(t *testing.T) {
	dir := t.TempDir()
	sc := newContext(t, "spark.task.maxFailures", "3", "spark.local.dir", dir)
	tries := 0
	r := rdd.FromPartitions(sc, "flaky", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(yield func(int) bool) {
			tries++
			for i := range 100 {
				if i == 50 && tries == 1 {
					tc.Fail(errors.New("broken"))
				}
				if !yield(i) {
					return
				}
			}
		}
	}).Persist(rdd.DiskOnly)
	sum := func() int {
		n, err := rdd.Sum(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := sum(); n != 4950 || tries != 2 {
		t.Errorf("sum %d after %d tries", n, tries)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	data, err := os.ReadFile(files[0])
	if err == nil {
		data[len(data)-1] ^= 1
		err = os.WriteFile(files[0], data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := sum(); n != 4950 || tries != 3 { // The damaged file is noticed and the partition computed anew.
		t.Errorf("sum %d after %d tries", n, tries)
	}
}

// Two tasks that need one partition compute it once; Take has it computed whole.
func TestPersistOnce(t *testing.T) {
	sc := newContext(t)
	r, count := computed(sc, 1000, 1)
	r.Cache()
	if vs, err := rdd.Take(context.Background(), r, 1); err != nil || len(vs) != 1 {
		t.Fatal(vs, err)
	}
	if n, err := rdd.Count(context.Background(), rdd.Union(r, r, r, r)); err != nil || n != 4000 || count.Load() != 1 {
		t.Errorf("%d elements, %d computations, %v", n, count.Load(), err)
	}
	// Without the job before, four tasks ask at the same time.
	s, count := computed(sc, 1000, 1)
	s.Cache()
	if n, err := rdd.Count(context.Background(), rdd.Union(s, s, s, s)); err != nil || n != 4000 || count.Load() != 1 {
		t.Errorf("%d elements, %d computations, %v", n, count.Load(), err)
	}
	empty := rdd.Filter(s, func(string) bool { return false }).Cache()
	for range 2 {
		if n, err := rdd.Count(context.Background(), empty); err != nil || n != 0 {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// TestPersistReadWithin: who is given the elements of a partition while it is computed may ask for them again, whether
// it was kept or there was no room for it.
func TestPersistReadWithin(t *testing.T) {
	sc := newContext(t, "weir.memory.budget", "64k", "weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "1k")
	for _, n := range []int{20, 800} { // of 100 bytes each
		r, _ := computed(sc, n, 2)
		r.Persist(rdd.MemoryOnly)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		pairs, err := rdd.Count(ctx, rdd.Cartesian(r, r))
		cancel()
		if err != nil || pairs != int64(n*n) {
			t.Errorf("%d elements make %d pairs with themselves, %v", n, pairs, err)
		}
	}
}

// TestPersistEvictedAtOnce: what others push out as soon as it is kept is still given to the one who computed it.
func TestPersistEvictedAtOnce(t *testing.T) {
	sc := newContext(t, "spark.master", "local[4]", "weir.memory.budget", "64k", "weir.receiver.memory", "64k",
		"weir.kafka.fetchBytes", "1k")
	for range 300 {
		var rs []*rdd.RDD[string]
		for range 4 {
			r, _ := computed(sc, 40, 2)
			rs = append(rs, r.Persist(rdd.MemoryOnlySer))
		}
		if n, err := rdd.Count(t.Context(), rdd.Union(rs[0], rs[1:]...)); err != nil || n != 160 {
			t.Fatalf("%d elements, %v", n, err)
		}
		for _, r := range rs {
			r.Unpersist()
		}
	}
}

func TestPersistRefuses(t *testing.T) {
	sc := newContext(t)
	twice := rdd.Parallelize(sc, []int{1}).Cache().Persist(rdd.DiskOnly)
	opaque := rdd.Map(rdd.Parallelize(sc, []int{1}), func(int) func() { return nil })
	for _, tt := range []struct {
		err  error
		want string
	}{
		{twice.Err(), "persist with the level DISK_ONLY: it is persisted with MEMORY_ONLY"},
		{rdd.Parallelize(sc, []int{1}).Persist(rdd.NotPersisted).Err(), "Unpersist does that"},
		{opaque.Persist(rdd.MemoryAndDisk).Err(), "persist with the level MEMORY_AND_DISK: "},
		{rdd.Parallelize(sc, []int{1}).Cache().Cache().Err(), ""},
	} {
		if got := fmt.Sprint(tt.err); tt.want == "" && tt.err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s, want %q", got, tt.want)
		}
	}
	kept := rdd.Map(rdd.Parallelize(sc, []int{1, 2}), func(int) func() { return nil }).Cache()
	if n, err := rdd.Count(context.Background(), kept); err != nil || n != 2 {
		t.Errorf("a type without a codec in memory: %d, %v", n, err)
	}
}

// TestPersistElementsWithoutBytes: what is encoded in no bytes at all is kept in its number, whatever the level.
func TestPersistElementsWithoutBytes(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, level := range []rdd.StorageLevel{rdd.MemoryOnly, rdd.MemoryOnlySer, rdd.MemoryAndDisk, rdd.DiskOnly} {
		for _, honest := range []string{"false", "true"} {
			sc := newContext(t, "weir.honest", honest)
			numbers := rdd.Parallelize(sc, []int{1, 2, 3}, 2)
			r := rdd.Map(numbers, func(int) struct{} { return struct{}{} }).Persist(level)
			for range 2 {
				if n, err := rdd.Count(ctx, r); n != 3 || err != nil {
					t.Fatalf("%v, honest %s: %d, %v", level, honest, n, err)
				}
			}
			if r.StorageLevel() != level {
				t.Errorf("kept with %v, not %v", r.StorageLevel(), level)
			}
		}
	}
}
