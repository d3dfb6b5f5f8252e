package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// TestUnionOfWhatIsDealtAlike keeps the dealing and the partitions; any other union has the partitions of all.
func TestUnionOfWhatIsDealtAlike(t *testing.T) {
	sc := newContext(t)
	deal := func(n int, keys ...string) *rdd.RDD[rdd.Pair[string, int]] {
		r := rdd.Map(rdd.Parallelize(sc, keys, 2), func(k string) rdd.Pair[string, int] { return rdd.KV(k, n) })
		return rdd.RepartitionByKey(r, rdd.Partitions(n))
	}
	a, b, c := deal(3, "a", "b", "c", "d"), deal(3, "b", "d"), deal(4, "a")
	undealt := rdd.Map(b, func(p rdd.Pair[string, int]) rdd.Pair[string, int] { return p })
	none := rdd.Empty[rdd.Pair[string, int]](sc)
	tests := []struct {
		name       string
		union      *rdd.RDD[rdd.Pair[string, int]]
		partitions int
		shuffles   int // of a GroupByKey of it
	}{
		{"dealt alike", rdd.Union(a, b), 3, 0},
		{"of three", rdd.Union(a, b, rdd.MapValues(a, func(v int) int { return -v })), 3, 0},
		{"one", rdd.Union(a), 3, 0},
		{"with one that has no partitions", rdd.Union(none, a, none, b), 3, 0},
		{"dealt otherwise", rdd.Union(a, c), 7, 1},
		{"with one that is not dealt", rdd.Union(a, undealt), 6, 1},
		{"none is dealt", rdd.Union(undealt, undealt), 6, 1},
		{"of nothing", rdd.Union(none, none), 0, 1},
	}
	for _, tt := range tests {
		shuffles := 0
		for _, d := range rdd.GroupByKey(tt.union).Dependencies() {
			if d.Shuffle {
				shuffles++
			}
		}
		if n := tt.union.NumPartitions(); n != tt.partitions || shuffles != tt.shuffles {
			t.Errorf("%s: %d partitions, %d shuffles; want %d, %d", tt.name, n, shuffles, tt.partitions, tt.shuffles)
		}
	}
	sizes := rdd.MapValues(rdd.GroupByKey(rdd.Union(a, b)), func(vs []int) int { return len(vs) })
	if got := show(false, sizes); got != "(a,1) (b,2) (c,1) (d,2)" {
		t.Errorf("groups of %s", got)
	}
	first, err := rdd.Take(context.Background(), rdd.Union(a, b), 6)
	if err != nil || len(first) != 6 {
		t.Errorf("took %v, %v", first, err)
	}
	if got := show(true, rdd.Union(a, b)); !strings.Contains(got, "(b,3)") {
		t.Errorf("%s", got)
	}
}

// TestRangePartitioner deals keys in order, to partitions of about equal size, whatever the sizes of those before.
func TestRangePartitioner(t *testing.T) {
	sc := newContext(t)
	ctx := context.Background()
	random := rand.New(rand.NewPCG(1, 2))
	uneven := rdd.FromPartitions(sc, "uneven", 4, func(_ *rdd.TaskContext, p int) iter.Seq[rdd.Pair[int, int]] {
		return func(yield func(rdd.Pair[int, int]) bool) {
			r := rand.New(rand.NewPCG(uint64(p), 3))
			for range []int{10, 10, 20_000, 100}[p] {
				if !yield(rdd.KV(r.IntN(1_000_000), p)) {
					return
				}
			}
		}
	})
	for _, descending := range []bool{false, true} {
		var opts []rdd.ShuffleOption
		if descending {
			opts = append(opts, rdd.Descending())
		}
		by, err := rdd.NewRangePartitioner(ctx, uneven, 5, opts...)
		if err != nil || by.NumPartitions() != 5 {
			t.Fatal(by.NumPartitions(), err)
		}
		for range 1000 {
			a, b := random.IntN(1_000_000), random.IntN(1_000_000)
			if p, q := by.Partition(a), by.Partition(b); a != b && p != q && (a < b) != (p < q != descending) {
				t.Fatalf("%d is in %d, %d in %d", a, p, b, q)
			}
		}
		sizes, err := rdd.Collect(ctx, rdd.Map(rdd.Glom(rdd.RepartitionByKey(uneven, rdd.PartitionBy(by))),
			func(vs []rdd.Pair[int, int]) int { return len(vs) }))
		if err != nil || slices.Min(sizes) < 1500 || slices.Max(sizes) > 6500 {
			t.Errorf("sizes %v, %v", sizes, err)
		}
	}
}

// TestKindsOfRanges: partitioners of the same bounds and order have one kind, and no others have it.
func TestKindsOfRanges(t *testing.T) {
	type within struct{ *rdd.RangePartitioner[float64] }
	sc := newContext(t)
	kind := func(inside bool, opts []rdd.ShuffleOption, keys ...float64) string {
		pairs := rdd.MapToPair(rdd.Parallelize(sc, keys), func(k float64) (float64, int) { return k, 0 })
		ranges, err := rdd.NewRangePartitioner(t.Context(), pairs, 3, opts...)
		if err != nil {
			t.Fatal(err)
		}
		by := rdd.Partitioner[float64](ranges)
		if inside {
			by = within{ranges}
		}
		return rdd.RepartitionByKey(pairs, rdd.PartitionBy(by)).Dealing().Kind()
	}
	falling := []rdd.ShuffleOption{rdd.Descending()}
	first := kind(false, nil, 1, 2, 3)
	if again := kind(false, nil, 3, 2, 1); again != first || !strings.HasPrefix(first, "*rdd.RangePartitioner[float64] ") {
		t.Errorf("%q and %q", first, again)
	}
	for name, other := range map[string]string{
		"other bounds":   kind(false, nil, 1, 4, 5),
		"fewer":          kind(false, nil, 1),
		"falling":        kind(false, falling, 1, 2, 3),
		"in another one": kind(true, nil, 1, 2, 3),
		"a NaN":          kind(false, nil, math.NaN(), 1, 2),
	} {
		if unknown := name == "in another one" || name == "a NaN"; other == first || unknown != (other == "") {
			t.Errorf("%s: %q", name, other)
		}
	}
}

// TestSmallRangePartitioners: few keys, none, and those that are hard to order.
func TestSmallRangePartitioners(t *testing.T) {
	sc := newContext(t)
	ctx := context.Background()
	make := func(keys []float64, n int) string {
		r := rdd.MapToPair(rdd.Parallelize(sc, keys, 3), func(k float64) (float64, int) { return k, 1 })
		by, err := rdd.NewRangePartitioner(ctx, r, n)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(by.Bounds(), by.NumPartitions(), by.Equal(by), by.Partition(math.NaN()), by.Partition(1e9))
	}
	tests := []struct {
		keys []float64
		n    int
		want string
	}{
		{nil, 3, "[] 1 true 0 0"},
		{[]float64{7}, 3, "[7] 2 true 0 1"},
		{[]float64{7, 7, 7, 7}, 2, "[7] 2 true 0 1"},
		{[]float64{1, 2, 3, 4}, 2, "[2] 2 true 0 1"},
		{[]float64{math.NaN(), math.NaN(), 1, 2}, 2, "[NaN] 2 true 0 1"},
		{[]float64{1}, 1, "[] 1 true 0 0"},
		{[]float64{1}, 0, "rangePartitioner at dealing_test.go:"},
	}
	for _, tt := range tests {
		if got := make(tt.keys, tt.n); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v in %d: %s, want %s", tt.keys, tt.n, got, tt.want)
		}
	}
	one := rdd.Parallelize(sc, []rdd.Pair[int, int]{rdd.KV(1, 1)}, 1)
	if _, err := rdd.NewRangePartitioner(ctx, one, 2, rdd.Partitions(3)); err == nil ||
		!strings.Contains(err.Error(), "Descending only") {
		t.Errorf("with Partitions: %v", err)
	}
	up, _ := rdd.NewRangePartitioner(ctx, one, 2)
	down, _ := rdd.NewRangePartitioner(ctx, one, 2, rdd.Descending())
	if up.Equal(down) || up.Equal(3) {
		t.Error("equal to another")
	}
}

// TestFilterByRange gives what lies between, and computes no more partitions than it must.
func TestFilterByRange(t *testing.T) {
	sc := newContext(t)
	var keys []rdd.Pair[int, string]
	for k := range 20 {
		keys = append(keys, rdd.KV((k*7)%20, ""))
	}
	plain := rdd.Parallelize(sc, keys, 4)
	by, err := rdd.NewRangePartitioner(context.Background(), plain, 5)
	if err != nil {
		t.Fatal(err)
	}
	down, err := rdd.NewRangePartitioner(context.Background(), plain, 5, rdd.Descending())
	if err != nil {
		t.Fatal(err)
	}
	dealt := rdd.RepartitionByKey(plain, rdd.PartitionBy(by))
	descending := rdd.RepartitionByKey(plain, rdd.PartitionBy(down))
	hashed := rdd.RepartitionByKey(plain, rdd.Partitions(3))
	tests := []struct {
		name         string
		r            *rdd.RDD[rdd.Pair[int, string]]
		lower, upper int
		partitions   int
		want         string
	}{
		{"plain", plain, 3, 5, 4, "3 4 5"},
		{"hashed", hashed, 3, 5, 3, "3 4 5"},
		{"of one partition", dealt, 4, 6, 1, "4 5 6"},
		{"of two", dealt, 6, 8, 2, "6 7 8"},
		{"of all", dealt, -5, 99, 5, "0 1 10 11 12 13 14 15 16 17 18 19 2 3 4 5 6 7 8 9"},
		{"of none", dealt, 9, 8, 1, ""},
		{"behind the last", dealt, 50, 99, 1, ""},
		{"descending", descending, 6, 8, 2, "6 7 8"},
	}
	for _, tt := range tests {
		got := rdd.FilterByRange(tt.r, tt.lower, tt.upper)
		if keys := show(false, rdd.Keys(got)); keys != tt.want || got.NumPartitions() != tt.partitions {
			t.Errorf("%s: %s of %d partitions (%v); want %s of %d", tt.name, keys, got.NumPartitions(), by.Bounds(), tt.want,
				tt.partitions)
		}
	}
	if rdd.GroupByKey(rdd.FilterByRange(hashed, 3, 5)).Dependencies()[0].Shuffle {
		t.Error("the partitioner of a hashed RDD is lost")
	}
	if !rdd.GroupByKey(rdd.FilterByRange(dealt, 3, 5)).Dependencies()[0].Shuffle {
		t.Error("the partitioner is kept although partitions are missing")
	}
}

// TestFilterByRangeOfASort computes those partitions of a sort only that may hold what is asked for.
func TestFilterByRangeOfASort(t *testing.T) {
	sc := newContext(t)
	pairs := rdd.MapToPair(rdd.Range(sc, 0, 1000, 1, 4), func(v int64) (int64, int64) { return v * 7 % 1000, v })
	for name, tt := range map[string]struct {
		opts         []rdd.ShuffleOption
		lower, upper int64
		atMost       int32
	}{
		"of one partition": {nil, 400, 410, 400},
		"of all":           {nil, -1, 1000, 1000},
		"below":            {nil, -9, -1, 200},
		"of none":          {nil, 900, 100, 0},
		"descending":       {[]rdd.ShuffleOption{rdd.Descending()}, 400, 410, 400},
	} {
		for _, persisted := range []bool{false, true} {
			sorted := rdd.SortByKey(pairs, append(tt.opts, rdd.Partitions(10))...)
			if persisted {
				sorted.Cache()
			}
			var looked atomic.Int32
			seen := rdd.MapValues(sorted, func(v int64) int64 { looked.Add(1); return v })
			within := rdd.FilterByRange(seen, tt.lower, tt.upper)
			keys, err := rdd.Collect(t.Context(), rdd.Keys(within))
			var want []int64
			for k := max(tt.lower, 0); k <= min(tt.upper, 999); k++ {
				want = append(want, k)
			}
			if tt.opts != nil {
				slices.Reverse(want)
			}
			if err != nil || !slices.Equal(keys, want) || looked.Load() > tt.atMost || within.NumPartitions() != 10 {
				t.Errorf("%s, persisted %v: %v, %v; looked at %d of 1000, want at most %d", name, persisted, keys, err,
					looked.Load(), tt.atMost)
			}
			if n, err := rdd.Count(t.Context(), sorted); n != 1000 || err != nil {
				t.Errorf("%s: %d, %v of all afterwards", name, n, err)
			}
		}
	}
}

// TestKeepPartitioner: pairs that stay in their partitions need not be shuffled; others cannot claim to.
func TestKeepPartitioner(t *testing.T) {
	sc := newContext(t)
	dealt := rdd.ReduceByKey(kv(rdd.Parallelize(sc, []int{1, 2, 3}, 2)), add, rdd.Partitions(3))
	type pair = rdd.Pair[string, int]
	same := func(_ *rdd.TaskContext, in iter.Seq[pair]) iter.Seq[pair] { return in }
	sameAt := func(_ int, in iter.Seq[pair]) iter.Seq[pair] { return in }
	shuffles := func(r *rdd.RDD[pair]) bool { return rdd.GroupByKey(r).Dependencies()[0].Shuffle }
	for name, tt := range map[string]struct {
		r    *rdd.RDD[pair]
		want bool
	}{
		"MapPartitions":                 {rdd.MapPartitions(dealt, same), true},
		"MapPartitions, kept":           {rdd.MapPartitions(dealt, same, rdd.KeepPartitioner()), false},
		"MapPartitionsWithIndex":        {rdd.MapPartitionsWithIndex(dealt, sameAt), true},
		"MapPartitionsWithIndex, kept":  {rdd.MapPartitionsWithIndex(dealt, sameAt, rdd.KeepPartitioner()), false},
		"of what is not dealt, nothing": {rdd.MapPartitions(rdd.Map(dealt, func(p pair) pair { return p }), same, rdd.KeepPartitioner()), true},
	} {
		if got := shuffles(tt.r); got != tt.want {
			t.Errorf("%s: shuffles %v, want %v", name, got, tt.want)
		}
		if got := show(false, tt.r); got != "(a,3) (b,1) (c,2)" {
			t.Errorf("%s: %s", name, got)
		}
	}
	numbered := rdd.MapPartitions(dealt, func(_ *rdd.TaskContext, in iter.Seq[pair]) iter.Seq[rdd.Pair[int, int]] {
		return func(func(rdd.Pair[int, int]) bool) {}
	}, rdd.KeepPartitioner())
	counts := rdd.MapPartitions(dealt, func(_ *rdd.TaskContext, in iter.Seq[pair]) iter.Seq[int] {
		return func(func(int) bool) {}
	}, rdd.KeepPartitioner())
	for _, err := range []error{numbered.Err(), counts.Err()} {
		if err == nil || !strings.Contains(err.Error(), "KeepPartitioner needs pairs with the keys of rdd.Pair[string,int]") {
			t.Errorf("%v", err)
		}
	}
}

// TestPartitionerOf: what it gives has others dealt alike, so that a join of them needs no shuffle more.
func TestPartitionerOf(t *testing.T) {
	sc := newContext(t)
	pairs := kv(rdd.Parallelize(sc, []int{1, 2, 3}, 3))
	numbers := rdd.MapToPair(rdd.Parallelize(sc, []int{1, 2, 3}, 3), func(v int) (int, int) { return v, v })
	dealt := rdd.RepartitionByKey(pairs, rdd.Partitions(5))
	by, ok := rdd.PartitionerOf(dealt)
	if !ok || by.NumPartitions() != 5 {
		t.Fatalf("of what is dealt to 5: %v, %v", by, ok)
	}
	for name, r := range map[string]*rdd.RDD[rdd.Pair[string, int]]{
		"default": dealt, "given": rdd.RepartitionByKey(pairs, rdd.PartitionBy(by)),
	} {
		shuffles := 0
		for _, d := range rdd.CoGroup(r, rdd.ReduceByKey(pairs, add, rdd.PartitionBy(by))).Dependencies() {
			if d.Shuffle {
				shuffles++
			}
		}
		again := rdd.GroupByKey(r, rdd.PartitionBy(by))
		for _, d := range again.Dependencies() {
			if d.Shuffle {
				shuffles++
			}
		}
		if shuffles != 0 || again.NumPartitions() != 5 {
			t.Errorf("%s: %d shuffles more, %d partitions", name, shuffles, again.NumPartitions())
		}
	}
	halves := rdd.RepartitionByKey(numbers, rdd.PartitionBy[int](byHalf{}))
	if by, ok := rdd.PartitionerOf(halves); !ok || by != (byHalf{}) {
		t.Errorf("of one's own: %v, %v", by, ok)
	}
	for name, r := range map[string]*rdd.RDD[rdd.Pair[string, int]]{
		"Map": pairs, "SortByKey": rdd.SortByKey(pairs),
		"Map of dealt": rdd.Map(dealt, func(p rdd.Pair[string, int]) rdd.Pair[string, int] { return p }),
	} {
		if by, ok := rdd.PartitionerOf(r); ok || by != nil {
			t.Errorf("of %s: %v", name, by)
		}
	}
}

// evens deals numbers by whether they are even.
type evens struct{}

func (evens) NumPartitions() int     { return 2 }
func (evens) Partition(k int) int    { return k & 1 }
func (e *unequal) Partition(int) int { return 0 }

// unequal is no other one, and not itself.
type unequal struct{ evens }

func (*unequal) Equal(any) bool { return false }

// TestDealingByName: RDDs of whose partitioner only the kind was written down are joined as the partitioner's own are,
// keep where the keys lie, and have no other keys be dealt by it.
func TestDealingByName(t *testing.T) {
	sc, ctx := newContext(t), t.Context()
	pairs := rdd.MapToPair(rdd.Parallelize(sc, []int{1, 2, 3, 4}, 3), func(k int) (int, int) { return k, k })
	ranges, err := rdd.NewRangePartitioner(ctx, pairs, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, by := range map[string]rdd.Partitioner[int]{"ranges": ranges, "the user's": evens{}} {
		dealt := rdd.RepartitionByKey(pairs, rdd.PartitionBy(by))
		dealing, deal := rdd.Dealing{}.Again(dealt.Dealing().Kind(), 2)
		if deal != nil || dealing.Kind() != dealt.Dealing().Kind() || dealing.NumPartitions() != 2 || dealing.Hashed() {
			t.Errorf("%s: %q to %d", name, dealing.Kind(), dealing.NumPartitions())
		}
		parts, err := rdd.Collect(ctx, rdd.Glom(dealt))
		if err != nil {
			t.Fatal(err)
		}
		read := func(_ *rdd.TaskContext, p int) iter.Seq[rdd.Pair[int, int]] { return slices.Values(parts[p]) }
		named := rdd.FromPartitionsDealt(sc, "named", 2, dealing, read)
		other := rdd.FromPartitionsDealt(sc, "named", 2, dealing, read)
		if n := rdd.Union(named, rdd.Empty[rdd.Pair[int, int]](sc), other).NumPartitions(); n != 2 {
			t.Errorf("%s: two named ones have %d partitions", name, n)
		}
		both := rdd.Union(named, dealt)
		if _, known := rdd.PartitionerOf(both); !known || both.NumPartitions() != 2 {
			t.Errorf("%s: with what the partitioner deals: known %v, %d partitions", name, known, both.NumPartitions())
		}
		if _, known := rdd.PartitionerOf(named); known {
			t.Errorf("%s: a name is no partitioner", name)
		}
		groups, joint := rdd.GroupByKey(rdd.Union(named, other)), rdd.CoGroup(named, pairs)
		if n := groups.NumPartitions(); shuffles(groups) != 0 || n != 2 {
			t.Errorf("%s: groups have %d partitions after %d shuffles", name, n, shuffles(groups))
		}
		if n := joint.NumPartitions(); shuffles(joint) != 2 || n != 2 {
			t.Errorf("%s: joined with others: %d partitions after %d shuffles", name, n, shuffles(joint))
		}
		sizes := rdd.MapValues(groups, func(vs []int) int { return len(vs) })
		joined := rdd.MapValues(joint, func(g rdd.CoGrouped[int, int]) int { return len(g.Left) + len(g.Right) })
		for _, r := range []*rdd.RDD[rdd.Pair[int, int]]{sizes, joined} {
			if got := show(false, r); got != "(1,2) (2,2) (3,2) (4,2)" {
				t.Errorf("%s: groups of %s", name, got)
			}
		}
		if got, err := rdd.Lookup(ctx, named, 3); err != nil || !slices.Equal(got, []int{3}) {
			t.Errorf("%s: looked up %v, %v", name, got, err)
		}
	}
	if kind := rdd.RepartitionByKey(pairs, rdd.PartitionBy[int](&unequal{})).Dealing().Kind(); kind != "" {
		t.Errorf("what does not equal itself has the kind %q", kind)
	}
}

// shuffles counts those that r reads.
func shuffles[T any](r *rdd.RDD[T]) (n int) {
	for _, d := range r.Dependencies() {
		if d.Shuffle {
			n++
		}
	}
	return n
}
