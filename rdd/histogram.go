package rdd

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/weirstream/weir/internal/exec"
)

// maxBuckets is how many buckets a histogram may have: each task, and the driver, hold a count of each.
const maxBuckets = 1 << 24

// HistogramN counts the elements in n buckets of equal width between the least and the largest of them, and gives the
// n+1 limits and the n counts. A bucket holds its lower limit, the last one its upper limit too. Elements that are all
// equal give one bucket. It reads r twice. An RDD without elements, or one that holds a NaN or an infinity, is an
// error, and so are more buckets than 16,777,216, or than there are numbers between the least and the largest.
func HistogramN[T Number](ctx context.Context, r *RDD[T], n int) (limits []float64, counts []int64, err error) {
	if n < 1 {
		return nil, nil, fmt.Errorf("histogram at %s: the number of buckets must be at least 1, not %d",
			exec.Caller(), n)
	}
	if n > maxBuckets {
		return nil, nil, fmt.Errorf("histogram at %s: at most %d buckets are possible, not %d, for each task holds "+
			"them all: give fewer, or count by a key of your own with ReduceByKey", exec.Caller(), maxBuckets, n)
	}
	s, err := Stats(ctx, r)
	switch {
	case err != nil:
		return nil, nil, err
	case s.Count == 0:
		return nil, nil, ErrEmpty
	case math.IsNaN(s.Max - s.Min), math.IsInf(s.Max-s.Min, 0):
		return nil, nil, fmt.Errorf("histogram at %s: the elements reach from %v to %v, which cannot be divided into "+
			"equal buckets", exec.Caller(), s.Min, s.Max)
	}
	if s.Min == s.Max {
		return []float64{s.Min, s.Max}, []int64{s.Count}, nil
	}
	limits = []float64{s.Min}
	for i := 1; i < n; i++ {
		limits = append(limits, s.Min+(s.Max-s.Min)/float64(n)*float64(i))
	}
	limits = append(limits, s.Max)
	if err := checkLimits(limits); err != nil {
		return nil, nil, fmt.Errorf("histogram at %s: the elements reach from %v to %v, which is too little for %d "+
			"buckets: %w", exec.Caller(), s.Min, s.Max, n, err)
	}
	counts, err = Histogram(ctx, r, limits)
	return limits, counts, err
}

// Histogram counts the elements in the buckets between the given limits, which must rise. A bucket holds its lower
// limit, the last one its upper limit too; elements outside and NaNs are not counted.
func Histogram[T Number](ctx context.Context, r *RDD[T], limits []float64) ([]int64, error) {
	if err := checkLimits(limits); err != nil {
		return nil, fmt.Errorf("histogram at %s: %w", exec.Caller(), err)
	}
	total := make([]int64, len(limits)-1)
	err := run(ctx, r, "histogram", r.all(), func(_ *TaskContext, in iter.Seq[T]) ([]int64, error) {
		counts := make([]int64, len(limits)-1)
		in(func(v T) bool {
			if i, ok := bucketOf(float64(v), limits); ok {
				counts[i]++
			}
			return true
		})
		return counts, nil
	}, func(_ int, counts []int64) error {
		for i, n := range counts {
			total[i] += n
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return total, nil
}

func checkLimits(limits []float64) error {
	if len(limits) < 2 {
		return errors.New("a bucket needs two limits")
	}
	for i, l := range limits {
		if math.IsNaN(l) {
			return fmt.Errorf("limit %d is not a number", i)
		}
		if i > 0 && l <= limits[i-1] {
			return fmt.Errorf("the limits do not rise: %v comes after %v", l, limits[i-1])
		}
	}
	return nil
}

func bucketOf(v float64, limits []float64) (int, bool) {
	last := len(limits) - 1
	if !(v >= limits[0] && v <= limits[last]) {
		return 0, false
	}
	i, found := slices.BinarySearch(limits, v)
	if !found {
		i--
	}
	return min(i, last-1), true
}
