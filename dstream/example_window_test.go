package dstream_test

import (
	"iter"
	"slices"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// two is the length of windows over two batches.
const two = 10 * time.Millisecond

func ExampleWindow() {
	run(func(d *stream) *stream { return dstream.Window(d, two, 0) })
	// Output:
	// [1 2 3] <nil>
	// [1 2 3 4 4] <nil>
}

func ExampleCountByWindow() {
	run(func(d *stream) *dstream.DStream[int64] { return dstream.CountByWindow(d, two, 0) })
	// Output:
	// [3] <nil>
	// [5] <nil>
}

func ExampleReduceByWindow() {
	run(func(d *stream) *stream { return dstream.ReduceByWindow(d, sum, two, 0) })
	// Output:
	// [6] <nil>
	// [14] <nil>
}

func ExampleReduceByWindowInverse() {
	minus := func(a, b int) int { return a - b }
	run(func(d *stream) *stream { return dstream.ReduceByWindowInverse(d, sum, minus, two, 0) })
	// Output:
	// [6] <nil>
	// [14] <nil>
}

func ExampleCountByValueAndWindow() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[int, int64]] {
		return dstream.CountByValueAndWindow(d, two, 0)
	})
	// Output:
	// [(1,1) (2,1) (3,1)] <nil>
	// [(1,1) (2,1) (3,1) (4,2)] <nil>
}

func ExampleReduceByKeyAndWindow() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.ReduceByKeyAndWindow(dstream.Map(d, parity), sum, two, 0)
	})
	// Output:
	// [(odd,4) (even,2)] <nil>
	// [(odd,4) (even,10)] <nil>
}

func ExampleReduceByKeyAndWindowInverse() {
	minus := func(a, b int) int { return a - b }
	large := func(_ string, v int) bool { return v > 3 }
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.ReduceByKeyAndWindowInverse(dstream.Map(d, parity), sum, minus, large, two, 0)
	})
	// Output:
	// [(odd,4)] <nil>
	// [(odd,4) (even,10)] <nil>
}

func ExampleGroupByKeyAndWindow() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, []int]] {
		return dstream.GroupByKeyAndWindow(dstream.Map(d, parity), two, 0)
	})
	// Output:
	// [(odd,[1 3]) (even,[2])] <nil>
	// [(odd,[1 3]) (even,[2 4 4])] <nil>
}

func ExampleDStream_Persist() {
	// Both outputs of a program that has two would read what was computed once.
	run(func(d *stream) *stream {
		return dstream.Map(d, func(v int) int { return v * v }).Persist(rdd.MemoryAndDisk)
	})
	// Output:
	// [1 4 9] <nil>
	// [16 16] <nil>
}

func ExampleFlatMapValues() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		twice := func(v int) iter.Seq[int] { return slices.Values([]int{v, -v}) }
		return dstream.FlatMapValues(dstream.Map(d, parity), twice)
	})
	// Output:
	// [(odd,1) (odd,-1) (even,2) (even,-2) (odd,3) (odd,-3)] <nil>
	// [(even,4) (even,-4) (even,4) (even,-4)] <nil>
}

func ExampleCombineByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		one := func(int) int { return 1 }
		return dstream.CombineByKey(dstream.Map(d, parity), one, func(n, _ int) int { return n + 1 }, sum)
	})
	// Output:
	// [(odd,2) (even,1)] <nil>
	// [(even,2)] <nil>
}

func ExampleRepartition() {
	run(func(d *stream) *dstream.DStream[[]int] { return dstream.Glom(dstream.Repartition(d, 2)) })
	// Output:
	// [[1 3] [2]] <nil>
	// [[4] [4]] <nil>
}

func ExampleRepartitionByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.RepartitionByKey(dstream.Map(d, parity), rdd.Partitions(1))
	})
	// Output:
	// [(odd,1) (even,2) (odd,3)] <nil>
	// [(even,4) (even,4)] <nil>
}

func ExampleMapPartitionsWithIndex() {
	run(func(d *stream) *stream {
		return dstream.MapPartitionsWithIndex(dstream.Repartition(d, 2), func(p int, in iter.Seq[int]) iter.Seq[int] {
			return func(yield func(int) bool) { in(func(v int) bool { return yield(10*p + v) }) }
		})
	})
	// Output:
	// [1 3 12] <nil>
	// [4 14] <nil>
}
