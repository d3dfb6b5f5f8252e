package rdd

import "slices"

// A LongAccumulator counts and sums up whole numbers: Value is their sum.
type LongAccumulator struct{ *Accumulator[int64, int64] }

// NewLongAccumulator makes an accumulator of whole numbers; name may be "". See [Accumulator].
func NewLongAccumulator(sc *Context, name string) LongAccumulator {
	return LongAccumulator{Register(sc, name, AccumulatorV2[int64, int64](&sums[int64]{}))}
}

// Sum is the sum of what was added, Count how many numbers that were, Avg their mean, 0 if there are none. All panic
// inside a task, as [Accumulator.Value].
func (a LongAccumulator) Sum() int64 { return a.Value() }

// Count is how many numbers were added.
func (a LongAccumulator) Count() int64 { return sumsOf(a.Accumulator, "Count").n }

// Avg is the mean of the numbers, 0 if there are none.
func (a LongAccumulator) Avg() float64 { return sumsOf(a.Accumulator, "Avg").mean() }

// A DoubleAccumulator counts and sums up numbers: Value is their sum, whose last digits depend on the order in which
// tasks end.
type DoubleAccumulator struct{ *Accumulator[float64, float64] }

// NewDoubleAccumulator makes an accumulator of numbers; name may be "". See [Accumulator].
func NewDoubleAccumulator(sc *Context, name string) DoubleAccumulator {
	return DoubleAccumulator{Register(sc, name, AccumulatorV2[float64, float64](&sums[float64]{}))}
}

// Sum is the sum of what was added. It panics inside a task, as [Accumulator.Value].
func (a DoubleAccumulator) Sum() float64 { return a.Value() }

// Count is how many numbers were added.
func (a DoubleAccumulator) Count() int64 { return sumsOf(a.Accumulator, "Count").n }

// Avg is the mean of the numbers, 0 if there are none.
func (a DoubleAccumulator) Avg() float64 { return sumsOf(a.Accumulator, "Avg").mean() }

// sums is how many numbers there are and their sum.
type sums[T int64 | float64] struct {
	n   int64
	sum T
}

func sumsOf[T int64 | float64](a *Accumulator[T, T], method string) (s sums[T]) {
	a.look(method, func(total AccumulatorV2[T, T]) { s = *total.(*sums[T]) })
	return s
}

func (s sums[T]) mean() float64 {
	if s.n == 0 {
		return 0
	}
	return float64(s.sum) / float64(s.n)
}

// IsZero implements AccumulatorV2, as the others do.
func (s *sums[T]) IsZero() bool { return s.n == 0 }

// Copy gives one of the same numbers.
func (s *sums[T]) Copy() AccumulatorV2[T, T] { return &sums[T]{s.n, s.sum} }

// Reset forgets all numbers.
func (s *sums[T]) Reset() { *s = sums[T]{} }

// Add takes a number.
func (s *sums[T]) Add(v T) { s.n, s.sum = s.n+1, s.sum+v }

// Merge takes the numbers of another one.
func (s *sums[T]) Merge(other AccumulatorV2[T, T]) {
	o := other.(*sums[T])
	s.n, s.sum = s.n+o.n, s.sum+o.sum
}

// Value is the sum.
func (s *sums[T]) Value() T { return s.sum }

// NewCollectionAccumulator makes an accumulator that lists what is added, those of a task together and in their order,
// the tasks in the order in which they end. All of it lies in the driver's memory. name may be "". See [Accumulator].
func NewCollectionAccumulator[T any](sc *Context, name string) *CollectionAccumulator[T] {
	return Register(sc, name, AccumulatorV2[T, []T](&list[T]{}))
}

// A CollectionAccumulator lists what was added to it.
type CollectionAccumulator[T any] = Accumulator[T, []T]

// list is what was added.
type list[T any] struct{ vs []T }

// IsZero implements AccumulatorV2, as the others do.
func (l *list[T]) IsZero() bool { return len(l.vs) == 0 }

// Copy gives one of the same elements.
func (l *list[T]) Copy() AccumulatorV2[T, []T] { return &list[T]{slices.Clone(l.vs)} }

// Reset forgets all elements.
func (l *list[T]) Reset() { l.vs = nil }

// Add takes an element.
func (l *list[T]) Add(v T) { l.vs = append(l.vs, v) }

// Merge takes the elements of another one.
func (l *list[T]) Merge(other AccumulatorV2[T, []T]) { l.vs = append(l.vs, other.(*list[T]).vs...) }

// Value is the elements, in a slice of their own.
func (l *list[T]) Value() []T { return slices.Clone(l.vs) }
