package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"os/exec"
	"slices"
	"strings"

	"github.com/weirstream/weir/rdd"
)

func ExampleRange() {
	print(rdd.Range(local(), 1, 10, 3))
	print(rdd.Range(local(), 3, 0, -1, 2))
	// Output:
	// [1 4 7] <nil>
	// [3 2 1] <nil>
}

func ExampleGlom() {
	print(rdd.Glom(rdd.Parallelize(local(), numbers, 2)))
	// Output: [[1 2] [3 4]] <nil>
}

func ExampleKeyBy() {
	print(rdd.KeyBy(rdd.Parallelize(local(), []string{"to", "be", "or"}, 1), func(s string) int { return len(s) }))
	// Output: [(2,to) (2,be) (2,or)] <nil>
}

func ExampleGroupBy() {
	odd := func(v int) bool { return v%2 == 1 }
	print(rdd.GroupBy(rdd.Parallelize(local(), numbers, 2), odd, rdd.Partitions(1)))
	// Output: [(true,[1 3]) (false,[2 4])] <nil>
}

func ExampleFilterMap() {
	half := func(v int) (int, bool) { return v / 2, v%2 == 0 }
	print(rdd.FilterMap(rdd.Parallelize(local(), numbers, 2), half))
	// Output: [1 2] <nil>
}

func ExampleDistinct() {
	print(rdd.Distinct(rdd.Parallelize(local(), []string{"a", "b", "a"}, 2), rdd.Partitions(1)))
	// Output: [a b] <nil>
}

func ExampleIntersection() {
	sc := local()
	print(rdd.Intersection(rdd.Parallelize(sc, numbers), rdd.Parallelize(sc, []int{4, 2, 4}), rdd.Partitions(1)))
	// Output: [2 4] <nil>
}

func ExampleSubtract() {
	sc := local()
	print(rdd.Subtract(rdd.Parallelize(sc, []int{1, 1, 2}, 2), rdd.Parallelize(sc, []int{2}), rdd.Partitions(1)))
	// Output: [1 1] <nil>
}

func ExampleCartesian() {
	sc := local()
	print(rdd.Cartesian(rdd.Parallelize(sc, []string{"a", "b"}, 1), rdd.Parallelize(sc, []int{1, 2}, 1)))
	// Output: [(a,1) (a,2) (b,1) (b,2)] <nil>
}

func ExampleCoalesce() {
	r := rdd.Coalesce(rdd.Parallelize(local(), numbers, 4), 2)
	print(rdd.Glom(r))
	// Output: [[1 2] [3 4]] <nil>
}

func ExampleRepartition() {
	print(rdd.Glom(rdd.Repartition(rdd.Parallelize(local(), numbers, 1), 2)))
	// Output: [[1 3] [2 4]] <nil>
}

func ExampleRepartitionByKey() {
	hash, err := rdd.NewHashPartitioner[string](1)
	if err != nil {
		fmt.Println(err)
		return
	}
	by := rdd.PartitionBy[string](hash)
	sc := local()
	// Both sides lie alike: the join shuffles nothing.
	fruit := rdd.RepartitionByKey(rdd.Parallelize(sc, fruit), by)
	prices := rdd.RepartitionByKey(rdd.Parallelize(sc, prices), by)
	print(rdd.Join(fruit, prices))
	// Output: [(apple,(3,0.5)) (apple,(4,0.5))] <nil>
}

func ExampleFlatMapValues() {
	twice := func(v int) iter.Seq[int] { return slices.Values([]int{v, 10 * v}) }
	print(rdd.FlatMapValues(rdd.Parallelize(local(), fruit[:2], 1), twice))
	// Output: [(apple,3) (apple,30) (pear,1) (pear,10)] <nil>
}

func ExampleSortBy() {
	words := rdd.Parallelize(local(), []string{"pear", "fig", "apple", "kiwi"}, 2)
	print(rdd.SortBy(words, func(s string) int { return len(s) }))
	print(rdd.SortBy(words, func(s string) string { return s }, rdd.Descending()))
	// Output:
	// [fig pear kiwi apple] <nil>
	// [pear kiwi fig apple] <nil>
}

func ExampleSortByFunc() {
	print(rdd.SortByFunc(rdd.Parallelize(local(), []string{"b", "A", "a"}, 2), func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}))
	// Output: [A a b] <nil>
}

func ExampleSortByKey() {
	print(rdd.SortByKey(rdd.Parallelize(local(), fruit, 2), rdd.Descending()))
	// Output: [(pear,1) (apple,3) (apple,4)] <nil>
}

func ExampleRepartitionAndSortWithinPartitions() {
	hash, err := rdd.NewHashPartitioner[string](1)
	if err != nil {
		fmt.Println(err)
		return
	}
	print(rdd.RepartitionAndSortWithinPartitions(rdd.Parallelize(local(), fruit, 2), hash))
	// Output: [(apple,3) (apple,4) (pear,1)] <nil>
}

func ExampleSample() {
	r := rdd.Sample(rdd.Range(local(), 0, 1000, 1), false, 0.1, rdd.Seed(7))
	n, err := rdd.Count(context.Background(), r)
	fmt.Println(n > 60 && n < 140, err)
	// Output: true <nil>
}

func ExampleRandomSplit() {
	parts := rdd.RandomSplit(rdd.Range(local(), 0, 1000, 1), []float64{0.8, 0.2}, rdd.Seed(7))
	train, _ := rdd.Count(context.Background(), parts[0])
	test, _ := rdd.Count(context.Background(), parts[1])
	fmt.Println(train+test, train > 3*test)
	// Output: 1000 true
}

func ExampleSampleByKey() {
	keep := map[string]float64{"apple": 1}
	print(rdd.SampleByKey(rdd.Parallelize(local(), fruit), false, keep))
	// Output: [(apple,3) (apple,4)] <nil>
}

func ExampleSampleByKeyExact() {
	half := map[string]float64{"apple": 0.5, "pear": 1}
	r := rdd.SampleByKeyExact(rdd.Parallelize(local(), fruit), false, half)
	fmt.Println(rdd.CountByKey(context.Background(), r))
	// Output: map[apple:1 pear:1] <nil>
}

func ExampleTakeSample() {
	vs, err := rdd.TakeSample(context.Background(), rdd.Parallelize(local(), numbers), false, 3)
	fmt.Println(len(vs), err)
	// Output: 3 <nil>
}

func ExampleZip() {
	r := rdd.Parallelize(local(), numbers, 2)
	print(rdd.Zip(r, rdd.Map(r, func(v int) int { return v * v })))
	// Output: [(1,1) (2,4) (3,9) (4,16)] <nil>
}

func ExampleZipPartitions() {
	sc := local()
	count := func(_ *rdd.TaskContext, as iter.Seq[int], bs iter.Seq[string]) iter.Seq[string] {
		return slices.Values([]string{fmt.Sprint(len(slices.Collect(as)), " ", len(slices.Collect(bs)))})
	}
	print(rdd.ZipPartitions(rdd.Parallelize(sc, numbers, 1), rdd.Parallelize(sc, []string{"a"}, 1), count))
	// Output: [4 1] <nil>
}

func ExampleZipWithIndex() {
	print(rdd.ZipWithIndex(rdd.Parallelize(local(), []string{"a", "b", "c"}, 2)))
	// Output: [(a,0) (b,1) (c,2)] <nil>
}

func ExampleZipWithUniqueID() {
	print(rdd.ZipWithUniqueID(rdd.Parallelize(local(), []string{"a", "b", "c"}, 2)))
	// Output: [(a,0) (b,1) (c,3)] <nil>
}

func ExamplePipe() {
	if _, err := exec.LookPath("tr"); err != nil {
		fmt.Println("[A B] <nil>") // There are systems without it.
		return
	}
	print(rdd.Pipe(rdd.Parallelize(local(), []string{"a", "b"}, 2), []string{"tr", "a-z", "A-Z"}))
	// Output: [A B] <nil>
}

func ExampleConcatGroups() {
	sc := local()
	first := rdd.GroupByKey(rdd.Parallelize(sc, fruit), rdd.Partitions(1))
	second := rdd.GroupByKey(rdd.Parallelize(sc, fruit[:1]), rdd.Partitions(1))
	print(rdd.ConcatGroups(first, second))
	// Output: [(apple,[3 4 3]) (pear,[1])] <nil>
}

func ExampleNewRangePartitioner() {
	ctx := context.Background()
	r := rdd.Parallelize(local(), []rdd.Pair[string, int]{rdd.KV("d", 1), rdd.KV("a", 2), rdd.KV("c", 3), rdd.KV("b", 4)}, 2)
	by, err := rdd.NewRangePartitioner(ctx, r, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	dealt := rdd.RepartitionByKey(r, rdd.PartitionBy(by)).Cache()
	print(rdd.Glom(rdd.Keys(dealt)))
	within := rdd.FilterByRange(dealt, "a", "b")
	fmt.Println(within.NumPartitions())
	// Output:
	// [[a b] [d c]] <nil>
	// 1
}

func ExampleFilterByRange() {
	r := rdd.Parallelize(local(), []rdd.Pair[string, int]{rdd.KV("a", 1), rdd.KV("c", 2), rdd.KV("b", 3)}, 1)
	print(rdd.FilterByRange(r, "b", "c"))
	// Output: [(c,2) (b,3)] <nil>
}

// The function changes values only, so that the groups can be made where the pairs are.
func ExampleKeepPartitioner() {
	dealt := rdd.RepartitionByKey(rdd.Parallelize(local(), fruit, 2), rdd.Partitions(2))
	doubled := rdd.MapPartitions(dealt,
		func(_ *rdd.TaskContext, in iter.Seq[rdd.Pair[string, int]]) iter.Seq[rdd.Pair[string, int]] {
			return func(yield func(rdd.Pair[string, int]) bool) {
				for p := range in {
					if !yield(rdd.KV(p.Key, 2*p.Value)) {
						return
					}
				}
			}
		}, rdd.KeepPartitioner())
	groups := rdd.GroupByKey(doubled)
	fmt.Println(groups.Dependencies()[0].Shuffle)
	fmt.Println(rdd.Lookup(context.Background(), groups, "apple"))
	// Output:
	// false
	// [[6 8]] <nil>
}
