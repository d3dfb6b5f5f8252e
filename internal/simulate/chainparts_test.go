package simulate

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/weirstream/weir/rdd"
)

// never is the definition of what depends on how elements lie in partitions: the two runs alone are compared.
func never[T, U any](*Step, []T) []U { return nil }

// textZips are operators that put elements side by side, or beside numbers.
func textZips() []*operator {
	numbered := func(kv pair[string, int64]) string { return clip(fmt.Sprint(kv.Value, ":", kv.Key)) }
	index := func(in []string) (out []pair[string, int64]) {
		for i, v := range in {
			out = append(out, rdd.KV(v, int64(i)))
		}
		return out
	}
	joined := func(p pair[string, string]) string { return clip(p.Key + "+" + p.Value) }
	shout := func(v string) string { return clip(v + "!") }
	type texts = iter.Seq[string]
	return []*operator{
		from("zipWithIndex", func(_ *Step, r *table[string]) *table[string] {
			return rdd.Map(rdd.ZipWithIndex(r), numbered)
		}, func(_ *Step, in []string) []string { return mapped(index(in), numbered) }).
			needing(list, "").giving(onlyAll).often(8),
		from("zipWithUniqueID", func(_ *Step, r *table[string]) *table[string] {
			return rdd.Map(rdd.ZipWithUniqueID(r), numbered)
		}, never[string, string]).needing(undefined, "").often(1),
		from("glom", func(_ *Step, r *table[string]) *table[string] {
			return rdd.Map(rdd.Glom(r), func(vs []string) string { return clip(fmt.Sprint(vs)) })
		}, never[string, string]).needing(undefined, "").often(1),
		from("zip", func(_ *Step, r *table[string]) *table[string] {
			return rdd.Map(rdd.Zip(r, rdd.Map(r, shout)), joined)
		}, func(_ *Step, in []string) []string {
			return mapped(in, func(v string) string { return joined(rdd.KV(v, shout(v))) })
		}).giving(onlyAll),
		from("zipPartitions", func(_ *Step, r *table[string]) *table[string] {
			return rdd.ZipPartitions(r, rdd.Map(r, shout),
				func(_ *rdd.TaskContext, as, bs iter.Seq[string]) iter.Seq[string] {
					return slices.Values(append(slices.Collect(as), slices.Collect(bs)...))
				})
		}, func(_ *Step, in []string) []string { return append(slices.Clone(in), mapped(in, shout)...) }),
		from("zipPartitions", func(_ *Step, r *table[string]) *table[string] {
			return rdd.ZipPartitions3(r, rdd.Map(r, shout), r, func(_ *rdd.TaskContext, as, bs, cs texts) texts {
				return slices.Values(slices.Concat(slices.Collect(as), slices.Collect(bs), slices.Collect(cs)))
			})
		}, func(_ *Step, in []string) []string { return slices.Concat(in, mapped(in, shout), in) }).
			needing(bag, "of three").often(2),
		from("zipPartitions", func(_ *Step, r *table[string]) *table[string] {
			return rdd.ZipPartitions4(r, r, rdd.Map(r, shout), r, func(_ *rdd.TaskContext, as, bs, cs, ds texts) texts {
				return slices.Values(slices.Concat(slices.Collect(as), slices.Collect(bs), slices.Collect(cs),
					slices.Collect(ds)))
			})
		}, func(_ *Step, in []string) []string { return slices.Concat(in, in, mapped(in, shout), in) }).
			needing(bag, "of four").often(2),
	}
}

// textParts are operators whose functions see partitions.
func textParts() []*operator {
	same := func(_ *Step, in []string) []string { return in }
	return []*operator{
		from("mapPartitionsWithIndex", func(_ *Step, r *table[string]) *table[string] {
			return rdd.MapPartitionsWithIndex(r, func(p int, in iter.Seq[string]) iter.Seq[string] {
				return func(yield func(string) bool) {
					n := 0
					in(func(v string) bool {
						n++
						return yield(clip(fmt.Sprint(p, ".", n, ":", v)))
					})
				}
			})
		}, never[string, string]).needing(undefined, "").often(1),
		from("mapTry", func(s *Step, r *table[string]) *table[string] {
			var calls atomic.Int64
			return rdd.MapTry(r, func(v string) (string, error) {
				if calls.Add(1) == int64(7*s.Seed+1) {
					return v, errFault
				}
				return v, nil
			})
		}, same).needing(bag, "that fails").giving(kept),
		from("merged", func(_ *Step, r *table[string]) *table[string] {
			return rdd.Merged(r, func(in iter.Seq[string]) []string { return slices.Collect(in) },
				func(parts [][]string) iter.Seq[string] { return slices.Values(slices.Concat(parts...)) })
		}, same).giving(kept),
		from("randomSplit", func(s *Step, r *table[string]) *table[string] {
			parts := rdd.RandomSplit(r, []float64{1, 2, 0, 3}, rdd.Seed(int64(s.Seed)))
			return rdd.Union(parts[0], parts[1:]...)
		}, same),
		from("runJob", func(s *Step, r *table[string]) *table[string] {
			return rdd.FromPartitions(r.Context(), "read", r.NumPartitions(),
				func(tc *rdd.TaskContext, p int) iter.Seq[string] { return slices.Values([]string{fmt.Sprint(p)}) })
		}, never[string, string]).needing(undefined, "fromPartitions").often(1),
	}
}

// textCuts cut off what an RDD is computed from, after the first job on it, or give it another name.
func textCuts() []*operator {
	same := func(_ *Step, in []string) []string { return in }
	cut := func(cut func(r *table[string]) *table[string]) func(s *Step, r *table[string]) *table[string] {
		// The step may be persisted besides.
		return func(_ *Step, r *table[string]) *table[string] { return rdd.Same(cut(rdd.Same(r))) }
	}
	return []*operator{
		from("checkpoint", cut((*table[string]).Checkpoint), same).giving(kept),
		from("localCheckpoint", cut((*table[string]).LocalCheckpoint), same).giving(kept),
		from("cache", cut((*table[string]).Cache), same).giving(kept).often(2),
	}
}

func numberTables() []*operator {
	numbers := func(s *Step) (all []int) {
		for v := s.Seed; v < 40; v += 1 + 3*s.Seed {
			all = append(all, v)
		}
		return all
	}
	return []*operator{
		from("union", func(s *Step, r *table[int]) *table[int] {
			all := rdd.Range(r.Context(), int64(s.Seed), 40, int64(1+3*s.Seed), 1+s.Seed)
			return rdd.Union(r, rdd.Empty[int](r.Context()), rdd.Map(all, func(n int64) int { return int(n) }))
		}, func(s *Step, in []int) []int { return slices.Concat(in, numbers(s)) }).
			needing(bag, "range").giving(kept).often(2),
	}
}

// pairParts are operators that know how pairs are dealt.
func pairParts() []*operator {
	type kv = row
	within := func(in []kv) []kv {
		return only(in, func(e kv) bool { return e.Key >= "b" && e.Key <= "key3" })
	}
	byKeys := func(a, b kv) int { return strings.Compare(a.Key, b.Key) }
	show := func(vs []int) int { return digest(fmt.Sprint(vs), 0) }
	return []*operator{
		from("filterByRange", func(_ *Step, r *table[kv]) *table[kv] { return rdd.FilterByRange(r, "b", "key3") },
			func(_ *Step, in []kv) []kv { return within(in) }).giving(kept),
		from("filterByRange", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.FilterByRange(rdd.SortByKey(r, rdd.Partitions(1+s.Seed)), "b", "key3")
		}, func(_ *Step, in []kv) []kv { return slices.SortedStableFunc(slices.Values(within(in)), byKeys) }).
			needing(bag, "sorted").giving(sortedByKey),
		from("mapPartitions", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.MapPartitions(r, func(_ *rdd.TaskContext, in iter.Seq[kv]) iter.Seq[kv] { return in },
				rdd.KeepPartitioner())
		}, func(_ *Step, in []kv) []kv { return in }).needing(bag, "keepPartitioner").giving(kept),
		from("sampleByKey", func(s *Step, r *table[kv]) *table[kv] {
			return rdd.SampleByKey(r, s.Variant == 1, map[string]float64{"a": 0.5, "b": 1, "key1": 0.3},
				rdd.Seed(int64(s.Seed)))
		}, never[kv, kv]).needing(undefined, "", "with replacement").often(1),
		both("concatGroups", func(s *Step, a, b *table[kv]) *table[kv] {
			n := rdd.Partitions(1 + s.Seed)
			return rdd.MapValues(rdd.ConcatGroups(rdd.GroupByKey(a, n), rdd.GroupByKey(b, n)), show)
		}, func(_ *Step, a, b []kv) []kv {
			return mapped(group(slices.Concat(a, b)), func(g pair[string, []int]) kv {
				return rdd.KV(g.Key, show(g.Value))
			})
		}).needing(byKey, "").giving(ofKeys),
		from("repartitionByKey", func(s *Step, r *table[kv]) *table[kv] {
			p, err := rdd.NewRangePartitioner(context.Background(), r, 1+s.Seed)
			if err != nil { // It is told by the first job.
				return rdd.MapTry(r, func(e kv) (kv, error) { return e, err })
			}
			return rdd.RepartitionByKey(r, rdd.PartitionBy(rdd.Partitioner[string](p)))
		}, func(_ *Step, in []kv) []kv { return in }).needing(bag, "range partitioner").giving(keptInKeys),
		from("repartitionByKey", func(s *Step, r *table[kv]) *table[kv] {
			p, err := rdd.NewHashPartitioner[string](1 + s.Seed)
			if err != nil {
				return rdd.MapTry(r, func(e kv) (kv, error) { return e, err })
			}
			return rdd.RepartitionByKey(r, rdd.PartitionBy(rdd.Partitioner[string](p)))
		}, func(_ *Step, in []kv) []kv { return in }).needing(bag, "hash partitioner").giving(keptInKeys),
	}
}
