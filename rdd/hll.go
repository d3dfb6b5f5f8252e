package rdd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
)

// hllSeed is that of the hash that counts distinct keys; not that of dealing, whose bits the partitions share.
const hllSeed = 0x9E3779B97F4A7C15

// A sketch estimates how many distinct hashes it was given: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) with a
// register for each of 2^p classes, and the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog
// sketches", 2017, algorithm 6), which needs no tables of bias, from few keys to many.
type sketch []uint8

// sketchBits gives p for a relative standard error, which is 1.04/sqrt(2^p).
func sketchBits(relativeSD float64) (int, error) {
	if !(relativeSD > 0 && relativeSD < 1) {
		return 0, fmt.Errorf("the relative standard deviation must be between 0 and 1, not %v", relativeSD)
	}
	p := int(math.Ceil(2 * math.Log2(1.04/relativeSD)))
	if p > 24 {
		return 0, fmt.Errorf("a relative standard deviation of %v would take 2^%d bytes a task: at least 0.00026",
			relativeSD, p)
	}
	return max(p, 4), nil
}

func (s sketch) add(hash uint64) {
	p := bits.TrailingZeros(uint(len(s)))
	class, rest := hash>>(64-p), hash<<p
	rank := uint8(min(bits.LeadingZeros64(rest), 64-p) + 1)
	s[class] = max(s[class], rank)
}

func (s sketch) merge(o sketch) {
	for i, rank := range o {
		s[i] = max(s[i], rank)
	}
}

func (s sketch) estimate() int64 {
	m := float64(len(s))
	q := 64 - bits.TrailingZeros(uint(len(s)))
	counts := make([]float64, q+2)
	for _, rank := range s {
		counts[rank]++
	}
	z := m * tau(1-counts[q+1]/m)
	for k := q; k >= 1; k-- {
		z = (z + counts[k]) / 2
	}
	z += m * sigma(counts[0]/m)
	return int64(math.Round(m * m / (2 * math.Ln2) / z))
}

// sigma and tau are the series of Ertl's paper for registers that are empty and full.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		before := z
		z += x * y
		y += y
		if z == before {
			return z
		}
	}
}

func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		before := z
		y /= 2
		z -= (1 - x) * (1 - x) * y
		if z == before {
			return z / 3
		}
	}
}

// CountApproxDistinct estimates how many distinct elements there are, with a relative standard deviation (Spark's
// default is 0.05): of 100 estimates about 68 are off by no more than that. Each task keeps about (1.04/relativeSD)^2
// bytes.
func CountApproxDistinct[T comparable](ctx context.Context, r *RDD[T], relativeSD float64) (int64, error) {
	p, err := sketchBits(relativeSD)
	if err == nil {
		var keys *codec.KeyCodec[T]
		if keys, err = codec.ForKey[T](); err == nil {
			return countDistinct(ctx, r, p, keys)
		}
	}
	return 0, fmt.Errorf("countApproxDistinct at %s: %w", exec.Caller(), err)
}

func countDistinct[T comparable](ctx context.Context, r *RDD[T], p int, keys *codec.KeyCodec[T]) (int64, error) {
	all := make(sketch, 1<<p)
	err := run(ctx, r, "countApproxDistinct", r.all(), func(tc *TaskContext, in iter.Seq[T]) (sketch, error) {
		s := make(sketch, 1<<p)
		in(func(v T) bool {
			h, err := keys.Hash(hllSeed, v)
			if err != nil {
				tc.Fail(err)
			}
			s.add(h)
			return true
		})
		return s, nil
	}, func(_ int, s sketch) error { all.merge(s); return nil })
	if err != nil {
		return 0, err
	}
	return all.estimate(), nil
}

// CountApproxDistinctByKey estimates how many distinct values each key has; see [CountApproxDistinct]. Shuffle of one
// sketch of (1.04/relativeSD)^2 bytes for each key and map partition.
func CountApproxDistinctByKey[K, V comparable](r *RDD[Pair[K, V]], relativeSD float64, opts ...ShuffleOption,
) *RDD[Pair[K, int64]] {
	p, badSD := sketchBits(relativeSD)
	values, badValue := codec.ForKey[V]()
	sketches := narrow(r, "sketches", func(tc *TaskContext, part int) iter.Seq[Pair[K, sketch]] {
		first := func(v V) sketch { return addValue(tc, values, make(sketch, 1<<p), v) }
		next := func(s sketch, v V) sketch { return addValue(tc, values, s, v) }
		return func(yield func(Pair[K, sketch]) bool) {
			fold(tc, r, part, first, next)(func(k K, s sketch) bool { return yield(Pair[K, sketch]{k, s}) })
		}
	})
	merge := func(s, o sketch) sketch { s.merge(o); return s }
	out := MapValues(ReduceByKey(sketches, merge, opts...), sketch.estimate)
	out.node.Op = "countApproxDistinctByKey"
	if err := errors.Join(badSD, badValue); err != nil {
		out.refuse("countApproxDistinctByKey: %w", err)
	}
	return out
}

func addValue[V comparable](tc *TaskContext, values *codec.KeyCodec[V], s sketch, v V) sketch {
	h, err := values.Hash(hllSeed, v)
	if err != nil {
		tc.Fail(err)
	}
	s.add(h)
	return s
}
