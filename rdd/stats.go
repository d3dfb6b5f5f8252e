package rdd

import (
	"context"
	"fmt"
	"math"
)

// A StatCounter sums numbers up: how many, their mean and variance, the least and the largest. Its methods give NaN
// where there are too few. It adds and merges by the formulas of Welford, and of Chan, Golub and LeVeque, which lose no
// digits to sums of squares.
type StatCounter struct {
	// Count is how many numbers there are, Mean their mean, 0 if there are none.
	Count int64
	Mean  float64
	// M2 is the sum of the squares of their distances from the mean.
	M2 float64
	// Max and Min are -Inf and +Inf if there are none.
	Max, Min float64
}

// NewStatCounter sums up the given numbers.
func NewStatCounter(vs ...float64) StatCounter {
	s := StatCounter{Max: math.Inf(-1), Min: math.Inf(1)}
	for _, v := range vs {
		s.Add(v)
	}
	return s
}

// Add takes a number.
func (s *StatCounter) Add(v float64) {
	s.Count++
	delta := v - s.Mean
	s.Mean += delta / float64(s.Count)
	s.M2 += delta * (v - s.Mean)
	s.Max, s.Min = max(s.Max, v), min(s.Min, v)
}

// Merge takes all numbers of another counter.
func (s *StatCounter) Merge(o StatCounter) {
	if o.Count == 0 {
		return
	}
	if s.Count == 0 {
		*s = o
		return
	}
	n, m := float64(s.Count), float64(o.Count)
	delta := o.Mean - s.Mean
	s.Mean += delta * m / (n + m)
	s.M2 += o.M2 + delta*delta*n*m/(n+m)
	s.Count += o.Count
	s.Max, s.Min = max(s.Max, o.Max), min(s.Min, o.Min)
}

// Sum is the sum of the numbers.
func (s StatCounter) Sum() float64 { return float64(s.Count) * s.Mean }

// Variance is that of the numbers as the whole population.
func (s StatCounter) Variance() float64 { return s.M2 / float64(s.Count) }

// Stdev is the root of Variance.
func (s StatCounter) Stdev() float64 { return math.Sqrt(s.Variance()) }

// SampleVariance is the variance of what the numbers are a sample of: it divides by one less than their number.
func (s StatCounter) SampleVariance() float64 {
	if s.Count == 0 {
		return math.NaN()
	}
	return s.M2 / float64(s.Count-1)
}

// SampleStdev is the root of SampleVariance.
func (s StatCounter) SampleStdev() float64 { return math.Sqrt(s.SampleVariance()) }

// String gives the counter as Spark prints it.
func (s StatCounter) String() string {
	return fmt.Sprintf("(count: %d, mean: %f, stdev: %f, max: %f, min: %f)", s.Count, s.Mean, s.Stdev(), s.Max, s.Min)
}

// Stats sums the elements up in one pass.
func Stats[T Number](ctx context.Context, r *RDD[T]) (StatCounter, error) {
	parts := make([]StatCounter, max(r.node.Partitions, 0))
	err := run(ctx, r, "stats", r.all(), statsOf[T], func(i int, s StatCounter) error { parts[i] = s; return nil })
	return merged(parts), err
}

// Sum gives the sum of the elements, 0 if there are none: of whole numbers exact, as Go adds them.
func Sum[T Number](ctx context.Context, r *RDD[T]) (T, error) {
	return aggregate(ctx, r, "sum", 0, func(a, b T) T { return a + b }, func(a, b T) T { return a + b })
}

// Mean gives the mean of the elements, 0 if there are none. [Stats] gives it together with the variance.
func Mean[T Number](ctx context.Context, r *RDD[T]) (float64, error) {
	s, err := Stats(ctx, r)
	return s.Mean, err
}
