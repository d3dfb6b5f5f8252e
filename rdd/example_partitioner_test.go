package rdd_test

import (
	"fmt"

	"github.com/weirstream/weir/rdd"
)

func ExamplePartitionerOf() {
	lengths := func(words ...string) *rdd.RDD[rdd.Pair[string, int]] {
		return rdd.MapToPair(rdd.Parallelize(local(), words, 2), func(w string) (string, int) { return w, len(w) })
	}
	dealt := rdd.RepartitionByKey(lengths("to", "be"), rdd.Partitions(8))
	by, ok := rdd.PartitionerOf(dealt)
	fmt.Println(by.NumPartitions(), ok)
	alike := rdd.RepartitionByKey(lengths("or", "not"), rdd.PartitionBy(by)) // A join of both needs no shuffle more.
	fmt.Println(alike.NumPartitions())
	// Output:
	// 8 true
	// 8
}

func ExampleNewHashPartitioner() {
	by, err := rdd.NewHashPartitioner[string](4)
	first := by.Partition("to")
	fmt.Println(by.NumPartitions(), first == by.Partition("to"), err)
	_, err = rdd.NewHashPartitioner[any](4)
	fmt.Println(err != nil) // Interfaces are no keys.
	// Output:
	// 4 true <nil>
	// true
}
