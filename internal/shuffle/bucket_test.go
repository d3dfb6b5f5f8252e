package shuffle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// draw makes the rows of a map partition: keys of a small set, values that name partition and row.
func draw(r *rand.Rand, part, rows int, keys []string) Bucket[string, string] {
	var b Bucket[string, string]
	for i := range rows {
		b.Keys = append(b.Keys, keys[r.IntN(len(keys))])
		b.Values = append(b.Values, fmt.Sprintf("%d.%d", part, i))
	}
	return b
}

// dealText is a dealing function as stable as one could wish.
func dealText(n int) func(string) int {
	return func(k string) int {
		sum := len(k)
		for i := range len(k) {
			sum = sum*31 + int(k[i])
		}
		return (sum%n + n) % n
	}
}

// pick returns the rows of b that go to partition p.
func pick(b Bucket[string, string], deal func(string) int, p int) Bucket[string, string] {
	var out Bucket[string, string]
	for k, v := range b.All() {
		if deal(k) == p {
			out.Keys = append(out.Keys, k)
			out.Values = append(out.Values, v)
		}
	}
	return out
}

var partitionCounts = []int{1, 2, 3, 7, 200}

// TestCombine compares the buckets of random map partitions with the model, for several hash seeds, one
// writer after another from the same memory.
func TestCombine(t *testing.T) {
	keys := nastyStrings()[:400]
	for _, n := range partitionCounts {
		deal, asked := dealText(n), map[string]int{}
		counted := func(k string) int { asked[k]++; return deal(k) }
		c, err := NewCombine(n, counted, same, join, Own[string, string]{})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(n), 3))
		for s, rows := range []int{0, 1, 50, 3000, 10, 0, 2000} {
			c.table.seed = fixed(uint64(s))
			in := draw(r, s, rows, keys)
			for k, v := range in.All() {
				c.Add(k, v)
			}
			distinct := c.Len()
			clear(asked)
			got, err := c.Finish()
			if err != nil || len(got) != n {
				t.Fatalf("%d buckets of %d, error %v", len(got), n, err)
			}
			for k, times := range asked {
				if times != 1 {
					t.Fatalf("key %q was dealt %d times", k, times)
				}
			}
			if n > 1 && len(asked) != distinct {
				t.Fatalf("%d keys were dealt, want %d", len(asked), distinct)
			}
			for p := range n {
				want := reduceModel([]Bucket[string, string]{pick(in, deal, p)})
				sameRows(t, fmt.Sprintf("%d rows, bucket %d of %d", rows, p, n), got[p], want)
			}
		}
	}
}

// TestRows is TestCombine without a combine.
func TestRows(t *testing.T) {
	keys := nastyStrings()[:400]
	for _, n := range partitionCounts {
		deal := dealText(n)
		w, err := NewRows(n, deal, Own[string, string]{})
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(n), 4))
		for s, rows := range []int{0, 1, 50, 3000, 10, 0, 2000} {
			in := draw(r, s, rows, keys)
			for k, v := range in.All() {
				w.Add(k, v)
			}
			if w.Len() != rows {
				t.Fatalf("Len is %d after %d rows", w.Len(), rows)
			}
			got, err := w.Finish()
			if err != nil || len(got) != n {
				t.Fatalf("%d buckets of %d, error %v", len(got), n, err)
			}
			for p := range n {
				sameRows(t, fmt.Sprintf("%d rows, bucket %d of %d", rows, p, n), got[p], pick(in, deal, p))
			}
		}
	}
}

// TestRowsAddTo deals by turns, as repartition does, with keys of an empty type.
func TestRowsAddTo(t *testing.T) {
	w, err := NewRows[struct{}, int](3, nil, Own[struct{}, int]{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5000 {
		w.AddTo((i+1)%3, struct{}{}, i)
	}
	got, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	for p, b := range got {
		for i, v := range b.Values {
			if want := 3*i + (p+2)%3; v != want {
				t.Fatalf("bucket %d, row %d: %d, want %d", p, i, v, want)
			}
		}
	}
	if n := got[0].Len() + got[1].Len() + got[2].Len(); n != 5000 || got[1].Bytes() != int64(got[1].Len())*8 {
		t.Errorf("%d rows; bucket 1 takes %d bytes for %d rows", n, got[1].Bytes(), got[1].Len())
	}
}

// TestBucketsAreOurs overwrites the input's memory after each row, and appends to each bucket.
func TestBucketsAreOurs(t *testing.T) {
	const n = 3
	r := rand.New(rand.NewPCG(5, 5))
	in := draw(r, 0, 2000, nastyStrings()[:100])
	deal := dealText(n)
	rows, err := NewRows(n, deal, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	last := func(_, v string) string { return v }
	comb, err := NewCombine(n, deal, same, last, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	var values [][]byte // combined values may hold their input's memory until Finish
	for k, v := range in.All() {
		kb, vb, held := []byte(k), []byte(v), []byte(v)
		rows.Add(alias(kb), alias(vb))
		comb.Add(alias(kb), alias(held))
		values = append(values, held)
		scribble(kb, vb)
	}
	gotRows, err := rows.Finish()
	if err != nil {
		t.Fatal(err)
	}
	gotComb, err := comb.Finish()
	if err != nil {
		t.Fatal(err)
	}
	scribble(values...)
	for i := range 3000 { // the writers go on with what memory they kept
		rows.Add(strconv.Itoa(i), "x")
		comb.Add(strconv.Itoa(i), "x")
	}
	for p := range n {
		_ = append(gotRows[p].Keys, "overrun")
		_ = append(gotComb[p].Values, "overrun")
	}
	for p := range n {
		part := pick(in, deal, p)
		sameRows(t, "rows", gotRows[p], part)
		var m model[string, string]
		for k, v := range part.All() {
			m.fold(k, func() string { return v }, func(string) string { return v })
		}
		sameRows(t, "combine", gotComb[p], Bucket[string, string]{Keys: m.keys, Values: m.values})
	}
}

func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func scribble(bufs ...[]byte) {
	for _, b := range bufs {
		for i := range b {
			b[i] = '!'
		}
	}
}

// TestOwnFunctions counts the calls of clone functions: once a row, or once a distinct key.
func TestOwnFunctions(t *testing.T) {
	var keys, values int
	own := Own[texts, []int]{
		Key:   func(k texts) texts { keys++; k.host = strings.Clone(k.host); return k },
		Value: func(v []int) []int { values++; return slices.Clone(v) },
	}
	rows, err := NewRows(1, nil, own)
	if err != nil {
		t.Fatal(err)
	}
	comb, err := NewCombine(1, nil, slices.Clone[[]int], func(a, b []int) []int { return append(a, b...) }, own)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		rows.Add(texts{"h", i % 10}, []int{i})
	}
	if keys != 100 || values != 100 {
		t.Errorf("rows: %d clones of keys and %d of values, want 100", keys, values)
	}
	keys, values = 0, 0
	for i := range 100 {
		comb.Add(texts{"h", i % 10}, []int{i})
	}
	if _, err := comb.Finish(); err != nil || keys != 10 || values != 10 {
		t.Errorf("combine: %d clones of keys and %d of values, want 10; error %v", keys, values, err)
	}
}

// TestCombineAddKnown freezes the set of keys half way.
func TestCombineAddKnown(t *testing.T) {
	c, err := NewCombine(1, nil, same, join, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	c.Add("a", "1")
	c.Add("b", "2")
	for _, row := range []struct {
		k, v string
		want bool
	}{{"a", "3", true}, {"c", "4", false}, {"b", "5", true}, {"c", "6", false}, {"a", "7", true}} {
		if got := c.AddKnown(row.k, row.v); got != row.want {
			t.Errorf("AddKnown(%q) is %v", row.k, got)
		}
	}
	got, err := c.Finish()
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, "frozen", got[0], Bucket[string, string]{
		Keys: []string{"a", "b"}, Values: []string{"((1 3) 7)", "(2 5)"},
	})
}

// TestErrors: what a writer was given in error shows when it finishes, and is gone for the next task.
func TestErrors(t *testing.T) {
	one := func(v int) int { return v }
	sum := func(a, b int) int { return a + b }
	wild := func(k float64) int { return int(k) }
	comb := func(n int, deal func(float64) int) func(k float64) (func() error, func() error) {
		c, err := NewCombine(n, deal, one, sum, Own[float64, int]{})
		return func(k float64) (func() error, func() error) {
			if err == nil {
				c.Add(k, 1)
			}
			return func() error { return first(err, c, (*Combine[float64, int, int]).Err) },
				func() error { return first(err, c, finishCombine) }
		}
	}
	rows := func(n int, deal func(float64) int) func(k float64) (func() error, func() error) {
		c, err := NewRows(n, deal, Own[float64, int]{})
		return func(k float64) (func() error, func() error) {
			if err == nil {
				c.Add(k, 1)
			}
			return func() error { return first(err, c, (*Rows[float64, int]).Err) },
				func() error { return first(err, c, finishRows) }
		}
	}
	nan := func() float64 { var z float64; return z / z }()
	table := []struct {
		name string
		add  func(k float64) (func() error, func() error)
		key  float64
		want string
	}{
		{"no partitions", comb(0, wild), 1, "a shuffle into 0 partitions: must be 1 to 2147483647"},
		{"negative", rows(-1, wild), 1, "a shuffle into -1 partitions: must be 1 to 2147483647"},
		{"no dealer", comb(2, nil), 1, "a shuffle into 2 partitions without a function that deals keys to them"},
		{"no dealer for rows", rows(2, nil), 1,
			"rows for 2 partitions were added by key without a function that deals keys"},
		{"too high", comb(4, wild), 4, "the partitioner put key 4 into partition 4: must be 0 to 3"},
		{"too low", rows(4, wild), -1, "the partitioner put key -1 into partition -1: must be 0 to 3"},
		{"NaN", comb(4, wild), nan, "map-side combine of 1 keys: " + ErrNaN.Error()},
	}
	for _, row := range table {
		_, finish := row.add(row.key)
		if err := finish(); err == nil || err.Error() != row.want {
			t.Errorf("%s: error %v\nwant %s", row.name, err, row.want)
		}
		if !strings.Contains(row.want, "a shuffle into") {
			early, finish := row.add(0)
			if err := early(); err != nil && !strings.Contains(row.want, "rows for") {
				t.Errorf("%s: the next task begins with %v", row.name, err)
			}
			if err := finish(); err != nil && !strings.Contains(row.want, "rows for") {
				t.Errorf("%s: the next task fails with %v", row.name, err)
			}
		}
	}
}

func first[W any](err error, w W, f func(W) error) error {
	if err != nil {
		return err
	}
	return f(w)
}

func finishCombine(c *Combine[float64, int, int]) error { _, err := c.Finish(); return err }

func finishRows(r *Rows[float64, int]) error { _, err := r.Finish(); return err }

// TestWriterAllocs: known keys cost nothing, rows next to nothing.
func TestWriterAllocs(t *testing.T) {
	keys := keysBy(1000, func(i int) string { return "key-" + strconv.Itoa(i) })
	c, err := NewCombine(4, dealText(4), func(v int) int { return v }, func(a, b int) int { return a + b },
		Own[string, int]{})
	if err != nil {
		t.Fatal(err)
	}
	add := func() {
		for _, k := range keys {
			c.Add(k, 1)
		}
	}
	add()
	if n := testing.AllocsPerRun(5, add); n != 0 {
		t.Errorf("%v allocations to add %d rows of known keys", n, len(keys))
	}
	w, err := NewRows(4, dealText(4), Own[string, int]{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(5, func() {
		for _, k := range keys {
			w.Add(k, 1)
		}
		if _, err := w.Finish(); err != nil {
			t.Error(err)
		}
	}); n > 25 {
		t.Errorf("%v allocations for a batch of %d rows", n, len(keys))
	}
}

// TestWriterBytes: what a writer says it holds covers its rows and their strings, and not much more.
func TestWriterBytes(t *testing.T) {
	const rows = 50_000
	c, err := NewCombine(1, nil, same, join, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewRows[string, string](1, nil, Own[string, string]{})
	if err != nil {
		t.Fatal(err)
	}
	text := int64(0)
	for i := range rows {
		k := "key-" + strconv.Itoa(i)
		text += int64(len(k))
		c.Add(k, "v")
		w.Add(k, "v")
	}
	if low, b := text+rows*(16+8+24), c.Bytes(); b < low || b > 2*low {
		t.Errorf("the combine holds %d bytes, want %d or up to twice that", b, low)
	}
	if low, b := text+rows*(16+16+1), w.Bytes(); b < low || b > 2*low {
		t.Errorf("the rows hold %d bytes, want %d or up to twice that", b, low)
	}
}
