package shuffle

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The model is what all tables are compared with: slices, searched from the front, with == and nothing else.
type model[K comparable, V any] struct {
	keys   []K
	values []V
}

func (m *model[K, V]) fold(k K, create func() V, merge func(V) V) {
	if i := slices.Index(m.keys, k); i >= 0 {
		m.values[i] = merge(m.values[i])
		return
	}
	m.keys = append(m.keys, k)
	m.values = append(m.values, create())
}

// reduce is the model of a reduction by a function that shows order and association.
func reduceModel[K comparable](in []Bucket[K, string]) Bucket[K, string] {
	var m model[K, string]
	for _, b := range in {
		for i, k := range b.Keys {
			v := b.Values[i]
			m.fold(k, func() string { return v }, func(old string) string { return join(old, v) })
		}
	}
	return Bucket[K, string]{Keys: m.keys, Values: m.values}
}

// join neither commutes nor associates, so any other order or bracketing of a fold is seen in its result.
func join(a, b string) string { return "(" + a + " " + b + ")" }

func same(s string) string { return s }

// fixed is a seed of our own choice: tests that must not depend on the process's randomness use it.
func fixed(n uint64) seed {
	r := rand.New(rand.NewPCG(n, 7))
	s := newSeed()
	s.a, s.b = r.Uint64(), r.Uint64()|1
	return s
}

func sameRows[K comparable, V comparable](t *testing.T, what string, got, want Bucket[K, V]) {
	t.Helper()
	if !slices.Equal(got.Keys, want.Keys) {
		t.Fatalf("%s: keys\n got %v\nwant %v", what, clip(got.Keys), clip(want.Keys))
	}
	if !slices.Equal(got.Values, want.Values) {
		t.Fatalf("%s: values\n got %v\nwant %v", what, clip(got.Values), clip(want.Values))
	}
}

func clip[T any](s []T) string {
	text := fmt.Sprintf("%v", s)
	return text[:min(len(text), 400)]
}

// rowsOf copies what a sequence yields.
func rowsOf[K, V any](seq func(func(K, V) bool)) Bucket[K, V] {
	var b Bucket[K, V]
	for k, v := range seq {
		b.Keys = append(b.Keys, k)
		b.Values = append(b.Values, v)
	}
	return b
}

// nastyStrings are keys that share much: first and last bytes, lengths, zeros at the end, invalid UTF-8.
func nastyStrings() []string {
	var out []string
	for n := range 41 {
		out = append(out, strings.Repeat("\x00", n), strings.Repeat("a", n), strings.Repeat("\xff", n))
		for i := range n {
			b := []byte(strings.Repeat("a", n))
			b[i] = 'b'
			out = append(out, string(b))
			b[i] = 0
			out = append(out, string(b))
		}
	}
	for _, n := range []int{1000, loneMin - 1, loneMin, loneMin + 1, stride - 1, stride, stride + 1, 3 * stride} {
		out = append(out, strings.Repeat("x", n), strings.Repeat("x", n-1)+"y")
	}
	return out
}

// shuffled returns n draws from keys, a few of them often and each at least once if n allows it.
func shuffled[K any](r *rand.Rand, keys []K, n int) []K {
	out := make([]K, 0, n)
	for i := range n {
		switch {
		case i < len(keys):
			out = append(out, keys[i])
		case r.IntN(2) == 0:
			out = append(out, keys[r.IntN(1+len(keys)/8)])
		default:
			out = append(out, keys[r.IntN(len(keys))])
		}
	}
	r.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
