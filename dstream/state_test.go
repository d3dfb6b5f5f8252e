package dstream_test

import (
	"iter"
	"testing"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// add is a running sum that forgets a key when the sum is 0.
func add(vs []int, s int, _ bool) (int, bool) {
	for _, v := range vs {
		s += v
	}
	return s, s != 0
}

type pairs = dstream.DStream[pair]

var stateInput = [][]pair{
	{rdd.KV("a", 1), rdd.KV("b", 2), rdd.KV("a", 3)},
	{rdd.KV("b", -2), rdd.KV("c", 5)},
	{},
	{rdd.KV("b", 7), rdd.KV("a", -4)},
}

func TestUpdateStateByKey(t *testing.T) {
	weirtest.Op(t, stateInput, func(d *pairs) *pairs { return dstream.UpdateStateByKey(d, add) }, [][]pair{
		{rdd.KV("a", 4), rdd.KV("b", 2)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("c", 5), rdd.KV("b", 7)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		initial := rdd.Parallelize(d.Context().RDD(), []pair{rdd.KV("a", 10), rdd.KV("q", 1), rdd.KV("q", 2)}, 2)
		return dstream.UpdateStateByKeyFrom(d, initial, add, rdd.Partitions(3))
	}, [][]pair{
		{rdd.KV("a", 14), rdd.KV("b", 2), rdd.KV("q", 2)},
		{rdd.KV("a", 14), rdd.KV("c", 5), rdd.KV("q", 2)},
		{rdd.KV("a", 14), rdd.KV("c", 5), rdd.KV("q", 2)},
		{rdd.KV("a", 10), rdd.KV("c", 5), rdd.KV("b", 7), rdd.KV("q", 2)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		began := dstream.Time(946684800000)
		f := func(at dstream.Time, k string, vs []int, s int, _ bool) (int, bool) {
			return s + len(vs)*int(at.Sub(began).Seconds()), k != "c"
		}
		return dstream.UpdateStateByKeyWithTime(d, nil, f, rdd.PartitionBy[string](rdd.Partitioner[string](byLength{4})))
	}, [][]pair{
		{rdd.KV("a", 2), rdd.KV("b", 1)},
		{rdd.KV("a", 2), rdd.KV("b", 3)},
		{rdd.KV("a", 2), rdd.KV("b", 3)},
		{rdd.KV("a", 6), rdd.KV("b", 7)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		return first(dstream.UpdateTouchedStateByKey(d, add))
	}, [][]pair{
		{rdd.KV("a", 4), rdd.KV("b", 2)}, {rdd.KV("c", 5)}, {}, {rdd.KV("b", 7)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		return second(dstream.UpdateTouchedStateByKey(d, add))
	}, [][]pair{
		{rdd.KV("a", 4), rdd.KV("b", 2)}, {rdd.KV("a", 4), rdd.KV("c", 5)}, {rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("c", 5), rdd.KV("b", 7)},
	})
}

func first[T, U any](t T, _ U) T  { return t }
func second[T, U any](_ T, u U) U { return u }

// byLength is a partitioner.
type byLength struct{ n int }

func (b byLength) NumPartitions() int     { return b.n }
func (b byLength) Partition(k string) int { return len(k) % b.n }

// TestUpdateStatePartitions: keys may become others, which lie in other partitions.
func TestUpdateStatePartitions(t *testing.T) {
	type groups = iter.Seq[dstream.StateGroup[string, int, int]]
	longer := func(in groups) iter.Seq[pair] {
		return func(yield func(pair) bool) {
			in(func(g dstream.StateGroup[string, int, int]) bool {
				sum, _ := add(g.Values, g.State.Value, false)
				return yield(rdd.KV(g.Key+"x", sum))
			})
		}
	}
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		return dstream.UpdateStatePartitions(d, nil, longer, false)
	}, [][]pair{
		{rdd.KV("ax", 4), rdd.KV("bx", 2)},
		{rdd.KV("axx", 4), rdd.KV("bxx", 2), rdd.KV("bx", -2), rdd.KV("cx", 5)},
		{rdd.KV("axxx", 4), rdd.KV("bxxx", 2), rdd.KV("bxx", -2), rdd.KV("cxx", 5)},
		{
			rdd.KV("axxxx", 4), rdd.KV("bxxxx", 2), rdd.KV("bxxx", -2), rdd.KV("cxxx", 5), rdd.KV("bx", 7),
			rdd.KV("ax", -4),
		},
	})
	same := func(in groups) iter.Seq[pair] {
		return func(yield func(pair) bool) {
			in(func(g dstream.StateGroup[string, int, int]) bool {
				sum, _ := add(g.Values, g.State.Value, false)
				return sum == 0 || yield(rdd.KV(g.Key, sum))
			})
		}
	}
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		return dstream.UpdateStatePartitions(d, nil, same, true)
	}, [][]pair{
		{rdd.KV("a", 4), rdd.KV("b", 2)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("c", 5), rdd.KV("b", 7)},
	})
}

// running sums up, removes a sum of 0, and says what it saw.
func running(k string, v rdd.Optional[int], s *dstream.State[int]) pair {
	if s.IsTimingOut() {
		return rdd.KV("late "+k, s.Get())
	}
	sum := s.Option().Value + v.Value
	if sum == 0 && s.Exists() {
		s.Remove()
	} else {
		s.Update(sum)
	}
	return rdd.KV(k, sum)
}

func TestMapWithState(t *testing.T) {
	spec := func() *dstream.StateSpec[string, int, int, pair] { return dstream.Spec(running) }
	weirtest.Op(t, stateInput, func(d *pairs) *pairs { return first(dstream.MapWithState(d, spec())) }, [][]pair{
		{rdd.KV("a", 1), rdd.KV("b", 2), rdd.KV("a", 4)},
		{rdd.KV("b", 0), rdd.KV("c", 5)},
		{},
		{rdd.KV("b", 7), rdd.KV("a", 0)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs { return second(dstream.MapWithState(d, spec())) }, [][]pair{
		{rdd.KV("a", 4), rdd.KV("b", 2)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("a", 4), rdd.KV("c", 5)},
		{rdd.KV("c", 5), rdd.KV("b", 7)},
	})
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		initial := rdd.Parallelize(d.Context().RDD(), []pair{rdd.KV("a", 10), rdd.KV("q", 1)}, 2)
		return second(dstream.MapWithState(d, spec().Initial(initial).Partitions(3)))
	}, [][]pair{
		{rdd.KV("a", 14), rdd.KV("b", 2), rdd.KV("q", 1)},
		{rdd.KV("a", 14), rdd.KV("c", 5), rdd.KV("q", 1)},
		{rdd.KV("a", 14), rdd.KV("c", 5), rdd.KV("q", 1)},
		{rdd.KV("a", 10), rdd.KV("c", 5), rdd.KV("b", 7), rdd.KV("q", 1)},
	})
	// A window over what was given asks for batches that are over; keys are dealt by a partitioner.
	weirtest.Op(t, stateInput, func(d *pairs) *pairs {
		out := first(dstream.MapWithState(d, spec().Partitioner(byLength{3})))
		return dstream.Window(out, 2*time.Second, 2*time.Second)
	}, [][]pair{
		{},
		{rdd.KV("a", 1), rdd.KV("b", 2), rdd.KV("a", 4), rdd.KV("b", 0), rdd.KV("c", 5)},
		{},
		{rdd.KV("b", 7), rdd.KV("a", 0)},
	})
}

// TestStateTimeout: keys time out in the first batch after their time, the oldest first, and a record of any kind keeps
// them.
func TestStateTimeout(t *testing.T) {
	in := [][]pair{
		{rdd.KV("a", 1), rdd.KV("b", 2), rdd.KV("c", 3)}, {rdd.KV("d", 4)}, {rdd.KV("b", 0)}, {}, {}, {},
		{rdd.KV("a", 5)},
	}
	read := func(k string, v rdd.Optional[int], s *dstream.State[int]) pair {
		switch {
		case s.IsTimingOut():
			return rdd.KV("late "+k, s.Get())
		case v.Value != 0:
			s.Update(v.Value)
		}
		return rdd.KV(k, s.Get())
	}
	op := func(d *pairs) *pairs {
		return first(dstream.MapWithState(d, dstream.Spec(read).Timeout(2*time.Second).Partitions(1)))
	}
	weirtest.Op(t, in, op, [][]pair{
		{rdd.KV("a", 1), rdd.KV("b", 2), rdd.KV("c", 3)}, {rdd.KV("d", 4)}, {rdd.KV("b", 2)},
		{rdd.KV("late a", 1), rdd.KV("late c", 3)}, {rdd.KV("late d", 4)}, {rdd.KV("late b", 2)}, {rdd.KV("a", 5)},
	}, weirtest.Ordered())
}
