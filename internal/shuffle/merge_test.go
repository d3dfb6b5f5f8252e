package shuffle

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// concat puts buckets behind each other.
func concat(in []Bucket[string, string]) Bucket[string, string] {
	var out Bucket[string, string]
	for _, b := range in {
		out.Keys = append(out.Keys, b.Keys...)
		out.Values = append(out.Values, b.Values...)
	}
	return out
}

// drawParts makes map partitions of random sizes, some of them empty.
func drawParts(r *rand.Rand, keys []string) []Bucket[string, string] {
	var parts []Bucket[string, string]
	for p := range 1 + r.IntN(6) {
		parts = append(parts, draw(r, p, r.IntN(4)*r.IntN(300), keys))
	}
	return parts
}

// TestReduce sends random map partitions through Combine and Merge, and through Rows and Fold, and compares with
// the model, which knows nothing of buckets. The same input is sent through under several hash seeds.
func TestReduce(t *testing.T) {
	keys := nastyStrings()[:300]
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 6))
		parts := drawParts(r, keys[:1+r.IntN(len(keys)-1)])
		n := partitionCounts[r.IntN(len(partitionCounts))]
		deal := dealText(n)
		combined := make([][]Bucket[string, string], n) // by reduce partition, then by map partition
		plain := make([][]Bucket[string, string], n)
		for _, part := range parts {
			for p, b := range combineOf(t, part, n) {
				combined[p] = append(combined[p], b)
			}
			for p, b := range bucketsOf(t, part, n) {
				plain[p] = append(plain[p], b)
			}
		}
		for p := range n {
			what := fmt.Sprintf("seed %d, partition %d of %d", seed, p, n)
			var each, all []Bucket[string, string]
			for _, part := range parts {
				picked := pick(part, deal, p)
				each = append(each, reduceModel([]Bucket[string, string]{picked}))
				all = append(all, picked)
			}
			got, err := mergeOf(combined[p], join, Own[string, string]{})
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, what+", merge", rowsOf(got), reduceModel(each))
			table := NewTable[string, string](nil)
			for _, b := range plain[p] {
				Fold(table, b, same, join)
			}
			sameRows(t, what+", fold", rowsOf(table.All()), reduceModel(all))
		}
	}
}

func combineOf(t *testing.T, part Bucket[string, string], n int) []Bucket[string, string] {
	t.Helper()
	c, err := NewCombine(n, dealText(n), same, join, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range part.All() {
		c.Add(k, v)
	}
	out, err := c.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func bucketsOf(t *testing.T, part Bucket[string, string], n int) []Bucket[string, string] {
	t.Helper()
	w, err := NewRows(n, dealText(n), Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range part.All() {
		w.Add(k, v)
	}
	out, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGroup compares groups, and the sides of a cogroup of three, with the model.
func TestGroup(t *testing.T) {
	keys := nastyStrings()[:300]
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 8))
		some := keys[:1+r.IntN(len(keys)-1)]
		in := [3][]Bucket[string, string]{drawParts(r, some), drawParts(r, keys), drawParts(r, some)}
		var order []string
		var want [3]map[string][]string
		g := NewGroups[string](nil)
		g.numbers.seed = fixed(seed)
		var sides [3]*Side[string, string]
		for s, parts := range in {
			want[s] = map[string][]string{}
			for k, v := range concat(parts).All() {
				if !slices.Contains(order, k) {
					order = append(order, k)
				}
				want[s][k] = append(want[s][k], v)
			}
			side, err := sideOf(g, parts)
			if err != nil {
				t.Fatal(err)
			}
			if side.Len() != concat(parts).Len() {
				t.Fatalf("seed %d: side %d has %d values", seed, s, side.Len())
			}
			sides[s] = side
			_ = append(side.Of(0), "overrun")
		}
		if g.Len() != len(order) {
			t.Fatalf("seed %d: %d keys, want %d", seed, g.Len(), len(order))
		}
		for n, k := range g.Keys() {
			if k != order[n] {
				t.Fatalf("seed %d: key %d is %q, want %q", seed, n, k, order[n])
			}
			for s, side := range sides {
				if got := side.Of(n); !slices.Equal(got, want[s][k]) {
					t.Fatalf("seed %d: side %d, key %q: %v, want %v", seed, s, k, got, want[s][k])
				}
			}
		}
		checkGroup(t, in[0], want[0])
	}
}

func checkGroup(t *testing.T, in []Bucket[string, string], want map[string][]string) {
	t.Helper()
	got, err := groupOf(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for k, vs := range got {
		rows++
		if !slices.Equal(vs, want[k]) || cap(vs) != len(vs) {
			t.Fatalf("key %q: %v of capacity %d, want %v", k, vs, cap(vs), want[k])
		}
	}
	if rows != len(want) {
		t.Fatalf("%d groups, want %d", rows, len(want))
	}
	for k, vs := range got {
		if !slices.Equal(vs, want[k]) {
			t.Fatalf("the second pass begins with key %q: %v", k, vs)
		}
		break
	}
}

// TestMergeLeavesBuckets has a merge that writes through its first argument: with clone functions, a second
// attempt of the reduce task finds the buckets as the first one did.
func TestMergeLeavesBuckets(t *testing.T) {
	in := []Bucket[string, []int]{
		{Keys: []string{"a", "b"}, Values: [][]int{{1}, {10}}},
		{},
		{Keys: []string{"b", "c"}, Values: [][]int{{100}, {1000}}},
	}
	add := func(a, b []int) []int { a[0] += b[0]; return a }
	own := Own[string, []int]{Key: strings.Clone, Value: slices.Clone[[]int]}
	for attempt := range 3 {
		for n, want := range map[int]string{
			1: "a[1] b[10] ", // one bucket takes the way without a table
			3: "a[1] b[110] c[1000] ",
		} {
			rows, err := mergeOf(in[:n], add, own)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for k, v := range rows {
				got += fmt.Sprint(k, v, " ")
				v[0] = -1
			}
			if got != want {
				t.Errorf("attempt %d, %d buckets: %q, want %q", attempt, n, got, want)
			}
		}
	}
}

// TestMergeFew: no bucket, empty buckets, one bucket with rows among empty ones, early stop.
func TestMergeFew(t *testing.T) {
	one := Bucket[string, string]{Keys: []string{"a", "b"}, Values: []string{"1", "2"}}
	var none Bucket[string, string]
	rows := []struct {
		in   []Bucket[string, string]
		want Bucket[string, string]
	}{
		{nil, none},
		{[]Bucket[string, string]{none, none}, none},
		{[]Bucket[string, string]{none, one, none}, one},
		{[]Bucket[string, string]{one, one}, Bucket[string, string]{
			Keys: []string{"a", "b"}, Values: []string{"(1 1)", "(2 2)"}}},
	}
	for i, row := range rows {
		for _, own := range []Own[string, string]{{}, {Key: same}, {Value: same}} {
			got, err := mergeOf(row.in, join, own)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, fmt.Sprintf("row %d", i), rowsOf(got), row.want)
			for k, v := range got {
				if k != "a" || v != row.want.Values[0] {
					t.Errorf("row %d begins with %q %q", i, k, v)
				}
				break
			}
		}
	}
}

func TestReduceNaN(t *testing.T) {
	b := Bucket[float64, int]{Keys: []float64{1, math.NaN()}, Values: []int{1, 2}}
	in := []Bucket[float64, int]{b, b}
	_, mergeErr := mergeOf(in, func(a, b int) int { return a + b }, Own[float64, int]{})
	_, groupErr := groupOf(in, nil)
	_, sideErr := sideOf(NewGroups[float64](nil), in)
	for _, err := range []error{mergeErr, groupErr, sideErr} {
		if !errors.Is(err, ErrNaN) {
			t.Errorf("error %v", err)
		}
	}
}

// TestZeros: -0 and +0 are one key.
func TestZeros(t *testing.T) {
	b := Bucket[float64, string]{Keys: []float64{0, math.Copysign(0, -1)}, Values: []string{"plus", "minus"}}
	got, err := groupOf([]Bucket[float64, string]{b}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for k, vs := range got {
		if k != 0 || math.Signbit(k) || !slices.Equal(vs, []string{"plus", "minus"}) {
			t.Errorf("%v: %v", k, vs)
		}
	}
}

// TestManyReaders reads the buckets of one map task from many reduce tasks, for the race detector's eyes.
func TestManyReaders(t *testing.T) {
	const n = 4
	in := draw(rand.New(rand.NewPCG(9, 9)), 0, 2000, nastyStrings()[:200])
	buckets := combineOf(t, in, n)
	var wg sync.WaitGroup
	for p := range n {
		for range 2 {
			wg.Go(func() {
				rows, err := mergeOf([]Bucket[string, string]{buckets[p], buckets[p]}, join, Own[string, string]{})
				if err != nil || len(rowsOf(rows).Keys) != buckets[p].Len() {
					t.Errorf("bucket %d: error %v", p, err)
				}
			})
		}
	}
	wg.Wait()
}

func TestGroupAllocs(t *testing.T) {
	var in Bucket[int, int]
	for i := range 100_000 {
		in.Keys = append(in.Keys, i%1000)
		in.Values = append(in.Values, i)
	}
	if n := testing.AllocsPerRun(3, func() {
		if _, err := groupOf([]Bucket[int, int]{in}, nil); err != nil {
			t.Error(err)
		}
	}); n > 60 {
		t.Errorf("%v allocations for 100,000 values of 1,000 keys", n)
	}
}
