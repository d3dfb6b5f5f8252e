package simulate

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// ofAny are the operators for every kind of elements but lists, which have those of ofLists.
func ofAny[T any]() []*operator {
	return slices.Concat(ofLists[T](), narrow[T](), transforms[T](), reductions[T]())
}

// ofLists are the operators that need nothing of their elements.
func ofLists[T any]() []*operator { return slices.Concat(unions[T](), windows[T](), faults[T]()) }

func narrow[T any]() []*operator {
	number := func(seed int) func(T) int { return func(v T) int { return digest(text(v), seed) % 1000 } }
	keep := func(seed int) func(T) bool { return func(v T) bool { return number(seed)(v)%3 != 0 } }
	class := func(seed int) func(T) string {
		return func(v T) string { return fmt.Sprint("key", number(seed)(v)%(seed+1)) }
	}
	copies := func(seed int) func(T) []T {
		return func(v T) []T { return slices.Repeat([]T{v}, number(seed)(v)%3) }
	}
	short := func(v T) string { return clip(text(v)) }
	return []*operator{
		one("map", func(_ *execution, s *Step, d *stream[T]) *stream[int] { return dstream.Map(d, number(s.Seed)) },
			func(s *Step, in []T) []int { return mapped(in, number(s.Seed)) }).giving(onlyAll),
		one("map", func(_ *execution, s *Step, d *stream[T]) *stream[string] { return dstream.Map(d, short) },
			func(s *Step, in []T) []string { return mapped(in, short) }).giving(onlyAll),
		one("filter", func(_ *execution, s *Step, d *stream[T]) *stream[T] { return dstream.Filter(d, keep(s.Seed)) },
			func(s *Step, in []T) []T { return only(in, keep(s.Seed)) }).giving(kept),
		one("flatMap", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.FlatMap(d, func(v T) iter.Seq[T] { return slices.Values(copies(s.Seed)(v)) })
		}, func(s *Step, in []T) []T { return each(in, copies(s.Seed)) }).giving(kept),
		one("mapPartitions", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.MapPartitions(d, func(_ *rdd.TaskContext, in iter.Seq[T]) iter.Seq[T] {
				return func(yield func(T) bool) {
					in(func(v T) bool {
						for _, c := range copies(s.Seed)(v) {
							if !yield(c) {
								return false
							}
						}
						return true
					})
				}
			})
		}, func(s *Step, in []T) []T { return each(in, copies(s.Seed)) }).giving(kept),
		one("mapToPair", func(_ *execution, s *Step, d *stream[T]) *stream[pair[string, int]] {
			return dstream.MapToPair(d, func(v T) (string, int) { return class(s.Seed)(v), number(s.Seed + 1)(v) })
		}, func(s *Step, in []T) []pair[string, int] {
			return mapped(in, func(v T) pair[string, int] { return rdd.KV(class(s.Seed)(v), number(s.Seed+1)(v)) })
		}).giving(onlyAll),
		one("mapToPair", func(_ *execution, s *Step, d *stream[T]) *stream[pair[int, string]] {
			return dstream.MapToPair(d, func(v T) (int, string) { return number(s.Seed)(v), short(v) })
		}, func(s *Step, in []T) []pair[int, string] {
			return mapped(in, func(v T) pair[int, string] { return rdd.KV(number(s.Seed)(v), short(v)) })
		}).giving(onlyAll),
	}
}

// transforms are some of rdd's operators within transform; the chains try them all.
func transforms[T any]() []*operator {
	fifth := func(v T) int { return digest(text(v), 0) % 5 }
	return []*operator{
		one("transform", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Transform(d, func(r *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				if s.Variant == 1 {
					return rdd.Coalesce(r, 1+s.Seed)
				}
				return r
			})
		}, func(_ *Step, in []T) []T { return in }).needing(bag, "nothing", "coalesce").giving(kept),
		one("transform", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Transform(d, func(r *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				if s.Variant == 1 {
					return rdd.SortBy(r, fifth, rdd.Partitions(1+s.Seed), rdd.Descending())
				}
				return rdd.SortBy(r, fifth)
			})
		}, func(s *Step, in []T) []T { return sortedBy(in, fifth, s.Variant == 1) }).
			needing(bag, "sortBy", "sortBy descending").giving(onlyAll),
		one("transform", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Transform(d, func(r *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				return rdd.SortBy(r, anyText[T])
			})
		}, func(s *Step, in []T) []T {
			out := slices.Clone(in)
			slices.SortFunc(out, func(a, b T) int { return strings.Compare(text(a), text(b)) })
			return out
		}).needing(bag, "sortBy text").giving(all),
		two("transformWith", func(_ *execution, _ *Step, a, b *stream[T]) *stream[T] {
			return dstream.TransformWith(a, b, func(ra, rb *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				return rdd.Union(rb, ra, rb)
			})
		}, func(_ *Step, a, b []T) []T { return slices.Concat(b, a, b) }).needing(bag, "union").giving(kept),
	}
}

// reductions make one element of all.
func reductions[T any]() []*operator {
	fs := foldings[T]()
	toInt := func(n int64) int { return int(n) }
	count := func(_ *Step, in []T) []int { return []int{len(in)} }
	var inverses []folding[T]
	for _, f := range fs {
		if f.inverse != nil {
			inverses = append(inverses, f)
		}
	}
	ops := []*operator{
		one("count", func(_ *execution, _ *Step, d *stream[T]) *stream[int] {
			return dstream.Map(dstream.Count(d), toInt)
		}, count).giving(all),
		one("countByWindow", func(x *execution, s *Step, d *stream[T]) *stream[int] {
			length, slide := s.length(x)
			return dstream.Map(dstream.CountByWindow(d, length, slide), toInt)
		}, count).giving(all).window(),
		folded(one("reduce", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Reduce(d, fs[s.Variant].f)
		}, func(s *Step, in []T) []T { return reduce(in, fs[s.Variant].pure) }).giving(all), fs, list),
		folded(one("reduceByWindow", func(x *execution, s *Step, d *stream[T]) *stream[T] {
			length, slide := s.length(x)
			return dstream.ReduceByWindow(d, fs[s.Variant].f, length, slide)
		}, func(s *Step, in []T) []T { return reduce(in, fs[s.Variant].pure) }).giving(all).window(), fs, list),
	}
	if len(inverses) > 0 {
		ops = append(ops, folded(one("reduceByWindowInverse", func(x *execution, s *Step, d *stream[T]) *stream[T] {
			length, slide := s.length(x)
			return dstream.ReduceByWindowInverse(d, inverses[s.Variant].f, inverses[s.Variant].inverse, length, slide)
		}, func(s *Step, in []T) []T { return reduce(in, inverses[s.Variant].pure) }).giving(all).window(),
			inverses, list))
	}
	return ops
}

func unions[T any]() []*operator {
	return []*operator{
		two("union", func(_ *execution, s *Step, a, b *stream[T]) *stream[T] {
			if s.Variant == 1 {
				return dstream.Union(a, b, a)
			}
			return dstream.Union(a, b)
		}, func(s *Step, a, b []T) []T {
			if s.Variant == 1 {
				return slices.Concat(a, b, a)
			}
			return slices.Concat(a, b)
		}).needing(bag, "of two", "of three").giving(kept).often(8),
		two("transformAll", func(_ *execution, _ *Step, a, b *stream[T]) *stream[T] {
			return dstream.TransformAll([]*stream[T]{b, a, b}, func(rs []*rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				return rdd.Union(rs[0], rs[1:]...)
			})
		}, func(_ *Step, a, b []T) []T { return slices.Concat(b, a, b) }).giving(kept).often(2),
		one("repartition", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Repartition(d, 1+s.Seed)
		}, func(_ *Step, in []T) []T { return in }),
	}
}

func windows[T any]() []*operator {
	return []*operator{
		one("window", func(x *execution, s *Step, d *stream[T]) *stream[T] {
			length, slide := s.length(x)
			return dstream.Window(d, length, slide)
		}, func(_ *Step, in []T) []T { return in }).giving(kept).window().often(10),
	}
}

// ofTexts are operators whose types beside their elements' would cost too much for every kind; two of them depend on
// how the elements lie in partitions.
func ofTexts() []*operator {
	type texts = stream[string]
	never := func(_ *Step, in []string) []string { return nil }
	return []*operator{
		one("transform", func(_ *execution, s *Step, d *texts) *texts {
			return dstream.Transform(d, func(r *rdd.RDD[string], _ dstream.Time) *rdd.RDD[string] {
				return rdd.Map(rdd.ZipWithIndex(r), func(kv pair[string, int64]) string {
					return clip(fmt.Sprint(kv.Value, ":", kv.Key))
				})
			})
		}, func(s *Step, in []string) (out []string) {
			for i, v := range in {
				out = append(out, clip(fmt.Sprint(i, ":", v)))
			}
			return out
		}).needing(list, "zipWithIndex").giving(onlyAll),
		one("glom", func(_ *execution, s *Step, d *texts) *texts {
			return dstream.Map(dstream.Glom(d), func(vs []string) string { return clip(fmt.Sprint(vs)) })
		}, never).needing(undefined, ""),
		one("mapPartitionsWithIndex", func(_ *execution, s *Step, d *texts) *texts {
			return dstream.MapPartitionsWithIndex(d, func(p int, in iter.Seq[string]) iter.Seq[string] {
				return func(yield func(string) bool) {
					n := 0
					in(func(v string) bool {
						n++
						return yield(clip(fmt.Sprint(p, ".", n, ":", v)))
					})
				}
			})
		}, never).needing(undefined, ""),
	}
}

func ofComparable[T comparable]() []*operator {
	texts := func(kv pair[T, int64]) (string, int) { return text(kv.Key), int(kv.Value) }
	set := func(name string, live func(a, b *rdd.RDD[T], opts ...rdd.ShuffleOption) *rdd.RDD[T],
		definition func(a, b []T) []T,
	) *operator {
		return two("transformWith", func(_ *execution, s *Step, a, b *stream[T]) *stream[T] {
			return dstream.TransformWith(a, b, func(ra, rb *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				return live(ra, rb, deal[T](s)...)
			})
		}, func(_ *Step, a, b []T) []T { return definition(a, b) }).needing(bag, name).shuffle()
	}
	return []*operator{
		one("countByValue", func(_ *execution, s *Step, d *stream[T]) *stream[pair[string, int]] {
			return dstream.MapToPair(dstream.CountByValue(d, deal[T](s)...), texts)
		}, func(_ *Step, in []T) []pair[string, int] { return countByText(in) }).giving(ofKeys).shuffle(),
		one("countByValueAndWindow", func(x *execution, s *Step, d *stream[T]) *stream[pair[string, int]] {
			length, slide := s.length(x)
			return dstream.MapToPair(dstream.CountByValueAndWindow(d, length, slide, deal[T](s)...), texts)
		}, func(_ *Step, in []T) []pair[string, int] { return countByText(in) }).giving(ofKeys).shuffle().window(),
		one("transform", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.Transform(d, func(r *rdd.RDD[T], _ dstream.Time) *rdd.RDD[T] {
				return rdd.Distinct(r, deal[T](s)...)
			})
		}, func(_ *Step, in []T) []T { return distinct(in) }).needing(bag, "distinct").shuffle(),
		set("subtract", rdd.Subtract[T], subtract[T]),
		set("intersection", rdd.Intersection[T], intersection[T]),
	}
}
