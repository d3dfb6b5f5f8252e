package dstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// ErrState is wrapped by the error of a function that asked of a [State] what it cannot do. It fails the task.
var ErrState = errors.New("the state cannot do this")

// A State is what [MapWithState] keeps of a key, as the function sees it. It is valid during the call that it is given
// to. What Get gives is the function's own: it may be changed, and is kept by Update alone.
type State[S any] struct {
	lend      func(S) S
	value     S
	exists    bool
	put       bool // the value is not that of before
	removed   bool
	timingOut bool
	err       error // a misuse, which fails the task whatever the function does with the panic
}

// begin makes it the state of the next call.
func (s *State[S]) begin(v S, exists, timingOut bool) {
	*s = State[S]{lend: s.lend, value: v, exists: exists, timingOut: timingOut}
}

// misuse fails the call, and with it the task.
func (s *State[S]) misuse(what string) {
	s.err = fmt.Errorf("%w: %s", ErrState, what)
	panic(s.err)
}

// Exists tells whether the key has a state.
func (s *State[S]) Exists() bool { return s.exists }

// Get gives the state. It panics, which fails the task, if there is none: ask Exists, or use Option.
func (s *State[S]) Get() S {
	if !s.exists {
		s.misuse("Get of a key without state: ask Exists first, or use Option")
	}
	return s.lend(s.value)
}

// Option gives the state, if there is one.
func (s *State[S]) Option() rdd.Optional[S] {
	if !s.exists {
		return rdd.Optional[S]{}
	}
	return rdd.Optional[S]{Value: s.lend(s.value), Present: true}
}

// Update makes v the state. It panics, which fails the task, after Remove in the same call, and while the key is timing
// out.
func (s *State[S]) Update(v S) {
	switch {
	case s.removed:
		s.misuse("Update after Remove in one call")
	case s.timingOut:
		s.misuse("Update of a key that is timing out: it is removed when the function returns")
	}
	s.value, s.exists, s.put = v, true, true
}

// Remove takes the key's state away; the next record of the key finds none. It panics, which fails the task, after a
// Remove in the same call, and while the key is timing out.
func (s *State[S]) Remove() {
	switch {
	case s.removed:
		s.misuse("Remove after Remove in one call")
	case s.timingOut:
		s.misuse("Remove of a key that is timing out: it is removed anyway when the function returns")
	}
	var none S
	s.value, s.exists, s.removed = none, false, true
}

// IsTimingOut tells that the function is called because the key had no data for as long as the spec's time-out says. It
// is the last call for this state.
func (s *State[S]) IsTimingOut() bool { return s.timingOut }

// A StateSpec says what [MapWithState] does. Make one with [Spec] or [SpecWithTime].
type StateSpec[K comparable, V, S, U any] struct {
	f       func(t Time, k K, v rdd.Optional[V], s *State[S]) (U, bool)
	initial *rdd.RDD[rdd.Pair[K, S]]
	opts    []rdd.ShuffleOption
	timeout time.Duration
	timed   bool
	site    exec.Site
	err     error
}

// Spec makes a spec of a function that is called for each record of a batch, those of a key in their order, and gives
// one element for each. With a time-out it is also called, with no value, for keys that time out.
func Spec[K comparable, V, S, U any](f func(k K, v rdd.Optional[V], s *State[S]) U) *StateSpec[K, V, S, U] {
	s := SpecWithTime(func(_ Time, k K, v rdd.Optional[V], st *State[S]) (U, bool) { return f(k, v, st), true })
	if s.timed = false; f == nil {
		s.f = nil
	}
	return s
}

// SpecWithTime is [Spec] of a function that is told the batch's time, and gives an element only where it says true.
func SpecWithTime[K comparable, V, S, U any](f func(t Time, k K, v rdd.Optional[V], s *State[S]) (U, bool),
) *StateSpec[K, V, S, U] {
	return &StateSpec[K, V, S, U]{f: f, timed: true, site: exec.Caller()}
}

// Initial gives keys a state before the first batch, and is not read when there is a state from a checkpoint. Of a key
// that comes twice the last counts. The first batch needs about twice the memory of the state: all rows of r are
// collected before any becomes state. Where the state lies on disk ([StateStore]) these rows must fit into memory all
// the same. It returns s.
func (s *StateSpec[K, V, S, U]) Initial(r *rdd.RDD[rdd.Pair[K, S]]) *StateSpec[K, V, S, U] {
	s.initial = r
	return s
}

// Partitions sets the number of the state's partitions, which may be another one after a restart. Without it, and
// without Partitioner, there are spark.default.parallelism. It returns s.
func (s *StateSpec[K, V, S, U]) Partitions(n int) *StateSpec[K, V, S, U] {
	s.opts = []rdd.ShuffleOption{rdd.Partitions(n)}
	return s
}

// Partitioner has p deal the keys, which may be another one after a restart. It returns s.
func (s *StateSpec[K, V, S, U]) Partitioner(p rdd.Partitioner[K]) *StateSpec[K, V, S, U] {
	s.opts = []rdd.ShuffleOption{rdd.PartitionBy(p)}
	return s
}

// Timeout removes keys that had no data for longer than idle, by the times of batches: in the first batch that is more
// than idle after the last batch with data of the key. The function is called then, once, and IsTimingOut is true; it
// may give a last element. Any record of a key counts, whether or not the function updates the state. Keys time out
// after the records of the batch, those first that have waited longest. It returns s.
func (s *StateSpec[K, V, S, U]) Timeout(idle time.Duration) *StateSpec[K, V, S, U] {
	if idle < time.Millisecond {
		s.err = fmt.Errorf("a time-out must be at least a millisecond, not %v", idle)
	}
	s.timeout, s.timed = idle, true
	return s
}
