package rdd_test

import (
	"context"
	"fmt"
	"iter"

	"github.com/weirstream/weir/rdd"
)

func ExampleNewBroadcast() {
	sc := local()
	names := rdd.NewBroadcast(sc, map[int]string{1: "one", 2: "two"})
	print(rdd.Map(rdd.Parallelize(sc, []int{2, 1}), func(v int) string { return names.Value()[v] }))
	names.Destroy()
	// Output: [two one] <nil>
}

func ExampleNewLongAccumulator() {
	sc := local()
	empty := rdd.NewLongAccumulator(sc, "empty lines")
	lines := rdd.Parallelize(sc, []string{"to be", "", "or not", ""}, 2)
	err := rdd.Foreach(context.Background(), lines, func(line string) error {
		if line == "" {
			empty.Add(1)
		}
		return nil
	})
	fmt.Println(empty.Value(), err)
	// Output: 2 <nil>
}

func ExampleNewDoubleAccumulator() {
	sc := local()
	paid := rdd.NewDoubleAccumulator(sc, "paid")
	err := rdd.Foreach(context.Background(), rdd.Parallelize(sc, prices), func(p rdd.Pair[string, float64]) error {
		paid.Add(p.Value)
		return nil
	})
	fmt.Println(paid.Sum(), paid.Count(), paid.Avg(), err)
	// Output: 0.7 2 0.35 <nil>
}

func ExampleNewCollectionAccumulator() {
	sc := local()
	bad := rdd.NewCollectionAccumulator[string](sc, "bad lines")
	lines := rdd.Parallelize(sc, []string{"1", "two", "3"}, 1)
	err := rdd.Foreach(context.Background(), lines, func(line string) error {
		if line > "9" {
			bad.Add(line)
		}
		return nil
	})
	fmt.Println(bad.Value(), err)
	// Output: [two] <nil>
}

// A task looks up an accumulator once, and then adds to it at no cost.
func ExampleAccumulator_In() {
	sc := local()
	seen := rdd.NewLongAccumulator(sc, "seen")
	err := rdd.ForeachPartition(context.Background(), rdd.Parallelize(sc, numbers, 2),
		func(tc *rdd.TaskContext, in iter.Seq[int]) error {
			mine := seen.In(tc)
			for range in {
				mine.Add(1)
			}
			return nil
		})
	fmt.Println(seen.Value(), err)
	// Output: 4 <nil>
}

// longest, with the methods of AccumulatorV2, keeps the longest text.
func ExampleRegister() {
	sc := local()
	word := rdd.Register[string, string](sc, "longest word", &longest{})
	err := rdd.Foreach(context.Background(), rdd.Parallelize(sc, []string{"to", "be", "not"}), func(s string) error {
		word.Add(s)
		return nil
	})
	fmt.Println(word.Value(), err)
	// Output: not <nil>
}
