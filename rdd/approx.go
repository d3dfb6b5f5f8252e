package rdd

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/exec"
)

// A Bounded is an estimate: with the probability Confidence the true number lies between Low and High.
type Bounded struct {
	Mean, Confidence, Low, High float64
}

// String gives the estimate as Spark prints it.
func (b Bounded) String() string { return fmt.Sprintf("[%.3f, %.3f]", b.Low, b.High) }

// A Partial is what an approximate action knew when its time was over.
type Partial[R any] struct {
	// Initial is the estimate of the partitions that were done by then; exact if all were.
	Initial R
	final   func(ctx context.Context) (R, error)
}

// Final waits until all partitions are done, which go on meanwhile, and gives the exact result.
func (p *Partial[R]) Final(ctx context.Context) (R, error) { return p.final(ctx) }

// CountApprox counts the elements for as long as timeout, and estimates from the partitions that are done by then, with
// a confidence such as 0.95. The other partitions go on; see [Partial].
func CountApprox[T any](ctx context.Context, r *RDD[T], timeout time.Duration, confidence float64,
) (*Partial[Bounded], error) {
	return approximate(ctx, r, "countApprox", timeout, confidence, func(_ *TaskContext, in iter.Seq[T]) (int64, error) {
		var n int64
		in(func(T) bool { n++; return true })
		return n, nil
	}, func(counts []int64, of int) Bounded {
		var sum int64
		for _, n := range counts {
			sum += n
		}
		return boundedCount(sum, float64(len(counts))/float64(max(of, 1)), confidence)
	})
}

// CountByValueApprox is [CountApprox] for each element; those that only lie in partitions that are not done are absent.
func CountByValueApprox[T comparable](ctx context.Context, r *RDD[T], timeout time.Duration, confidence float64,
) (*Partial[map[T]Bounded], error) {
	return countByValueApprox(ctx, r, "countByValueApprox", timeout, confidence)
}

// CountByKeyApprox is [CountByValueApprox] of the keys.
func CountByKeyApprox[K comparable, V any](ctx context.Context, r *RDD[Pair[K, V]], timeout time.Duration,
	confidence float64,
) (*Partial[map[K]Bounded], error) {
	return countByValueApprox(ctx, Keys(r), "countByKeyApprox", timeout, confidence)
}

func countByValueApprox[T comparable](ctx context.Context, r *RDD[T], action string, timeout time.Duration,
	confidence float64,
) (*Partial[map[T]Bounded], error) {
	return approximate(ctx, r, action, timeout, confidence, func(_ *TaskContext, in iter.Seq[T]) (map[T]int64, error) {
		m := map[T]int64{}
		in(func(v T) bool { m[v]++; return true })
		return m, nil
	}, func(parts []map[T]int64, of int) map[T]Bounded {
		sums := map[T]int64{}
		for _, m := range parts {
			for v, n := range m {
				sums[v] += n
			}
		}
		out := make(map[T]Bounded, len(sums))
		for v, n := range sums {
			out[v] = boundedCount(n, float64(len(parts))/float64(max(of, 1)), confidence)
		}
		return out
	})
}

// MeanApprox estimates the mean of the elements as [CountApprox] does their number.
func MeanApprox[T Number](ctx context.Context, r *RDD[T], timeout time.Duration, confidence float64,
) (*Partial[Bounded], error) {
	estimate := func(parts []StatCounter, of int) Bounded {
		return boundedMean(merged(parts), len(parts) == of, confidence)
	}
	return approximate(ctx, r, "meanApprox", timeout, confidence, statsOf[T], estimate)
}

// SumApprox estimates the sum of the elements as [CountApprox] does their number.
func SumApprox[T Number](ctx context.Context, r *RDD[T], timeout time.Duration, confidence float64,
) (*Partial[Bounded], error) {
	return approximate(ctx, r, "sumApprox", timeout, confidence, statsOf[T], func(parts []StatCounter, of int) Bounded {
		s := merged(parts)
		if len(parts) == of {
			return exactly(s.Sum())
		}
		n := boundedCount(s.Count, float64(len(parts))/float64(of), confidence)
		m := boundedMean(s, false, confidence)
		// The variance of a product of independent estimates.
		spread := func(b Bounded) float64 { return square((b.High - b.Low) / 2 / quantile(confidence)) }
		sd := math.Sqrt(square(m.Mean)*spread(n) + square(n.Mean)*spread(m) + spread(n)*spread(m))
		mean, half := n.Mean*m.Mean, sd*quantile(confidence)
		return unlessUnknown(Bounded{mean, confidence, mean - half, mean + half})
	})
}

func statsOf[T Number](_ *TaskContext, in iter.Seq[T]) (StatCounter, error) {
	s := NewStatCounter()
	in(func(v T) bool { s.Add(float64(v)); return true })
	return s, nil
}

func merged(parts []StatCounter) StatCounter {
	all := NewStatCounter()
	for _, s := range parts {
		all.Merge(s)
	}
	return all
}

func square(x float64) float64 { return x * x }

func exactly(v float64) Bounded { return Bounded{v, 1, v, v} }

// unlessUnknown gives bounds that say nothing where nothing is known.
func unlessUnknown(b Bounded) Bounded {
	if math.IsNaN(b.Low) || math.IsNaN(b.High) {
		b.Low, b.High = math.Inf(-1), math.Inf(1)
	}
	return b
}

// boundedCount estimates a whole of which the part p of all partitions held sum: what is missing is negative binomial,
// taken for normal.
func boundedCount(sum int64, p, confidence float64) Bounded {
	switch {
	case p == 1:
		return exactly(float64(sum))
	case p == 0:
		return Bounded{0, 0, 0, math.Inf(1)}
	}
	mean := (float64(sum) + 1 - p) / p
	half := math.Sqrt((float64(sum)+1)*(1-p)/(p*p)) * quantile(confidence)
	return Bounded{mean, confidence, max(float64(sum), mean-half), mean + half}
}

// boundedMean estimates the mean from a sample of the elements.
func boundedMean(s StatCounter, all bool, confidence float64) Bounded {
	if all {
		return exactly(s.Mean)
	}
	half := math.Sqrt(s.SampleVariance()/float64(s.Count)) * quantile(confidence)
	return unlessUnknown(Bounded{s.Mean, confidence, s.Mean - half, s.Mean + half})
}

// quantile is how many standard deviations around the mean hold that part of a normal distribution.
func quantile(confidence float64) float64 { return math.Sqrt2 * math.Erfinv(confidence) }

// approximate runs a job, and after timeout estimates from the partitions that are done.
func approximate[T, P, R any](ctx context.Context, r *RDD[T], action string, timeout time.Duration, confidence float64,
	f func(*TaskContext, iter.Seq[T]) (P, error), estimate func(parts []P, of int) R,
) (*Partial[R], error) {
	switch {
	case !(confidence > 0 && confidence < 1):
		return nil, fmt.Errorf("%s at %s: the confidence must be between 0 and 1, not %v", action, exec.Caller(),
			confidence)
	case timeout < 0:
		return nil, fmt.Errorf("%s at %s: the time must not be below 0: it is %v", action, exec.Caller(), timeout)
	}
	if err := r.sc.inside.Refuse(ctx, action, exec.Caller()); err != nil {
		return nil, err
	}
	var (
		mu    sync.Mutex
		parts []P
		err   error
		ended = make(chan struct{})
		of    = r.node.Partitions
	)
	known := func() R {
		mu.Lock()
		defer mu.Unlock()
		return estimate(parts, of)
	}
	ctx = r.sc.background(ctx).In(ctx)
	go func() {
		defer close(ended)
		err = run(ctx, r, action, r.all(), f, func(_ int, p P) error {
			mu.Lock()
			defer mu.Unlock()
			parts = append(parts, p)
			return nil
		})
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ended:
		if err != nil {
			return nil, err
		}
	}
	return &Partial[R]{Initial: known(), final: func(ctx context.Context) (none R, _ error) {
		select {
		case <-ended:
			if err != nil {
				return none, err
			}
			return known(), nil
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}}, nil
}
