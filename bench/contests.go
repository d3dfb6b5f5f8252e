package main

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/weirstream/weir/rdd"
)

// The four closures of the chain; variables, so that no compiler sees through them in either way.
var (
	plusOne   = func(v int64) int64 { return v + 1 }
	noThird   = func(v int64) bool { return v%3 != 0 }
	double    = func(v int64) int64 { return 2 * v }
	flipped   = func(v int64) int64 { return v ^ 5 }
	sumInt64s = func(a, b int64) int64 { return a + b }
)

func chain(c *coreBench) contest {
	n := c.n(50_000_000)
	return contest{name: "chain of four narrow operators", records: n, cores: 1, bar: "0.7, no allocation a record",
		ways: []way{{"a loop that calls the closures", func(context.Context, *rdd.Context) (int64, error) {
			var sum int64
			for v := range int64(n) {
				if w := plusOne(v); noThird(w) {
					sum = sumInt64s(sum, flipped(double(w)))
				}
			}
			return sum, nil
		}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
			r := rdd.Filter(rdd.Map(rdd.Range(sc, 0, int64(n), 1), plusOne), noThird)
			return rdd.Fold(ctx, rdd.Map(rdd.Map(r, double), flipped), 0, sumInt64s)
		}}}}
}

const wordsALine, vocabulary = 25, 174_000

// textLines makes lines of words whose frequencies fall as those of a language do, over a vocabulary that all occurs.
func textLines(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.05, 10, vocabulary-1)
	words := make([]string, vocabulary)
	for i := range words {
		words[i] = fmt.Sprintf("%s%d", "abcdefghij"[i%10:i%10+1+i%3%(10-i%10)], i)
	}
	lines := make([]string, n)
	for i := range lines {
		var b strings.Builder
		for j := range wordsALine {
			w := words[zipf.Uint64()]
			if j == 0 {
				w = words[i%vocabulary]
			}
			b.WriteString(w)
			if j < wordsALine-1 {
				b.WriteByte(' ')
			}
		}
		lines[i] = b.String()
	}
	return lines
}

func wordCount(cores int) func(*coreBench) contest {
	return func(c *coreBench) contest {
		var lines []string
		n := c.n(1_000_000)
		return contest{name: fmt.Sprintf("word count on %d core(s)", cores), records: n, cores: cores,
			bar: "1 on one core; 1.8 times that on two", load: func() { lines = textLines(n) },
			ways: []way{{"a loop with one look-up a word", func(context.Context, *rdd.Context) (int64, error) {
				counts := map[string]*int64{}
				for _, line := range lines {
					for w := range strings.SplitSeq(line, " ") {
						if n := counts[w]; n != nil {
							*n++
						} else {
							one := int64(1)
							counts[strings.Clone(w)] = &one
						}
					}
				}
				return int64(len(counts)), nil
			}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
				words := rdd.FlatMap(rdd.Parallelize(sc, lines, cores), splitBySpace)
				ones := rdd.Map(words, func(w string) rdd.Pair[string, int64] { return rdd.KV(w, int64(1)) })
				return rdd.Count(ctx, rdd.ReduceByKey(ones, sumInt64s, rdd.Partitions(cores)))
			}}}}
	}
}

func splitBySpace(line string) iter.Seq[string] { return strings.SplitSeq(line, " ") }

// pairsOf makes n pairs over keys that are drawn at random.
func pairsOf(n, keys int) []rdd.Pair[int64, int64] {
	r := rand.New(rand.NewPCG(3, 4))
	out := make([]rdd.Pair[int64, int64], n)
	for i := range out {
		out[i] = rdd.KV(int64(r.IntN(keys))*7919, int64(i))
	}
	return out
}

// numbers draws n numbers.
func numbers(n int, draw func() int64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = draw()
	}
	return out
}

func reduceByKey(keys, cores int) func(*coreBench) contest {
	return func(c *coreBench) contest {
		var data []rdd.Pair[int64, int64]
		n := c.n(10_000_000)
		return contest{name: fmt.Sprintf("reduceByKey of %d keys on %d core(s)", keys, cores), records: n,
			cores: cores, bar: "0.77 (1.3 times as long)", load: func() { data = pairsOf(n, keys) },
			ways: []way{{"a two-phase loop over Go maps", func(context.Context, *rdd.Context) (int64, error) {
				return twoPhases(data, cores), nil
			}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
				r := rdd.Parallelize(sc, data, 2)
				return rdd.Count(ctx, rdd.ReduceByKey(r, sumInt64s, rdd.Partitions(2)))
			}}}}
	}
}

// spill reduces by four million keys, which take some 130 MB as rows of tables and outputs, within 16 MB.
func spill(c *coreBench) contest {
	w := reduceByKey(4_000_000, 1)(c)
	w.name, w.bar, w.budget = "spill: "+w.name+" within 16 MB", "none", "16m"
	return w
}

// twoPhases is what a shuffle does, by hand: two map sides, each with a map for each of two reduce sides.
func twoPhases(data []rdd.Pair[int64, int64], cores int) int64 {
	const sides = 2
	var maps [sides][sides]map[int64]int64
	both := func(f func(int)) {
		if cores == 1 {
			f(0)
			f(1)
			return
		}
		var wg sync.WaitGroup
		wg.Go(func() { f(0) })
		wg.Go(func() { f(1) })
		wg.Wait()
	}
	both(func(m int) {
		maps[m] = [sides]map[int64]int64{{}, {}}
		for _, kv := range data[m*len(data)/sides : (m+1)*len(data)/sides] {
			maps[m][uint64(kv.Key)*0x9E3779B97F4A7C15>>63][kv.Key] += kv.Value
		}
	})
	var counts [sides]int64
	both(func(p int) {
		out := maps[0][p]
		for k, v := range maps[1][p] {
			out[k] += v
		}
		counts[p] = int64(len(out))
	})
	return counts[0] + counts[1]
}

func groupByKey(c *coreBench) contest {
	var data []rdd.Pair[int64, int64]
	n := c.n(5_000_000)
	return contest{name: "groupByKey of 100000 keys", records: n, cores: 1, bar: "none",
		load: func() { data = pairsOf(n, 100_000) },
		ways: []way{{"a loop over a Go map", func(context.Context, *rdd.Context) (int64, error) {
			groups := map[int64][]int64{}
			for _, kv := range data {
				groups[kv.Key] = append(groups[kv.Key], kv.Value)
			}
			return int64(len(groups)), nil
		}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
			return rdd.Count(ctx, rdd.GroupByKey(rdd.Parallelize(sc, data, 2), rdd.Partitions(2)))
		}}}}
}

func join(c *coreBench) contest {
	var left, right []rdd.Pair[int64, int64]
	return contest{name: "join of 1000000 keys", records: c.n(2_000_000) + c.n(1_000_000), cores: 1, bar: "none",
		load: func() {
			left, right = pairsOf(c.n(2_000_000), 1_000_000), pairsOf(c.n(1_000_000), 1_000_000)
		},
		ways: []way{{"a loop over a Go map", func(context.Context, *rdd.Context) (n int64, _ error) {
			side := map[int64][]int64{}
			for _, kv := range right {
				side[kv.Key] = append(side[kv.Key], kv.Value)
			}
			for _, kv := range left {
				n += int64(len(side[kv.Key]))
			}
			return n, nil
		}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
			l, r := rdd.Parallelize(sc, left, 2), rdd.Parallelize(sc, right, 2)
			return rdd.Count(ctx, rdd.Join(l, r, rdd.Partitions(2)))
		}}}}
}

func sortBy(c *coreBench) contest {
	var data []int64
	n := c.n(5_000_000)
	least := func(vs []int64) int64 { return vs[0]>>1 + vs[len(vs)/2]>>1 }
	return contest{name: "sortBy of random numbers", records: n, cores: 1, bar: "0.67 (1.5 times as long)",
		load: func() { data = numbers(n, rand.New(rand.NewPCG(5, 6)).Int64) },
		ways: []way{{"slices.Sort", func(context.Context, *rdd.Context) (int64, error) {
			vs := slices.Clone(data)
			slices.Sort(vs)
			return least(vs), nil
		}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
			vs, err := rdd.Collect(ctx, rdd.SortBy(rdd.Parallelize(sc, data, 2), func(v int64) int64 { return v }))
			if err != nil {
				return 0, err
			}
			return least(vs), nil
		}}}}
}

func distinct(c *coreBench) contest {
	var data []int64
	n, r := c.n(5_000_000), rand.New(rand.NewPCG(7, 8))
	return contest{name: "distinct of 500000", records: n, cores: 1, bar: "none",
		load: func() { data = numbers(n, func() int64 { return int64(r.IntN(500_000)) }) },
		ways: []way{{"a loop over a Go map", func(context.Context, *rdd.Context) (int64, error) {
			seen := map[int64]struct{}{}
			for _, v := range data {
				seen[v] = struct{}{}
			}
			return int64(len(seen)), nil
		}}, {"weir", func(ctx context.Context, sc *rdd.Context) (int64, error) {
			return rdd.Count(ctx, rdd.Distinct(rdd.Parallelize(sc, data, 2), rdd.Partitions(2)))
		}}}}
}
