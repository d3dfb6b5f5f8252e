package dstream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// batches runs a graph over a queue in virtual time and gives what each batch's RDD held, sorted: "1 2 | | 3".
func batches[T any](
	t *testing.T,
	honest bool,
	in [][]int,
	build func(d *dstream.DStream[int]) *dstream.DStream[T],
) (out string) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(
			conf.New().Set("spark.master", "local[2]").Set("weir.honest", fmt.Sprint(honest)),
			time.Second,
		)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		dstream.ForeachRDD(build(dstream.QueueStream(ssc, dstream.NewQueue(in...))),
			func(ctx context.Context, r *rdd.RDD[T], _ *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				texts := make([]string, len(vs))
				for i, v := range vs {
					texts[i] = fmt.Sprint(v)
				}
				slices.Sort(texts)
				parts = append(parts, strings.Join(texts, " "))
				return err
			})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(len(in))*time.Second + 500*time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Error(err)
		}
		out = strings.Join(parts[:len(in)], " | ")
	})
	return out
}

type pair = rdd.Pair[string, int]

func byParity(d *dstream.DStream[int]) *dstream.DStream[pair] {
	return dstream.Map(d, func(v int) pair { return rdd.KV([]string{"even", "odd"}[v%2], v) })
}

func TestOperators(t *testing.T) {
	in := [][]int{{1, 2, 3, 4}, {}, {5, 5}}
	add := func(a, b int) int { return a + b }
	check := func(name, want string, run func(honest bool) string) {
		t.Helper()
		for _, honest := range []bool{false, true} {
			if got := run(honest); got != want {
				t.Errorf("%s (honest %v):\n got %s\nwant %s", name, honest, got, want)
			}
		}
	}
	type ints = dstream.DStream[int]
	check("Map", "-1 -2 -3 -4 |  | -5 -5", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints { return dstream.Map(d, func(v int) int { return -v }) })
	})
	check("FlatMap", "1 2 2 3 3 3 4 4 4 4 |  | 5 5 5 5 5 5 5 5 5 5", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints {
			return dstream.FlatMap(d, func(v int) iter.Seq[int] { return slices.Values(slices.Repeat([]int{v}, v)) })
		})
	})
	check("Filter", "2 4 |  | ", func(h bool) string {
		return batches(
			t,
			h,
			in,
			func(d *ints) *ints { return dstream.Filter(d, func(v int) bool { return v%2 == 0 }) },
		)
	})
	check("MapPartitions", "10 20 30 40 |  | 50 50", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints {
			return dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
				return func(yield func(int) bool) { in(func(v int) bool { return yield(10 * v) }) }
			})
		})
	})
	check("Count", "4 | 0 | 2", func(h bool) string {
		return batches(t, h, in, func(d *ints) *dstream.DStream[int64] { return dstream.Count(d) })
	})
	check("Reduce", "10 |  | 10", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints { return dstream.Reduce(d, add) })
	})
	check("CountByValue", "(1,1) (2,1) (3,1) (4,1) |  | (5,2)", func(h bool) string {
		return batches(
			t,
			h,
			in,
			func(d *ints) *dstream.DStream[rdd.Pair[int, int64]] { return dstream.CountByValue(d) },
		)
	})
	check("ReduceByKey", "(even,6) (odd,4) |  | (odd,10)", func(h bool) string {
		return batches(
			t,
			h,
			in,
			func(d *ints) *dstream.DStream[pair] { return dstream.ReduceByKey(byParity(d), add) },
		)
	})
	check("GroupByKey", "(even,[2 4]) (odd,[1 3]) |  | (odd,[5 5])", func(h bool) string {
		return batches(
			t,
			h,
			in,
			func(d *ints) *dstream.DStream[rdd.Pair[string, []int]] { return dstream.GroupByKey(byParity(d)) },
		)
	})
	check("MapValues", "(even,20) (even,40) (odd,10) (odd,30) |  | (odd,50) (odd,50)", func(h bool) string {
		return batches(t, h, in, func(d *ints) *dstream.DStream[pair] {
			return dstream.MapValues(byParity(d), func(v int) int { return 10 * v })
		})
	})
	check(
		"Join",
		"(even,(2,6)) (even,(4,6)) (odd,(1,4)) (odd,(3,4)) |  | (odd,(5,10)) (odd,(5,10))",
		func(h bool) string {
			return batches(t, h, in, func(d *ints) *dstream.DStream[rdd.Pair[string, rdd.Pair[int, int]]] {
				return dstream.Join(byParity(d), dstream.ReduceByKey(byParity(d), add))
			})
		},
	)
	check("Union", "1 1 2 2 3 3 4 4 |  | 5 5 5 5", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints { return dstream.Union(d, d) })
	})
	check("Transform", "1 2 3 4 946684801000 | 946684802000 | 5 5 946684803000", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints {
			return dstream.Transform(d, func(r *rdd.RDD[int], at dstream.Time) *rdd.RDD[int] {
				return rdd.Union(r, rdd.Parallelize(r.Context(), []int{int(at)}, 1))
			})
		})
	})
	check("TransformWith", "1 2 3 4 4 |  | 5 5", func(h bool) string {
		return batches(t, h, in, func(d *ints) *ints {
			four := dstream.Filter(d, func(v int) bool { return v == 4 })
			return dstream.TransformWith(
				d,
				four,
				func(a, b *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] { return rdd.Union(a, b) },
			)
		})
	})
}

// TestReduceThatChangesItsArgument gives the right sums, whenever f fails in between and its task is tried again.
func TestReduceThatChangesItsArgument(t *testing.T) {
	for _, failing := range []int64{0, 1, 2, 3, 4, 5} { // The fifth call is the first beyond the map side.
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.task.maxFailures", "2")
			kept := [][]int{{1, 10}, {2, 20}, {3, 30}, {4, 40}, {5, 50}, {6, 60}}
			var calls atomic.Int64
			sum := dstream.Reduce(dstream.QueueStream(ssc, dstream.NewQueue(kept)), func(a, b []int) []int {
				for i := range a {
					a[i] += b[i]
				}
				if calls.Add(1) == failing {
					panic("once")
				}
				return a
			})
			var got [][]int
			dstream.ForeachRDD(sum, func(ctx context.Context, r *rdd.RDD[[]int], b *dstream.Batch) error {
				for range 2 { // The second time it reads what the map side left.
					vs, err := rdd.Collect(ctx, r)
					if err != nil {
						return err
					}
					got = append(got, vs...)
				}
				return nil
			})
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Error(err)
			}
			if got := fmt.Sprint(got, kept); got != "[[21 210] [21 210]] [[1 10] [2 20] [3 30] [4 40] [5 50] [6 60]]" {
				t.Errorf("call %d fails: %s", failing, got)
			}
		})
	}
}

// TestFloor: what lies between two milliseconds counts as one.
func TestFloor(t *testing.T) {
	tests := []struct {
		at   dstream.Time
		to   time.Duration
		want dstream.Time
	}{
		{1999, time.Second, 1000}, {2000, time.Second, 2000}, {-1, time.Second, -1000}, {-1000, time.Second, -1000},
		{7, 2 * time.Millisecond, 6}, {7, time.Microsecond, 7}, {7, 0, 7}, {-7, 0, -7},
	}
	for _, tt := range tests {
		if got := tt.at.Floor(tt.to); got != tt.want {
			t.Errorf("Floor of %d ms to %v is %d, want %d", tt.at, tt.to, got, tt.want)
		}
	}
}

// TestPrint is Spark's form, to the letter.
func TestPrint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		var out strings.Builder
		ssc.SetOutput(&out)
		dstream.Print(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3, 4}, []int{7})), 3)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		const rule = "-------------------------------------------\n"
		want := rule + "Time: 946684801000 ms\n" + rule + "1\n2\n3\n...\n\n" + rule + "Time: 946684802000 ms\n" + rule + "7\n\n"
		if out.String() != want {
			t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
		}
	})
}

// TestQueueAllAtOnce: one batch takes all entries.
func TestQueueAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		var got []string
		q := dstream.NewQueue([]int{1}, []int{2, 3})
		dstream.ForeachRDD(
			dstream.QueueStream(ssc, q, dstream.AllAtOnce()),
			func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				got = append(got, fmt.Sprint(vs, b.Records()))
				return err
			},
		)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		q.AddRDD(rdd.Parallelize(ssc.RDD(), []int{4}, 1))
		time.Sleep(time.Second)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if want := []string{"[1 2 3] 3", "[4] 0"}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		if q.Len() != 0 {
			t.Errorf("%d entries are kept after their batches", q.Len())
		}
	})
}
