package rdd_test

import (
	"bufio"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/rdd"
)

const (
	memoryBudget = 32 << 20
	// memoryLimit is GOMEMLIMIT, and memoryPeak what the kernel may say that the process took: what lies between is the
	// program itself and what the collector lags behind, 128 MiB in all where other tests had the cores. Without
	// spilling the rows alone would take more than twice that.
	memoryLimit = 96 << 20
	memoryPeak  = 160 << 20
	// memoryRows of 100 bytes, and what strings and tables put around them, are eight times the budget.
	memoryRows  = 8 * memoryBudget / 128
	memoryParts = 4
)

// TestMemory runs reductions, groupings, sorts, joins and a cached RDD over eight times weir.memory.budget in a process
// of its own, whose memory stays below a limit.
func TestMemory(t *testing.T) {
	if testing.Short() || raced() {
		t.Skip("it takes half a minute, and the race detector takes memory of its own")
	}
	for _, job := range memoryJobs {
		t.Run(job.name, func(t *testing.T) {
			started := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestMemoryChild$", "-test.v")
			cmd.Env = append(os.Environ(), "WEIR_MEMORY_JOB="+job.name, fmt.Sprint("GOMEMLIMIT=", memoryLimit))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			t.Logf("%v: %s", time.Since(started).Round(time.Millisecond), childSays(out))
		})
	}
}

// raced tells whether the test was built with the race detector.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// childSays finds the line in which the child sums up.
func childSays(out []byte) string {
	for line := range strings.Lines(string(out)) {
		if _, said, ok := strings.Cut(line, "says: "); ok {
			return strings.TrimSpace(said)
		}
	}
	return string(out)
}

// TestMemoryChild is one job of TestMemory.
func TestMemoryChild(t *testing.T) {
	name := os.Getenv("WEIR_MEMORY_JOB")
	if name == "" {
		t.Skip("TestMemory runs it")
	}
	dir := t.TempDir()
	sc := newContext(t, "weir.memory.budget", strconv.Itoa(memoryBudget), "spark.local.dir", dir,
		"weir.receiver.memory", "1m", "weir.kafka.fetchBytes", "1m")
	for _, job := range memoryJobs {
		if job.name == name {
			job.run(t, sc)
		}
	}
	if err := sc.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
	if peak := peakRSS(t); peak > memoryPeak {
		t.Errorf("the process took %d MiB, more than %d", peak>>20, memoryPeak>>20)
	} else {
		t.Logf("says: %d MiB at most", peak>>20)
	}
}

// peakRSS is the most memory that the process had.
func peakRSS(t *testing.T) int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skip("the kernel does not tell: ", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if kib, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.Fields(kib)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("/proc/self/status has no VmHWM")
	return 0
}

// memoryPairs makes rows of 100 bytes: key i%keys with a value that tells i, in an order without pattern.
func memoryPairs(sc *rdd.Context, rows, keys int) *rdd.RDD[rdd.Pair[string, string]] {
	return rdd.FromPartitions(sc, "pairs", memoryParts, func(tc *rdd.TaskContext, p int,
	) iter.Seq[rdd.Pair[string, string]] {
		return func(yield func(rdd.Pair[string, string]) bool) {
			for i := p * rows / memoryParts; i < (p+1)*rows/memoryParts; i++ {
				if i&1023 == 0 {
					tc.Check()
				}
				j := i * 7919 % rows
				if !yield(rdd.KV(fmt.Sprintf("key-%026d", j%keys), fmt.Sprintf("%070d", j))) {
					return
				}
			}
		}
	})
}

// sumOf adds a hash of each element, whatever the order.
func sumOf[T any](t *testing.T, r *rdd.RDD[T], hash func(T) uint64) uint64 {
	t.Helper()
	sum, err := rdd.Aggregate(context.Background(), r, uint64(0),
		func(sum uint64, v T) uint64 { return sum + hash(v) }, func(a, b uint64) uint64 { return a + b })
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

var memorySeed = maphash.MakeSeed()

func pairHash(k, v string) uint64 {
	return maphash.String(memorySeed, k) * maphash.String(memorySeed, v)
}

// memoryJobs say what each must come to.
var memoryJobs = []struct {
	name string
	run  func(t *testing.T, sc *rdd.Context)
}{
	{"reduceByKey", func(t *testing.T, sc *rdd.Context) {
		pairs := memoryPairs(sc, memoryRows, memoryRows/2)
		larger := rdd.ReduceByKey(pairs, func(a, b string) string { return max(a, b) })
		n := 0
		sum := sumOf(t, larger, func(kv rdd.Pair[string, string]) uint64 { return pairHash(kv.Key, kv.Value) })
		var want uint64
		for j := memoryRows / 2; j < memoryRows; j++ {
			want += pairHash(fmt.Sprintf("key-%026d", j%(memoryRows/2)), fmt.Sprintf("%070d", j))
			n++
		}
		if sum != want {
			t.Errorf("another sum than that of %d keys", n)
		}
	}},
	{"groupByKey", func(t *testing.T, sc *rdd.Context) {
		const each = 64
		groups := rdd.GroupByKey(memoryPairs(sc, memoryRows, memoryRows/each))
		n := sumOf(t, groups, func(g rdd.Pair[string, []string]) uint64 {
			if len(g.Value) != each {
				return 1 << 40
			}
			return 1
		})
		if n != memoryRows/each {
			t.Errorf("%d groups of %d, want %d", n, each, memoryRows/each)
		}
	}},
	{"sortByKey", func(t *testing.T, sc *rdd.Context) {
		sorted := rdd.SortByKey(memoryPairs(sc, memoryRows, memoryRows))
		checked := rdd.MapPartitions(sorted, func(tc *rdd.TaskContext, in iter.Seq[rdd.Pair[string, string]],
		) iter.Seq[[2]string] {
			return func(yield func([2]string) bool) {
				first, last, n := "", "", 0
				in(func(kv rdd.Pair[string, string]) bool {
					if n == 0 {
						first = kv.Key
					} else if kv.Key < last {
						tc.Fail(fmt.Errorf("%s comes after %s", kv.Key, last))
					}
					last = kv.Key
					n++
					return true
				})
				yield([2]string{first, last + fmt.Sprint(" ", n)})
			}
		})
		ends, err := rdd.Collect(context.Background(), checked)
		if err != nil {
			t.Fatal(err)
		}
		before, total := "", 0
		for _, end := range ends {
			last, n, _ := strings.Cut(end[1], " ")
			rows, _ := strconv.Atoi(n)
			if total += rows; end[0] < before {
				t.Errorf("partitions are out of order: %v", ends)
			}
			before = last
		}
		if total != memoryRows {
			t.Errorf("%d rows, want %d", total, memoryRows)
		}
	}},
	{"join", func(t *testing.T, sc *rdd.Context) {
		left, right := memoryPairs(sc, memoryRows/2, memoryRows/16), memoryPairs(sc, memoryRows/2, memoryRows/16)
		n, err := rdd.Count(context.Background(), rdd.Join(left, right))
		if want := int64(memoryRows / 16 * 64); n != want || err != nil {
			t.Errorf("%d pairs, %v, want %d", n, err, want)
		}
	}},
	{"cache", func(t *testing.T, sc *rdd.Context) {
		for _, level := range []rdd.StorageLevel{rdd.MemoryAndDisk, rdd.MemoryOnlySer} {
			pairs := memoryPairs(sc, memoryRows, memoryRows).Persist(level)
			for range 2 {
				if n, err := rdd.Count(context.Background(), pairs); n != memoryRows || err != nil {
					t.Errorf("%v: %d rows, %v", level, n, err)
				}
			}
			pairs.Unpersist()
		}
	}},
}
