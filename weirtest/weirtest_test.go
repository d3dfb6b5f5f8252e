package weirtest_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// A recorder is a test that keeps what it is failed with.
type recorder struct {
	testing.TB
	texts []string
}

func (r *recorder) Error(args ...any) { r.texts = append(r.texts, fmt.Sprint(args...)) }

func (r *recorder) Errorf(format string, args ...any) { r.Error(fmt.Sprintf(format, args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// told runs a test in a bubble and gives what it was failed with.
func told(t *testing.T, test func(t testing.TB)) (texts string) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			test(r)
		}()
		<-done
		texts = strings.Join(r.texts, "\n")
	})
	return texts
}

type (
	ints = dstream.DStream[int]
	pair = rdd.Pair[string, int]
)

func same(d *ints) *ints { return d }

func double(d *ints) *ints { return dstream.Map(d, func(v int) int { return 2 * v }) }

func first(d *ints) *ints {
	return dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
		return func(yield func(int) bool) {
			for v := range in {
				yield(v)
				return
			}
		}
	})
}

// TestOpFails when it must, and says what differs.
func TestOpFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		test func(t testing.TB)
		want string
	}{
		{"right", func(t testing.TB) { weirtest.Op(t, [][]int{{2, 1}, {}, {3}}, double, [][]int{{2, 4}, nil, {6}}) }, ""},
		{"wrong element", func(t testing.TB) { weirtest.Op(t, [][]int{{1}, {1, 2}}, double, [][]int{{2}, {4, 3}}) },
			`weirtest: with 2 partitions (honest): batch 1 of the answer (-want +got):
      4
    - 3
    + 2`},
		{"bag", func(t testing.TB) { weirtest.Op(t, [][]int{{1, 1, 2}}, same, [][]int{{2, 1, 2}}) },
			`weirtest: with 2 partitions (honest): batch 0 of the answer (-want +got):
      2
      1
    - 2
    + 1`},
		{"too much", func(t testing.TB) { weirtest.Op(t, [][]int{{1}, {2}}, same, [][]int{{1}}) },
			`weirtest: with 2 partitions (honest): batch 1 of the answer (-want +got):
    + 2`},
		{"too little", func(t testing.TB) { weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}, {2}}) },
			`weirtest: with 2 partitions (honest): batch 1 of the answer (-want +got):
    - 2`},
		{"order", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1, 2, 3, 4}}, same, [][]int{{1, 3, 4, 2}}, weirtest.Ordered())
		}, `weirtest: with 2 partitions (honest): batch 0 of the answer (-want +got):
      1
    + 2
      3
      4
    - 2`},
		{"partitions", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1, 2, 3}}, first, [][]int{{1}}, weirtest.Partitions(1, 3))
		}, `weirtest: with 3 partitions (honest): batch 0 of the answer (-want +got):
      1
    + 2
    + 3`},
		{"task", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, func(d *ints) *ints {
				return dstream.Map(d, func(v int) int { panic("no such table") })
			}, [][]int{{1}}, weirtest.Set("spark.task.maxFailures", "1"))
		}, "no such table"},
		{"no failure", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}}, weirtest.Fails("no such table"))
		}, `the program did not fail; want an error with "no such table"`},
		{"another failure", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, func(d *ints) *ints { return dstream.Repartition(d, -1) }, [][]int{{1}},
				weirtest.Fails("no such table"))
		}, `the program failed, but not with "no such table": the program's graph is wrong`},
		{"inputs", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}}, weirtest.Input("numbers", []int{1}))
		}, "Input, Want and Collect are for Run and Start"},
		{"no partition", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}}, weirtest.Partitions(2, 0))
		}, "Partitions needs numbers of at least 1, not [2 0]"},
		{"deaths in a bubble", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}}, weirtest.Kills())
		}, "Kills is for Op and Run: not with Fails, and not in a bubble of the caller's"},
		{"interval", func(t testing.TB) {
			weirtest.Op(t, [][]int{{1}}, same, [][]int{{1}}, weirtest.Interval(0))
		}, "the batch interval must be a whole number of milliseconds"},
	} {
		got := told(t, tt.test)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: told\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
}

// TestOpOutsideABubble makes one itself for each run, with a *testing.T only.
func TestOpOutsideABubble(t *testing.T) {
	var calls int
	var begin []time.Time
	weirtest.Op(t, [][]int{{1}}, func(d *ints) *ints {
		calls++
		begin = append(begin, time.Now().UTC())
		return d
	}, [][]int{{1}})
	if want := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); calls != 6 || begin[0] != want || begin[5] != want {
		t.Errorf("%d runs that began at %v, want 6 at %v", calls, begin, want)
	}
	bad := new(testing.T) // It can be failed, but tells nobody.
	weirtest.Op(bad, [][]int{{1}}, double, [][]int{{1}})
	if !bad.Failed() {
		t.Error("a wrong answer did not fail the test")
	}
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		weirtest.Op(r, [][]int{{1}}, same, [][]int{{1}})
	}()
	<-done
	if got := strings.Join(r.texts, ""); !strings.Contains(got, "a *weirtest_test.recorder makes no bubble") {
		t.Errorf("told %q", got)
	}
}

// TestOpOptions are those that change how a row runs.
func TestOpOptions(t *testing.T) {
	at := func(d *ints) *dstream.DStream[string] {
		return dstream.Transform(d, func(r *rdd.RDD[int], at dstream.Time) *rdd.RDD[string] {
			return rdd.Map(r, func(v int) string { return fmt.Sprint(v, int64(at), r.NumPartitions()) })
		})
	}
	weirtest.Op(t, [][]int{{7}, {8}}, at, [][]string{{"7 946684860000 3"}, {"8 946684920000 3"}},
		weirtest.Interval(time.Minute), weirtest.Partitions(3))
	weirtest.Op(t, [][]int{{7}}, at, [][]string{{"7 946684801000 5"}}, weirtest.Set("spark.default.parallelism", "5"))
	window := func(d *ints) *ints { return dstream.Window(d, 2*time.Second, 2*time.Second) }
	weirtest.Op(t, [][]int{{1}, {2}, {3}}, window, [][]int{{}, {1, 2}, {}, {3}})
	third := func(d *ints) *dstream.DStream[rdd.Pair[int, float64]] {
		return dstream.MapToPair(d, func(v int) (int, float64) { return v, float64(v) / 3 })
	}
	weirtest.Op(t, [][]int{{1}}, third, [][]rdd.Pair[int, float64]{{rdd.KV(1, 0.333)}},
		weirtest.EqualFunc(func(got, want float64) bool { return math.Abs(got-want) < 0.001 }))
	weirtest.Op(t, [][]int{{1}, {2}}, func(d *ints) *ints {
		return dstream.Map(d, func(v int) int { return 1 / (2 - v) })
	}, [][]int{{1}}, weirtest.Fails("divide by zero"))
	weirtest.Op2(t, [][]int{{1}, {2}}, [][]int{{3}}, func(a, b *ints) *ints { return dstream.Union(a, b) },
		[][]int{{1, 3}, {2}})
}

// TestFailTasks fails the tasks that read, and those that answer, before they work: what a function keeps outside of
// the stream shows.
func TestFailTasks(t *testing.T) {
	for n := range 6 {
		var calls atomic.Int64
		sum := func(d *ints) *ints {
			counted := dstream.Map(d, func(v int) int {
				calls.Add(1)
				return v
			})
			return dstream.Reduce(counted, func(a, b int) int { return a + b })
		}
		weirtest.Op(t, [][]int{{1, 2, 3}}, sum, [][]int{{6}}, weirtest.FailTasks(n), weirtest.Partitions(1),
			weirtest.Set("weir.honest", "false"))
		if got, want := int(calls.Load()), 3+n; got != want {
			t.Errorf("FailTasks(%d): the function was called %d times, want %d", n, got, want)
		}
	}
}

// build is a program of two inputs that nobody can reach.
func build(ssc *dstream.Context) error {
	orders := dstream.FromSource(ssc, "orders", dstream.Source[pair](unreachable[pair]{})).Named("orders")
	lines := dstream.FromSource(ssc, "lines", dstream.Source[string](unreachable[string]{}))
	words := dstream.FlatMap(lines, strings.FieldsSeq).Named("words")
	ones := dstream.MapToPair(words, func(w string) (string, int) { return w, 1 })
	total := dstream.ReduceByKey(dstream.Union(orders, ones), func(a, b int) int { return a + b }).Named("total")
	dstream.Print(total, 10).Named("page")
	return nil
}

type unreachable[T any] struct{ dstream.Source[T] }

func (unreachable[T]) Resolve(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the server is away")
}

// TestRun replaces an input, and a stream that is made from one, and finds what is wrong with the names.
func TestRun(t *testing.T) {
	orders := weirtest.Input("orders", []pair{rdd.KV("ale", 2)}, nil, []pair{rdd.KV("tea", 1)})
	words := weirtest.Input("words", []string{"ale", "tea"})
	weirtest.Run(t, build, orders, words, weirtest.Want("total", []pair{rdd.KV("ale", 3), rdd.KV("tea", 1)}, nil, []pair{rdd.KV("tea", 1)}))
	for _, tt := range []struct {
		name, want string
		opts       []weirtest.Option
	}{
		{"a wrong answer", "batch 2 of total (-want +got):\n    - (ale,1)\n    + (tea,1)", []weirtest.Option{orders, words,
			weirtest.Want("total", []pair{rdd.KV("ale", 3), rdd.KV("tea", 1)}, nil, []pair{rdd.KV("ale", 1)})}},
		{"an input that was not replaced", "the server is away", []weirtest.Option{orders}},
		{"an unknown name", `there is no stream named "order"; the names are orders, words, total, page`,
			[]weirtest.Option{words, weirtest.Input("order", []pair{})}},
		{"other elements", `the elements of the stream "words" (flatMap at weirtest_test.go:`,
			[]weirtest.Option{orders, weirtest.Input("words", []int{1})}},
		{"an output", `"page" is the print at weirtest_test.go:`,
			[]weirtest.Option{orders, words, weirtest.Want("page", []pair{})}},
		{"nothing to run", "there is no batch to run", nil},
	} {
		got := told(t, func(t testing.TB) { weirtest.Run(t, build, tt.opts...) })
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: told\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	got := told(t, func(t testing.TB) {
		weirtest.Run(t, func(*dstream.Context) error { return errors.New("no topic") }, words)
	})
	if !strings.Contains(got, "the build function: no topic") {
		t.Errorf("told %q", got)
	}
	weirtest.Run(t, build, words, weirtest.KeepInputs(), weirtest.Fails("the server is away"))
	weirtest.Run(t, build, words, weirtest.Fails("the input orders is not replaced: name it, or a stream made from it"))
}

// TestStart gives the time to the test.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var total [][]pair
		p := weirtest.Start(t, build,
			weirtest.Input("orders", []pair{rdd.KV("ale", 2)}, []pair{rdd.KV("tea", 1)}), weirtest.Input("words", []string{"ale"}),
			weirtest.Want("total", []pair{rdd.KV("ale", 3)}, []pair{rdd.KV("tea", 1)}), weirtest.Collect("total", &total))
		if len(total) != 0 {
			t.Errorf("before the first batch: %v", total)
		}
		p.Advance(1)
		if got := fmt.Sprint(total); got != "[[(ale,3)]]" {
			t.Errorf("after a batch: %s", got)
		}
		p.Advance(2)
		if got := fmt.Sprint(total); got != "[[(ale,3)] [(tea,1)] []]" {
			t.Errorf("after three batches: %s", got)
		}
		if got := p.Printed(); !strings.Contains(got, "Time: 946684802000 ms") || !strings.Contains(got, "(tea,1)\n") {
			t.Errorf("printed %s", got)
		}
		p.Stop()
		if p.Context().State() != dstream.Stopped {
			t.Errorf("state %v", p.Context().State())
		}
		p.Stop()
	})
}

// TestStartFails when it must.
func TestStartFails(t *testing.T) {
	feed := weirtest.Input("numbers", []int{1}, []int{0})
	divide := func(ssc *dstream.Context) error {
		numbers := dstream.FromSource(ssc, "numbers", dstream.Source[int](unreachable[int]{})).Named("numbers")
		dstream.Map(numbers, func(v int) int { return 6 / v }).Named("sixths")
		return nil
	}
	want := weirtest.Want("sixths", []int{6}, []int{6})
	for _, tt := range []struct {
		name, want string
		test       func(t testing.TB)
	}{
		{"at the start", "the server is away", func(t testing.TB) { weirtest.Start(t, divide, want) }},
		{"in a batch", "divide by zero", func(t testing.TB) { weirtest.Start(t, divide, feed, want).Advance(3) }},
		{"at the end", "batch 1 of sixths (-want +got):\n    - 6", func(t testing.TB) {
			p := weirtest.Start(t, divide, feed, want)
			p.Advance(1)
			p.Stop()
		}},
		{"as wanted", "", func(t testing.TB) {
			p := weirtest.Start(t, divide, feed, weirtest.Want("sixths", []int{6}), weirtest.Fails("divide by zero"))
			p.Advance(3)
			p.Stop()
		}},
		{"after the end", "Advance was called when the program had ended", func(t testing.TB) {
			p := weirtest.Start(t, divide, feed, weirtest.Want("sixths", []int{6}))
			p.Advance(1)
			p.Stop()
			p.Advance(1)
		}},
	} {
		got := told(t, tt.test)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: told\n%s\nwant\n%s", tt.name, got, tt.want)
		}
	}
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		weirtest.Start(r, divide, feed)
	}()
	<-done
	if got := strings.Join(r.texts, ""); !strings.Contains(got, "Start belongs inside of a bubble") {
		t.Errorf("outside of a bubble: told %q", got)
	}
}

// TestSlowBatches are waited for, as long as the program may take.
func TestSlowBatches(t *testing.T) {
	weirtest.Op(t, [][]int{{5}, {1}, {1}}, func(d *ints) *ints {
		return dstream.Map(d, func(v int) int {
			time.Sleep(time.Duration(v) * time.Second)
			return v
		})
	}, [][]int{{5}, {1}, {1}})
	stuck := func(d *ints) *ints {
		dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
			<-ctx.Done()
			return ctx.Err()
		})
		return d
	}
	got := told(t, func(t testing.TB) { weirtest.Op(t, [][]int{{1}}, stuck, [][]int{{1}}) })
	if !strings.Contains(got, "batch 0 was not committed within 1h") {
		t.Errorf("told %s", got)
	}
}
