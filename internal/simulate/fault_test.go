package simulate

import (
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// errFault is the failure of a task, an output or a batch on purpose: what is tried again must succeed.
var errFault = errors.New("a fault on purpose")

// attempts is how often a task is tried: more than all the faults on its way.
const attempts = 40

// faults are operators that change nothing and fail at first.
func faults[T any]() []*operator {
	same := func(_ *Step, in []T) []T { return in }
	return []*operator{
		// The first attempts at every third partition fail, when some of it has been handed on.
		one("mapPartitions", func(_ *execution, s *Step, d *stream[T]) *stream[T] {
			return dstream.MapPartitions(d, func(tc *rdd.TaskContext, in iter.Seq[T]) iter.Seq[T] {
				fails := (tc.PartitionID()+int(tc.BatchSequence()))%3 == 0 && tc.AttemptNumber() <= s.Seed%2
				return failing(tc, in, s, fails)
			})
		}, same).needing(bag, "that fails", "that panics").giving(kept),
		// One call in the whole life of the program fails.
		one("mapTry", func(x *execution, s *Step, d *stream[T]) *stream[T] {
			var calls atomic.Int64
			return dstream.MapTry(d, func(v T) (T, error) {
				if calls.Add(1) == int64(7*s.Seed+1) {
					return v, errFault
				}
				return v, nil
			})
		}, same).needing(bag, "that fails").giving(kept),
	}
}

// failing hands some elements on, and then fails if it is to.
func failing[T any](tc *rdd.TaskContext, in iter.Seq[T], s *Step, fails bool) iter.Seq[T] {
	if !fails {
		return in
	}
	return func(yield func(T) bool) {
		left := s.Seed
		in(func(v T) bool {
			if left--; left < 0 {
				failTask(tc, s.Variant)
			}
			return yield(v)
		})
		failTask(tc, s.Variant)
	}
}

func failTask(tc *rdd.TaskContext, variant int) {
	if variant == 1 {
		panic(fmt.Sprint(errFault))
	}
	tc.Fail(errFault)
}
