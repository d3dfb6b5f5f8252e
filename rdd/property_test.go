package rdd_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// checkChi fails if counts are not as wanted. Chi squared has a mean of its degrees of freedom and a variance of twice
// that: six deviations are never met by chance, and with fixed seeds nothing is left to it.
func checkChi(t *testing.T, what string, counts []int, want func(i int) float64) {
	t.Helper()
	chi := 0.0
	for i, n := range counts {
		chi += (float64(n) - want(i)) * (float64(n) - want(i)) / want(i)
	}
	if free := float64(len(counts) - 1); chi > free+6*math.Sqrt(2*free) {
		t.Errorf("%s: chi squared is %.0f, want about %.0f: %v", what, chi, free, counts)
	}
}

// checkPartitioner: each key has one partition, the same for an equal partitioner, and shuffles deal it there.
func checkPartitioner[K comparable](t *testing.T, keys []K) {
	t.Helper()
	sc := newContext(t)
	for _, n := range []int{1, 2, 3, 7, 16} {
		by, err := rdd.NewHashPartitioner[K](n)
		if err != nil {
			t.Fatal(err)
		}
		equal, _ := rdd.NewHashPartitioner[K](n)
		other, _ := rdd.NewHashPartitioner[K](n + 1)
		if !by.Equal(equal) || !equal.Equal(by) || by.Equal(other) || by.Equal(n) || by.NumPartitions() != n {
			t.Errorf("%T of %d partitions: equality is wrong", by, n)
		}
		pairs := rdd.Map(rdd.Parallelize(sc, keys, 3), func(k K) rdd.Pair[K, int] { return rdd.KV(k, 0) })
		for name, opt := range map[string]rdd.ShuffleOption{
			"PartitionBy": rdd.PartitionBy[K](by), "Partitions": rdd.Partitions(n),
		} {
			dealt, err := rdd.Collect(t.Context(), rdd.Glom(rdd.RepartitionByKey(pairs, opt)))
			if err != nil || len(dealt) != n {
				t.Fatal(len(dealt), err)
			}
			for p, part := range dealt {
				for _, kv := range part {
					if q := by.Partition(kv.Key); q != p || equal.Partition(kv.Key) != q {
						t.Fatalf("%s of %d: key %v lies in partition %d, and is dealt to %d", name, n, kv.Key, p, q)
					}
				}
			}
		}
	}
}

func TestPartitioners(t *testing.T) {
	type place struct {
		Row  int16
		Name string
	}
	r := rand.New(rand.NewPCG(1, 2))
	var (
		words  = make([]string, 500)
		ints   = make([]int, 500)
		floats = make([]float64, 500)
		places = make([]place, 500)
	)
	for i := range words {
		words[i] = strings.Repeat("é", r.IntN(30)) + fmt.Sprint(r.IntN(100))
		ints[i] = int(r.Uint64() >> r.IntN(64))
		floats[i] = []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), r.NormFloat64()}[r.IntN(5)]
		places[i] = place{int16(r.Int()), words[i]}
	}
	checkPartitioner(t, words)
	checkPartitioner(t, ints)
	checkPartitioner(t, floats)
	checkPartitioner(t, places)
}

// TestSortsAreStable: a sort gives a permutation, in order across its partitions, and leaves equal keys in theirs.
func TestSortsAreStable(t *testing.T) {
	type record struct{ Key, At int }
	r := rand.New(rand.NewPCG(3, 4))
	sc := newContext(t)
	key := func(v record) int { return v.Key }
	for round := range 60 {
		in := make([]record, r.IntN(400))
		for i := range in {
			in[i] = record{r.IntN(1+r.IntN(60)) - 20, i}
		}
		want := slices.SortedStableFunc(slices.Values(in), func(a, b record) int { return a.Key - b.Key })
		down := slices.SortedStableFunc(slices.Values(in), func(a, b record) int { return b.Key - a.Key })
		data := rdd.Parallelize(sc, in, 1+r.IntN(6))
		n := 1 + r.IntN(6)
		keyed := rdd.KeyBy(data, key)
		byKey := func(a, b record) int { return a.Key - b.Key }
		for name, tt := range map[string]struct {
			got  *rdd.RDD[record]
			want []record
		}{
			"SortBy":                 {rdd.SortBy(data, key, rdd.Partitions(n)), want},
			"SortBy, descending":     {rdd.SortBy(data, key, rdd.Partitions(n), rdd.Descending()), down},
			"SortByFunc":             {rdd.SortByFunc(data, byKey, rdd.Partitions(n)), want},
			"SortByFunc, descending": {rdd.SortByFunc(data, byKey, rdd.Descending()), down},
			"SortByKey":              {rdd.Values(rdd.SortByKey(keyed)), want},
			"SortByKey, descending":  {rdd.Values(rdd.SortByKey(keyed, rdd.Descending(), rdd.Partitions(n))), down},
		} {
			got, err := rdd.Collect(t.Context(), tt.got)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Fatalf("round %d, %s: %v\ngot  %v\nwant %v", round, name, err, got, tt.want)
			}
		}
	}
}

// TestSample: each element is drawn with the fraction, apart from all others, or as often as Poisson's law says.
func TestSample(t *testing.T) {
	const elements, rounds = 40, 3000
	sc := newContext(t)
	in := make([]int, elements)
	for i := range in {
		in[i] = i
	}
	data := rdd.Parallelize(sc, in, 3)
	for _, fraction := range []float64{0.1, 0.5, 0.9} {
		drawn, sizes := make([]int, elements), make([]int, 2)
		for seed := range rounds {
			vs, err := rdd.Collect(t.Context(), rdd.Sample(data, false, fraction, rdd.Seed(int64(seed))))
			if err != nil || !slices.IsSorted(vs) || len(slices.Compact(vs)) != len(vs) {
				t.Fatal(vs, err)
			}
			for _, v := range vs {
				drawn[v]++
			}
			sizes[0] += len(vs)
		}
		sizes[1] = elements*rounds - sizes[0]
		checkChi(t, fmt.Sprint("elements drawn with fraction ", fraction), drawn,
			func(int) float64 { return fraction * rounds })
		checkChi(t, fmt.Sprint("all drawn with fraction ", fraction), sizes,
			func(i int) float64 { return elements * rounds * []float64{fraction, 1 - fraction}[i] })
	}
	times := make([]int, 6) // how often an element is drawn with replacement, the last place being for more
	for seed := range rounds {
		vs, err := rdd.Collect(t.Context(), rdd.Sample(data, true, 1.5, rdd.Seed(int64(seed))))
		if err != nil {
			t.Fatal(err)
		}
		often := map[int]int{}
		for _, v := range vs {
			often[v]++
		}
		for _, v := range in {
			times[min(often[v], len(times)-1)]++
		}
	}
	checkChi(t, "times with replacement", times, func(i int) float64 {
		return elements * rounds * poissonPart(1.5, i, len(times))
	})
}

// poissonPart is the probability of i by Poisson's law, or of the last place and more.
func poissonPart(mean float64, i, places int) float64 {
	p, sum := math.Exp(-mean), 0.0
	for k := range i {
		sum += p
		p *= mean / float64(k+1)
	}
	if i == places-1 {
		return 1 - sum
	}
	return p
}

// TestTakeSample: all elements are alike likely, at each place, with replacement and without.
func TestTakeSample(t *testing.T) {
	const elements, rounds, taken = 12, 4000, 5
	sc := newContext(t)
	in := make([]int, elements)
	for i := range in {
		in[i] = i
	}
	for _, replacement := range []bool{false, true} {
		for _, partitions := range []int{1, 5} {
			data := rdd.Parallelize(sc, in, partitions)
			var places [taken][elements]int
			pairs := make([]int, 2) // the first two places are alike, or not
			for seed := range rounds {
				vs, err := rdd.TakeSample(t.Context(), data, replacement, taken, rdd.Seed(int64(seed)))
				if err != nil || len(vs) != taken {
					t.Fatal(vs, err)
				}
				for place, v := range vs {
					places[place][v]++
				}
				if vs[0] == vs[1] {
					pairs[0]++
				} else {
					pairs[1]++
				}
			}
			what := fmt.Sprintf("replacement %v, %d partitions", replacement, partitions)
			for place, counts := range places {
				checkChi(t, fmt.Sprintf("%s, place %d", what, place), counts[:],
					func(int) float64 { return float64(rounds) / elements })
			}
			if !replacement && pairs[0] > 0 {
				t.Errorf("%s: an element was taken twice", what)
			}
			if replacement {
				checkChi(t, what+", the first two", pairs,
					func(i int) float64 { return rounds * []float64{1, elements - 1}[i] / elements })
			}
		}
	}
}

// TestRandomSplit: each element goes into one of the parts, by the weights.
func TestRandomSplit(t *testing.T) {
	const elements = 20_000
	sc := newContext(t)
	in := make([]int, elements)
	for i := range in {
		in[i] = i
	}
	weights := []float64{1, 2, 5}
	var all []int
	sizes := make([]int, len(weights))
	for i, part := range rdd.RandomSplit(rdd.Parallelize(sc, in, 4), weights, rdd.Seed(7)) {
		vs, err := rdd.Collect(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		all, sizes[i] = append(all, vs...), len(vs)
	}
	slices.Sort(all)
	if !slices.Equal(all, in) {
		t.Errorf("the parts have %d elements, %d of them different, of %d", len(all), len(slices.Compact(all)), elements)
	}
	checkChi(t, "parts", sizes, func(i int) float64 { return elements * weights[i] / 8 })
}

// TestSampleByKeyExact: each key has exactly its part, and within it all elements are alike likely.
func TestSampleByKeyExact(t *testing.T) {
	const rounds = 3000
	sc := newContext(t)
	var in []rdd.Pair[string, int]
	for i := range 30 {
		in = append(in, rdd.KV([]string{"a", "b", "c"}[i%3], i/3))
	}
	data := rdd.Parallelize(sc, in, 4)
	fractions := map[string]float64{"a": 0.25, "b": 0.5}
	for _, replacement := range []bool{false, true} {
		drawn := map[string][]int{"a": make([]int, 10), "b": make([]int, 10)}
		for seed := range rounds {
			kvs, err := rdd.Collect(context.Background(),
				rdd.SampleByKeyExact(data, replacement, fractions, rdd.Seed(int64(seed))))
			if err != nil {
				t.Fatal(err)
			}
			sizes := map[string]int{}
			for _, kv := range kvs {
				sizes[kv.Key]++
				drawn[kv.Key][kv.Value]++
			}
			if want := map[string]int{"a": 3, "b": 5}; !maps.Equal(sizes, want) {
				t.Fatalf("replacement %v, seed %d: %v, want %v", replacement, seed, sizes, want)
			}
		}
		for key, n := range map[string]float64{"a": 3, "b": 5} {
			checkChi(t, fmt.Sprintf("key %s, replacement %v", key, replacement), drawn[key],
				func(int) float64 { return rounds * n / 10 })
		}
	}
}

// TestStatCounterMerges: however numbers are divided, the merged counters tell what two passes over all of them do.
func TestStatCounterMerges(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 300 {
		offset := []float64{0, 1e9, -1e6}[r.IntN(3)] // where sums of squares would lose all digits
		vs := make([]float64, 1+r.IntN(50))
		for i := range vs {
			vs[i] = offset + r.NormFloat64()
		}
		var merged rdd.StatCounter
		for left := vs; ; {
			n := r.IntN(len(left) + 1)
			part := rdd.NewStatCounter(left[:n]...)
			if merged.Count == 0 && r.IntN(2) == 0 {
				merged = part
			} else {
				merged.Merge(part)
			}
			if left = left[n:]; len(left) == 0 {
				break
			}
		}
		mean, squares := 0.0, 0.0
		for _, v := range vs {
			mean += (v - offset) / float64(len(vs))
		}
		mean += offset
		for _, v := range vs {
			squares += (v - mean) * (v - mean)
		}
		near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-6*max(1, math.Abs(want)) }
		if merged.Count != int64(len(vs)) || merged.Max != slices.Max(vs) || merged.Min != slices.Min(vs) ||
			!near(merged.Mean, mean) || !near(merged.Variance(), squares/float64(len(vs))) {
			t.Fatalf("round %d: %v of %v; want mean %v, variance %v", round, merged, vs, mean, squares/float64(len(vs)))
		}
	}
}

// TestHistogramCounts: the buckets are those of the definition, for limits that are given and for even ones.
func TestHistogramCounts(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	sc := newContext(t)
	for round := range 100 {
		vs := make([]float64, 1+r.IntN(100))
		for i := range vs {
			vs[i] = float64(r.IntN(40)-20) / 4
		}
		data := rdd.Parallelize(sc, vs, 1+r.IntN(4))
		limits := []float64{-4}
		for range 1 + r.IntN(6) {
			limits = append(limits, limits[len(limits)-1]+float64(1+r.IntN(8))/4)
		}
		got, err := rdd.Histogram(t.Context(), data, limits)
		if want := buckets(vs, limits); err != nil || !slices.Equal(got, want) {
			t.Fatalf("round %d: %v, %v; want %v of %v in %v", round, got, err, want, vs, limits)
		}
		n := 1 + r.IntN(9)
		limits, got, err = rdd.HistogramN(t.Context(), data, n)
		if err != nil || limits[0] != slices.Min(vs) || limits[len(limits)-1] != slices.Max(vs) ||
			len(limits) != n+1 && slices.Min(vs) != slices.Max(vs) || !slices.Equal(got, buckets(vs, limits)) {
			t.Fatalf("round %d: %v in %v, %v; want %v of %v", round, got, limits, err, buckets(vs, limits), vs)
		}
	}
}

// buckets counts by the definition: a bucket holds its lower limit, and the last one its upper limit, too.
func buckets(vs, limits []float64) []int64 {
	counts := make([]int64, len(limits)-1)
	for i := range counts {
		for _, v := range vs {
			if v >= limits[i] && (v < limits[i+1] || i == len(counts)-1 && v == limits[i+1]) {
				counts[i]++
			}
		}
	}
	return counts
}
