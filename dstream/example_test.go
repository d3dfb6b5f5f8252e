package dstream_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// run builds a program on a stream of two batches, runs these and prints what the program's stream holds in each.
func run[T any](build func(d *dstream.DStream[int]) *dstream.DStream[T]) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), 5*time.Millisecond)
	if err != nil {
		panic(err)
	}
	done := make(chan struct{})
	d := build(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3}, []int{4, 4})))
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		if b.Sequence < 2 {
			vs, err := rdd.Collect(ctx, r)
			fmt.Println(vs, err)
		}
		if b.Sequence == 2 {
			close(done)
		}
		return nil
	})
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	<-done
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
}

// parity makes pairs of numbers by whether they are odd or even.
func parity(v int) rdd.Pair[string, int] { return rdd.KV([]string{"even", "odd"}[v%2], v) }

func sum(a, b int) int { return a + b }

type stream = dstream.DStream[int]

func ExampleMap() {
	run(func(d *stream) *stream { return dstream.Map(d, func(v int) int { return 10 * v }) })
	// Output:
	// [10 20 30] <nil>
	// [40 40] <nil>
}

func ExampleMapTry() {
	run(func(d *stream) *dstream.DStream[string] {
		return dstream.MapTry(d, func(v int) (string, error) {
			if v > 100 {
				return "", fmt.Errorf("%d is too large", v)
			}
			return fmt.Sprint("#", v), nil
		})
	})
	// Output:
	// [#1 #2 #3] <nil>
	// [#4 #4] <nil>
}

// The numbers that are too large leave the stream and come out of another one.
func ExampleDeadLetters() {
	run(func(d *stream) *dstream.DStream[string] {
		small := dstream.MapTry(d, func(v int) (int, error) {
			if v > 2 {
				return 0, fmt.Errorf("%d is too large", v)
			}
			return v, nil
		}, dstream.ToDeadLetters()).Named("small")
		dstream.Foreach(small, func(int) error { return nil })
		return dstream.Map(dstream.DeadLetters(d.Context()), func(l dstream.DeadLetter) string {
			return fmt.Sprintf("%s: %s", l.Operator, l.Error)
		})
	})
	// Output:
	// [small: 3 is too large] <nil>
	// [small: 4 is too large small: 4 is too large] <nil>
}

func ExampleMapToPair() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[int, int]] {
		return dstream.MapToPair(d, func(v int) (int, int) { return v, v * v })
	})
	// Output:
	// [(1,1) (2,4) (3,9)] <nil>
	// [(4,16) (4,16)] <nil>
}

func ExampleMapValues() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.MapValues(dstream.Map(d, parity), func(v int) int { return -v })
	})
	// Output:
	// [(odd,-1) (even,-2) (odd,-3)] <nil>
	// [(even,-4) (even,-4)] <nil>
}

func ExampleFlatMap() {
	run(func(d *stream) *stream {
		return dstream.FlatMap(d, func(v int) iter.Seq[int] { return slices.Values([]int{v, v}) })
	})
	// Output:
	// [1 1 2 2 3 3] <nil>
	// [4 4 4 4] <nil>
}

func ExampleFilter() {
	run(func(d *stream) *stream { return dstream.Filter(d, func(v int) bool { return v > 1 }) })
	// Output:
	// [2 3] <nil>
	// [4 4] <nil>
}

func ExampleMapPartitions() {
	run(func(d *stream) *stream {
		return dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
			return slices.Values([]int{len(slices.Collect(in))})
		})
	})
	// Output:
	// [3] <nil>
	// [2] <nil>
}

func ExampleUnion() {
	run(func(d *stream) *stream { return dstream.Union(d, dstream.Map(d, func(v int) int { return -v })) })
	// Output:
	// [1 2 3 -1 -2 -3] <nil>
	// [4 4 -4 -4] <nil>
}

func ExampleTransform() {
	run(func(d *stream) *stream {
		return dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
			return rdd.Union(r, rdd.Parallelize(r.Context(), []int{0}, 1))
		})
	})
	// Output:
	// [1 2 3 0] <nil>
	// [4 4 0] <nil>
}

func ExampleTransformWith() {
	run(func(d *stream) *stream {
		return dstream.TransformWith(d, dstream.Filter(d, func(v int) bool { return v == 2 }),
			func(all, twos *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] { return rdd.Union(twos, all) })
	})
	// Output:
	// [2 1 2 3] <nil>
	// [4 4] <nil>
}

func ExampleCount() {
	run(func(d *stream) *dstream.DStream[int64] { return dstream.Count(d) })
	// Output:
	// [3] <nil>
	// [2] <nil>
}

func ExampleReduce() {
	run(func(d *stream) *stream { return dstream.Reduce(d, sum) })
	// Output:
	// [6] <nil>
	// [8] <nil>
}

func ExampleCountByValue() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[int, int64]] { return dstream.CountByValue(d) })
	// Output:
	// [(1,1) (2,1) (3,1)] <nil>
	// [(4,2)] <nil>
}

func ExampleReduceByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.ReduceByKey(dstream.Map(d, parity), sum)
	})
	// Output:
	// [(odd,4) (even,2)] <nil>
	// [(even,8)] <nil>
}

func ExampleGroupByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, []int]] {
		return dstream.GroupByKey(dstream.Map(d, parity))
	})
	// Output:
	// [(odd,[1 3]) (even,[2])] <nil>
	// [(even,[4 4])] <nil>
}

func ExampleCoGroup() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.CoGrouped[int, int]]] {
		pairs := dstream.Map(d, parity)
		return dstream.CoGroup(pairs, dstream.ReduceByKey(pairs, sum))
	})
	// Output:
	// [(odd,{[1 3] [4]}) (even,{[2] [2]})] <nil>
	// [(even,{[4 4] [8]})] <nil>
}

func ExampleJoin() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.Pair[int, int]]] {
		pairs := dstream.Map(d, parity)
		return dstream.Join(pairs, dstream.ReduceByKey(pairs, sum))
	})
	// Output:
	// [(odd,(1,4)) (odd,(3,4)) (even,(2,2))] <nil>
	// [(even,(4,8)) (even,(4,8))] <nil>
}

// evens keeps the pairs of even numbers.
func evens(d *dstream.DStream[rdd.Pair[string, int]]) *dstream.DStream[rdd.Pair[string, int]] {
	return dstream.Filter(d, func(p rdd.Pair[string, int]) bool { return p.Key == "even" })
}

func ExampleLeftOuterJoin() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.Pair[int, rdd.Optional[int]]]] {
		pairs := dstream.Map(d, parity)
		return dstream.LeftOuterJoin(pairs, dstream.ReduceByKey(evens(pairs), sum))
	})
	// Output:
	// [(odd,(1,None)) (odd,(3,None)) (even,(2,Some(2)))] <nil>
	// [(even,(4,Some(8))) (even,(4,Some(8)))] <nil>
}

func ExampleRightOuterJoin() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.Pair[rdd.Optional[int], int]]] {
		pairs := dstream.Map(d, parity)
		return dstream.RightOuterJoin(evens(pairs), dstream.ReduceByKey(pairs, sum))
	})
	// Output:
	// [(even,(Some(2),2)) (odd,(None,4))] <nil>
	// [(even,(Some(4),8)) (even,(Some(4),8))] <nil>
}

func ExampleFullOuterJoin() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, rdd.Pair[rdd.Optional[int], rdd.Optional[int]]]] {
		pairs := dstream.Map(d, parity)
		return dstream.FullOuterJoin(evens(pairs), dstream.ReduceByKey(pairs, sum))
	})
	// Output:
	// [(even,(Some(2),Some(2))) (odd,(None,Some(4)))] <nil>
	// [(even,(Some(4),Some(8))) (even,(Some(4),Some(8)))] <nil>
}

// started runs a program until it has processed two batches.
func started(build func(ssc *dstream.Context, d *stream)) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), 5*time.Millisecond)
	if err != nil {
		panic(err)
	}
	ssc.SetOutput(os.Stdout)
	build(ssc, dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3}, []int{4, 4})))
	committed := make(chan struct{})
	ssc.AddListener(func(e dstream.Event) {
		if e, ok := e.(dstream.BatchCommitted); ok && e.Sequence == 1 {
			close(committed)
		}
	})
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	<-committed
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
}

func ExampleForeachRDD() {
	started(func(_ *dstream.Context, d *stream) {
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
			if b.Records() == 0 {
				return nil
			}
			n, err := rdd.Count(ctx, r)
			fmt.Println("batch", b.Sequence, "holds", n, "elements")
			return err
		})
	})
	// Output:
	// batch 0 holds 3 elements
	// batch 1 holds 2 elements
}

func ExampleForeach() {
	started(func(_ *dstream.Context, d *stream) {
		dstream.Foreach(d, func(v int) error {
			_, err := fmt.Println("element", v)
			return err
		})
	})
	// Output:
	// element 1
	// element 2
	// element 3
	// element 4
	// element 4
}

func ExampleForeachPartition() {
	started(func(_ *dstream.Context, d *stream) {
		dstream.ForeachPartition(d, func(tc *rdd.TaskContext, id dstream.Effect, in iter.Seq[int]) error {
			vs := slices.Collect(in)
			if len(vs) > 0 {
				// A store that keeps id.Key() with the elements, and does nothing if it is there, has them once.
				fmt.Println("batch", id.Sequence, "partition", id.Partition, vs)
			}
			return nil
		})
	})
	// Output:
	// batch 0 partition 0 [1 2 3]
	// batch 1 partition 0 [4 4]
}

// timeless is standard output for some batches, without the lines that tell their times.
type timeless struct{ batches int }

func (w *timeless) Write(text []byte) (int, error) {
	if w.batches--; w.batches < 0 {
		return len(text), nil
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "Time: ") {
			fmt.Print(line)
		}
	}
	return len(text), nil
}

func ExamplePrint() {
	started(func(ssc *dstream.Context, d *stream) {
		ssc.SetOutput(&timeless{batches: 2})
		dstream.Print(dstream.Filter(d, func(int) bool { return true }), 2)
	})
	// Output:
	// -------------------------------------------
	// -------------------------------------------
	// 1
	// 2
	// ...
	//
	// -------------------------------------------
	// -------------------------------------------
	// 4
	// 4
}
