package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

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

func ExampleRDD_Checkpoint() {
	sc := local()
	dir, err := os.MkdirTemp("", "checkpoints")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := sc.SetCheckpointDir(dir); err != nil {
		fmt.Println(err)
		return
	}
	r := rdd.Map(rdd.Parallelize(sc, numbers), func(v int) int { return v * v }).Cache().Checkpoint()
	fmt.Println(rdd.Count(context.Background(), r)) // computes it, then writes it
	r.Unpersist()
	print(r) // reads what was written
	folder, written := r.CheckpointFile()
	fmt.Println(r.IsCheckpointed(), written, filepath.Base(folder), r.Dependencies()[0].Op)
	// Output:
	// 4 <nil>
	// [1 4 9 16] <nil>
	// true true rdd-1 checkpoint
}

func ExampleRDD_LocalCheckpoint() {
	r := rdd.Parallelize(local(), numbers)
	for range 100 { // Each round would make the lineage longer.
		r = rdd.Map(r, func(v int) int { return v + 1 }).LocalCheckpoint()
		if _, err := rdd.Count(context.Background(), r); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(len(r.Dependencies()), r.Dependencies()[0].Op)
	print(r)
	// Output:
	// 1 localCheckpoint
	// [101 102 103 104] <nil>
}

func ExampleRDD_DebugString() {
	words := rdd.Parallelize(local(), []string{"to", "be"}, 2).Named("words")
	ones := rdd.MapToPair(words, func(w string) (string, int) { return w, 1 })
	counts := rdd.ReduceByKey(ones, add, rdd.Partitions(3))
	for line := range strings.SplitSeq(counts.DebugString(), "\n") {
		before, _, _ := strings.Cut(line, " at ") // the place in the program
		fmt.Println(before)
	}
	// Output:
	// (3) reduceByKey[2]
	//  +-(2) mapToPair[1]
	//     |  words parallelize[0]
}

func ExampleRDD_Dependencies() {
	ones := rdd.MapToPair(rdd.Parallelize(local(), numbers, 2), func(v int) (int, int) { return v, 1 })
	for _, d := range rdd.GroupByKey(ones).Dependencies() {
		fmt.Println(d.Op, d.Partitions, d.Shuffle)
	}
	// Output: mapToPair 2 true
}
