package rdd_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/rdd"
)

type pairs = rdd.RDD[rdd.Pair[string, string]]

// spilling are jobs whose answer shows where each element lies and how it was made. join is neither commutative nor
// associative.
var spilling = []struct {
	name string
	job  func(a, b *pairs, n int) (string, error)
}{
	{"reduceByKey", func(a, _ *pairs, n int) (string, error) {
		return layout(rdd.ReduceByKey(a, joinTexts, rdd.Partitions(n)))
	}},
	{"reduceByKey of what is dealt", func(a, _ *pairs, n int) (string, error) {
		return layout(rdd.ReduceByKey(rdd.RepartitionByKey(a, rdd.Partitions(n)), joinTexts))
	}},
	{"combineByKey", func(a, _ *pairs, n int) (string, error) {
		// The lists of few keys grow for as long as there are records.
		return layout(rdd.CombineByKey(a, func(v string) []string { return []string{v} },
			func(vs []string, v string) []string { return append(vs, v) },
			func(vs, ws []string) []string { return append(vs, ws...) }, rdd.Partitions(n)))
	}},
	{"combineByKey without a map-side combine", func(a, _ *pairs, n int) (string, error) {
		return layout(rdd.CombineByKey(a, func(v string) []string { return []string{v} },
			func(vs []string, v string) []string { return append(vs, v) },
			func(vs, ws []string) []string { return append(vs, ws...) },
			rdd.Partitions(n), rdd.WithoutMapSideCombine()))
	}},
	{"groupByKey", func(a, _ *pairs, n int) (string, error) {
		return layout(rdd.GroupByKey(a, rdd.Partitions(n)))
	}},
	{"cogroup", func(a, b *pairs, n int) (string, error) {
		return layout(rdd.CoGroup3(a, b, a, rdd.Partitions(n)))
	}},
	{"join", func(a, b *pairs, n int) (string, error) {
		keyed := rdd.RepartitionByKey(b, rdd.Partitions(n))
		return layout(rdd.FullOuterJoin(rdd.Distinct(a), keyed, rdd.Partitions(n)))
	}},
	{"sortByKey", func(a, _ *pairs, n int) (string, error) { return layout(rdd.SortByKey(a, rdd.Partitions(n))) }},
	{"sortByFunc", func(a, _ *pairs, n int) (string, error) {
		return layout(rdd.SortByFunc(a, func(v, w rdd.Pair[string, string]) int {
			return strings.Compare(v.Key[:1], w.Key[:1])
		}, rdd.Partitions(n), rdd.Descending()))
	}},
	{"repartitionAndSort", func(a, _ *pairs, n int) (string, error) {
		p, err := rdd.NewHashPartitioner[string](n)
		if err != nil {
			return "", err
		}
		return layout(rdd.RepartitionAndSortWithinPartitions(a, p))
	}},
	{"repartition", func(a, _ *pairs, n int) (string, error) { return layout(rdd.Repartition(a, n)) }},
}

func joinTexts(a, b string) string { return "(" + a + " " + b + ")" }

// layout shows each partition's elements in their order.
func layout[T any](r *rdd.RDD[T]) (string, error) {
	parts, err := rdd.Collect(context.Background(), rdd.Glom(r))
	return fmt.Sprint(parts), err
}

// TestSpilling: a job gives the same elements in the same places whatever memory it has, in the honest mode too, and
// leaves no file behind.
func TestSpilling(t *testing.T) {
	wrote := map[string]bool{}
	rounds := uint64(12)
	if testing.Short() {
		rounds = 4
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 3))
		n, parts, keys := []int{1, 2, 7}[r.IntN(3)], 1+r.IntN(3), 1<<r.IntN(11)
		a, b := drawPairs(r, 3000, keys), drawPairs(r, 1000, keys)
		budget, honest := fmt.Sprint(64<<r.IntN(4), "k"), fmt.Sprint(r.IntN(3) == 0)
		roomy := newContext(t)
		for _, s := range spilling {
			dir := t.TempDir()
			tight := newContext(t, "weir.memory.budget", budget, "weir.receiver.memory", "64k",
				"weir.kafka.fetchBytes", "64k", "spark.local.dir", dir, "weir.honest", honest)
			want, err := s.job(rdd.Parallelize(roomy, a, parts), rdd.Parallelize(roomy, b, parts), n)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.job(rdd.Parallelize(tight, a, parts), rdd.Parallelize(tight, b, parts), n)
			if err != nil || got != want {
				at := 0
				for at < min(len(got), len(want)) && got[at] == want[at] {
					at++
				}
				t.Fatalf("seed %d, %s in %s, %d partitions: %v, at %d\n%.300s\nwant\n%.300s", seed, s.name, budget, n, err, at,
					got[at:], want[at:])
			}
			if dirs, _ := filepath.Glob(filepath.Join(dir, "*")); len(dirs) > 0 {
				wrote[s.name] = true
			}
			if err := tight.Stop(context.Background()); err != nil {
				t.Error(err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("seed %d, %s: files are left", seed, s.name)
			}
		}
	}
	for _, s := range spilling {
		if !wrote[s.name] {
			t.Errorf("%s never wrote to disk", s.name)
		}
	}
}

func drawPairs(r *rand.Rand, n, keys int) []rdd.Pair[string, string] {
	out := make([]rdd.Pair[string, string], n)
	for i := range out {
		out[i] = rdd.KV(fmt.Sprintf("%d-%030d", r.IntN(10), r.IntN(keys)), fmt.Sprint(i))
	}
	return out
}

// TestSpillFails: a task that fails while it writes leaves no file, and its next attempt ends right.
func TestSpillFails(t *testing.T) {
	dir := t.TempDir()
	sc := newContext(t, "weir.memory.budget", "64k", "weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "64k",
		"spark.local.dir", dir, "spark.task.maxFailures", "3")
	tries := 0
	in := rdd.FromPartitions(sc, "flaky", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[rdd.Pair[int, int]] {
		return func(yield func(rdd.Pair[int, int]) bool) {
			tries++
			for i := range 50_000 {
				if i == 40_000 && tries == 1 {
					if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) == 0 {
						t.Error("nothing was written until the failure")
					}
					tc.Fail(errors.New("broken"))
				}
				if !yield(rdd.KV(i, i)) {
					return
				}
			}
		}
	})
	reduced := rdd.ReduceByKey(in, func(a, b int) int { return a + b })
	// Reading ends early: what the reduce side has on disk goes, too.
	first, err := rdd.Take(context.Background(), reduced, 2)
	if err != nil || tries != 2 || !slices.Equal(first, []rdd.Pair[int, int]{rdd.KV(0, 0), rdd.KV(1, 1)}) {
		t.Errorf("%v, %v after %d tries", first, err, tries)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	if len(files) != 1 { // The output of the map task stays, for the next job.
		t.Errorf("files %v", files)
	}
	if n, err := rdd.Count(context.Background(), reduced); n != 50_000 || err != nil || tries != 2 {
		t.Errorf("%d elements, %v, after %d tries", n, err, tries)
	}
}

// TestSpillNowhere: where nothing can be written the error says what does not fit, and names the setting.
func TestSpillNowhere(t *testing.T) {
	sc := newContext(t, "weir.memory.budget", "64k", "weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "64k",
		"spark.local.dir", filepath.Join(t.TempDir(), "missing"), "spark.task.maxFailures", "1")
	r := rdd.Parallelize(sc, drawPairs(rand.New(rand.NewPCG(1, 1)), 5000, 1000), 2)
	_, err := rdd.Count(context.Background(), rdd.GroupByKey(r))
	if err == nil || !strings.Contains(err.Error(), "weir.memory.budget") ||
		!strings.Contains(err.Error(), "spark.local.dir") {
		t.Errorf("error %v", err)
	}
}

// TestSpillWithoutCodec: what cannot be written stays in memory, whatever the budget says.
func TestSpillWithoutCodec(t *testing.T) {
	sc := newContext(t, "weir.memory.budget", "64k", "weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "64k",
		"spark.local.dir", t.TempDir())
	r := rdd.RepartitionByKey(rdd.Map(rdd.Range(sc, 0, 10_000, 1, 2), func(i int64) rdd.Pair[int64, int64] {
		return rdd.KV(i%100, i)
	}))
	funcs := rdd.MapValues(r, func(i int64) func() int64 { return func() int64 { return i } })
	sums := rdd.MapValues(rdd.GroupByKey(funcs), func(fs []func() int64) (sum int64) {
		for _, f := range fs {
			sum += f()
		}
		return sum
	})
	total, err := rdd.Sum(context.Background(), rdd.Values(sums))
	if err != nil || total != 9999*10_000/2 {
		t.Errorf("%d, %v", total, err)
	}
}

// TestCoalescedMemory: partitions that one task computes one after the other give back what each took.
func TestCoalescedMemory(t *testing.T) {
	sc := newContext(t)
	in := rdd.Map(rdd.Range(sc, 0, 200_000, 1, 2), func(i int64) rdd.Pair[int64, int64] { return rdd.KV(i, i) })
	for name, r := range map[string]*rdd.RDD[rdd.Pair[int64, int64]]{
		"reduceByKey": rdd.ReduceByKey(in, func(a, b int64) int64 { return a + b }, rdd.Partitions(50)),
		"sortByKey":   rdd.SortByKey(in, rdd.Partitions(50)),
		"groupByKey": rdd.MapValues(rdd.GroupByKey(in, rdd.Partitions(50)),
			func(vs []int64) int64 { return int64(len(vs)) }),
		"dealt": rdd.MapValues(rdd.CoGroup(rdd.RepartitionByKey(in, rdd.Partitions(50)), in, rdd.Partitions(50)),
			func(g rdd.CoGrouped[int64, int64]) int64 { return int64(len(g.Left)) }),
	} {
		if _, err := rdd.Count(context.Background(), r); err != nil { // The map tasks leave their outputs.
			t.Fatal(name, err)
		}
		before, most := sc.Memory().Used(), int64(0)
		seen := rdd.Map(rdd.Coalesce(r, 1), func(kv rdd.Pair[int64, int64]) int64 {
			most = max(most, sc.Memory().Used()-before)
			return kv.Key
		})
		if n, err := rdd.Count(context.Background(), seen); n != 200_000 || err != nil {
			t.Errorf("%s: %d elements, %v", name, n, err)
		}
		if after := sc.Memory().Used(); most > 4<<20 || after != before {
			t.Errorf("%s: one task of 50 partitions took %d bytes at a time and kept %d", name, most, after-before)
		}
	}
}
