package rdd_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// newContext makes a context that ends with the test.
func newContext(t testing.TB, settings ...string) *rdd.Context {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for i := 0; i < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	sc, err := rdd.NewContext(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return sc
}

// show collects an RDD as text, one element after the other, sorted unless the order is part of the answer. Actions
// that read all, which take elements in batches, and those that may stop, which take them one by one, must see the
// same.
func show[T any](ordered bool, r *rdd.RDD[T]) string {
	in := showOnce(ordered, r)
	var single []T
	for v, err := range rdd.ToLocalSeq(context.Background(), r) {
		if err != nil {
			return in
		}
		single = append(single, v)
	}
	if one := text(ordered, single); one != in {
		return fmt.Sprintf("in batches %s, one by one %s", in, one)
	}
	return in
}

// showOnce is show by one job.
func showOnce[T any](ordered bool, r *rdd.RDD[T]) string {
	vs, err := rdd.Collect(context.Background(), r)
	if err != nil {
		return "error: " + err.Error()
	}
	return text(ordered, vs)
}

func text[T any](ordered bool, vs []T) string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = fmt.Sprint(v)
	}
	if !ordered {
		slices.Sort(out)
	}
	return strings.Join(out, " ")
}

type ints = rdd.RDD[int]

func kv(r *ints) *rdd.RDD[rdd.Pair[string, int]] {
	return rdd.MapToPair(r, func(v int) (string, int) { return string(rune('a' + v%3)), v })
}

// other is the right side of joins.
func other(r *ints) *rdd.RDD[rdd.Pair[string, string]] {
	pairs := []rdd.Pair[string, string]{rdd.KV("a", "x"), rdd.KV("a", "y"), rdd.KV("d", "z")}
	return rdd.Parallelize(r.Context(), pairs, 2)
}

// TestOperators runs each operator with 1, 2 and 7 partitions, and in the honest mode that encodes every shuffled
// record.
func TestOperators(t *testing.T) {
	tests := []struct {
		name string
		op   func(r *ints) string
		want string
	}{
		{
			"Map",
			func(r *ints) string { return show(true, rdd.Map(r, func(v int) int { return 10 * v })) },
			"0 10 20 30 40 50 60",
		},
		{
			"Filter",
			func(r *ints) string { return show(true, rdd.Filter(r, func(v int) bool { return v%2 == 0 })) },
			"0 2 4 6",
		},
		{"FlatMap", func(r *ints) string {
			return show(true, rdd.FlatMap(r, func(v int) iter.Seq[int] { return slices.Values(make([]int, v%3)) }))
		}, "0 0 0 0 0 0"},
		{"MapPartitions", func(r *ints) string {
			return show(true, rdd.MapPartitions(r, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
				return func(yield func(int) bool) {
					for v := range in {
						if v > 2 && !yield(-v) {
							return
						}
					}
				}
			}))
		}, "-3 -4 -5 -6"},
		{
			"MapValues",
			func(r *ints) string { return show(false, rdd.MapValues(kv(r), func(v int) int { return v * v })) },
			"(a,0) (a,36) (a,9) (b,1) (b,16) (c,25) (c,4)",
		},
		{"Keys", func(r *ints) string { return show(true, rdd.Keys(kv(r))) }, "a b c a b c a"},
		{"Values", func(r *ints) string { return show(true, rdd.Values(kv(r))) }, "0 1 2 3 4 5 6"},
		{
			"Union",
			func(r *ints) string { return show(true, rdd.Union(r, r, rdd.Empty[int](r.Context()))) },
			"0 1 2 3 4 5 6 0 1 2 3 4 5 6",
		},
		{
			"ReduceByKey",
			func(r *ints) string { return show(false, rdd.ReduceByKey(kv(r), add)) },
			"(a,9) (b,5) (c,7)",
		},
		{"ReduceByKey keeps the order of keys", func(r *ints) string {
			return show(true, rdd.ReduceByKey(kv(r), add, rdd.Partitions(1)))
		}, "(a,9) (b,5) (c,7)"},
		{"CombineByKey", func(r *ints) string {
			return show(false, rdd.CombineByKey(kv(r), func(v int) string { return fmt.Sprint(v) },
				func(s string, v int) string { return s + fmt.Sprint(v) }, func(s, u string) string { return s + u }))
		}, "(a,036) (b,14) (c,25)"},
		{
			"GroupByKey",
			func(r *ints) string { return show(false, rdd.GroupByKey(kv(r))) },
			"(a,[0 3 6]) (b,[1 4]) (c,[2 5])",
		},
		{"Join", func(r *ints) string { return show(false, rdd.Join(kv(r), other(r))) },
			"(a,(0,x)) (a,(0,y)) (a,(3,x)) (a,(3,y)) (a,(6,x)) (a,(6,y))"},
		{"LeftOuterJoin", func(r *ints) string { return show(false, rdd.LeftOuterJoin(kv(r), other(r))) },
			"(a,(0,Some(x))) (a,(0,Some(y))) (a,(3,Some(x))) (a,(3,Some(y))) (a,(6,Some(x))) (a,(6,Some(y))) " +
				"(b,(1,None)) (b,(4,None)) (c,(2,None)) (c,(5,None))"},
		{"RightOuterJoin", func(r *ints) string {
			return show(
				false,
				rdd.RightOuterJoin(
					rdd.Filter(kv(r), func(p rdd.Pair[string, int]) bool { return p.Value == 0 }),
					other(r),
				),
			)
		}, "(a,(Some(0),x)) (a,(Some(0),y)) (d,(None,z))"},
		{"FullOuterJoin", func(r *ints) string {
			return show(
				false,
				rdd.FullOuterJoin(
					rdd.Filter(kv(r), func(p rdd.Pair[string, int]) bool { return p.Value < 2 }),
					other(r),
				),
			)
		}, "(a,(Some(0),Some(x))) (a,(Some(0),Some(y))) (b,(Some(1),None)) (d,(None,Some(z)))"},
		{"CoGroup", func(r *ints) string { return show(false, rdd.CoGroup(kv(r), other(r))) },
			"(a,{[0 3 6] [x y]}) (b,{[1 4] []}) (c,{[2 5] []}) (d,{[] [z]})"},
		{"Merged", func(r *ints) string {
			return show(true, rdd.Merged(r, func(in iter.Seq[int]) int {
				n := 0
				for v := range in {
					n += v
				}
				return n
			}, func(parts []int) iter.Seq[int] {
				total := 0
				for _, n := range parts {
					total += n
				}
				return slices.Values([]int{total})
			}))
		}, "21"},
	}
	for _, tt := range tests {
		for _, honest := range []string{"false", "true"} {
			for _, n := range []int{1, 2, 7} {
				sc := newContext(t, "weir.honest", honest)
				r := rdd.Parallelize(sc, []int{0, 1, 2, 3, 4, 5, 6}, n)
				if got := tt.op(r); got != tt.want {
					t.Errorf("%s, %d partitions, honest %s:\n got %s\nwant %s", tt.name, n, honest, got, tt.want)
				}
			}
		}
	}
}

func TestActions(t *testing.T) {
	ctx := context.Background()
	sc := newContext(t)
	for _, n := range []int{1, 2, 7, 20} {
		r := rdd.Parallelize(sc, []int{3, 1, 2, 1}, n)
		check := func(name string, got any, err error, want any) {
			t.Helper()
			if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s of %d partitions: %v, %v; want %v", name, n, got, err, want)
			}
		}
		all, err := rdd.Collect(ctx, r)
		check("Collect", all, err, []int{3, 1, 2, 1})
		count, err := rdd.Count(ctx, r)
		check("Count", count, err, 4)
		for k := range 6 {
			some, err := rdd.Take(ctx, r, k)
			check("Take", some, err, []int{3, 1, 2, 1}[:min(k, 4)])
		}
		first, err := rdd.First(ctx, r)
		check("First", first, err, 3)
		empty, err := rdd.IsEmpty(ctx, r)
		check("IsEmpty", empty, err, false)
		digits, err := rdd.Reduce(ctx, rdd.Map(r, strconv.Itoa), func(a, b string) string { return a + b })
		check("Reduce", digits, err, "3121")
		byValue, err := rdd.CountByValue(ctx, r)
		check("CountByValue", byValue, err, map[int]int64{1: 2, 2: 1, 3: 1})
	}
}

func TestActionsOfAnEmptyRDD(t *testing.T) {
	ctx := context.Background()
	sc := newContext(t)
	for name, r := range map[string]*ints{"no partitions": rdd.Empty[int](sc), "empty partitions": rdd.Parallelize(sc, []int{}, 3)} {
		if vs, err := rdd.Collect(ctx, r); err != nil || len(vs) != 0 {
			t.Errorf("%s: Collect %v, %v", name, vs, err)
		}
		if n, err := rdd.Count(ctx, r); err != nil || n != 0 {
			t.Errorf("%s: Count %v, %v", name, n, err)
		}
		if _, err := rdd.First(ctx, r); !errors.Is(err, rdd.ErrEmpty) {
			t.Errorf("%s: First gives %v", name, err)
		}
		if _, err := rdd.Reduce(ctx, r, func(a, _ int) int { return a }); !errors.Is(err, rdd.ErrEmpty) {
			t.Errorf("%s: Reduce gives %v", name, err)
		}
		if empty, err := rdd.IsEmpty(ctx, r); err != nil || !empty {
			t.Errorf("%s: IsEmpty %v, %v", name, empty, err)
		}
		if vs, err := rdd.Collect(
			ctx,
			rdd.ReduceByKey(kv(r), func(a, _ int) int { return a }),
		); err != nil ||
			len(vs) != 0 {
			t.Errorf("%s: ReduceByKey %v, %v", name, vs, err)
		}
	}
}

// here is the line of its caller, as errors name it.
func here(offset int) string {
	_, _, line, _ := runtime.Caller(1)
	return fmt.Sprintf("rdd_test.go:%d", line+offset)
}

// TestErrorsNameThePlace gives each kind of misuse and failure and looks for what its error must name.
func TestErrorsNameThePlace(t *testing.T) {
	ctx := context.Background()
	sc := newContext(t, "spark.task.maxFailures", "2")
	r := rdd.Parallelize(sc, []int{1, 2, 3}, 2)
	type hidden struct{ secret int }
	var at string
	tests := []struct {
		name string
		run  func() error
		want []string
	}{
		{"nil function", func() error {
			at = here(1)
			_, err := rdd.Count(ctx, rdd.Map(r, (func(int) int)(nil)))
			return err
		}, []string{"map needs a function"}},
		{"error of a Try function", func() error {
			at = here(1)
			_, err := rdd.Count(ctx, rdd.MapTry(r, func(v int) (int, error) { return 0, errors.New("bad record") }))
			return err
		}, []string{"count", "mapTry", "bad record", "failed 2 times", "partition "}},
		{"panic", func() error {
			none := 0
			at = here(2)
			_, err := rdd.Count(ctx, rdd.Map(r, func(v int) int {
				return v / none
			}))
			return err
		}, []string{"panic at", "divide by zero", "failed 2 times"}},
		{"Goexit", func() error {
			at = here(1)
			return rdd.Foreach(ctx, r, func(int) error { runtime.Goexit(); return nil })
		}, []string{"Goexit"}},
		{"no partitions", func() error {
			at = here(1)
			_, err := rdd.Count(ctx, rdd.ReduceByKey(kv(r), func(a, _ int) int { return a }, rdd.Partitions(0)))
			return err
		}, []string{"at least one partition, not 0"}},
		{"type that cannot be encoded", func() error {
			at = here(3)
			_, err := rdd.Count(
				ctx,
				rdd.GroupByKey(rdd.Map(r, func(v int) rdd.Pair[int, hidden] { return rdd.KV(v, hidden{v}) })),
			)
			return err
		}, []string{"hidden", "secret"}},
		{"object file of what cannot be encoded", func() error {
			at = here(1)
			return rdd.SaveAsObjectFile(ctx, rdd.Map(r, func(v int) hidden { return hidden{v} }), t.TempDir()+"/o")
		}, []string{"saveAsObjectFile at ", "secret"}},
		{"variable of a command without a value", func() error {
			at = here(1)
			_, err := rdd.Count(ctx, rdd.Pipe(r, []string{"cat"}, rdd.PipeEnv("HOME=/", "PATH")))
			return err
		}, []string{`a variable of PipeEnv is written NAME=VALUE, and not "PATH"`}},
		{"partitioner of other keys", func() error {
			at = here(1)
			_, err := rdd.Count(ctx, rdd.GroupByKey(kv(r), rdd.PartitionBy[int](byHalf{})))
			return err
		}, []string{"byHalf", "string"}},
		{"partitioner out of range", func() error {
			at = here(1)
			_, err := rdd.Count(
				ctx,
				rdd.GroupByKey(
					rdd.Map(rdd.Parallelize(sc, []int{1}, 1), func(int) rdd.Pair[int, int] { return rdd.KV(100, 1) }),
					rdd.PartitionBy[int](byHalf{}),
				),
			)
			return err
		}, []string{"byHalf", "partition 50 for key 100", "from 0 to 1"}},
	}
	for _, tt := range tests {
		err := tt.run()
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, want := range append(tt.want, at) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %q", tt.name, err, want)
			}
		}
	}
}

// byHalf deals keys to two partitions.
type byHalf struct{}

func (byHalf) NumPartitions() int  { return 2 }
func (byHalf) Partition(k int) int { return k / 2 }

// TestNaNKeys: a key that equals nothing cannot be reduced.
func TestNaNKeys(t *testing.T) {
	sc := newContext(t, "spark.task.maxFailures", "1")
	nan := rdd.Map(
		rdd.Parallelize(sc, []float64{0}, 1),
		func(v float64) rdd.Pair[float64, int] { return rdd.KV(v/v, 1) },
	)
	for name, r := range map[string]*rdd.RDD[rdd.Pair[float64, int]]{
		"ReduceByKey": rdd.ReduceByKey(nan, func(a, b int) int { return a + b }),
		"one bucket":  rdd.ReduceByKey(nan, func(a, b int) int { return a + b }, rdd.Partitions(1)),
	} {
		if _, err := rdd.Collect(context.Background(), r); err == nil || !strings.Contains(err.Error(), "NaN") {
			t.Errorf("%s of a NaN key: %v", name, err)
		}
	}
}

// TestASwallowedFailure: a user's recover cannot turn a cut partition into a whole one.
func TestASwallowedFailure(t *testing.T) {
	sc := newContext(t, "spark.task.maxFailures", "1")
	cut := errors.New("the disk broke")
	source := rdd.FromPartitions(sc, "source", 1, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(yield func(int) bool) {
			yield(1)
			tc.Fail(cut)
		}
	})
	swallow := rdd.MapPartitions(source, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
		return func(yield func(int) bool) {
			defer func() { _ = recover() }()
			for v := range in {
				yield(v)
			}
		}
	})
	if vs, err := rdd.Collect(context.Background(), swallow); !errors.Is(err, cut) {
		t.Errorf("collected %v with error %v; want the error that was swallowed", vs, err)
	}
}

// TestRetry: a task that fails twice and then succeeds is as if it never had failed.
func TestRetry(t *testing.T) {
	sc := newContext(t, "spark.task.maxFailures", "3")
	tries := make([]int, 3)
	r := rdd.FromPartitions(sc, "flaky", 3, func(tc *rdd.TaskContext, p int) iter.Seq[string] {
		return func(yield func(string) bool) {
			tries[p]++
			yield(fmt.Sprint(p, " ", tc.AttemptNumber()))
			if tries[p] <= p {
				tc.Fail(errors.New("not yet"))
			}
		}
	})
	got, err := rdd.Collect(context.Background(), r)
	if want := []string{"0 0", "1 1", "2 2"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// TestAShuffleIsReused: a second action runs only the result stage.
func TestAShuffleIsReused(t *testing.T) {
	sc := newContext(t)
	runs := 0
	source := rdd.FromPartitions(sc, "source", 1, func(*rdd.TaskContext, int) iter.Seq[rdd.Pair[string, int]] {
		runs++
		return slices.Values([]rdd.Pair[string, int]{rdd.KV("a", 1)})
	})
	sums := rdd.ReduceByKey(source, func(a, b int) int { return a + b })
	for range 3 {
		if _, err := rdd.Count(context.Background(), sums); err != nil {
			t.Fatal(err)
		}
	}
	if runs != 1 {
		t.Errorf("the map stage ran %d times", runs)
	}
}

// stagesOf counts the stages that a context runs from now on.
func stagesOf(t *testing.T, sc *rdd.Context) (count func() int) {
	t.Helper()
	var n atomic.Int64
	free, err := sc.Observe(func(e exec.Event) {
		if _, ok := e.(exec.StageStarted); ok {
			n.Add(1)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return func() int { return int(n.Load()) }
}

// TestCopartitioned: what is dealt alike is joined and reduced without another shuffle.
func TestCopartitioned(t *testing.T) {
	sc := newContext(t)
	stages := stagesOf(t, sc)
	a := rdd.ReduceByKey(
		kv(rdd.Parallelize(sc, []int{1, 2, 3}, 3)),
		func(a, b int) int { return a + b },
		rdd.Partitions(5),
	)
	b := rdd.GroupByKey(rdd.MapValues(a, func(v int) int { return -v }))
	if b.NumPartitions() != 5 {
		t.Errorf("GroupByKey of a dealt RDD has %d partitions, want the 5 it was dealt to", b.NumPartitions())
	}
	got := showOnce(false, rdd.Join(a, b))
	if want := "(a,(3,[-3])) (b,(1,[-1])) (c,(2,[-2]))"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if n := stages(); n != 2 {
		t.Errorf("ran %d stages, want the map stage of the one shuffle and the result's", n)
	}
}

// TestNestedAction: an action inside of a task would wait for its own slot.
func TestNestedAction(t *testing.T) {
	sc := newContext(t, "spark.master", "local[1]", "spark.task.maxFailures", "1")
	r := rdd.Parallelize(sc, []int{1}, 1)
	_, err := rdd.Collect(
		context.Background(),
		rdd.MapTry(r, func(int) (int64, error) { return rdd.Count(context.Background(), r) }),
	)
	if err == nil || !strings.Contains(err.Error(), "from inside a task") {
		t.Errorf("a nested action gives %v", err)
	}
	err = rdd.Foreach(context.Background(), r, func(int) error { return sc.Stop(context.Background()) })
	if err == nil || !strings.Contains(err.Error(), "Stop was called from inside a task") {
		t.Errorf("Stop inside of a task gives %v", err)
	}
}

// TestCancel: the caller's context ends a job whose tasks look at theirs.
func TestCancel(t *testing.T) {
	sc := newContext(t)
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the user pressed Ctrl-C")
	endless := rdd.FromPartitions(sc, "endless", 3, func(tc *rdd.TaskContext, _ int) iter.Seq[int] {
		return func(yield func(int) bool) {
			for i := 0; yield(i); i++ {
				if i == 10_000 {
					cancel(why)
				}
				tc.Check()
			}
		}
	})
	if n, err := rdd.Count(ctx, endless); !errors.Is(err, why) {
		t.Errorf("counted %d, %v", n, err)
	}
}

// TestTakeReadsLittle: only as much is computed as is asked for.
func TestTakeReadsLittle(t *testing.T) {
	sc := newContext(t, "spark.master", "local[1]")
	var asked []int
	r := rdd.FromPartitions(sc, "source", 100, func(_ *rdd.TaskContext, p int) iter.Seq[int] {
		asked = append(asked, p)
		return slices.Values([]int{p, p})
	})
	got, err := rdd.Take(context.Background(), r, 3)
	if err != nil || !slices.Equal(got, []int{0, 0, 1}) {
		t.Fatalf("%v, %v", got, err)
	}
	if slices.Sort(asked); len(asked) != 5 || slices.Max(asked) != 4 {
		t.Errorf("computed partitions %v, want the first and four more", asked)
	}
}

// TestChainAllocatesNothing: four narrow operators cost no allocation for a record.
func TestChainAllocatesNothing(t *testing.T) {
	sc := newContext(t, "spark.master", "local[1]")
	count := func(n int) float64 {
		vs := make([]int, n)
		r := rdd.Parallelize(sc, vs, 1)
		m := rdd.Map(
			rdd.Filter(rdd.Map(rdd.Map(r, func(v int) int { return v + 1 }), func(v int) int { return 3 * v }),
				func(v int) bool { return v%2 == 1 }),
			func(v int) int64 { return int64(v) },
		)
		return testing.AllocsPerRun(5, func() {
			if _, err := rdd.Count(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := count(10), count(100_000); many > few+5 {
		t.Errorf("%v allocations for 10 records, %v for 100,000", few, many)
	}
}

// TestOrderFollowsFromTheInput: whatever the seeds of the tables, results come in the same order.
func TestOrderFollowsFromTheInput(t *testing.T) {
	var first []rdd.Pair[string, int]
	for range 5 {
		sc := newContext(t, "spark.master", "local[4]")
		words := make([]string, 5000)
		for i := range words {
			words[i] = fmt.Sprint("w", i*7919%613)
		}
		counts := rdd.ReduceByKey(
			rdd.Map(rdd.Parallelize(sc, words, 8), func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) }),
			func(a, b int) int { return a + b },
			rdd.Partitions(3),
		)
		got, err := rdd.Collect(context.Background(), counts)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !slices.Equal(got, first) {
			t.Fatal("two runs of one input give different orders")
		}
	}
	if sorted := slices.IsSortedFunc(
		first,
		func(a, b rdd.Pair[string, int]) int { return cmp.Compare(a.Key, b.Key) },
	); sorted {
		t.Error("the input should not come out sorted; the test would see nothing")
	}
}
