package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/rdd"
)

// local is the context of the examples: two tasks at a time. A program stops it when it is done.
func local() *rdd.Context {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2]"))
	if err != nil {
		panic(err)
	}
	return sc
}

// print collects an RDD and prints its elements.
func print[T any](r *rdd.RDD[T]) { fmt.Println(rdd.Collect(context.Background(), r)) }

func add(a, b int) int { return a + b }

var (
	numbers = []int{1, 2, 3, 4}
	fruit   = []rdd.Pair[string, int]{rdd.KV("apple", 3), rdd.KV("pear", 1), rdd.KV("apple", 4)}
	prices  = []rdd.Pair[string, float64]{rdd.KV("apple", 0.5), rdd.KV("plum", 0.2)}
)

func Example() {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[4]"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sc.Stop(context.Background())
	lines := rdd.Parallelize(sc, []string{"to be or", "not to be"}, 2)
	words := rdd.FlatMap(lines, strings.FieldsSeq)
	ones := rdd.MapToPair(words, func(w string) (string, int) { return w, 1 })
	counts, err := rdd.Collect(context.Background(), rdd.ReduceByKey(ones, add, rdd.Partitions(1)))
	fmt.Println(counts, err)
	// Output: [(to,2) (be,2) (or,1) (not,1)] <nil>
}

func ExampleParallelize() {
	r := rdd.Parallelize(local(), numbers, 3)
	fmt.Println(r.NumPartitions())
	print(r)
	// Output:
	// 3
	// [1 2 3 4] <nil>
}

func ExampleEmpty() {
	print(rdd.Empty[string](local()))
	// Output: [] <nil>
}

func ExampleFromPartitions() {
	squares := rdd.FromPartitions(local(), "squares", 3, func(tc *rdd.TaskContext, p int) iter.Seq[int] {
		return slices.Values([]int{p * p})
	})
	print(squares)
	// Output: [0 1 4] <nil>
}

func ExampleMap() {
	print(rdd.Map(rdd.Parallelize(local(), numbers), func(v int) string { return strconv.Itoa(v) + "!" }))
	// Output: [1! 2! 3! 4!] <nil>
}

func ExampleMapTry() {
	texts := rdd.Parallelize(local(), []string{"1", "2"})
	print(rdd.MapTry(texts, strconv.Atoi))
	// Output: [1 2] <nil>
}

func ExampleMapToPair() {
	print(
		rdd.MapToPair(
			rdd.Parallelize(local(), []string{"a", "bcd"}),
			func(s string) (string, int) { return s, len(s) },
		),
	)
	// Output: [(a,1) (bcd,3)] <nil>
}

func ExampleMapValues() {
	print(rdd.MapValues(rdd.Parallelize(local(), fruit), func(n int) int { return 10 * n }))
	// Output: [(apple,30) (pear,10) (apple,40)] <nil>
}

func ExampleKeys() {
	print(rdd.Keys(rdd.Parallelize(local(), fruit)))
	// Output: [apple pear apple] <nil>
}

func ExampleValues() {
	print(rdd.Values(rdd.Parallelize(local(), fruit)))
	// Output: [3 1 4] <nil>
}

func ExampleFlatMap() {
	print(rdd.FlatMap(rdd.Parallelize(local(), []string{"to be", "or not"}), strings.FieldsSeq))
	// Output: [to be or not] <nil>
}

func ExampleFilter() {
	print(rdd.Filter(rdd.Parallelize(local(), numbers), func(v int) bool { return v%2 == 0 }))
	// Output: [2 4] <nil>
}

func ExampleMapPartitions() {
	sums := rdd.MapPartitions(
		rdd.Parallelize(local(), numbers, 2),
		func(_ *rdd.TaskContext, in iter.Seq[int]) iter.Seq[int] {
			sum := 0
			for v := range in {
				sum += v
			}
			return slices.Values([]int{sum})
		},
	)
	print(sums)
	// Output: [3 7] <nil>
}

func ExampleMapPartitionsWithIndex() {
	r := rdd.Parallelize(local(), numbers, 2)
	print(rdd.MapPartitionsWithIndex(r, func(p int, in iter.Seq[int]) iter.Seq[string] {
		return func(yield func(string) bool) {
			for v := range in {
				if !yield(fmt.Sprint(p, ":", v)) {
					return
				}
			}
		}
	}))
	// Output: [0:1 0:2 1:3 1:4] <nil>
}

func ExampleUnion() {
	sc := local()
	print(rdd.Union(rdd.Parallelize(sc, numbers), rdd.Parallelize(sc, []int{4, 5})))
	// Output: [1 2 3 4 4 5] <nil>
}

func ExampleReduceByKey() {
	print(rdd.ReduceByKey(rdd.Parallelize(local(), fruit), add, rdd.Partitions(1)))
	// Output: [(apple,7) (pear,1)] <nil>
}

func ExampleCombineByKey() {
	lists := rdd.CombineByKey(rdd.Parallelize(local(), fruit),
		func(v int) string { return strconv.Itoa(v) },
		func(s string, v int) string { return s + "+" + strconv.Itoa(v) },
		func(a, b string) string { return a + "|" + b }, rdd.Partitions(1))
	print(lists)
	// Output: [(apple,3|4) (pear,1)] <nil>
}

func ExampleWithoutMapSideCombine() {
	lists := rdd.CombineByKey(rdd.Parallelize(local(), fruit),
		func(v int) []int { return []int{v} },
		func(all []int, v int) []int { return append(all, v) },
		func(a, b []int) []int { return append(a, b...) }, rdd.Partitions(1), rdd.WithoutMapSideCombine())
	print(lists)
	// Output: [(apple,[3 4]) (pear,[1])] <nil>
}

func ExampleGroupByKey() {
	print(rdd.GroupByKey(rdd.Parallelize(local(), fruit), rdd.Partitions(1)))
	// Output: [(apple,[3 4]) (pear,[1])] <nil>
}

func ExampleCoGroup() {
	sc := local()
	print(rdd.CoGroup(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(apple,{[3 4] [0.5]}) (pear,{[1] []}) (plum,{[] [0.2]})] <nil>
}

func ExampleJoin() {
	sc := local()
	print(rdd.Join(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(apple,(3,0.5)) (apple,(4,0.5))] <nil>
}

func ExampleLeftOuterJoin() {
	sc := local()
	print(rdd.LeftOuterJoin(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(apple,(3,Some(0.5))) (apple,(4,Some(0.5))) (pear,(1,None))] <nil>
}

func ExampleRightOuterJoin() {
	sc := local()
	print(rdd.RightOuterJoin(rdd.Parallelize(sc, fruit), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(apple,(Some(3),0.5)) (apple,(Some(4),0.5)) (plum,(None,0.2))] <nil>
}

func ExampleFullOuterJoin() {
	sc := local()
	print(rdd.FullOuterJoin(rdd.Parallelize(sc, fruit[1:]), rdd.Parallelize(sc, prices), rdd.Partitions(1)))
	// Output: [(pear,(Some(1),None)) (apple,(Some(4),Some(0.5))) (plum,(None,Some(0.2)))] <nil>
}

func ExampleMerged() {
	longest := rdd.Merged(rdd.Parallelize(local(), []string{"a", "bcd", "ef"}, 2),
		func(in iter.Seq[string]) string {
			best := ""
			for s := range in {
				if len(s) > len(best) {
					best = s
				}
			}
			return best
		},
		func(parts []string) iter.Seq[string] {
			return slices.Values([]string{slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })})
		})
	print(longest)
	// Output: [bcd] <nil>
}

// oddEven deals odd and even keys to two partitions.
type oddEven struct{}

func (oddEven) NumPartitions() int  { return 2 }
func (oddEven) Partition(k int) int { return k % 2 }

func ExamplePartitionBy() {
	pairs := rdd.MapToPair(rdd.Parallelize(local(), numbers), func(v int) (int, string) { return v, "n" })
	print(rdd.GroupByKey(pairs, rdd.PartitionBy[int](oddEven{})))
	// Output: [(2,[n]) (4,[n]) (1,[n]) (3,[n])] <nil>
}

func ExampleCollect() {
	fmt.Println(rdd.Collect(context.Background(), rdd.Parallelize(local(), numbers)))
	// Output: [1 2 3 4] <nil>
}

func ExampleCount() {
	fmt.Println(rdd.Count(context.Background(), rdd.Parallelize(local(), numbers)))
	// Output: 4 <nil>
}

func ExampleTake() {
	fmt.Println(rdd.Take(context.Background(), rdd.Parallelize(local(), numbers), 2))
	// Output: [1 2] <nil>
}

func ExampleFirst() {
	fmt.Println(rdd.First(context.Background(), rdd.Parallelize(local(), numbers)))
	// Output: 1 <nil>
}

func ExampleIsEmpty() {
	fmt.Println(rdd.IsEmpty(context.Background(), rdd.Empty[int](local())))
	// Output: true <nil>
}

func ExampleForeach() {
	var sum atomic.Int64 // Tasks run at the same time.
	err := rdd.Foreach(context.Background(), rdd.Parallelize(local(), numbers), func(v int) error {
		sum.Add(int64(v))
		return nil
	})
	fmt.Println(sum.Load(), err)
	// Output: 10 <nil>
}

func ExampleForeachPartition() {
	err := rdd.ForeachPartition(
		context.Background(),
		rdd.Parallelize(local(), numbers, 1),
		func(tc *rdd.TaskContext, in iter.Seq[int]) error {
			for v := range in {
				fmt.Println("partition", tc.PartitionID(), "element", v)
			}
			return nil
		},
	)
	fmt.Println(err)
	// Output:
	// partition 0 element 1
	// partition 0 element 2
	// partition 0 element 3
	// partition 0 element 4
	// <nil>
}

func ExampleReduce() {
	fmt.Println(rdd.Reduce(context.Background(), rdd.Parallelize(local(), numbers), add))
	// Output: 10 <nil>
}

func ExampleCountByValue() {
	fmt.Println(rdd.CountByValue(context.Background(), rdd.Parallelize(local(), []string{"a", "b", "a"})))
	// Output: map[a:2 b:1] <nil>
}
