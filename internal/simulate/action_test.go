package simulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/rdd"
)

// An action is one of rdd's on elements of a kind, beside what it must give, both as a text.
type action struct {
	name  string
	of    kind
	needs order
	live  func(ctx context.Context, table any, seed int) (any, error)
	want  func(rows any, seed int) any
}

func act[T any](name string, needs order, live func(ctx context.Context, r *table[T], seed int) (any, error),
	want func(in []T, seed int) any,
) action {
	return action{name, kindOf[T]{}, needs,
		func(ctx context.Context, r any, seed int) (any, error) { return live(ctx, r.(*table[T]), seed) },
		func(rows any, seed int) any { return want(rows.([]T), seed) },
	}
}

// result is what an action gives, as a text; that there is no element to give is one, too.
func (a action) result(ctx context.Context, table any, seed int) (string, error) {
	v, err := a.live(ctx, table, seed)
	if errors.Is(err, rdd.ErrEmpty) {
		return "empty", nil
	}
	return fmt.Sprint(v), err
}

var actions = sync.OnceValue(func() []action {
	return slices.Concat(actionsOf[string](), actionsOf[int](), actionsOf[row](), orderedActions[string](),
		orderedActions[int](), numberActions(), pairActions(), textActions())
})

func actionsOf[T comparable]() (acts []action) {
	orEmpty := func(vs []T) any {
		if len(vs) == 0 {
			return "empty"
		}
		return vs[0]
	}
	for _, f := range foldings[T]() {
		needs := bag
		if f.ordered {
			needs = list
		}
		acts = append(acts, act("reduce "+f.name, needs, func(ctx context.Context, r *table[T], _ int) (any, error) {
			return rdd.Reduce(ctx, r, f.f)
		}, func(in []T, _ int) any { return orEmpty(reduce(in, f.pure)) }))
		if !f.ordered {
			acts = append(acts, act("treeReduce "+f.name, bag, func(ctx context.Context, r *table[T], seed int) (any, error) {
				return rdd.TreeReduce(ctx, r, f.f, 1+seed%3)
			}, func(in []T, _ int) any { return orEmpty(reduce(in, f.pure)) }))
		}
	}
	acts = append(acts, countings[T]()...)
	return append(acts,
		act("isEmpty", bag, func(ctx context.Context, r *table[T], _ int) (any, error) { return rdd.IsEmpty(ctx, r) },
			func(in []T, _ int) any { return len(in) == 0 }),
		act("first", list, func(ctx context.Context, r *table[T], _ int) (any, error) { return rdd.First(ctx, r) },
			func(in []T, _ int) any { return orEmpty(in) }),
		act("take", list, func(ctx context.Context, r *table[T], seed int) (any, error) { return rdd.Take(ctx, r, 3*seed) },
			func(in []T, seed int) any { return in[:min(3*seed, len(in))] }),
		act("takeSample", bag, func(ctx context.Context, r *table[T], seed int) (any, error) {
			vs, err := rdd.TakeSample(ctx, r, false, 3*seed, rdd.Seed(int64(seed)))
			return len(vs), err
		}, func(in []T, seed int) any { return min(3*seed, len(in)) }),
		act("takeOrderedFunc", bag, func(ctx context.Context, r *table[T], seed int) (any, error) {
			return rdd.TakeOrderedFunc(ctx, r, 3*seed, byText[T])
		}, func(in []T, seed int) any {
			return slices.SortedStableFunc(slices.Values(in), byText[T])[:min(3*seed, len(in))]
		}),
		act("toLocalSeq", list, func(ctx context.Context, r *table[T], _ int) (any, error) {
			return collectSeq(rdd.ToLocalSeq(ctx, r))
		}, func(in []T, _ int) any { return in }),
		act("countByValue", bag, func(ctx context.Context, r *table[T], _ int) (any, error) {
			counts, err := rdd.CountByValue(ctx, r)
			var out []string
			for v, n := range counts {
				out = append(out, fmt.Sprint(v, ":", n))
			}
			return slices.Sorted(slices.Values(out)), err
		}, func(in []T, _ int) any {
			var out []string
			for _, kv := range countByValue(in) {
				out = append(out, fmt.Sprint(kv.Key, ":", kv.Value))
			}
			return slices.Sorted(slices.Values(out))
		}),
		act("aggregate", list, func(ctx context.Context, r *table[T], _ int) (any, error) {
			return rdd.Aggregate(ctx, r, "", func(s string, v T) string { return concat(s, clip(text(v))) }, concat)
		}, func(in []T, _ int) any {
			return strings.Join(reduce(mapped(in, func(v T) string { return clip(text(v)) }), concat), "")
		}),
	)
}

// countings are actions that tell how many elements there are.
func countings[T any]() []action {
	count := func(in []T, _ int) any { return len(in) }
	total := func(live func(ctx context.Context, r *table[T], add func(n int)) error,
	) func(context.Context, *table[T], int) (any, error) {
		return func(ctx context.Context, r *table[T], _ int) (any, error) {
			n := rdd.NewLongAccumulator(r.Context(), "elements")
			err := live(ctx, r, func(m int) { n.Add(int64(m)) })
			return n.Value(), err
		}
	}
	length := func(in iter.Seq[T]) (n int) {
		in(func(T) bool { n++; return true })
		return n
	}
	return []action{
		act("count", bag, func(ctx context.Context, r *table[T], _ int) (any, error) { return rdd.Count(ctx, r) }, count),
		act("countApprox", bag, func(ctx context.Context, r *table[T], _ int) (any, error) {
			p, err := rdd.CountApprox(ctx, r, time.Hour, 0.95)
			if err != nil {
				return nil, err
			}
			b, err := p.Final(ctx)
			return int(b.Mean), err
		}, count),
		act("foreach", bag, total(func(ctx context.Context, r *table[T], add func(int)) error {
			return rdd.Foreach(ctx, r, func(T) error { add(1); return nil })
		}), count),
		act("foreachPartition", bag, total(func(ctx context.Context, r *table[T], add func(int)) error {
			return rdd.ForeachPartition(ctx, r, func(_ *rdd.TaskContext, in iter.Seq[T]) error {
				add(length(in))
				return nil
			})
		}), count),
		act("foreachAsync", bag, total(func(ctx context.Context, r *table[T], add func(int)) error {
			_, err := rdd.ForeachAsync(ctx, r, func(T) error { add(1); return nil }).Wait(ctx)
			return err
		}), count),
		act("foreachPartitionAsync", bag, total(func(ctx context.Context, r *table[T], add func(int)) error {
			_, err := rdd.ForeachPartitionAsync(ctx, r, func(_ *rdd.TaskContext, in iter.Seq[T]) error {
				add(length(in))
				return nil
			}).Wait(ctx)
			return err
		}), count),
		act("countAsync", bag, func(ctx context.Context, r *table[T], _ int) (any, error) {
			return rdd.CountAsync(ctx, r).Wait(ctx)
		}, count),
		act("collectAsync", list, func(ctx context.Context, r *table[T], _ int) (any, error) {
			return rdd.CollectAsync(ctx, r).Wait(ctx)
		}, func(in []T, _ int) any { return in }),
		act("takeAsync", list, func(ctx context.Context, r *table[T], seed int) (any, error) {
			return rdd.TakeAsync(ctx, r, 3*seed).Wait(ctx)
		}, func(in []T, seed int) any { return in[:min(3*seed, len(in))] }),
		act("runJob", bag, func(ctx context.Context, r *table[T], _ int) (all any, err error) {
			n := 0
			part := func(_ *rdd.TaskContext, in iter.Seq[T]) (int, error) { return length(in), nil }
			err = rdd.RunJob(ctx, r, nil, part, func(_, m int) error { n += m; return nil })
			return n, err
		}, count),
	}
}

func collectSeq[T any](seq iter.Seq2[T, error]) (vs []T, err error) {
	for v, err := range seq {
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func orderedActions[T cmp.Ordered]() []action {
	ends := func(live func(context.Context, *table[T]) (T, error)) func(context.Context, *table[T], int) (any, error) {
		return func(ctx context.Context, r *table[T], _ int) (any, error) { return live(ctx, r) }
	}
	return []action{
		act("top", bag, func(ctx context.Context, r *table[T], seed int) (any, error) { return rdd.Top(ctx, r, 2*seed) },
			func(in []T, seed int) any {
				sorted := slices.Sorted(slices.Values(in))
				slices.Reverse(sorted)
				return sorted[:min(2*seed, len(in))]
			}),
		act("takeOrdered", bag, func(ctx context.Context, r *table[T], seed int) (any, error) {
			return rdd.TakeOrdered(ctx, r, 2*seed)
		}, func(in []T, seed int) any { return slices.Sorted(slices.Values(in))[:min(2*seed, len(in))] }),
		act("max", bag, ends(rdd.Max[T]), func(in []T, _ int) any {
			if len(in) == 0 {
				return "empty"
			}
			return slices.Max(in)
		}),
		act("min", bag, ends(rdd.Min[T]), func(in []T, _ int) any {
			if len(in) == 0 {
				return "empty"
			}
			return slices.Min(in)
		}),
	}
}

func numberActions() []action {
	total := func(in []int) (n int) {
		for _, v := range in {
			n += v
		}
		return n
	}
	limits := []float64{0, 3, 50, 1000}
	return []action{
		act("sum", bag, func(ctx context.Context, r *table[int], _ int) (any, error) { return rdd.Sum(ctx, r) },
			func(in []int, _ int) any { return total(in) }),
		act("fold", bag, func(ctx context.Context, r *table[int], _ int) (any, error) { return rdd.Fold(ctx, r, 0, sum) },
			func(in []int, _ int) any { return total(in) }),
		act("treeAggregate", bag, func(ctx context.Context, r *table[int], seed int) (any, error) {
			return rdd.TreeAggregate(ctx, r, 0, sum, sum, 1+seed%3)
		}, func(in []int, _ int) any { return total(in) }),
		act("mean", bag, func(ctx context.Context, r *table[int], _ int) (any, error) {
			mean, err := rdd.Mean(ctx, r)
			return near(mean), err
		}, func(in []int, _ int) any { return near(meanOf(in)) }),
		act("meanApprox", bag, func(ctx context.Context, r *table[int], _ int) (any, error) {
			p, err := rdd.MeanApprox(ctx, r, time.Hour, 0.95)
			return estimate(exactly(ctx, p, err))
		}, func(in []int, _ int) any { return near(meanOf(in)) }),
		act("sumApprox", bag, func(ctx context.Context, r *table[int], _ int) (any, error) {
			p, err := rdd.SumApprox(ctx, r, time.Hour, 0.95)
			return estimate(exactly(ctx, p, err))
		}, func(in []int, _ int) any { return near(meanOf(in) * float64(len(in))) }),
		act("histogramN", bag, func(ctx context.Context, r *table[int], seed int) (any, error) {
			limits, counts, err := rdd.HistogramN(ctx, r, 1+seed)
			return fmt.Sprint(len(limits), sum64(counts)), err
		}, func(in []int, seed int) any {
			switch {
			case len(in) == 0:
				return "empty"
			case slices.Max(in) == slices.Min(in):
				return fmt.Sprint(2, len(in))
			}
			return fmt.Sprint(2+seed, len(in))
		}),
		act("stats", bag, func(ctx context.Context, r *table[int], _ int) (any, error) {
			s, err := rdd.Stats(ctx, r)
			return fmt.Sprint(s.Count, s.Max, s.Min, near(s.Stdev()/(1+math.Abs(s.Mean)))), err
		}, func(in []int, _ int) any {
			largest, least, squares, mean := math.Inf(-1), math.Inf(1), 0.0, meanOf(in)
			for _, v := range in {
				largest, least = max(largest, float64(v)), min(least, float64(v))
				squares += math.Pow(float64(v)-mean, 2)
			}
			return fmt.Sprint(len(in), largest, least, near(math.Sqrt(squares/float64(len(in)))/(1+math.Abs(mean))))
		}),
		act("histogram", bag, func(ctx context.Context, r *table[int], _ int) (any, error) {
			return rdd.Histogram(ctx, r, limits)
		}, func(in []int, _ int) any {
			counts := make([]int64, len(limits)-1)
			for i := range counts {
				for _, v := range in {
					if v := float64(v); v >= limits[i] && (v < limits[i+1] || i == len(counts)-1 && v == limits[i+1]) {
						counts[i]++
					}
				}
			}
			return counts
		}),
	}
}

// exactly gives an estimate that has had the time to become exact.
func exactly[T any](ctx context.Context, p *rdd.Partial[T], err error) (v T, _ error) {
	if err != nil {
		return v, err
	}
	return p.Final(ctx)
}

func estimate(of rdd.Bounded, err error) (any, error) { return near(of.Mean), err }

func means[K comparable](of map[K]rdd.Bounded, err error) (any, error) {
	out := map[string]int{}
	for k, n := range of {
		out[text(k)] = int(n.Mean)
	}
	return out, err
}

// textActions are also those that write and read files.
func textActions() []action {
	in := func(in []string, _ int) any { return in }
	sized := func(a, b string) int { return len(a) - len(b) }
	path := func(r *table[string]) string { return fmt.Sprintf("%s:/saved/%d", scheme, r.ID()) }
	return []action{
		act("saveAsTextFile", list, func(ctx context.Context, r *table[string], _ int) (any, error) {
			if err := rdd.SaveAsTextFile(ctx, r, path(r)); err != nil {
				return nil, err
			}
			return rdd.Collect(ctx, rdd.TextFile(r.Context(), path(r)))
		}, in),
		act("saveAsObjectFile", list, func(ctx context.Context, r *table[string], _ int) (any, error) {
			if err := rdd.SaveAsObjectFile(ctx, r, path(r)); err != nil {
				return nil, err
			}
			return rdd.Collect(ctx, rdd.ObjectFile[string](r.Context(), path(r)))
		}, in),
		act("maxFunc", list, func(ctx context.Context, r *table[string], _ int) (any, error) {
			return rdd.MaxFunc(ctx, r, sized)
		}, func(in []string, _ int) any {
			if len(in) == 0 {
				return "empty"
			}
			return slices.MaxFunc(in, sized)
		}),
		act("minFunc", list, func(ctx context.Context, r *table[string], _ int) (any, error) {
			return rdd.MinFunc(ctx, r, sized)
		}, func(in []string, _ int) any {
			if len(in) == 0 {
				return "empty"
			}
			return slices.MinFunc(in, sized)
		}),
		act("countByValueApprox", bag, func(ctx context.Context, r *table[string], _ int) (any, error) {
			p, err := rdd.CountByValueApprox(ctx, r, time.Hour, 0.95)
			return means(exactly(ctx, p, err))
		}, func(in []string, _ int) any { return mapOf(countByValue(in)) }),
		act("countApproxDistinct", undefined, func(ctx context.Context, r *table[string], _ int) (any, error) {
			return rdd.CountApproxDistinct(ctx, r, 0.05)
		}, func([]string, int) any { return nil }),
	}
}

func pairActions() []action {
	return []action{
		act("countByKeyApprox", bag, func(ctx context.Context, r *table[row], _ int) (any, error) {
			p, err := rdd.CountByKeyApprox(ctx, r, time.Hour, 0.95)
			return means(exactly(ctx, p, err))
		}, func(in []row, _ int) any { return mapOf(countByValue(mapped(in, key[string, int]))) }),
		act("countByKey", bag, func(ctx context.Context, r *table[row], _ int) (any, error) {
			return rdd.CountByKey(ctx, r)
		}, func(in []row, _ int) any { return mapOf(countByValue(mapped(in, key[string, int]))) }),
		act("collectAsMap", byKey, func(ctx context.Context, r *table[row], _ int) (any, error) {
			return rdd.CollectAsMap(ctx, r)
		}, func(in []row, _ int) any { return mapOf(in) }),
		act("reduceByKeyLocally", byKey, func(ctx context.Context, r *table[row], _ int) (any, error) {
			return rdd.ReduceByKeyLocally(ctx, r, compose)
		}, func(in []row, _ int) any { return mapOf(reduceByKey(in, compose)) }),
		act("lookup", byKey, func(ctx context.Context, r *table[row], seed int) (any, error) {
			return rdd.Lookup(ctx, r, lookedUp(seed))
		}, func(in []row, seed int) any { return valuesOf(in, lookedUp(seed)) }),
	}
}

func meanOf(in []int) (mean float64) {
	for _, v := range in {
		mean += float64(v) / float64(len(in))
	}
	return mean
}

// near is the same for numbers that differ by rounding: the numbers between which it steps are no fractions, so that no
// exact result lies at one.
func near(v float64) int { return int(math.Round(math.Log1p(math.Abs(v)) * 1e6)) }

func sum64(ns []int64) (total int64) {
	for _, n := range ns {
		total += n
	}
	return total
}

func lookedUp(seed int) string { return []string{"a", "b", "", "key0", "key1", "nothing"}[seed%6] }

func mapOf(in []row) map[string]int {
	out := map[string]int{}
	for _, kv := range in {
		out[kv.Key] = kv.Value
	}
	return out
}
