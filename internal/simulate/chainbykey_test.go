package simulate

import (
	"fmt"
	"slices"

	"github.com/weirstream/weir/rdd"
)

func pairGroups() []*operator {
	type kv = row
	show := func(sorted bool) func(vs []int) int {
		return func(vs []int) int {
			if sorted {
				return digest(sortedTexts(vs), 0)
			}
			return digest(fmt.Sprint(vs), 0)
		}
	}
	grouped := func(sorted bool) func(s *Step, r *table[kv]) *table[kv] {
		return func(s *Step, r *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.GroupByKey(r, deal[string](s)...), show(sorted))
		}
	}
	groups := func(sorted bool) func(_ *Step, in []kv) []kv {
		return func(_ *Step, in []kv) []kv {
			return mapped(group(in), func(g pair[string, []int]) kv { return rdd.KV(g.Key, show(sorted)(g.Value)) })
		}
	}
	return []*operator{
		from("groupByKey", grouped(false), groups(false)).needing(byKey, "").giving(ofKeys).shuffle(),
		from("groupByKey", grouped(true), groups(true)).needing(bag, "sorted").giving(ofKeys).shuffle(),
	}
}

// pairJoins show a pair of values as one.
func pairJoins() []*operator {
	type kv = row
	type may = rdd.Optional[int]
	show := func(v, w string) int { return digest(v+"|"+w, 0) }
	ops := []*operator{
		both("join", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.Join(a, b, deal[string](s)...), func(p pair[int, int]) int {
				return show(text(p.Key), text(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, false, false, show) }),
		both("leftOuterJoin", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.LeftOuterJoin(a, b, deal[string](s)...), func(p pair[int, may]) int {
				return show(text(p.Key), maybe(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, false, true, show) }),
		both("rightOuterJoin", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.RightOuterJoin(a, b, deal[string](s)...), func(p pair[may, int]) int {
				return show(maybe(p.Key), text(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, true, false, show) }),
		both("fullOuterJoin", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.FullOuterJoin(a, b, deal[string](s)...), func(p pair[may, may]) int {
				return show(maybe(p.Key), maybe(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, true, true, show) }),
		both("subtractByKey", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.SubtractByKey(a, b, deal[string](s)...)
		}, func(_ *Step, a, b []kv) []kv {
			keys := mapped(b, key[string, int])
			return only(a, func(e kv) bool { return !slices.Contains(keys, e.Key) })
		}),
	}
	for _, o := range ops {
		o.giving(keptInKeys).shuffle()
	}
	return append(ops, pairCogroups()...)
}

// pairCogroups are the cogroups of two, three and four RDDs, made of two.
func pairCogroups() []*operator {
	type kv = row
	show := func(sides ...[]int) int {
		texts := ""
		for _, vs := range sides {
			texts += sortedTexts(vs)
		}
		return digest(texts, 0)
	}
	wanted := func(sides func(left, right []int) [][]int) func(_ *Step, a, b []kv) []kv {
		return func(_ *Step, a, b []kv) []kv {
			return mapped(cogroup(a, b), func(g pair[string, rdd.CoGrouped[int, int]]) kv {
				return rdd.KV(g.Key, show(sides(g.Value.Left, g.Value.Right)...))
			})
		}
	}
	ops := []*operator{
		both("cogroup", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.CoGroup(a, b, deal[string](s)...), func(g rdd.CoGrouped[int, int]) int {
				return show(g.Left, g.Right)
			})
		}, wanted(func(left, right []int) [][]int { return [][]int{left, right} })),
		both("cogroup3", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.CoGroup3(a, b, a, deal[string](s)...), func(g rdd.CoGrouped3[int, int, int]) int {
				return show(g.First, g.Second, g.Third)
			})
		}, wanted(func(left, right []int) [][]int { return [][]int{left, right, left} })),
		both("cogroup4", func(s *Step, a, b *table[kv]) *table[kv] {
			return rdd.MapValues(rdd.CoGroup4(b, a, a, b, deal[string](s)...),
				func(g rdd.CoGrouped4[int, int, int, int]) int { return show(g.First, g.Second, g.Third, g.Fourth) })
		}, wanted(func(left, right []int) [][]int { return [][]int{right, left, left, right} })),
	}
	for _, o := range ops {
		o.giving(ofKeys).shuffle()
	}
	return ops
}
