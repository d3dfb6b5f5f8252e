package shuffle

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// vocabulary makes n distinct words: frequent ones, which come first, are short.
func vocabulary(r *rand.Rand, n int) []string {
	seen := make(map[string]bool, n)
	words := make([]string, 0, n)
	for len(words) < n {
		size := 5 + r.IntN(9)
		switch i := len(words); {
		case i < 200:
			size = 2 + r.IntN(4)
		case i < 5000:
			size = 3 + r.IntN(6)
		}
		b := make([]byte, size)
		for j := range b {
			b[j] = byte('a' + r.IntN(26))
		}
		if !seen[string(b)] {
			seen[string(b)] = true
			words = append(words, string(b))
		}
	}
	return words
}

const (
	distinctWords = 174_000
	lineWords     = 25
)

// textLines makes lines of 25 words that lie behind each other in memory, as fetched records do.
func textLines(lines int, zipf bool) []string {
	r := rand.New(rand.NewPCG(1, 1))
	words := vocabulary(r, distinctWords)
	z := rand.NewZipf(r, 1.07, 2.7, distinctWords-1)
	var text strings.Builder
	for i := range lines * lineWords {
		k := r.IntN(distinctWords)
		if zipf {
			k = int(z.Uint64())
		}
		text.WriteString(words[k])
		if i%lineWords < lineWords-1 {
			text.WriteByte(' ')
		} else {
			text.WriteByte('\n')
		}
	}
	return strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
}

// BenchmarkWordCount counts the words of 60,000 lines, from nothing, in three ways. Run it on one core.
func BenchmarkWordCount(b *testing.B) {
	ways := []struct {
		name  string
		count func(lines []string) int
	}{
		{"map-two-lookups", func(lines []string) int {
			m := map[string]int{}
			for _, line := range lines {
				for w := range strings.FieldsSeq(line) {
					if n, ok := m[w]; ok {
						m[w] = n + 1
					} else {
						m[w] = 1
					}
				}
			}
			return len(m)
		}},
		{"map-one-lookup", func(lines []string) int {
			m := map[string]*int{}
			for _, line := range lines {
				for w := range strings.FieldsSeq(line) {
					if p := m[w]; p != nil {
						*p++
					} else {
						p = new(int)
						*p = 1
						m[strings.Clone(w)] = p
					}
				}
			}
			return len(m)
		}},
		{"table", func(lines []string) int {
			t := NewTable[string, int](nil)
			for _, line := range lines {
				for w := range strings.FieldsSeq(line) {
					if p, fresh := t.Slot(w); fresh {
						*p = 1
					} else {
						*p++
					}
				}
			}
			return t.Len()
		}},
		{"combine", func(lines []string) int {
			c, err := NewCombine(8, dealText(8), func(n int) int { return n },
				func(x, y int) int { return x + y }, Own[string, int]{})
			if err != nil {
				b.Fatal(err)
			}
			for _, line := range lines {
				for w := range strings.FieldsSeq(line) {
					c.Add(w, 1)
				}
			}
			out, err := c.Finish()
			if err != nil {
				b.Fatal(err)
			}
			return len(out)
		}},
	}
	for _, zipf := range []bool{true, false} {
		lines := textLines(60_000, zipf)
		for _, way := range ways {
			b.Run(fmt.Sprintf("zipf=%v/%s", zipf, way.name), func(b *testing.B) {
				for b.Loop() {
					way.count(lines)
				}
				b.ReportMetric(float64(len(lines)*b.N)/b.Elapsed().Seconds()/1e6, "Mlines/s")
				perRow(b, len(lines)*lineWords)
			})
		}
	}
}

// perRow reports the time of one of the rows that a round of the benchmark handles.
func perRow(b *testing.B, rows int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
}

// BenchmarkSlot looks up keys of a full table at random. Ten million keys take a while to set up and are left
// out with -short.
func BenchmarkSlot(b *testing.B) {
	for _, n := range []int{100, 100_000, 10_000_000} {
		if n > 1_000_000 && testing.Short() {
			continue
		}
		b.Run(fmt.Sprintf("string/keys=%d", n), func(b *testing.B) {
			benchSlot(b, n, func(i int) string { return "user-" + strconv.Itoa(i) })
		})
		b.Run(fmt.Sprintf("int/keys=%d", n), func(b *testing.B) { benchSlot(b, n, func(i int) int { return i * 7 }) })
	}
	b.Run("texts/keys=100000", func(b *testing.B) {
		benchSlot(b, 100_000, func(i int) texts { return texts{strconv.Itoa(i), i} })
	})
	b.Run("float64/keys=100000", func(b *testing.B) {
		benchSlot(b, 100_000, func(i int) float64 { return float64(i) })
	})
}

func benchSlot[K comparable](b *testing.B, n int, of func(i int) K) {
	r := rand.New(rand.NewPCG(1, 1))
	t, m := NewTable[K, int](nil), make(map[K]*int, n)
	for i := range n {
		k := of(i)
		t.Slot(k)
		m[k] = new(int)
	}
	rows := keysBy(1<<20, func(int) K { return of(r.IntN(n)) })
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			for _, k := range rows {
				p, _ := t.Slot(k)
				*p++
			}
		}
		perRow(b, len(rows))
	})
	b.Run("map-one-lookup", func(b *testing.B) {
		for b.Loop() {
			for _, k := range rows {
				*m[k]++
			}
		}
		perRow(b, len(rows))
	})
}

// BenchmarkReduceSide has eight map partitions with 20,000 of 100,000 keys each, for one reduce partition.
func BenchmarkReduceSide(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var in []Bucket[string, int]
	total := 0
	for range 8 {
		c, err := NewCombine(1, nil, func(n int) int { return n }, func(x, y int) int { return x + y },
			Own[string, int]{})
		if err != nil {
			b.Fatal(err)
		}
		for range 22_300 {
			c.Add("user-"+strconv.Itoa(r.IntN(100_000)), 1)
		}
		out, err := c.Finish()
		if err != nil {
			b.Fatal(err)
		}
		in = append(in, out[0])
		total += out[0].Len()
	}
	b.Run("merge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := mergeOf(in, func(x, y int) int { return x + y }, Own[string, int]{})
			if err != nil {
				b.Fatal(err)
			}
			for range rows {
			}
		}
		perRow(b, total)
	})
	b.Run("group", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			rows, err := groupOf(in, nil)
			if err != nil {
				b.Fatal(err)
			}
			for range rows {
			}
		}
		perRow(b, total)
	})
	b.Run("map-of-slices", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := map[string][]int{}
			for _, bucket := range in {
				for i, k := range bucket.Keys {
					m[k] = append(m[k], bucket.Values[i])
				}
			}
		}
		perRow(b, total)
	})
}

// BenchmarkRows deals 200,000 rows into buckets.
func BenchmarkRows(b *testing.B) {
	lines := textLines(8_000, true)
	for _, n := range []int{1, 8, 200} {
		b.Run(fmt.Sprintf("buckets=%d", n), func(b *testing.B) {
			w, err := NewRows(n, dealText(n), Own[string, int]{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, line := range lines {
					for k := range strings.FieldsSeq(line) {
						w.Add(k, 1)
					}
				}
				if _, err := w.Finish(); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b, len(lines)*lineWords)
		})
	}
}
