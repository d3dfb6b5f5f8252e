package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/rdd"
)

func ExampleRDD_Persist() {
	slow := rdd.Map(rdd.Parallelize(local(), numbers), func(v int) int { return v * v }).Persist(rdd.MemoryAndDisk)
	fmt.Println(rdd.Sum(context.Background(), slow)) // computes it
	fmt.Println(rdd.Max(context.Background(), slow)) // reads it
	slow.Unpersist()
	// Output:
	// 30 <nil>
	// 16 <nil>
}

func ExampleFold() {
	fmt.Println(rdd.Fold(context.Background(), rdd.Parallelize(local(), numbers), 0, add))
	// Output: 10 <nil>
}

func ExampleAggregate() {
	words := rdd.Parallelize(local(), []string{"to", "be", "or"}, 2)
	length := func(n int, s string) int { return n + len(s) }
	fmt.Println(rdd.Aggregate(context.Background(), words, 0, length, add))
	// Output: 6 <nil>
}

func ExampleTreeReduce() {
	fmt.Println(rdd.TreeReduce(context.Background(), rdd.Range(local(), 0, 100, 1, 16),
		func(a, b int64) int64 { return a + b }, 2))
	// Output: 4950 <nil>
}

func ExampleTreeAggregate() {
	count := func(n int, _ int64) int { return n + 1 }
	fmt.Println(rdd.TreeAggregate(context.Background(), rdd.Range(local(), 0, 100, 1, 16), 0, count, add, 2))
	// Output: 100 <nil>
}

func ExampleMax() {
	fmt.Println(rdd.Max(context.Background(), rdd.Parallelize(local(), numbers)))
	fmt.Println(rdd.Min(context.Background(), rdd.Parallelize(local(), numbers)))
	// Output:
	// 4 <nil>
	// 1 <nil>
}

func ExampleMaxFunc() {
	longest := func(a, b string) int { return len(a) - len(b) }
	fmt.Println(rdd.MaxFunc(context.Background(), rdd.Parallelize(local(), []string{"a", "abc", "ab"}), longest))
	// Output: abc <nil>
}

func ExampleTop() {
	fmt.Println(rdd.Top(context.Background(), rdd.Parallelize(local(), numbers), 2))
	fmt.Println(rdd.TakeOrdered(context.Background(), rdd.Parallelize(local(), numbers), 2))
	// Output:
	// [4 3] <nil>
	// [1 2] <nil>
}

func ExampleToLocalSeq() {
	for v, err := range rdd.ToLocalSeq(context.Background(), rdd.Parallelize(local(), numbers, 2)) {
		if err != nil || v == 3 {
			break
		}
		fmt.Println(v)
	}
	// Output:
	// 1
	// 2
}

func ExampleLookup() {
	fmt.Println(rdd.Lookup(context.Background(), rdd.Parallelize(local(), fruit), "apple"))
	// Output: [3 4] <nil>
}

func ExampleCollectAsMap() {
	fmt.Println(rdd.CollectAsMap(context.Background(), rdd.Parallelize(local(), fruit)))
	// Output: map[apple:4 pear:1] <nil>
}

func ExampleCountByKey() {
	fmt.Println(rdd.CountByKey(context.Background(), rdd.Parallelize(local(), fruit)))
	// Output: map[apple:2 pear:1] <nil>
}

func ExampleReduceByKeyLocally() {
	fmt.Println(rdd.ReduceByKeyLocally(context.Background(), rdd.Parallelize(local(), fruit), add))
	// Output: map[apple:7 pear:1] <nil>
}

func ExampleFoldByKey() {
	print(rdd.FoldByKey(rdd.Parallelize(local(), fruit), 0, add, rdd.Partitions(1)))
	// Output: [(apple,7) (pear,1)] <nil>
}

func ExampleAggregateByKey() {
	count := func(n, _ int) int { return n + 1 }
	print(rdd.AggregateByKey(rdd.Parallelize(local(), fruit), 0, count, add, rdd.Partitions(1)))
	// Output: [(apple,2) (pear,1)] <nil>
}

func ExampleCoGroup3() {
	sc := local()
	fruit, prices := rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices)
	print(rdd.CoGroup3(fruit, prices, fruit, rdd.Partitions(1)))
	// Output: [(apple,{[3 4] [0.5] [3 4]}) (pear,{[1] [] [1]}) (plum,{[] [0.2] []})] <nil>
}

func ExampleSubtractByKey() {
	sc := local()
	print(rdd.SubtractByKey(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(pear,1)] <nil>
}

func ExampleStats() {
	s, err := rdd.Stats(context.Background(), rdd.Parallelize(local(), numbers))
	fmt.Println(s.Count, s.Mean, s.Variance(), s.Min, s.Max, err)
	// Output: 4 2.5 1.25 1 4 <nil>
}

func ExampleSum() {
	r := rdd.Parallelize(local(), numbers)
	fmt.Println(rdd.Sum(context.Background(), r))
	fmt.Println(rdd.Mean(context.Background(), r))
	// Output:
	// 10 <nil>
	// 2.5 <nil>
}

func ExampleHistogramN() {
	fmt.Println(rdd.HistogramN(context.Background(), rdd.Parallelize(local(), numbers), 3))
	fmt.Println(rdd.Histogram(context.Background(), rdd.Parallelize(local(), numbers), []float64{0, 2, 10}))
	// Output:
	// [1 2 3 4] [1 1 2] <nil>
	// [1 3] <nil>
}

func ExampleCountApproxDistinct() {
	n, err := rdd.CountApproxDistinct(context.Background(), rdd.Range(local(), 0, 100_000, 1), 0.01)
	fmt.Println(n > 97_000 && n < 103_000, err)
	// Output: true <nil>
}

func ExampleCountApproxDistinctByKey() {
	print(rdd.CountApproxDistinctByKey(rdd.Parallelize(local(), fruit), 0.05, rdd.Partitions(1)))
	// Output: [(apple,2) (pear,1)] <nil>
}

func ExampleCountApprox() {
	p, err := rdd.CountApprox(context.Background(), rdd.Parallelize(local(), numbers), time.Minute, 0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Initial.Mean, p.Initial.Low, p.Initial.High) // All partitions were done in time.
	// Output: 4 4 4
}

func ExampleRunJob() {
	sums := map[int]int{}
	err := rdd.RunJob(context.Background(), rdd.Parallelize(local(), numbers, 2), nil,
		func(_ *rdd.TaskContext, in iter.Seq[int]) (int, error) {
			sum := 0
			for v := range in {
				sum += v
			}
			return sum, nil
		},
		func(p int, sum int) error { sums[p] = sum; return nil })
	fmt.Println(sums, err)
	// Output: map[0:3 1:7] <nil>
}
