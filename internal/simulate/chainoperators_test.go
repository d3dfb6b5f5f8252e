package simulate

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/weirstream/weir/rdd"
)

// table is short for an RDD.
type table[T any] = rdd.RDD[T]

// from and both are one and two for operators of package rdd, which need no execution.
func from[T, U any](name string, live func(s *Step, r *table[T]) *table[U], definition func(s *Step, in []T) []U,
) *operator {
	o := one(name, func(*execution, *Step, *stream[T]) *stream[U] { return nil }, definition)
	o.live = func(_ *execution, s *Step, in []any) any { return live(s, in[0].(*table[T])) }
	return o
}

func both[T, U, V any](name string, live func(s *Step, a *table[T], b *table[U]) *table[V],
	definition func(s *Step, a []T, b []U) []V,
) *operator {
	o := two(name, func(*execution, *Step, *stream[T], *stream[U]) *stream[V] { return nil }, definition)
	o.live = func(_ *execution, s *Step, in []any) any { return live(s, in[0].(*table[T]), in[1].(*table[U])) }
	return o
}

// chainOperators are rdd's; covered_test.go lists the exceptions.
var chainOperators = sync.OnceValue(func() []*operator {
	ops := slices.Concat(
		tables[string](), tables[int](), tables[row](), sorts[string](), sorts[int](), sorts[row](),
		sets[string](), sets[row](), textTables(), textParts(), textZips(), textCuts(), numberTables(),
		pairTables(), pairParts(), pairReductions(), pairSorts(), pairGroups(), pairJoins(),
	)
	for _, o := range ops {
		if o.variants == nil {
			o.needing(bag, "")
		}
	}
	return ops
})

// tables are the operators for any kind of elements.
func tables[T any]() []*operator {
	keep := func(s *Step) func(T) bool { return func(v T) bool { return digest(text(v), s.Seed)%3 != 0 } }
	copies := func(s *Step) func(T) []T {
		return func(v T) []T { return slices.Repeat([]T{v}, digest(text(v), s.Seed)%3) }
	}
	same := func(_ *Step, in []T) []T { return in }
	return []*operator{
		from("filter", func(s *Step, r *table[T]) *table[T] { return rdd.Filter(r, keep(s)) },
			func(s *Step, in []T) []T { return only(in, keep(s)) }).giving(kept),
		from("filterMap", func(s *Step, r *table[T]) *table[string] {
			return rdd.FilterMap(r, func(v T) (string, bool) { return clip(text(v)), keep(s)(v) })
		}, func(s *Step, in []T) []string {
			return mapped(only(in, keep(s)), func(v T) string { return clip(text(v)) })
		}).giving(onlyAll),
		from("flatMap", func(s *Step, r *table[T]) *table[T] {
			return rdd.FlatMap(r, func(v T) iter.Seq[T] { return slices.Values(copies(s)(v)) })
		}, func(s *Step, in []T) []T { return each(in, copies(s)) }).giving(kept),
		from("map", func(s *Step, r *table[T]) *table[int] {
			return rdd.Map(r, func(v T) int { return digest(text(v), s.Seed) % 100 })
		}, func(s *Step, in []T) []int {
			return mapped(in, func(v T) int { return digest(text(v), s.Seed) % 100 })
		}).giving(onlyAll),
		from("mapToPair", func(s *Step, r *table[T]) *table[pair[string, int]] {
			return rdd.MapToPair(r, func(v T) (string, int) { return keyOf(v, s), digest(text(v), 7) })
		}, func(s *Step, in []T) []pair[string, int] {
			return mapped(in, func(v T) pair[string, int] { return rdd.KV(keyOf(v, s), digest(text(v), 7)) })
		}).giving(onlyAll).often(8),
		from("coalesce", func(s *Step, r *table[T]) *table[T] { return rdd.Coalesce(r, 1+s.Seed) }, same).giving(kept),
		from("repartition", func(s *Step, r *table[T]) *table[T] { return rdd.Repartition(r, 1+s.Seed) }, same),
		from("sample", func(s *Step, r *table[T]) *table[T] {
			if s.Variant == 2 {
				return rdd.Sample(r, false, 1)
			}
			return rdd.Sample(r, s.Variant == 1, 0.5, rdd.Seed(int64(s.Seed)))
		}, same).needing(undefined, "", "with replacement").needing(bag, "all").giving(kept).often(1),
		both("union", func(s *Step, a, b *table[T]) *table[T] {
			if s.Variant == 1 {
				return rdd.Union(a, b, a)
			}
			return rdd.Union(a, b)
		}, func(s *Step, a, b []T) []T {
			if s.Variant == 1 {
				return slices.Concat(a, b, a)
			}
			return slices.Concat(a, b)
		}).needing(bag, "of two", "of three").giving(kept),
		from("mapPartitions", func(s *Step, r *table[T]) *table[T] {
			return rdd.MapPartitions(r, func(tc *rdd.TaskContext, in iter.Seq[T]) iter.Seq[T] {
				fails := (tc.PartitionID()+faultsOf(tc))%2 == 0 && tc.AttemptNumber() <= (s.Seed+faultsOf(tc))%2
				return failing(tc, in, s, fails)
			})
		}, same).needing(bag, "that fails", "that panics").giving(kept).often(8),
	}
}

func sorts[T any]() []*operator {
	fifth := func(v T) int { return digest(text(v), 0) % 5 }
	return []*operator{
		from("sortBy", func(s *Step, r *table[T]) *table[T] {
			if s.Variant == 1 {
				return rdd.SortBy(r, fifth, rdd.Descending(), rdd.Partitions(1+s.Seed))
			}
			return rdd.SortBy(r, fifth)
		}, func(s *Step, in []T) []T { return sortedBy(in, fifth, s.Variant == 1) }).
			needing(bag, "ascending", "descending").giving(onlyAll),
		from("sortByFunc", func(s *Step, r *table[T]) *table[T] {
			if s.Variant == 1 {
				return rdd.SortByFunc(r, byText[T], rdd.Descending())
			}
			return rdd.SortByFunc(r, byText[T], rdd.Partitions(1+s.Seed))
		}, func(s *Step, in []T) []T {
			out := slices.SortedStableFunc(slices.Values(in), byText[T])
			if s.Variant == 1 {
				slices.Reverse(out)
			}
			return out
		}).needing(bag, "ascending", "descending").giving(all),
	}
}

// keyOf gives few keys or many.
func keyOf[T any](v T, s *Step) string {
	return fmt.Sprint("key", digest(text(v), s.Seed)%(1+7*s.Seed))
}

func byText[T any](a, b T) int { return strings.Compare(text(a), text(b)) }

// sets are the operators for elements that can be compared.
func sets[T comparable]() []*operator {
	return []*operator{
		from("distinct", func(s *Step, r *table[T]) *table[T] { return rdd.Distinct(r, deal[T](s)...) },
			func(_ *Step, in []T) []T { return distinct(in) }).shuffle(),
		both("intersection", func(s *Step, a, b *table[T]) *table[T] { return rdd.Intersection(a, b, deal[T](s)...) },
			func(_ *Step, a, b []T) []T { return intersection(a, b) }).shuffle(),
		both("subtract", func(s *Step, a, b *table[T]) *table[T] { return rdd.Subtract(a, b, deal[T](s)...) },
			func(_ *Step, a, b []T) []T { return subtract(a, b) }).shuffle(),
	}
}

// textTables are operators that make new types of elements, which cost the compiler too much for every kind.
func textTables() []*operator {
	joined := func(p pair[string, string]) string { return clip(p.Key + "+" + p.Value) }
	third := func(v string) string { return fmt.Sprint("class", digest(v, 1)%3) }
	return []*operator{
		from("groupBy", func(s *Step, r *table[string]) *table[string] {
			return rdd.Map(rdd.GroupBy(r, third, deal[string](s)...), func(g pair[string, []string]) string {
				return g.Key + sortedTexts(g.Value)
			})
		}, func(_ *Step, in []string) []string {
			keyed := mapped(in, func(v string) pair[string, string] { return rdd.KV(third(v), v) })
			return mapped(group(keyed), func(g pair[string, []string]) string { return g.Key + sortedTexts(g.Value) })
		}).shuffle(),
		from("keyBy", func(_ *Step, r *table[string]) *table[string] { return rdd.Map(rdd.KeyBy(r, third), joined) },
			func(_ *Step, in []string) []string {
				return mapped(in, func(v string) string { return joined(rdd.KV(third(v), v)) })
			}).giving(onlyAll),
		both("cartesian", func(_ *Step, a, b *table[string]) *table[string] {
			return rdd.Map(rdd.Cartesian(a, b), joined)
		}, func(_ *Step, a, b []string) []string {
			return each(a, func(v string) []string {
				return mapped(b, func(w string) string { return joined(rdd.KV(v, w)) })
			})
		}),
	}
}

// row is the pair on which chains work by key.
type row = pair[string, int]

func pairTables() []*operator {
	type kv = row
	copies := func(s *Step) func(int) []int {
		return func(v int) []int { return slices.Repeat([]int{v}, digest(text(v), s.Seed)%3) }
	}
	return []*operator{
		from("keys", func(_ *Step, r *table[kv]) *table[string] { return rdd.Keys(r) },
			func(_ *Step, in []kv) []string { return mapped(in, key[string, int]) }).giving(onlyAll),
		from("values", func(_ *Step, r *table[kv]) *table[int] { return rdd.Values(r) },
			func(_ *Step, in []kv) []int { return mapped(in, value[string, int]) }).giving(onlyAll),
		from("mapValues", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.MapValues(r, func(v int) int { return digest(text(v), s.Seed) })
		}, func(s *Step, in []kv) []kv {
			return mapped(in, func(e kv) kv { return rdd.KV(e.Key, digest(text(e.Value), s.Seed)) })
		}).giving(kept),
		from("flatMapValues", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.FlatMapValues(r, func(v int) iter.Seq[int] { return slices.Values(copies(s)(v)) })
		}, func(s *Step, in []kv) []kv {
			return each(in, func(e kv) []kv {
				return mapped(copies(s)(e.Value), func(v int) kv { return rdd.KV(e.Key, v) })
			})
		}).giving(kept),
		from("repartitionByKey", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.RepartitionByKey(r, deal[string](s)...)
		}, func(_ *Step, in []kv) []kv { return in }).giving(keptInKeys).shuffle().often(8),
		from("sampleByKeyExact", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.SampleByKeyExact(r, s.Variant == 1, map[string]float64{"a": 0.5, "b": 1, "key1": 0.3},
				rdd.Seed(int64(s.Seed)))
		}, func(_ *Step, in []kv) []kv { return nil }).needing(undefined, "", "with replacement").often(1),
	}
}

func pairReductions() []*operator {
	type kv = row
	fs := foldings[int]()
	pure := func(s *Step, in []kv) []kv { return reduceByKey(in, fs[s.Variant].pure) }
	same := func(v int) int { return v }
	ops := []*operator{
		from("reduceByKey", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.ReduceByKey(r, fs[s.Variant].f, deal[string](s)...)
		}, pure).often(8),
		from("combineByKey", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.CombineByKey(r, same, fs[s.Variant].f, fs[s.Variant].f, deal[string](s)...)
		}, pure),
	}
	for _, o := range ops {
		folded(o.giving(ofKeys).shuffle(), fs, byKey)
	}
	return append(ops,
		from("foldByKey", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.FoldByKey(r, 0, sum, deal[string](s)...)
		}, func(_ *Step, in []kv) []kv { return reduceByKey(in, sum) }).giving(ofKeys).shuffle(),
		from("aggregateByKey", func(s *Step, r *table[kv]) *table[kv] {
			texts := rdd.AggregateByKey(r, []int{}, func(vs []int, v int) []int { return append(vs, v) },
				func(vs, ws []int) []int { return append(vs, ws...) }, deal[string](s)...)
			return rdd.MapValues(texts, func(vs []int) int { return digest(fmt.Sprint(vs), 0) })
		}, func(_ *Step, in []kv) []kv {
			return mapped(group(in), func(g pair[string, []int]) kv {
				return rdd.KV(g.Key, digest(fmt.Sprint(g.Value), 0))
			})
		}).needing(byKey, "").giving(ofKeys).shuffle(),
		growing(),
		// The zero and every count are written to.
		from("aggregateByKey", func(s *Step, r *table[kv]) *table[kv] {
			counts := rdd.AggregateByKey(r, make([]int, 4), func(counts []int, v int) []int {
				counts[v&3]++
				return counts
			}, inPlace(sum).f, deal[string](s)...)
			return rdd.MapValues(counts, func(vs []int) int { return digest(fmt.Sprint(vs), 0) })
		}, func(_ *Step, in []kv) []kv {
			return mapped(group(in), func(g pair[string, []int]) kv {
				counts := make([]int, 4)
				for _, v := range g.Value {
					counts[v&3]++
				}
				return rdd.KV(g.Key, digest(fmt.Sprint(counts), 0))
			})
		}).needing(bag, "in place").giving(ofKeys).shuffle(),
		from("countByKey approximately", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.CountApproxDistinctByKey(r, 0.05, deal[string](s)...),
				func(n int64) int { return int(n) })
		}, func(_ *Step, in []kv) []kv { return nil }).needing(undefined, "").giving(ofKeys).shuffle().often(1),
	)
}

// growing makes values that grow in the table, for thousands of records: the table is full, and set aside as a whole.
func growing() *operator {
	const copies = 200
	long := strings.Repeat("0123456789", 6)
	longer := func(v int) string { return long + text(v) }
	all := func(vs []string) int { return digest(strings.Join(vs, ""), 0) }
	return from("aggregateByKey", func(s *Step, r *table[row]) *table[row] {
		many := rdd.FlatMapValues(r, func(v int) iter.Seq[string] {
			return slices.Values(slices.Repeat([]string{longer(v)}, copies))
		})
		lists := rdd.AggregateByKey(many, nil, func(vs []string, v string) []string { return append(vs, v) },
			func(vs, ws []string) []string { return append(vs, ws...) }, deal[string](s)...)
		return rdd.MapValues(lists, all)
	}, func(_ *Step, in []row) []row {
		return mapped(group(in), func(g pair[string, []int]) row {
			return rdd.KV(g.Key, all(each(g.Value, func(v int) []string {
				return slices.Repeat([]string{longer(v)}, copies)
			})))
		})
	}).needing(byKey, "that grows").giving(ofKeys).shuffle().often(1)
}

func pairSorts() []*operator {
	type kv = row
	keyed := func(a, b kv) int { return cmp.Compare(a.Key, b.Key) }
	return []*operator{
		from("sortByKey", func(s *Step, r *table[kv]) *table[kv] {
			if s.Variant == 1 {
				return rdd.SortByKey(r, rdd.Descending(), rdd.Partitions(1+s.Seed))
			}
			return rdd.SortByKey(r)
		}, func(s *Step, in []kv) []kv {
			compare := keyed
			if s.Variant == 1 {
				compare = func(a, b kv) int { return keyed(b, a) }
			}
			return slices.SortedStableFunc(slices.Values(in), compare)
		}).needing(bag, "ascending", "descending").giving(sortedByKey),
		from("repartitionAndSortWithinPartitions", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.RepartitionAndSortWithinPartitions(r, rdd.Partitioner[string](uneven[string]{1 + s.Seed}))
		}, func(_ *Step, in []kv) []kv { return in }).giving(keptInKeys),
		// In one partition all is sorted.
		from("repartitionAndSortWithinPartitions", func(_ *Step, r *table[kv]) *table[kv] {
			return rdd.RepartitionAndSortWithinPartitions(r, rdd.Partitioner[string](uneven[string]{1}))
		}, func(_ *Step, in []kv) []kv { return slices.SortedStableFunc(slices.Values(in), keyed) }).
			needing(bag, "one").giving(sortedByKey),
	}
}

// sortedByKey is what a sort by keys makes of an order: it knows where the keys go, and keeps that of each.
func sortedByKey(in []order) order {
	if kept(in) >= byKey {
		return list
	}
	return bag
}
