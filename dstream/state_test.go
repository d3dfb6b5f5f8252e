package dstream_test

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
		return dstream.UpdateStateByKeyWithTime(d, nil, f, rdd.PartitionBy[string](byLength{4}))
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

// TestStateMisuse: a function that asks of a state what it cannot do fails its task, also if it recovers.
func TestStateMisuse(t *testing.T) {
	type state = *dstream.State[int]
	tests := []struct {
		name string
		f    func(k string, v rdd.Optional[int], s state) int
		want string
	}{
		{"get", func(_ string, _ rdd.Optional[int], s state) int { return s.Get() }, "Get of a key without state"},
		{"update after remove", func(_ string, _ rdd.Optional[int], s state) int {
			s.Remove()
			s.Update(1)
			return 0
		}, "Update after Remove"},
		{"remove twice, recovered", func(_ string, _ rdd.Optional[int], s state) int {
			defer func() { _ = recover() }()
			s.Remove()
			s.Remove()
			return 0
		}, "Remove after Remove"},
		{"update late", func(_ string, _ rdd.Optional[int], s state) int {
			s.Update(1)
			return 0
		}, "Update of a key that is timing out"},
		{"remove late, recovered", func(_ string, _ rdd.Optional[int], s state) int {
			defer func() { _ = recover() }()
			if s.IsTimingOut() {
				s.Remove()
			}
			s.Update(1)
			return 0
		}, "Remove of a key that is timing out"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.task.maxFailures", "1")
			in := dstream.QueueStream(ssc, dstream.NewQueue([]pair{rdd.KV("a", 1)}))
			out, _ := dstream.MapWithState(in, dstream.Spec(test.f).Timeout(time.Second))
			dstream.Print(out, 10)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			err := ssc.AwaitTermination(t.Context())
			if !errors.Is(err, dstream.ErrState) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v", test.name, err)
			}
		})
	}
}

// TestStateIsMisbuilt: what is wrong is told before anything runs.
func TestStateIsMisbuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		in := dstream.QueueStream(ssc, dstream.NewQueue([]pair{}))
		any1, _ := dstream.MapWithState(in, dstream.Spec(
			func(string, rdd.Optional[int], *dstream.State[any]) int { return 0 }))
		none, _ := dstream.MapWithState[string, int, int, int](in, nil)
		late, _ := dstream.MapWithState(in, dstream.Spec(running).Timeout(0).Partitions(0))
		dstream.Print(any1, 10)
		dstream.Print(none, 10)
		dstream.Print(late, 10)
		dstream.Print(dstream.UpdateStateByKey[string, int, int](in, nil), 10)
		err := ssc.Start(t.Context())
		for _, want := range []string{"interface", "mapWithState needs a function, not nil", "a time-out must be at least",
			"at least one partition", "updateStateByKey needs a function, not nil"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	})
}

// TestStateIsTheFunctions: what a function does to a state that it is given stays only by Update, and an attempt that
// failed leaves nothing.
func TestStateIsTheFunctions(t *testing.T) {
	type lists = rdd.Pair[string, []int]
	in := [][]pair{{rdd.KV("a", 1), rdd.KV("a", 2), rdd.KV("b", 3)}, {rdd.KV("a", 4)}, {rdd.KV("a", -1), rdd.KV("b", 5)}}
	keep := func(_ string, v rdd.Optional[int], s *dstream.State[[]int]) int {
		list := s.Option().Value
		for i := range list {
			list[i]++
		}
		if v.Value > 0 {
			s.Update(append(list, v.Value))
		}
		return len(list)
	}
	weirtest.Op(t, in, func(d *pairs) *dstream.DStream[lists] {
		_, all := dstream.MapWithState(d, dstream.Spec(keep))
		return dstream.Map(all, func(l lists) lists { l.Value[0]++; return l }) // It changes no state either.
	}, [][]lists{
		{rdd.KV("a", []int{3, 2}), rdd.KV("b", []int{4})},
		{rdd.KV("a", []int{4, 3, 4}), rdd.KV("b", []int{4})},
		{rdd.KV("a", []int{4, 3, 4}), rdd.KV("b", []int{5, 5})},
	}, weirtest.FailTasks(2))
	extend := func(vs []int, s []int, _ bool) ([]int, bool) {
		for i := range s {
			s[i]++
		}
		return append(s, vs...), true
	}
	weirtest.Op(t, in, func(d *pairs) *dstream.DStream[lists] { return dstream.UpdateStateByKey(d, extend) }, [][]lists{
		{rdd.KV("a", []int{1, 2}), rdd.KV("b", []int{3})},
		{rdd.KV("a", []int{2, 3, 4}), rdd.KV("b", []int{4})},
		{rdd.KV("a", []int{3, 4, 5, -1}), rdd.KV("b", []int{5, 5})},
	}, weirtest.FailTasks(2))
}

// TestStateMeetsOldAttempt: an attempt that nobody waits for any more goes on while later batches change the state. It
// changes nothing, and fails.
func TestStateMeetsOldAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t, "spark.master", "local[4]", "spark.default.parallelism", "2", "spark.speculation", "true",
			"spark.speculation.quantile", "0.5", "spark.speculation.multiplier", "1")
		var batches [][]pair
		for range 8 {
			var rows []pair
			for k := range 40 {
				rows = append(rows, rdd.KV(fmt.Sprint("key ", k), 1))
			}
			batches = append(batches, rows)
		}
		var slept, ended atomic.Bool
		f := func(k string, v rdd.Optional[int], s *dstream.State[int]) int {
			if k == "key 7" && slept.CompareAndSwap(false, true) {
				time.Sleep(3300 * time.Millisecond)
				ended.Store(true)
			}
			s.Update(s.Option().Value + v.Value)
			return s.Get()
		}
		out, snapshots := dstream.MapWithState(dstream.QueueStream(ssc, dstream.NewQueue(batches...)), dstream.Spec(f))
		sums := map[string]string{}
		watch(dstream.Reduce(out, func(a, b int) int { return a + b }), "out", sums)
		watch(dstream.Count(snapshots), "keys", sums)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		for i := range 7 {
			if got := sums[fmt.Sprintf("%02d out", i)]; got != fmt.Sprint(40*(i+1)) {
				t.Errorf("batch %d sums up to %s", i, got)
			}
			if got := sums[fmt.Sprintf("%02d keys", i)]; got != "40" {
				t.Errorf("batch %d has %s keys", i, got)
			}
		}
		if !ended.Load() {
			t.Error("the old attempt did not go on")
		}
	})
}

// TestStateAfterPanic: an attempt that failed half-way, whichever call it was, leaves nothing in the state.
func TestStateAfterPanic(t *testing.T) {
	for failing := range int64(8) {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t, "spark.task.maxFailures", "2", "spark.default.parallelism", "1")
			var calls atomic.Int64
			lists := func(vs []int, s []int, _ bool) ([]int, bool) {
				for i := range s {
					s[i] = -s[i]
				}
				s = append(s, vs...)
				if calls.Add(1) == failing {
					panic("once")
				}
				return s, len(s) < 4
			}
			in := dstream.QueueStream(ssc, dstream.NewQueue(stateInput...))
			got := map[string]string{}
			watch(dstream.UpdateStateByKey(in, lists), "lists", got)
			if err := ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(4500 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Error(err)
			}
			want := "map[00 lists:(a,[1 3]), (b,[2]) 01 lists:(a,[-1 -3]), (b,[-2 -2]), (c,[5]) " +
				"02 lists:(a,[1 3]), (b,[2 2]), (c,[-5]) 03 lists:(a,[-1 -3 -4]), (b,[-2 -2 7]), (c,[5])]"
			if got := fmt.Sprint(got); got != want {
				t.Errorf("call %d fails:\n%s, want\n%s", failing, got, want)
			}
		})
	}
}
