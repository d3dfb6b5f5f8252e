package simulate

import (
	"fmt"
	"iter"
	"slices"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// ofPairs are the operators for pairs of values that can be compared.
func ofPairs[K, V comparable]() []*operator {
	return slices.Concat(valuesByKey[K, V](), reductionsByKey[K, V](), groupings[K, V](), joins[K, V](),
		cogroups[K, V]())
}

// valuesByKey are narrow, or deal keys anew.
func valuesByKey[K, V comparable]() []*operator {
	copies := func(seed int) func(V) []V {
		return func(v V) []V { return slices.Repeat([]V{v}, digest(text(v), seed)%3) }
	}
	return []*operator{
		one("map", func(_ *execution, _ *Step, d *stream[pair[K, V]]) *stream[V] { return dstream.Map(d, value[K, V]) },
			func(_ *Step, in []pair[K, V]) []V { return mapped(in, value[K, V]) }).needing(bag, "values").giving(onlyAll),
		one("map", func(_ *execution, _ *Step, d *stream[pair[K, V]]) *stream[pair[V, K]] {
			return dstream.Map(d, swap[K, V])
		},
			func(_ *Step, in []pair[K, V]) []pair[V, K] { return mapped(in, swap[K, V]) }).
			needing(bag, "swap").giving(onlyAll),
		one("mapValues", func(_ *execution, s *Step, d *stream[pair[K, V]]) *stream[pair[K, V]] {
			return dstream.MapValues(d, func(v V) V { return valueOf[V](text(v) + "!") })
		}, func(s *Step, in []pair[K, V]) []pair[K, V] {
			return mapped(in, func(kv pair[K, V]) pair[K, V] { return rdd.KV(kv.Key, valueOf[V](text(kv.Value)+"!")) })
		}).giving(kept),
		one("flatMapValues", func(_ *execution, s *Step, d *stream[pair[K, V]]) *stream[pair[K, V]] {
			return dstream.FlatMapValues(d, func(v V) iter.Seq[V] { return slices.Values(copies(s.Seed)(v)) })
		}, func(s *Step, in []pair[K, V]) []pair[K, V] {
			return each(in, func(kv pair[K, V]) []pair[K, V] {
				return mapped(copies(s.Seed)(kv.Value), func(v V) pair[K, V] { return rdd.KV(kv.Key, v) })
			})
		}).giving(kept),
		one("repartitionByKey", func(_ *execution, s *Step, d *stream[pair[K, V]]) *stream[pair[K, V]] {
			return dstream.RepartitionByKey(d, deal[K](s)...)
		}, func(_ *Step, in []pair[K, V]) []pair[K, V] { return in }).giving(keptInKeys).shuffle().often(8),
	}
}

// valueOf makes a value of a text: itself, or a number.
func valueOf[V any](text string) V {
	var v V
	switch p := any(&v).(type) {
	case *string:
		*p = clip(text)
	case *int:
		*p = digest(text, 0)
	}
	return v
}

func swap[K, V any](kv pair[K, V]) pair[V, K] { return rdd.KV(kv.Value, kv.Key) }

// reductionsByKey make one value of those of a key.
func reductionsByKey[K comparable, V any]() []*operator {
	fs := foldings[V]()
	type kv = pair[K, V]
	pure := func(s *Step, in []kv) []kv { return reduceByKey(in, fs[s.Variant].pure) }
	same := func(v V) V { return v }
	ops := []*operator{
		one("reduceByKey", func(_ *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.ReduceByKey(d, fs[s.Variant].f, deal[K](s)...)
		}, pure).often(10),
		one("combineByKey", func(_ *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.CombineByKey(d, same, fs[s.Variant].pure, fs[s.Variant].pure, deal[K](s)...)
		}, pure),
		one("reduceByKeyAndWindow", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			length, slide := s.length(x)
			return dstream.ReduceByKeyAndWindow(d, fs[s.Variant].f, length, slide, deal[K](s)...)
		}, pure).window().often(14),
	}
	for _, o := range ops {
		folded(o.giving(ofKeys).shuffle(), fs, byKey)
	}
	return append(ops, inverses[K](fs)...)
}

// inverses are the windows that are told how to take away what leaves them.
func inverses[K comparable, V any](fs []folding[V]) []*operator {
	fs = slices.DeleteFunc(slices.Clone(fs), func(f folding[V]) bool { return f.inverse == nil })
	if len(fs) == 0 {
		return nil
	}
	keep := func(_ K, v V) bool { return digest(text(v), 3)%3 != 0 }
	return []*operator{inverse[K](fs, "", nil), inverse(fs, " keep", keep)}
}

func inverse[K comparable, V any](fs []folding[V], name string, keep func(K, V) bool) *operator {
	type kv = pair[K, V]
	o := one("reduceByKeyAndWindowInverse"+name, func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
		length, slide := s.length(x)
		f := fs[s.Variant]
		return dstream.ReduceByKeyAndWindowInverse(d, f.f, f.inverse, keep, length, slide, deal[K](s)...)
	}, func(s *Step, in []kv) []kv {
		return only(reduceByKey(in, fs[s.Variant].pure), func(e kv) bool { return keep == nil || keep(e.Key, e.Value) })
	})
	return folded(o.giving(ofKeys).shuffle().window(), fs, byKey)
}

func groupings[K comparable, V any]() []*operator {
	type kv = pair[K, V]
	type groups = pair[K, []V]
	sorted := func(vs []V) V { return valueOf[V](sortedTexts(vs)) }
	texts := func(g groups) kv { return rdd.KV(g.Key, sorted(g.Value)) }
	return []*operator{
		one("groupByKey", func(_ *execution, s *Step, d *stream[kv]) *stream[groups] {
			return dstream.GroupByKey(d, deal[K](s)...)
		}, func(_ *Step, in []kv) []groups { return group(in) }).needing(byKey, "").giving(ofKeys).shuffle(),
		one("groupByKey", func(_ *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.MapValues(dstream.GroupByKey(d, deal[K](s)...), sorted)
		}, func(_ *Step, in []kv) []kv { return mapped(group(in), texts) }).
			needing(bag, "sorted").giving(ofKeys).shuffle(),
		one("groupByKeyAndWindow", func(x *execution, s *Step, d *stream[kv]) *stream[groups] {
			length, slide := s.length(x)
			return dstream.GroupByKeyAndWindow(d, length, slide, deal[K](s)...)
		}, func(_ *Step, in []kv) []groups { return group(in) }).needing(byKey, "").giving(ofKeys).shuffle().window(),
		one("groupByKeyAndWindow", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			length, slide := s.length(x)
			return dstream.MapValues(dstream.GroupByKeyAndWindow(d, length, slide, deal[K](s)...), sorted)
		}, func(_ *Step, in []kv) []kv { return mapped(group(in), texts) }).
			needing(bag, "sorted").giving(ofKeys).shuffle().window(),
		one("combineByKey", func(_ *execution, s *Step, d *stream[kv]) *stream[groups] {
			return dstream.CombineByKey(d, func(v V) []V { return []V{v} },
				func(vs []V, v V) []V { return append(vs, v) },
				func(vs, ws []V) []V { return append(vs, ws...) }, deal[K](s)...)
		}, func(_ *Step, in []kv) []groups { return group(in) }).needing(byKey, "list").giving(ofKeys).shuffle(),
	}
}

// ofGroups are the operators for pairs of lists.
func ofGroups[K, V comparable]() []*operator {
	type groups = pair[K, []V]
	ops := []*operator{
		one("flatMapValues", func(_ *execution, _ *Step, d *stream[groups]) *stream[pair[K, V]] {
			return dstream.FlatMapValues(d, func(vs []V) iter.Seq[V] { return slices.Values(vs) })
		}, func(_ *Step, in []groups) []pair[K, V] {
			return each(in, func(g groups) []pair[K, V] {
				return mapped(g.Value, func(v V) pair[K, V] { return rdd.KV(g.Key, v) })
			})
		}).giving(kept).often(10),
		one("mapValues", func(_ *execution, _ *Step, d *stream[groups]) *stream[pair[K, V]] {
			return dstream.MapValues(d, func(vs []V) V { return valueOf[V](fmt.Sprint(vs)) })
		}, func(_ *Step, in []groups) []pair[K, V] {
			return mapped(in, func(g groups) pair[K, V] { return rdd.KV(g.Key, valueOf[V](fmt.Sprint(g.Value))) })
		}).giving(kept),
		one("repartitionByKey", func(_ *execution, s *Step, d *stream[groups]) *stream[groups] {
			return dstream.RepartitionByKey(d, deal[K](s)...)
		}, func(_ *Step, in []groups) []groups { return in }).giving(keptInKeys).shuffle(),
	}
	return slices.Concat(ofLists[groups](), reductionsByKey[K, []V](), ops)
}

// joins show a pair of values as one.
func joins[K, V comparable]() []*operator {
	type kv = pair[K, V]
	type may = rdd.Optional[V]
	show := func(v, w string) V { return valueOf[V](v + "|" + w) }
	ops := []*operator{
		two("join", func(_ *execution, s *Step, a, b *stream[kv]) *stream[kv] {
			return dstream.MapValues(dstream.Join(a, b, deal[K](s)...), func(p pair[V, V]) V {
				return show(text(p.Key), text(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, false, false, show) }),
		two("leftOuterJoin", func(_ *execution, s *Step, a, b *stream[kv]) *stream[kv] {
			return dstream.MapValues(dstream.LeftOuterJoin(a, b, deal[K](s)...), func(p pair[V, may]) V {
				return show(text(p.Key), maybe(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, false, true, show) }),
		two("rightOuterJoin", func(_ *execution, s *Step, a, b *stream[kv]) *stream[kv] {
			return dstream.MapValues(dstream.RightOuterJoin(a, b, deal[K](s)...), func(p pair[may, V]) V {
				return show(maybe(p.Key), text(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, true, false, show) }),
		two("fullOuterJoin", func(_ *execution, s *Step, a, b *stream[kv]) *stream[kv] {
			return dstream.MapValues(dstream.FullOuterJoin(a, b, deal[K](s)...), func(p pair[may, may]) V {
				return show(maybe(p.Key), maybe(p.Value))
			})
		}, func(_ *Step, a, b []kv) []kv { return join(a, b, true, true, show) }),
	}
	for _, o := range ops {
		o.giving(keptInKeys).shuffle().often(8)
	}
	return ops
}

func maybe[V any](v rdd.Optional[V]) string {
	if !v.Present {
		return absent
	}
	return text(v.Value)
}

func cogroups[K, V comparable]() []*operator {
	type sides = rdd.CoGrouped[V, V]
	ordered := func(g sides) V { return valueOf[V](fmt.Sprint(g.Left, g.Right)) }
	sorted := func(g sides) V { return valueOf[V](sortedTexts(g.Left) + sortedTexts(g.Right)) }
	return []*operator{
		cogrouped[K](ordered).needing(byKey, "").often(8),
		cogrouped[K](sorted).needing(bag, "sorted").often(8),
	}
}

func cogrouped[K, V comparable](show func(g rdd.CoGrouped[V, V]) V) *operator {
	type kv = pair[K, V]
	return two("cogroup", func(_ *execution, s *Step, a, b *stream[kv]) *stream[kv] {
		return dstream.MapValues(dstream.CoGroup(a, b, deal[K](s)...), show)
	}, func(_ *Step, a, b []kv) []kv {
		return mapped(cogroup(a, b), func(g pair[K, rdd.CoGrouped[V, V]]) kv { return rdd.KV(g.Key, show(g.Value)) })
	}).giving(ofKeys).shuffle()
}
