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

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

type pair = rdd.Pair[string, int]

func byParity(d *dstream.DStream[int]) *dstream.DStream[pair] {
	return dstream.Map(d, func(v int) pair { return rdd.KV([]string{"even", "odd"}[v%2], v) })
}

// TestOperators runs each in all the modes of weirtest.
func TestOperators(t *testing.T) {
	type ints = dstream.DStream[int]
	in := [][]int{{1, 2, 3, 4}, {}, {5, 5}}
	add := func(a, b int) int { return a + b }
	weirtest.Op(t, in, func(d *ints) *ints { return dstream.Map(d, func(v int) int { return -v }) },
		[][]int{{-1, -2, -3, -4}, {}, {-5, -5}}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *ints {
		return dstream.FlatMap(d, func(v int) iter.Seq[int] { return slices.Values(slices.Repeat([]int{v}, v)) })
	}, [][]int{{1, 2, 2, 3, 3, 3, 4, 4, 4, 4}, {}, slices.Repeat([]int{5}, 10)}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *ints { return dstream.Filter(d, func(v int) bool { return v%2 == 0 }) },
		[][]int{{2, 4}, {}, {}}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *ints {
		return dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
			return func(yield func(int) bool) { in(func(v int) bool { return yield(10 * v) }) }
		})
	}, [][]int{{10, 20, 30, 40}, {}, {50, 50}}, weirtest.Ordered())
	weirtest.Op(t, in, dstream.Count, [][]int64{{4}, {0}, {2}})
	weirtest.Op(t, in, func(d *ints) *ints { return dstream.Reduce(d, add) }, [][]int{{10}, {}, {10}})
	weirtest.Op(t, in, func(d *ints) *ints { return dstream.Union(d, d) },
		[][]int{{1, 2, 3, 4, 1, 2, 3, 4}, {}, {5, 5, 5, 5}}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *ints {
		return dstream.Transform(d, func(r *rdd.RDD[int], at dstream.Time) *rdd.RDD[int] {
			return rdd.Union(r, rdd.Parallelize(r.Context(), []int{int(at)}, 1))
		})
	}, [][]int{{1, 2, 3, 4, 946684801000}, {946684802000}, {5, 5, 946684803000}}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *ints {
		four := dstream.Filter(d, func(v int) bool { return v == 4 })
		return dstream.TransformWith(d, four, func(a, b *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
			return rdd.Union(a, b)
		})
	}, [][]int{{1, 2, 3, 4, 4}, {}, {5, 5}}, weirtest.Ordered())
}

func TestOperatorsByKey(t *testing.T) {
	type ints = dstream.DStream[int]
	type joined = rdd.Pair[string, rdd.Pair[int, int]]
	in := [][]int{{1, 2, 3, 4}, {}, {5, 5}}
	add := func(a, b int) int { return a + b }
	weirtest.Op(t, in, func(d *ints) *dstream.DStream[rdd.Pair[int, int64]] { return dstream.CountByValue(d) },
		[][]rdd.Pair[int, int64]{
			{rdd.KV(1, int64(1)), rdd.KV(2, int64(1)), rdd.KV(3, int64(1)), rdd.KV(4, int64(1))},
			{},
			{rdd.KV(5, int64(2))},
		})
	weirtest.Op(t, in, func(d *ints) *dstream.DStream[pair] { return dstream.ReduceByKey(byParity(d), add) },
		[][]pair{{rdd.KV("even", 6), rdd.KV("odd", 4)}, {}, {rdd.KV("odd", 10)}})
	weirtest.Op(t, in, func(d *ints) *dstream.DStream[rdd.Pair[string, []int]] {
		return dstream.GroupByKey(byParity(d))
	}, [][]rdd.Pair[string, []int]{
		{rdd.KV("even", []int{2, 4}), rdd.KV("odd", []int{1, 3})}, {}, {rdd.KV("odd", []int{5, 5})},
	})
	weirtest.Op(t, in, func(d *ints) *dstream.DStream[pair] {
		return dstream.MapValues(byParity(d), func(v int) int { return 10 * v })
	}, [][]pair{
		{rdd.KV("odd", 10), rdd.KV("even", 20), rdd.KV("odd", 30), rdd.KV("even", 40)},
		{},
		{rdd.KV("odd", 50), rdd.KV("odd", 50)},
	}, weirtest.Ordered())
	weirtest.Op(t, in, func(d *ints) *dstream.DStream[joined] {
		return dstream.Join(byParity(d), dstream.ReduceByKey(byParity(d), add))
	}, [][]joined{
		{
			rdd.KV("even", rdd.KV(2, 6)), rdd.KV("even", rdd.KV(4, 6)),
			rdd.KV("odd", rdd.KV(1, 4)), rdd.KV("odd", rdd.KV(3, 4)),
		},
		{},
		{rdd.KV("odd", rdd.KV(5, 10)), rdd.KV("odd", rdd.KV(5, 10))},
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
