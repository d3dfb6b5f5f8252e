package rdd

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"reflect"

	"github.com/weirstream/weir/internal/exec"
)

// Sample gives a random part of the elements: each with the probability fraction, or with replacement each a number of
// times that is fraction on average (Poisson). How many that are varies. Narrow; no memory.
func Sample[T any](r *RDD[T], withReplacement bool, fraction float64, opts ...SampleOption) *RDD[T] {
	out := drawn(r, "sample", opts, func(random *rand.Rand, _ T) int { return draw(random, withReplacement, fraction) })
	if err := checkFraction(withReplacement, fraction); err != nil {
		out.refuse("sample: %w", err)
	}
	return out
}

// SampleByKey is [Sample] with a fraction for each key; pairs of keys without one are left out. Narrow; no memory.
func SampleByKey[K comparable, V any](r *RDD[Pair[K, V]], withReplacement bool, fractions map[K]float64,
	opts ...SampleOption,
) *RDD[Pair[K, V]] {
	out := drawn(r, "sampleByKey", opts, func(random *rand.Rand, kv Pair[K, V]) int {
		return draw(random, withReplacement, fractions[kv.Key])
	})
	out.dealt = r.dealt
	for k, fraction := range fractions {
		if err := checkFraction(withReplacement, fraction); err != nil {
			out.refuse("sampleByKey: key %v: %w", k, err)
		}
	}
	return out
}

// SampleByKeyExact gives, for each key with a fraction, exactly fraction times its number of pairs, rounded up: chosen
// at random, with replacement or without. Shuffle of all pairs that have a fraction; those of a key must fit into
// memory.
func SampleByKeyExact[K comparable, V any](r *RDD[Pair[K, V]], withReplacement bool, fractions map[K]float64,
	opts ...SampleOption,
) *RDD[Pair[K, V]] {
	s := newSampling(opts)
	grouped := GroupByKey(Filter(r, func(kv Pair[K, V]) bool { return fractions[kv.Key] > 0 }))
	var out *RDD[Pair[K, V]]
	out = narrow(grouped, "sampleByKeyExact", func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		random := s.random(tc, r.sc, out.node, p)
		return func(yield func(Pair[K, V]) bool) {
			grouped.iterate(tc, p)(func(kv Pair[K, []V]) bool {
				want := int(math.Ceil(fractions[kv.Key] * float64(len(kv.Value))))
				return choose(random, kv.Value, withReplacement, want, checked(tc, func(v V) bool {
					return yield(Pair[K, V]{kv.Key, v})
				}))
			})
		}
	})
	out.dealt = grouped.dealt
	for k, fraction := range fractions {
		if err := checkFraction(withReplacement, fraction); err != nil {
			out.refuse("sampleByKeyExact: key %v: %w", k, err)
		}
	}
	return out
}

// RandomSplit splits the elements at random: each goes into one of the RDDs, with probabilities in the ratio of the
// weights. Each RDD reads r whole; persist r if it costs anything. Narrow; no memory.
func RandomSplit[T any](r *RDD[T], weights []float64, opts ...SampleOption) []*RDD[T] {
	var sum float64
	bad := len(weights) == 0
	for _, w := range weights {
		bad = bad || !(w >= 0) || math.IsInf(w, 1)
		sum += w
	}
	outs := make([]*RDD[T], len(weights))
	s := newSampling(opts)
	site := exec.Caller()
	upto := 0.0
	for i, w := range weights {
		from, to := upto/sum, (upto+w)/sum
		if upto += w; i == len(weights)-1 {
			to = 1
		}
		var out *RDD[T]
		out = narrow(r, "randomSplit", func(tc *TaskContext, p int) iter.Seq[T] {
			in := r.iterate(tc, p)
			return func(yield func(T) bool) {
				// All parts draw the same numbers, for they are made at one place of the program.
				random := s.random(tc, r.sc, out.node, p)
				in(func(v T) bool {
					x := random.Float64()
					return x < from || x >= to || yield(v)
				})
			}
		})
		out.node.Site = site
		if bad || !(sum > 0) {
			out.refuse("randomSplit needs weights of at least 0 with a sum above 0, not %v", weights)
		}
		outs[i] = out
	}
	return outs
}

// TakeSample gives n elements chosen at random, in random order; without replacement at most all there are. It reads r
// once and holds n elements of each partition; with replacement, where those are n however few there are to choose
// from, they must fit into weir.memory.budget.
func TakeSample[T any](ctx context.Context, r *RDD[T], withReplacement bool, n int, opts ...SampleOption) ([]T, error) {
	if n < 0 {
		return nil, fmt.Errorf("takeSample at %s: the number of elements must be at least 0, not %d", exec.Caller(), n)
	}
	held := float64(n) * float64(r.node.Partitions) * float64(max(reflect.TypeFor[T]().Size(), 1))
	if withReplacement && held > float64(r.sc.budget.Total()) {
		return nil, fmt.Errorf("takeSample at %s: %d elements with replacement, of each of %d partitions, do not fit "+
			"into weir.memory.budget, which is %d bytes: take fewer, or draw by Sample, which holds none",
			exec.Caller(), n, r.node.Partitions, r.sc.budget.Total())
	}
	s := newSampling(opts)
	type part struct {
		vs    []T
		count int64
	}
	parts := make([]part, r.node.Partitions)
	err := run(ctx, r, "takeSample", r.all(), func(tc *TaskContext, in iter.Seq[T]) (part, error) {
		var kept part
		random := s.random(tc, r.sc, r.node, tc.PartitionID())
		in(func(v T) bool {
			kept.count++
			kept.vs = reservoir(random, kept.vs, v, n, kept.count, withReplacement)
			return true
		})
		random.Shuffle(len(kept.vs), func(i, j int) { kept.vs[i], kept.vs[j] = kept.vs[j], kept.vs[i] })
		return kept, nil
	}, func(i int, p part) error { parts[i] = p; return nil })
	if err != nil {
		return nil, err
	}
	seed := sampling{r.sc.seed, true}
	if s.set {
		seed = s
	}
	random := seed.random(nil, r.sc, r.node, -1)
	var out []T
	for left := n; left > 0; left-- { // The next element comes from a partition by how many it still stands for.
		var total int64
		for _, p := range parts {
			total += p.count
		}
		if total == 0 {
			break
		}
		at := random.Int64N(total)
		for i := range parts {
			p := &parts[i]
			if at >= p.count {
				at -= p.count
				continue
			}
			out, p.vs = append(out, p.vs[0]), p.vs[1:]
			if !withReplacement {
				p.count--
			}
			break
		}
	}
	return out, nil
}

// reservoir offers the count-th element v to n places. Without replacement they hold n of the elements so far, all of
// them alike likely; with it each holds any one of them, whatever the others hold.
func reservoir[T any](random *rand.Rand, vs []T, v T, n int, count int64, withReplacement bool) []T {
	switch {
	case !withReplacement && len(vs) < n, withReplacement && count == 1 && n > 0:
		vs = append(vs, v)
		for withReplacement && len(vs) < n {
			vs = append(vs, v)
		}
	case !withReplacement:
		if at := random.Int64N(count); at < int64(n) {
			vs[at] = v
		}
	default: // Each place takes v with the probability 1/count; the places between two that do are geometric.
		never := math.Log1p(-1 / float64(count))
		for at := math.Floor(math.Log(1-random.Float64()) / never); at < float64(n); {
			vs[int(at)] = v
			at += 1 + math.Floor(math.Log(1-random.Float64())/never)
		}
	}
	return vs
}

// drawn gives each element as often as times tells.
func drawn[T any](r *RDD[T], op string, opts []SampleOption, times func(*rand.Rand, T) int) *RDD[T] {
	s := newSampling(opts)
	var out *RDD[T]
	out = narrow(r, op, func(tc *TaskContext, p int) iter.Seq[T] {
		in := r.iterate(tc, p)
		return func(yield func(T) bool) {
			random := s.random(tc, r.sc, out.node, p)
			in(func(v T) bool {
				for i := range times(random, v) {
					if i&1023 == 1023 {
						tc.Check()
					}
					if !yield(v) {
						return false
					}
				}
				return true
			})
		}
	})
	return out
}

func draw(random *rand.Rand, withReplacement bool, fraction float64) int {
	switch {
	case withReplacement:
		return poisson(random, fraction)
	case random.Float64() < fraction:
		return 1
	}
	return 0
}

// maxFraction is how often an element may be drawn on average: who asks for more means something else, and drawing the
// number alone would take for ever.
const maxFraction = 1_000_000

func checkFraction(withReplacement bool, fraction float64) error {
	if fraction >= 0 && (withReplacement && fraction <= maxFraction || fraction <= 1) {
		return nil
	}
	if withReplacement {
		return fmt.Errorf("the fraction must be from 0 to %d, not %v", maxFraction, fraction)
	}
	return fmt.Errorf("the fraction must be from 0 to 1, not %v: nothing is drawn twice without replacement", fraction)
}

// choose yields n of vs, until yield gives false. Those that are drawn without replacement come in their order: each is
// taken with the probability of what is still wanted among those that are left.
func choose[T any](random *rand.Rand, vs []T, withReplacement bool, n int, yield func(T) bool) bool {
	if withReplacement {
		for range n {
			if !yield(vs[random.IntN(len(vs))]) {
				return false
			}
		}
		return true
	}
	for i, v := range vs {
		if random.IntN(len(vs)-i) >= n {
			continue
		}
		if n--; !yield(v) {
			return false
		}
	}
	return true
}
