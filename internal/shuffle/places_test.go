package shuffle

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// checkFold folds rows of keys in pieces of random lengths, and compares with the model.
func checkFold[K comparable](t *testing.T, name string, keys []K) {
	t.Run(name, func(t *testing.T) {
		for round := range uint64(20) {
			r := rand.New(rand.NewPCG(round, 3))
			b := Bucket[K, string]{Keys: shuffled(r, keys, 1+r.IntN(2*len(keys)))}
			for i := range b.Keys {
				b.Values = append(b.Values, strconv.Itoa(i))
			}
			table := NewTable[K, string](nil)
			for rest := b; rest.Len() > 0; {
				n := min(1+r.IntN(3*placesLen), rest.Len())
				Fold(table, Bucket[K, string]{rest.Keys[:n], rest.Values[:n]}, same, join)
				rest = Bucket[K, string]{rest.Keys[n:], rest.Values[n:]}
			}
			sameRows(t, "round "+strconv.FormatUint(round, 10), rowsOf(table.All()), reduceModel([]Bucket[K, string]{b}))
		}
	})
}

// TestFold looks keys up together: several of one key, in a table that grows meanwhile, of each kind of key.
func TestFold(t *testing.T) {
	checkFold(t, "strings", nastyStrings()[:600])
	checkFold(t, "numbers", keysBy(500, func(i int) int64 { return int64(i) * 7919 }))
	checkFold(t, "of four bytes", keysBy(500, func(i int) int32 { return int32(-i) }))
	checkFold(t, "of two bytes", keysBy(500, func(i int) uint16 { return uint16(i * 131) }))
	checkFold(t, "of a byte", keysBy(256, func(i int) int8 { return int8(i) }))
	checkFold(t, "floats", keysBy(500, func(i int) float64 { return float64(i) / 3 }))
	checkFold(t, "arrays", keysBy(500, func(i int) [3]uint32 { return [3]uint32{uint32(i), 1, uint32(i * i)} }))
	checkFold(t, "structs", keysBy(500, func(i int) texts { return texts{strconv.Itoa(i), i} }))
	checkFold(t, "one key", []string{""})
}

// TestFoldRefused: keys that a table cannot take are not folded into others, and the error stays.
func TestFoldRefused(t *testing.T) {
	sum := func(a, b int) int { return a + b }
	itself := func(v int) int { return v }
	rows := Bucket[string, int]{keysBy(100, strconv.Itoa), make([]int, 100)}
	for i := range rows.Values {
		rows.Values[i] = 1
	}
	full := NewTable[string, int](nil)
	full.max = 3
	Fold(full, rows, itself, sum)
	Fold(full, rows, itself, sum)
	if got := rowsOf(full.All()); !errors.Is(full.Err(), ErrTooLarge) || strings.Join(got.Keys, "") != "012" ||
		got.Values[0] != 2 || got.Values[2] != 2 {
		t.Errorf("error %v, rows %v", full.Err(), got)
	}
	nans := NewTable[float64, int](nil)
	Fold(nans, Bucket[float64, int]{keysBy(20, func(int) float64 { return math.NaN() }), make([]int, 20)}, itself, sum)
	if !errors.Is(nans.Err(), ErrNaN) || nans.Len() != 20 {
		t.Errorf("error %v, %d keys", nans.Err(), nans.Len())
	}
}

// BenchmarkFold folds rows in batches, as map tasks do.
func BenchmarkFold(b *testing.B) {
	benchFold(b, "words", keysBy(1<<18, func(i int) string { return "user-" + strconv.Itoa(i*7919%100_000) }))
	benchFold(b, "numbers", keysBy(1<<18, func(i int) int64 { return int64(i * 7919 % 100_000) }))
}

func benchFold[K comparable](b *testing.B, name string, keys []K) {
	values := make([]int64, len(keys))
	sum := func(a, b int64) int64 { return a + b }
	itself := func(v int64) int64 { return v }
	table := NewTable[K, int64](nil)
	b.Run(name, func(b *testing.B) {
		for b.Loop() {
			for at := 0; at < len(keys); at += 512 {
				Fold(table, Bucket[K, int64]{keys[at : at+512], values[at : at+512]}, itself, sum)
			}
		}
		perRow(b, len(keys))
	})
}
