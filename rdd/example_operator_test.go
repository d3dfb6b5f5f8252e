package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/rdd"
)

func ExampleMin() {
	fmt.Println(rdd.Min(context.Background(), rdd.Parallelize(local(), []int{3, 1, 2}, 2)))
	_, err := rdd.Min(context.Background(), rdd.Empty[int](local()))
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// the RDD is empty
}

func ExampleMinFunc() {
	byLength := func(a, b string) int { return len(a) - len(b) }
	fmt.Println(rdd.MinFunc(context.Background(), rdd.Parallelize(local(), []string{"not", "to", "be"}, 2), byLength))
	// Output: to <nil>
}

func ExampleTakeOrdered() {
	fmt.Println(rdd.TakeOrdered(context.Background(), rdd.Parallelize(local(), []int{3, 1, 2}, 2), 2))
	// Output: [1 2] <nil>
}

func ExampleTakeOrderedFunc() {
	byLength := func(a, b string) int { return len(a) - len(b) }
	words := rdd.Parallelize(local(), []string{"not", "to", "be"}, 2)
	fmt.Println(rdd.TakeOrderedFunc(context.Background(), words, 2, byLength))
	// Output: [to be] <nil>
}

func ExampleMean() {
	fmt.Println(rdd.Mean(context.Background(), rdd.Parallelize(local(), numbers, 2)))
	// Output: 2.5 <nil>
}

func ExampleHistogram() {
	counts, err := rdd.Histogram(context.Background(), rdd.Parallelize(local(), numbers, 2), []float64{1, 2, 4})
	fmt.Println(counts, err) // The last bucket holds its upper limit, too.
	// Output: [1 3] <nil>
}

func ExampleNewStatCounter() {
	a, b := rdd.NewStatCounter(1, 2), rdd.NewStatCounter(3)
	a.Merge(b)
	fmt.Println(a.Count, a.Mean, a.Max)
	// Output: 3 2 3
}

func ExampleMeanApprox() {
	p, err := rdd.MeanApprox(context.Background(), rdd.Parallelize(local(), numbers, 2), time.Minute, 0.95)
	fmt.Println(p.Initial, err) // All partitions were done in time.
	// Output: [2.500, 2.500] <nil>
}

func ExampleSumApprox() {
	p, err := rdd.SumApprox(context.Background(), rdd.Parallelize(local(), numbers, 2), time.Minute, 0.95)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Final(context.Background()))
	// Output: [10.000, 10.000] <nil>
}

func ExampleCountByValueApprox() {
	words := rdd.Parallelize(local(), []string{"to", "be", "to"}, 2)
	p, err := rdd.CountByValueApprox(context.Background(), words, time.Minute, 0.95)
	fmt.Println(p.Initial["to"], err)
	// Output: [2.000, 2.000] <nil>
}

func ExampleCountByKeyApprox() {
	pairs := rdd.KeyBy(rdd.Parallelize(local(), numbers, 2), func(v int) bool { return v > 1 })
	p, err := rdd.CountByKeyApprox(context.Background(), pairs, time.Minute, 0.95)
	fmt.Println(p.Initial[true], err)
	// Output: [3.000, 3.000] <nil>
}

func ExampleZipPartitions3() {
	sc := local()
	a, b, c := rdd.Parallelize(sc, []int{1, 2}, 2), rdd.Parallelize(sc, []int{3, 4}, 2), rdd.Parallelize(sc, numbers, 2)
	print(rdd.ZipPartitions3(a, b, c, func(_ *rdd.TaskContext, a, b, c iter.Seq[int]) iter.Seq[int] {
		return slices.Values([]int{sum(a), sum(b), sum(c)})
	}))
	// Output: [1 3 3 2 4 7] <nil>
}

func ExampleZipPartitions4() {
	r := rdd.Parallelize(local(), numbers, 2)
	print(rdd.ZipPartitions4(r, r, r, r, func(_ *rdd.TaskContext, a, b, c, d iter.Seq[int]) iter.Seq[int] {
		return slices.Values([]int{sum(a) + sum(b) + sum(c) + sum(d)})
	}))
	// Output: [12 28] <nil>
}

func sum(vs iter.Seq[int]) (n int) {
	for v := range vs {
		n += v
	}
	return n
}

func ExampleCoGroup4() {
	sc := local()
	of := func(vs ...int) *rdd.RDD[rdd.Pair[string, int]] {
		return rdd.MapToPair(rdd.Parallelize(sc, vs, 1), func(v int) (string, int) { return "k", v })
	}
	print(rdd.CoGroup4(of(1), of(2, 3), of(), of(4)))
	// Output: [(k,{[1] [2 3] [] [4]})] <nil>
}

func ExampleFromPartitionsLike() {
	words := []string{"to", "not"}
	lengths := rdd.RepartitionByKey(rdd.MapToPair(rdd.Parallelize(local(), words, 2),
		func(w string) (string, int) { return w, len(w) }), rdd.Partitions(2))
	by, _ := rdd.PartitionerOf(lengths)
	type word = rdd.Pair[string, string]
	upper := rdd.FromPartitionsLike(lengths, "upper", func(_ *rdd.TaskContext, p int) iter.Seq[word] {
		return func(yield func(word) bool) {
			for _, w := range words {
				if by.Partition(w) == p && !yield(rdd.KV(w, strings.ToUpper(w))) {
					return
				}
			}
		}
	})
	fmt.Println(rdd.CollectAsMap(context.Background(), rdd.Join(lengths, upper)))
	// Output: map[not:(3,NOT) to:(2,TO)] <nil>
}

func ExampleSame() {
	r := rdd.Parallelize(local(), numbers, 2)
	kept := rdd.Same(r).Named("kept").Cache() // r itself is not persisted.
	fmt.Println(r.StorageLevel() == rdd.NotPersisted, kept.StorageLevel() == rdd.MemoryOnly)
	// Output: true true
}

func ExampleRDD_Unpersist() {
	r := rdd.Parallelize(local(), numbers, 2).Cache()
	_, err := rdd.Count(context.Background(), r)
	r.Unpersist()
	fmt.Println(r.StorageLevel() == rdd.NotPersisted, err)
	// Output: true <nil>
}

func ExampleDescending() {
	print(rdd.SortBy(rdd.Parallelize(local(), numbers, 2), func(v int) int { return v }, rdd.Descending()))
	// Output: [4 3 2 1] <nil>
}

func ExampleSeed() {
	r := rdd.Parallelize(local(), numbers, 2)
	a, _ := rdd.Collect(context.Background(), rdd.Sample(r, false, 0.5, rdd.Seed(7)))
	b, _ := rdd.Collect(context.Background(), rdd.Sample(r, false, 0.5, rdd.Seed(7)))
	fmt.Println(slices.Equal(a, b))
	// Output: true
}
