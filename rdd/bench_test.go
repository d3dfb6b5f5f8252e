package rdd_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// BenchmarkReduceByKey reduces a million pairs in two partitions, from memory.
func BenchmarkReduceByKey(b *testing.B) {
	for _, keys := range []int{100, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			const rows = 1 << 20
			r := rand.New(rand.NewPCG(1, 1))
			pairs := make([]rdd.Pair[int, int], rows)
			for i := range pairs {
				pairs[i] = rdd.KV(r.IntN(keys), i)
			}
			sc := newContext(b)
			in := rdd.Parallelize(sc, pairs, 2)
			b.ReportAllocs()
			for b.Loop() {
				countElements(b, rdd.ReduceByKey(in, add))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}

// BenchmarkWordCount counts the words of 40,000 lines of 25 words, 174,000 of them distinct at most, from memory.
func BenchmarkWordCount(b *testing.B) {
	const lines, width = 40_000, 25
	r := rand.New(rand.NewPCG(1, 1))
	zipf := rand.NewZipf(r, 1.07, 2.7, 173_999)
	text := make([]string, lines)
	for i := range text {
		words := make([]string, width)
		for j := range words {
			words[j] = fmt.Sprintf("w%x", zipf.Uint64()*2654435761)
		}
		text[i] = strings.Join(words, " ")
	}
	sc := newContext(b)
	split := func(line string) iter.Seq[string] { return strings.SplitSeq(line, " ") }
	in := rdd.FlatMap(rdd.Parallelize(sc, text, 2), split)
	ones := rdd.MapToPair(in, func(w string) (string, int) { return w, 1 })
	b.ReportAllocs()
	for b.Loop() {
		countElements(b, rdd.ReduceByKey(ones, add))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(lines*width), "ns/word")
}

// BenchmarkShuffles are the others, of 300,000 pairs of 100,000 keys in two partitions.
func BenchmarkShuffles(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	pairs := make([]rdd.Pair[string, int], 300_000)
	for i := range pairs {
		pairs[i] = rdd.KV(fmt.Sprint("user-", r.IntN(100_000)), i)
	}
	sc := newContext(b)
	in := rdd.Parallelize(sc, pairs, 2)
	for _, bench := range []struct {
		name string
		run  func()
	}{
		{"groupByKey", func() { countElements(b, rdd.GroupByKey(in)) }},
		{"join", func() { countElements(b, rdd.Join(in, in)) }},
		{"sortByKey", func() { countElements(b, rdd.SortByKey(in)) }},
		{"repartition", func() { countElements(b, rdd.Repartition(in, 4)) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.run()
			}
		})
	}
}

// BenchmarkSpill reduces a million pairs of as many keys with a budget that holds them, and with an eighth of that.
func BenchmarkSpill(b *testing.B) {
	const rows = 1 << 20
	pairs := make([]rdd.Pair[int, int], rows)
	for i := range pairs {
		pairs[i] = rdd.KV(i*7919%rows, i)
	}
	for _, budget := range []string{"256m", "12m"} {
		b.Run("budget="+budget, func(b *testing.B) {
			sc := newContext(b, "weir.memory.budget", budget, "weir.receiver.memory", "1m", "weir.kafka.fetchBytes", "1m",
				"spark.local.dir", b.TempDir())
			in := rdd.Parallelize(sc, pairs, 2)
			for b.Loop() {
				countElements(b, rdd.ReduceByKey(in, add))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
			b.ReportMetric(float64(sc.Memory().Peak())/(1<<20), "peak-MiB")
		})
	}
}

func countElements[T any](b *testing.B, r *rdd.RDD[T]) {
	if _, err := rdd.Count(context.Background(), r); err != nil {
		b.Fatal(err)
	}
}
