package shuffle

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// checkSorted sorts keys whose values are their places, over several runs as map tasks and reduce tasks would, and
// compares with a stable sort of all of them.
func checkSorted[K cmp.Ordered](t *testing.T, keys []K) {
	t.Helper()
	for _, descending := range []bool{false, true} {
		want := make([]int, len(keys))
		for i := range want {
			want[i] = i
		}
		o := NaturalOrder[K](descending)
		slices.SortStableFunc(want, func(a, b int) int {
			if descending {
				a, b = b, a
			}
			return cmp.Compare(keys[a], keys[b])
		})
		for _, order := range []Order[K]{o, NewOrder(o.Compare)} {
			for _, shape := range [][2]int{{1, 1}, {3, 1}, {2, 5}, {7, 3}} {
				if got := sortInParts(t, keys, order, shape[0], shape[1]); !slices.Equal(got, want) {
					t.Fatalf("descending=%v, %d runs, %d partitions: %v, want %v of %v", descending, shape[0], shape[1],
						got, want, keys)
				}
			}
		}
	}
}

func sortInParts[K any](t *testing.T, keys []K, o Order[K], runs, n int) (got []int) {
	t.Helper()
	var sorted []*Sorted[K, int]
	var samples []Sampled[K]
	for r := range runs {
		var b Bucket[K, int]
		for i := r * len(keys) / runs; i < (r+1)*len(keys)/runs; i++ {
			b.Keys, b.Values = append(b.Keys, keys[i]), append(b.Values, i)
		}
		run, err := sortedOf(b, o, n)
		if err != nil {
			t.Fatal(err)
		}
		sorted = append(sorted, run)
		samples = append(samples, run.Samples()...)
	}
	bounds := Bounds(samples, n, o)
	if len(bounds) >= n {
		t.Fatalf("%d bounds for %d partitions", len(bounds), n)
	}
	for p := range n {
		parts := make([]Cut[K, int], runs)
		for r, run := range sorted {
			parts[r] = run.Cut(p, bounds)
			for _, k := range cutOf(run, p, bounds, o).Keys {
				if q := PartitionOf(k, bounds, o); q != p {
					t.Fatalf("key %v is cut into partition %d and dealt to %d", k, p, q)
				}
			}
		}
		for _, i := range MergeSorted(nil, Wire[K, int]{}, o, parts) {
			got = append(got, i)
		}
	}
	return got
}

func TestSort(t *testing.T) {
	type word string
	r := rand.New(rand.NewPCG(1, 2))
	special := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1), -1e300}
	few := func(n int) int { return r.IntN(max(n/4, 1)) }
	for _, n := range []int{0, 1, 2, 10, 700, 3000} {
		var (
			ints    = make([]int, n)
			small   = make([]int8, n)
			bytes   = make([]uint8, n)
			wide    = make([]uint64, n)
			floats  = make([]float64, n)
			singles = make([]float32, n)
			words   = make([]word, n)
		)
		for i := range n {
			ints[i], small[i], bytes[i] = few(n)-n/8, int8(r.Int()), uint8(r.Int())
			wide[i] = r.Uint64() >> r.IntN(64)
			floats[i] = r.NormFloat64()
			if i%3 == 0 {
				floats[i] = special[r.IntN(len(special))]
			}
			singles[i] = float32(r.NormFloat64())
			words[i] = word(strings.Repeat("ab", few(n)%9) + string(rune('a'+r.IntN(3))))
		}
		checkSorted(t, ints)
		checkSorted(t, small)
		checkSorted(t, bytes)
		checkSorted(t, wide)
		checkSorted(t, floats)
		checkSorted(t, singles)
		checkSorted(t, words)
	}
}

// Bounds cut partitions of about equal size, also when one run is larger than the others.
func TestBoundsAreEven(t *testing.T) {
	o := NaturalOrder[int](false)
	var samples []Sampled[int]
	var all []*Sorted[int, struct{}]
	r := rand.New(rand.NewPCG(3, 4))
	total := 0
	for _, n := range []int{100_000, 10, 30_000} {
		b := Bucket[int, struct{}]{Keys: make([]int, n), Values: make([]struct{}, n)}
		for i := range b.Keys {
			b.Keys[i] = int(r.ExpFloat64() * 1e6)
		}
		run, _ := sortedOf(b, o, 8)
		all, samples, total = append(all, run), append(samples, run.Samples()...), total+n
	}
	bounds := Bounds(samples, 8, o)
	for p := range 8 {
		n := 0
		for _, run := range all {
			n += cutOf(run, p, bounds, o).Len()
		}
		if want := total / 8; n < want*8/10 || n > want*12/10 {
			t.Errorf("partition %d has %d of %d rows", p, n, total)
		}
	}
}

func BenchmarkSort(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	in := Bucket[int, struct{}]{Keys: make([]int, 1_000_000), Values: make([]struct{}, 1_000_000)}
	for i := range in.Keys {
		in.Keys[i] = int(r.Int64())
	}
	b.Run("radix", func(b *testing.B) {
		for b.Loop() {
			_, _ = Sort(in, NaturalOrder[int](false))
		}
	})
	b.Run("slices.Sort", func(b *testing.B) {
		for b.Loop() {
			slices.Sort(slices.Clone(in.Keys))
		}
	})
}
