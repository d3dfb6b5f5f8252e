package shuffle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/block"
)

// bounded makes a space of a budget, whose errors fail the test.
func bounded(t testing.TB, disk *block.Disk, budget *block.Budget) *Space {
	return &Space{Budget: budget, Disk: disk, Fail: func(err error) {
		t.Helper()
		t.Fatal(err)
	}}
}

func wireOf[K, V any](t testing.TB) Wire[K, V] {
	t.Helper()
	w, err := NewWire[K, V]()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A shape is the data and the memory of a round of the property tests.
type shape struct {
	seed   uint64
	r      *rand.Rand
	parts  []Bucket[string, string]
	n      int
	budget int64
	disk   *block.Disk
}

// shapes gives rounds of random data: few keys and many, short values and long, budgets of which some are next to
// nothing and some hold everything. Each round's budget and folder must be empty in the end.
func shapes(t *testing.T, rounds int, f func(s *shape)) {
	t.Helper()
	spilled := 0
	if testing.Short() {
		rounds /= 2
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 21))
		dir := t.TempDir()
		s := &shape{seed: seed, r: r, n: []int{1, 2, 7}[r.IntN(3)], budget: 1 << (10 + r.IntN(11)),
			disk: block.NewDisk([]string{dir})}
		keys := nastyStrings()
		keys = keys[:1+r.IntN(min(len(keys)-17, 1<<(1+r.IntN(11))))]
		for part := range 1 + r.IntN(4) {
			b := draw(r, part, r.IntN(1500), keys)
			for i := range b.Values {
				if r.IntN(20) == 0 {
					b.Values[i] += strings.Repeat("v", r.IntN(500))
				}
			}
			s.parts = append(s.parts, b)
		}
		f(s)
		if s.disk.Written() > 0 {
			spilled++
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) > 0 {
			t.Fatalf("seed %d: files are left: %v", seed, left)
		}
		if err := s.disk.Close(); err != nil {
			t.Error(err)
		}
	}
	if spilled < rounds/3 || spilled == rounds {
		t.Errorf("%d of %d rounds wrote to disk: some should, and some should not", spilled, rounds)
	}
}

// TestSpilledMerge: a reduction over any budget gives what it gives without a bound, order and association included,
// and gives everything back.
func TestSpilledMerge(t *testing.T) {
	w := wireOf[string, string](t)
	shapes(t, 60, func(s *shape) {
		budget, deal := block.NewBudget(s.budget), dealText(s.n)
		var outs []*Output[string, string]
		for _, part := range s.parts {
			sp := bounded(t, s.disk, budget)
			c, err := NewCombine(s.n, deal, same, join, Own[string, string]{Value: strings.Clone})
			if err != nil {
				t.Fatal(err)
			}
			c.Within(sp, w.Values, w)
			for k, v := range part.All() {
				c.Add(k, v)
			}
			out, err := c.Publish()
			if err != nil {
				t.Fatal(err)
			}
			outs = append(outs, out)
			sp.Close()
		}
		for p := range s.n {
			var want []Bucket[string, string]
			sp := bounded(t, s.disk, budget)
			m := NewMerge(join, Own[string, string]{Value: strings.Clone})
			m.Within(sp, w)
			for i, part := range s.parts {
				want = append(want, reduceModel([]Bucket[string, string]{pick(part, deal, p)}))
				m.AddPart(outs[i].Bucket(p).(Part[string, string]))
			}
			got, err := m.All()
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("seed %d, budget %d, partition %d of %d", s.seed, s.budget, p, s.n)
			sameRows(t, what, rowsOf(got), reduceModel(want))
			sp.Close()
		}
		allGiven(t, s, budget, outs)
	})
}

// allGiven releases the outputs and looks whether the budget has everything back.
func allGiven[O interface{ Release() }](t *testing.T, s *shape, budget *block.Budget, outs []O) {
	t.Helper()
	for _, out := range outs {
		out.Release()
	}
	if used := budget.Used(); used != 0 {
		t.Fatalf("seed %d: %d bytes of the budget were not given back", s.seed, used)
	}
}

// rowsOutputs publishes the rows of each map partition.
func rowsOutputs(t *testing.T, s *shape, budget *block.Budget, parts []Bucket[string, string],
) (outs []*Output[string, string]) {
	t.Helper()
	for _, part := range parts {
		sp := bounded(t, s.disk, budget)
		w, err := NewRows(s.n, dealText(s.n), Own[string, string]{})
		if err != nil {
			t.Fatal(err)
		}
		w.Within(sp, wireOf[string, string](t))
		for k, v := range part.All() {
			w.Add(k, v)
		}
		out, err := w.Publish()
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
		sp.Close()
	}
	return outs
}

func partsOf(outs []*Output[string, string], p int) func(func(Part[string, string]) bool) {
	return func(yield func(Part[string, string]) bool) {
		for _, out := range outs {
			if !yield(out.Bucket(p).(Part[string, string])) {
				return
			}
		}
	}
}

// TestSpilledGroups is TestSpilledMerge for one side and for a cogroup of three.
func TestSpilledGroups(t *testing.T) {
	w := wireOf[string, string](t)
	shapes(t, 60, func(s *shape) {
		budget := block.NewBudget(s.budget)
		sides := [3][]Bucket[string, string]{s.parts, s.parts[:s.r.IntN(len(s.parts)+1)], {draw(s.r, 9, 500,
			nastyStrings()[:600])}}
		var outs [3][]*Output[string, string]
		for i, parts := range sides {
			outs[i] = rowsOutputs(t, s, budget, parts)
		}
		for p := range s.n {
			sp := bounded(t, s.disk, budget)
			g, plain := NewGroups[string](nil), NewGroups[string](nil)
			g.Within(sp, w.Keys)
			var got, want [3]*Side[string, string]
			for i := range sides {
				var picked []Bucket[string, string]
				for _, part := range sides[i] {
					picked = append(picked, pick(part, dealText(s.n), p))
				}
				var err, plainErr error
				got[i], err = AddSide(g, w, partsOf(outs[i], p))
				if want[i], plainErr = sideOf(plain, picked); err != nil || plainErr != nil {
					t.Fatal(err, plainErr)
				}
			}
			order := rowsOf(swapped(plain)).Keys
			i := 0
			for n, k := range g.Keys() {
				if i >= len(order) || k != order[i] {
					t.Fatalf("seed %d, budget %d: key %d is %q", s.seed, s.budget, i, k)
				}
				for j := range sides {
					if !slices.Equal(got[j].Of(n), want[j].Of(i)) {
						t.Fatalf("seed %d, budget %d: side %d, key %q: %v, want %v", s.seed, s.budget, j, k, got[j].Of(n),
							want[j].Of(i))
					}
				}
				i++
			}
			if i != len(order) {
				t.Fatalf("seed %d, budget %d: %d keys, want %d", s.seed, s.budget, i, len(order))
			}
			sp.Close()
		}
		allGiven(t, s, budget, slices.Concat(outs[0], outs[1], outs[2]))
	})
}

func swapped[K comparable](g *Groups[K]) func(func(K, int) bool) {
	return func(yield func(K, int) bool) {
		for n, k := range g.Keys() {
			if !yield(k, n) {
				return
			}
		}
	}
}

// TestSpilledSort: samples, bounds and rows of a sort are the same over any budget.
func TestSpilledSort(t *testing.T) {
	w := wireOf[string, string](t)
	shapes(t, 60, func(s *shape) {
		budget, order := block.NewBudget(s.budget), NaturalOrder[string](s.r.IntN(2) == 0)
		var outs, plain []*Sorted[string, string]
		for _, part := range s.parts {
			sp := bounded(t, s.disk, budget)
			sorter, err := NewSorter(order, Own[string, string]{}, sp, w)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range part.All() {
				sorter.Add(k, v)
			}
			out, err := sorter.Publish(s.n)
			if err != nil {
				t.Fatal(err)
			}
			sp.Close()
			want, err := sortedOf(part, order, s.n)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out.Samples(), want.Samples()) {
				t.Fatalf("seed %d, budget %d: other samples", s.seed, s.budget)
			}
			outs, plain = append(outs, out), append(plain, want)
		}
		var samples []Sampled[string]
		for _, out := range outs {
			samples = append(samples, out.Samples()...)
		}
		bounds := Bounds(samples, s.n, order)
		for p := range s.n {
			sp := bounded(t, s.disk, budget)
			var got, want []Cut[string, string]
			for i := range outs {
				got, want = append(got, outs[i].Cut(p, bounds)), append(want, plain[i].Cut(p, bounds))
			}
			sameRows(t, fmt.Sprintf("seed %d, budget %d, partition %d", s.seed, s.budget, p),
				rowsOf(MergeSorted(sp, w, order, got)), rowsOf(MergeSorted(nil, w, order, want)))
			sp.Close()
		}
		allGiven(t, s, budget, outs)
	})
}

// TestSorterEach sorts where there is no partition to be cut.
func TestSorterEach(t *testing.T) {
	w := wireOf[string, string](t)
	shapes(t, 20, func(s *shape) {
		sp := bounded(t, s.disk, block.NewBudget(s.budget))
		defer sp.Close()
		order := NaturalOrder[string](false)
		sorter, err := NewSorter(order, Own[string, string]{}, sp, w)
		if err != nil {
			t.Fatal(err)
		}
		all := concat(s.parts)
		for k, v := range all.All() {
			sorter.Add(k, v)
		}
		var got Bucket[string, string]
		if err := sorter.Each(func(k, v string) bool {
			got.Keys, got.Values = append(got.Keys, k), append(got.Values, v)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		want, err := Sort(all, order)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, fmt.Sprintf("seed %d", s.seed), got, want)
	})
}

// TestMergeOfManyRuns: more runs than are read at a time, of equal keys too.
func TestMergeOfManyRuns(t *testing.T) {
	w, order := wireOf[int, int](t), NaturalOrder[int](false)
	disk := block.NewDisk([]string{t.TempDir()})
	sp := bounded(t, disk, block.NewBudget(0))
	sorter, err := NewSorter(order, Own[int, int]{}, sp, w)
	if err != nil {
		t.Fatal(err)
	}
	var want Bucket[int, int]
	r := rand.New(rand.NewPCG(1, 5))
	for i := range 10_000 {
		k := r.IntN(300)
		sorter.Add(k, i)
		want.Keys, want.Values = append(want.Keys, k), append(want.Values, i)
	}
	if len(sorter.runs) < 4*mergeMost {
		t.Fatalf("%d runs are too few", len(sorter.runs))
	}
	want, _ = Sort(want, order)
	var got Bucket[int, int]
	if err := sorter.Each(func(k, v int) bool {
		got.Keys, got.Values = append(got.Keys, k), append(got.Values, v)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	sameRows(t, "many runs", got, want)
	sp.Close()
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}

// TestEvictedWhileRead: an output moves to disk while its parts are being read, and the readers do not notice.
func TestEvictedWhileRead(t *testing.T) {
	disk := block.NewDisk([]string{t.TempDir()})
	budget := block.NewBudget(64 << 20)
	w := wireOf[int, int](t)
	const n = 20_000
	rows, err := NewRows[int, int](1, nil, Own[int, int]{})
	if err != nil {
		t.Fatal(err)
	}
	sp := bounded(t, disk, budget)
	rows.Within(sp, w)
	sorter, err := NewSorter(NaturalOrder[int](false), Own[int, int]{}, sp, w)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		rows.Add(i, -i)
		sorter.Add(i, -i)
	}
	out, err := rows.Publish()
	if err != nil {
		t.Fatal(err)
	}
	sorted, err := sorter.Publish(1)
	if err != nil {
		t.Fatal(err)
	}
	part, seen := out.Bucket(0).(Part[int, int]), 0
	part.Read(sp, w, func(b Bucket[int, int]) bool {
		for i, k := range b.Keys {
			if k != seen || b.Values[i] != -seen {
				t.Fatalf("row %d is %d, %d", seen, k, b.Values[i])
			}
			seen++
		}
		if seen >= n/2 && disk.Written() == 0 && !budget.Grant(budget.Total(), nil) {
			t.Error("the outputs cannot be evicted")
		}
		return true
	})
	if disk.Written() == 0 || seen != n {
		t.Errorf("%d bytes written, %d rows read", disk.Written(), seen)
	}
	if i := 0; budget.Used() != budget.Total() {
		t.Errorf("used %d", budget.Used())
	} else {
		for k, v := range MergeSorted(sp, w, NaturalOrder[int](false), []Cut[int, int]{sorted.Cut(0, nil)}) {
			if k != i || v != -i {
				t.Fatalf("row %d is %d, %d", i, k, v)
			}
			i++
		}
	}
	sp.Close()
	out.Release()
	sorted.Release()
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}

// TestDroppedOutputs: what nobody refers to any more gives its memory and its file back.
func TestDroppedOutputs(t *testing.T) {
	dir := t.TempDir()
	disk, budget := block.NewDisk([]string{dir}), block.NewBudget(1<<20)
	w := wireOf[int, int](t)
	for range 2 { // The second one has the first one evicted.
		sp := bounded(t, disk, budget)
		rows, err := NewRows[int, int](1, nil, Own[int, int]{})
		if err != nil {
			t.Fatal(err)
		}
		rows.Within(sp, w)
		for i := range 20_000 {
			rows.Add(i, i)
		}
		if _, err := rows.Publish(); err != nil {
			t.Fatal(err)
		}
		sp.Close()
	}
	if disk.Written() == 0 || budget.Used() == 0 {
		t.Fatalf("%d bytes written, %d in memory", disk.Written(), budget.Used())
	}
	for range 1000 {
		runtime.GC()
		files, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
		if len(files) == 0 && budget.Used() == 0 {
			break
		}
		runtime.Gosched()
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) > 0 || budget.Used() > 0 {
		t.Errorf("files %v and %d bytes are left", files, budget.Used())
	}
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error(err)
	}
}
