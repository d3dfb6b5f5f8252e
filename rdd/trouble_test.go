package rdd_test

import (
	"context"
	"errors"
	"iter"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/rdd"
)

// picky has a codec of its own that writes each value and reads only some.
type picky struct{ Name string }

func (p picky) MarshalBinary() ([]byte, error) { return []byte(p.Name), nil }

func (p *picky) UnmarshalBinary(data []byte) error {
	if p.Name = string(data); p.Name == "bad" {
		return errors.New("nobody wants a bad one")
	}
	return nil
}

// TestValuesThatCannotBeCopied fail the action, whatever keeps them; no zero value takes their place.
func TestValuesThatCannotBeCopied(t *testing.T) {
	type pairs = rdd.RDD[rdd.Pair[int, url.URL]]
	first := func(u, _ url.URL) url.URL { return u }
	zero := func(url.URL) int { return 0 }
	spoil := func(int) url.URL { return url.URL{Host: "a b"} }
	tests := map[string]func(r *pairs) string{
		"GroupByKey":  func(r *pairs) string { return show(false, rdd.GroupByKey(r)) },
		"ReduceByKey": func(r *pairs) string { return show(false, rdd.ReduceByKey(r, first)) },
		"ReduceByKey without a shuffle": func(r *pairs) string {
			dealt := rdd.ReduceByKey(rdd.MapValues(r, zero), add)
			return show(false, rdd.ReduceByKey(rdd.MapValues(dealt, spoil), first))
		},
		"CombineByKey": func(r *pairs) string {
			same := func(u url.URL) url.URL { return u }
			return show(false, rdd.CombineByKey(r, same, first, first))
		},
		"Join, left":  func(r *pairs) string { return show(false, rdd.Join(r, rdd.MapValues(r, zero))) },
		"Join, right": func(r *pairs) string { return show(false, rdd.Join(rdd.MapValues(r, zero), r)) },
		"Merged": func(r *pairs) string {
			return show(true, rdd.Merged(rdd.Values(r), func(in iter.Seq[url.URL]) (last url.URL) {
				in(func(u url.URL) bool { last = u; return true })
				return last
			}, slices.Values[[]url.URL]))
		},
	}
	for name, run := range tests {
		sc := newContext(t, "spark.task.maxFailures", "2")
		r := rdd.Parallelize(sc, []rdd.Pair[int, url.URL]{rdd.KV(1, url.URL{Host: "a"}), rdd.KV(2, spoil(2))}, 2)
		checkUncopied(t, name, run(r), "url.URL", "a%20b")
	}
}

// TestKeysThatCannotBeCopied are as values that cannot.
func TestKeysThatCannotBeCopied(t *testing.T) {
	type pairs = rdd.RDD[rdd.Pair[picky, int]]
	tests := map[string]func(r *pairs) string{
		"GroupByKey":  func(r *pairs) string { return show(false, rdd.GroupByKey(r)) },
		"ReduceByKey": func(r *pairs) string { return show(false, rdd.ReduceByKey(r, add)) },
		"Join":        func(r *pairs) string { return show(false, rdd.Join(r, r)) },
		"one bucket":  func(r *pairs) string { return show(false, rdd.GroupByKey(r, rdd.Partitions(1))) },
	}
	for name, run := range tests {
		sc := newContext(t, "spark.task.maxFailures", "2")
		r := rdd.Parallelize(sc, []rdd.Pair[picky, int]{rdd.KV(picky{"good"}, 1), rdd.KV(picky{"bad"}, 2)}, 2)
		checkUncopied(t, name, run(r), "picky", "nobody wants a bad one")
	}
}

// checkUncopied wants an error that names what cannot be copied, and its place.
func checkUncopied(t *testing.T, name, got string, names ...string) {
	t.Helper()
	for _, want := range append(names, "error: ", "partition ", "failed 2 times") {
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s\ndoes not say %q", name, got, want)
		}
	}
}

// TestFailuresOnOtherGoroutines: a source that fails where the user's function reads it elsewhere fails its task, which
// is tried again, and neither the process nor the partition's records are lost.
func TestFailuresOnOtherGoroutines(t *testing.T) {
	readers := map[string]func(in iter.Seq[int]) []int{
		"goroutine": func(in iter.Seq[int]) (vs []int) {
			var wg sync.WaitGroup
			wg.Add(1)
			go func() {
				defer wg.Done()
				vs = slices.Collect(in)
			}()
			wg.Wait()
			return vs
		},
		"iter.Pull": func(in iter.Seq[int]) (vs []int) {
			next, stop := iter.Pull(in)
			defer stop()
			for v, ok := next(); ok; v, ok = next() {
				vs = append(vs, v)
			}
			return vs
		},
		"iter.Pull on a goroutine": func(in iter.Seq[int]) (vs []int) {
			next, stop := iter.Pull(in)
			var wg sync.WaitGroup
			wg.Add(1)
			go func() {
				defer wg.Done()
				defer stop()
				for v, ok := next(); ok; v, ok = next() {
					vs = append(vs, v)
				}
			}()
			wg.Wait()
			return vs
		},
	}
	for name, read := range readers {
		for _, mends := range []bool{true, false} {
			sc := newContext(t, "spark.master", "local[1]", "spark.task.maxFailures", "2")
			broken := errors.New("the disk broke")
			tries := 0
			source := rdd.FromPartitions(sc, "source", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
				return func(yield func(int) bool) {
					tries++
					if yield(1) && (!mends || tries == 1) {
						tc.Fail(broken)
					}
					yield(2)
				}
			})
			var got []int
			err := rdd.ForeachPartition(context.Background(), source, func(_ *rdd.TaskContext, in iter.Seq[int]) error {
				got = read(in)
				return nil
			})
			whole := err == nil && slices.Equal(got, []int{1, 2})
			if tries != 2 || mends && !whole || !mends && !errors.Is(err, broken) {
				t.Errorf("%s, mends %v: read %v in %d tries, %v", name, mends, got, tries, err)
			}
		}
	}
}

// TestNestedActionElsewhere: with the task's context an action is found to be nested on other goroutines, too.
func TestNestedActionElsewhere(t *testing.T) {
	type key struct{}
	contexts := map[string]func(tc *rdd.TaskContext) context.Context{
		"the task's":         func(tc *rdd.TaskContext) context.Context { return tc },
		"derived from it":    func(tc *rdd.TaskContext) context.Context { return context.WithValue(tc, key{}, 1) },
		"what the task's is": func(tc *rdd.TaskContext) context.Context { return tc.Context },
	}
	for name, of := range contexts {
		synctest.Test(t, func(t *testing.T) { // which ends if the action hangs
			sc := newContext(t, "spark.master", "local[1]", "spark.task.maxFailures", "1")
			r := rdd.Parallelize(sc, []int{1}, 1)
			err := rdd.ForeachPartition(t.Context(), r, func(tc *rdd.TaskContext, _ iter.Seq[int]) (err error) {
				var wg sync.WaitGroup
				wg.Go(func() { _, err = rdd.Count(of(tc), r) })
				wg.Wait()
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "count at trouble_test.go:") ||
				!strings.Contains(err.Error(), "was called from inside a task") {
				t.Errorf("an action with %s context gives %v", name, err)
			}
		})
	}
}

// vague is a partitioner of a comparable type whose values need not be.
type vague struct{ what any }

func (vague) NumPartitions() int  { return 2 }
func (vague) Partition(k int) int { return k % 2 }

// TestPartitionersThatCannotBeCompared count as different.
func TestPartitionersThatCannotBeCompared(t *testing.T) {
	tests := map[string]struct {
		left, right any
		stages      int
	}{
		"both":    {[]int{1}, []int{1}, 5},
		"left":    {[]int{1}, 1, 5},
		"right":   {1, []int{1}, 4},
		"neither": {1, 1, 3},
	}
	for name, tt := range tests {
		sc := newContext(t)
		pairs := rdd.Parallelize(sc, []rdd.Pair[int, int]{rdd.KV(1, 10), rdd.KV(2, 20)}, 2)
		left := rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](vague{tt.left}))
		right := rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](vague{tt.right}))
		stages := stagesOf(t, sc)
		got := showOnce(false, rdd.Join(left, right))
		if want := "(1,(10,10)) (2,(20,20))"; got != want || stages() != tt.stages {
			t.Errorf("%s: %s in %d stages, want %s in %d", name, got, stages(), want, tt.stages)
		}
	}
}

// TestFunctionsThatAreNil are found before a task runs, with the place of the call.
func TestFunctionsThatAreNil(t *testing.T) {
	ctx := t.Context()
	sc := newContext(t)
	var tasks atomic.Int32
	r := rdd.MapPartitions(rdd.Parallelize(sc, []int{1, 2, 3}, 2),
		func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] { tasks.Add(1); return in })
	pairs := rdd.MapToPair(r, func(v int) (int, int) { return v, v })
	sum := func(a, b int) int { return a + b }
	type seqs = func(*rdd.TaskContext, iter.Seq[int]) error
	tests := map[string]func() error{
		"reduce":             func() error { _, err := rdd.Reduce(ctx, r, nil); return err },
		"fold":               func() error { _, err := rdd.Fold(ctx, r, 0, nil); return err },
		"aggregate":          func() error { _, err := rdd.Aggregate(ctx, r, 0, nil, sum); return err },
		"treeReduce":         func() error { _, err := rdd.TreeReduce(ctx, r, nil, 70); return err },
		"treeAggregate":      func() error { _, err := rdd.TreeAggregate(ctx, r, 0, sum, nil, 2); return err },
		"max":                func() error { _, err := rdd.MaxFunc(ctx, r, nil); return err },
		"min":                func() error { _, err := rdd.MinFunc(ctx, r, nil); return err },
		"takeOrdered":        func() error { _, err := rdd.TakeOrderedFunc(ctx, r, 1, nil); return err },
		"foreach":            func() error { return rdd.Foreach(ctx, r, nil) },
		"foreachPartition":   func() error { return rdd.ForeachPartition(ctx, r, seqs(nil)) },
		"reduceByKeyLocally": func() error { _, err := rdd.ReduceByKeyLocally(ctx, pairs, nil); return err },
		"foreach, later":     func() error { _, err := rdd.ForeachAsync(ctx, r, nil).Wait(ctx); return err },
		"keyBy":              func() error { _, err := rdd.Count(ctx, rdd.KeyBy[int, int](r, nil)); return err },
		"mapToPair":          func() error { _, err := rdd.Count(ctx, rdd.MapToPair[int, int, int](r, nil)); return err },
		"mapValues":          func() error { _, err := rdd.Count(ctx, rdd.MapValues[int, int, int](pairs, nil)); return err },
	}
	for name, run := range tests {
		op, _, _ := strings.Cut(name, ",")
		err := run()
		if err == nil || !strings.Contains(err.Error(), op+" ") || !strings.Contains(err.Error(), "trouble_test.go:") ||
			!strings.Contains(err.Error(), "needs a function, not nil") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := tasks.Load(); n != 0 {
		t.Errorf("%d tasks ran", n)
	}
}

// TestSequencesThatAreNil hold no elements, as nil slices do.
func TestSequencesThatAreNil(t *testing.T) {
	sc := newContext(t)
	r := rdd.Parallelize(sc, []int{1, 2, 3, 4}, 2)
	odd := func(v int) iter.Seq[int] {
		if v%2 == 0 {
			return nil
		}
		return slices.Values([]int{v})
	}
	none := func(*rdd.TaskContext, iter.Seq[int]) iter.Seq[int] { return nil }
	pairs := rdd.MapToPair(r, func(v int) (int, int) { return v, v })
	tests := map[string]struct{ got, want string }{
		"FlatMap":            {show(true, rdd.FlatMap(r, odd)), "1 3"},
		"FlatMap, persisted": {show(true, rdd.FlatMap(r, odd).Cache()), "1 3"},
		"FlatMap of large": {show(true, rdd.Map(rdd.FlatMap(r, func(v int) iter.Seq[[9]int] { return nil }),
			func(a [9]int) int { return a[0] })), ""},
		"FlatMapValues": {show(true, rdd.FlatMapValues(pairs, odd)), "(1,1) (3,3)"},
		"MapPartitions": {show(true, rdd.MapPartitions(r, none)), ""},
		"ZipPartitions": {show(true, rdd.ZipPartitions(r, r, func(*rdd.TaskContext, iter.Seq[int], iter.Seq[int],
		) iter.Seq[int] {
			return nil
		})), ""},
		"FromPartitions": {show(true, rdd.FromPartitions(sc, "mine", 2, func(*rdd.TaskContext, int) iter.Seq[int] {
			return nil
		})), ""},
	}
	for name, test := range tests {
		if test.got != test.want {
			t.Errorf("%s: got %s, want %s", name, test.got, test.want)
		}
	}
}

// TestNumbersBeyondReason are refused with the place, or mean all there is; none of them takes the process along.
func TestNumbersBeyondReason(t *testing.T) {
	ctx := t.Context()
	const many = 1_000_000_000
	sc := newContext(t)
	r := rdd.Parallelize(sc, []int{3, 1, 2}, 2)
	pairs := rdd.MapToPair(r, func(v int) (int, int) { return v, v })
	wide := rdd.Range(sc, 0, 10, 1, 40_000)
	count := func(r interface{ Err() error }) error { return r.Err() }
	tests := map[string]struct {
		run  func() error
		want string
	}{
		"Partitions": {func() error {
			return count(rdd.GroupByKey(pairs, rdd.Partitions(many)))
		}, "groupByKey would have 1000000000"},
		"Repartition": {func() error {
			return count(rdd.Repartition(r, many))
		}, "repartition would have 1000000000"},
		"Parallelize": {func() error {
			return count(rdd.Parallelize(sc, []int{1}, many))
		}, "parallelize would have 1000000000"},
		"Cartesian": {func() error {
			return count(rdd.Cartesian(wide, wide))
		}, "cartesian would have 1600000000"},
		"MinPartitions": {func() error {
			return count(rdd.TextFile(sc, "trouble_test.go", rdd.MinPartitions(many)))
		}, "at most 1048576"},
		"Sample": {func() error {
			return count(rdd.Sample(r, true, 1e15))
		}, "from 0 to 1000000"},
		"NewRangePartitioner": {func() error {
			_, err := rdd.NewRangePartitioner(ctx, pairs, many)
			return err
		}, "what it deals would have 1000000000"},
		"TakeSample": {func() error {
			_, err := rdd.TakeSample(ctx, r, true, 1<<40)
			return err
		}, "1099511627776 elements with replacement, of each of 2 partitions, do not fit into weir.memory.budget"},
		"TakeSample of nothing": {func() error {
			_, err := rdd.TakeSample(ctx, rdd.Map(r, func(int) struct{} { return struct{}{} }), true, math.MaxInt)
			return err
		}, "do not fit into weir.memory.budget"},
		"HistogramN": {func() error {
			_, _, err := rdd.HistogramN(ctx, r, math.MaxInt)
			return err
		}, "at most 16777216 buckets are possible"},
		"HistogramN of what is close": {func() error {
			_, _, err := rdd.HistogramN(ctx, rdd.Parallelize(sc, []float64{1, math.Nextafter(1, 2)}, 1), 100_000)
			return err
		}, "the elements reach from 1 to 1.0000000000000002, which is too little for 100000 buckets"},
		"an action": {func() error {
			_, err := rdd.Collect(ctx, rdd.Map(rdd.Repartition(r, many), func(v int) int { return v }))
			return err
		}, "repartition would have"},
	}
	for name, test := range tests {
		if err := test.run(); err == nil || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), "trouble_test.go:") {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	if got, err := rdd.TakeSample(ctx, r, false, math.MaxInt); err != nil || len(got) != 3 {
		t.Errorf("TakeSample: %v, %v", got, err)
	}
	if got, err := rdd.TakeOrdered(ctx, r, math.MaxInt); err != nil || !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("TakeOrdered: %v, %v", got, err)
	}
	if got, err := rdd.Take(ctx, r, math.MaxInt); err != nil || !slices.Equal(got, []int{3, 1, 2}) {
		t.Errorf("Take: %v, %v", got, err)
	}
}

// TestSampleByKeyExactOfMany gives as many as it is asked for without holding them: a reader that has enough ends it.
func TestSampleByKeyExactOfMany(t *testing.T) {
	sc := newContext(t)
	var pairs []rdd.Pair[string, int]
	for v := range 100_000 {
		pairs = append(pairs, rdd.KV("a", v))
	}
	r := rdd.SampleByKeyExact(rdd.Parallelize(sc, pairs, 2), true, map[string]float64{"a": 1_000_000}, rdd.Seed(1))
	if got, err := rdd.Take(t.Context(), r, 5); err != nil || len(got) != 5 {
		t.Errorf("Take: %v, %v", got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if n, err := rdd.Count(ctx, r); !errors.Is(err, context.DeadlineExceeded) ||
		!strings.HasPrefix(err.Error(), "count at trouble_test.go:") {
		t.Errorf("Count: %d, %v", n, err)
	}
}

// mute is a partitioner that does not tell how many partitions it has.
type mute struct{ vague }

func (*mute) NumPartitions() int { panic("ask somebody else") }

// contrary panics when it is compared.
type contrary struct{ vague }

func (contrary) Equal(any) bool { panic("incomparable") }

// TestPartitionersThatPanic are refused with their types, or count as different, and do not end who builds a graph.
func TestPartitionersThatPanic(t *testing.T) {
	sc := newContext(t)
	pairs := rdd.Parallelize(sc, []rdd.Pair[int, int]{rdd.KV(1, 10), rdd.KV(2, 20)}, 2)
	var none *mute // its method NumPartitions comes from nil
	joined := rdd.Join(pairs, pairs, rdd.PartitionBy[int](&mute{}))
	for op, r := range map[string]*rdd.RDD[rdd.Pair[int, int]]{
		"reduceByKey":                        rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](none)),
		"sortByKey":                          rdd.SortByKey(pairs, rdd.PartitionBy[int](&mute{})),
		"cogroup":                            rdd.MapValues(joined, func(p rdd.Pair[int, int]) int { return p.Key }),
		"repartitionAndSortWithinPartitions": rdd.RepartitionAndSortWithinPartitions(pairs, rdd.Partitioner[int](&mute{})),
	} {
		_, err := rdd.Count(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), op+": NumPartitions of the partitioner *rdd_test.mute: panic at ") ||
			strings.Count(err.Error(), "trouble_test.go:") < 2 {
			t.Errorf("%s: %v", op, err)
		}
	}
	if got := rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](&mute{}), rdd.Partitions(2)); got.Err() != nil {
		t.Errorf("the last option counts: %v", got.Err())
	}
	left := rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](contrary{}))
	right := rdd.ReduceByKey(pairs, add, rdd.PartitionBy[int](contrary{}))
	if got, want := showOnce(false, rdd.Join(left, right)), "(1,(10,10)) (2,(20,20))"; got != want {
		t.Errorf("compared: %s, want %s", got, want)
	}
}

// moody deals one key by panicking.
type moody struct{}

func (moody) NumPartitions() int { return 2 }

func (moody) Partition(k int) int {
	if k == 9 {
		panic("never heard of 9")
	}
	return k % 2
}

// TestPartitionerThatPanicsInTheDriver fails the look-up, and not its caller.
func TestPartitionerThatPanicsInTheDriver(t *testing.T) {
	pairs := rdd.MapToPair(rdd.Parallelize(newContext(t), []int{1, 2}, 2), func(v int) (int, int) { return v, v })
	_, err := rdd.Lookup(t.Context(), rdd.RepartitionByKey(pairs, rdd.PartitionBy[int](moody{})), 9)
	if err == nil || !strings.Contains(err.Error(), "lookup: panic at trouble_test.go:") {
		t.Error(err)
	}
}

// TestDeepTree: a tree deeper than any needs to be ends.
func TestDeepTree(t *testing.T) {
	sum := func(a, b int) int { return a + b }
	r := rdd.Parallelize(newContext(t), []int{1, 2, 3, 4, 5}, 5)
	if got, err := rdd.TreeReduce(t.Context(), r, sum, 100); got != 15 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
}
