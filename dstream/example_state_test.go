package dstream_test

import (
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// total adds up the values of a key over all batches.
func total(vs []int, s int, _ bool) (int, bool) {
	for _, v := range vs {
		s += v
	}
	return s, true
}

func ExampleUpdateStateByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.UpdateStateByKey(dstream.Map(d, parity), total, rdd.Partitions(1))
	})
	// Output:
	// [(even,2) (odd,4)] <nil>
	// [(even,10) (odd,4)] <nil>
}

func ExampleUpdateStateByKeyFrom() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		before := []rdd.Pair[string, int]{rdd.KV("odd", 100)}
		initial := rdd.Parallelize(d.Context().RDD(), before, 1)
		return dstream.UpdateStateByKeyFrom(dstream.Map(d, parity), initial, total, rdd.Partitions(1))
	})
	// Output:
	// [(even,2) (odd,104)] <nil>
	// [(even,10) (odd,104)] <nil>
}

func ExampleUpdateStateByKeyWithTime() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		// Odd numbers are forgotten in a batch without any.
		f := func(_ dstream.Time, k string, vs []int, s int, had bool) (int, bool) {
			s, _ = total(vs, s, had)
			return s, k == "even" || len(vs) > 0
		}
		return dstream.UpdateStateByKeyWithTime(dstream.Map(d, parity), nil, f, rdd.Partitions(1))
	})
	// Output:
	// [(even,2) (odd,4)] <nil>
	// [(even,10)] <nil>
}

func ExampleUpdateTouchedStateByKey() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		touched, _ := dstream.UpdateTouchedStateByKey(dstream.Map(d, parity), total, rdd.Partitions(1))
		return touched
	})
	// Output:
	// [(odd,4) (even,2)] <nil>
	// [(even,10)] <nil>
}

func ExampleUpdateStatePartitions() {
	run(func(d *stream) *dstream.DStream[rdd.Pair[string, int]] {
		// Only the first key of a partition is kept.
		f := func(groups iter.Seq[dstream.StateGroup[string, int, int]]) iter.Seq[rdd.Pair[string, int]] {
			return func(yield func(rdd.Pair[string, int]) bool) {
				for g := range groups {
					sum, _ := total(g.Values, g.State.Value, g.State.Present)
					yield(rdd.KV(g.Key, sum))
					return
				}
			}
		}
		return dstream.UpdateStatePartitions(dstream.Map(d, parity), nil, f, true, rdd.Partitions(1))
	})
	// Output:
	// [(odd,4)] <nil>
	// [(even,8)] <nil>
}

func ExampleMapWithState() {
	run(func(d *stream) *dstream.DStream[string] {
		running := func(k string, v rdd.Optional[int], s *dstream.State[int]) string {
			s.Update(s.Option().Or(0) + v.Value)
			return fmt.Sprint(k, "=", s.Get())
		}
		sums, _ := dstream.MapWithState(dstream.Map(d, parity), dstream.Spec(running).Partitions(1))
		return sums
	})
	// Output:
	// [odd=1 even=2 odd=4] <nil>
	// [even=6 even=10] <nil>
}

func ExampleSpecWithTime() {
	run(func(d *stream) *dstream.DStream[string] {
		// Only the first value of a key gives something.
		first := func(_ dstream.Time, k string, v rdd.Optional[int], s *dstream.State[int]) (string, bool) {
			if s.Exists() {
				return "", false
			}
			s.Update(v.Value)
			return fmt.Sprint("first ", k, ": ", v.Value), true
		}
		firsts, _ := dstream.MapWithState(dstream.Map(d, parity), dstream.SpecWithTime(first).Partitions(1))
		return firsts
	})
	// Output:
	// [first odd: 1 first even: 2] <nil>
	// [] <nil>
}

func ExampleStateSpec_Timeout() {
	run(func(d *stream) *dstream.DStream[string] {
		last := func(k string, v rdd.Optional[int], s *dstream.State[int]) string {
			if s.IsTimingOut() {
				return fmt.Sprint(k, " ends with ", s.Get())
			}
			s.Update(v.Value)
			return fmt.Sprint(k, " ", v.Value)
		}
		spec := dstream.Spec(last).Timeout(time.Millisecond).Partitions(1)
		out, _ := dstream.MapWithState(dstream.Map(d, parity), spec)
		return out
	})
	// Output:
	// [odd 1 even 2 odd 3] <nil>
	// [even 4 even 4 odd ends with 3] <nil>
}
