package conformance

import (
	"fmt"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

type stringInt = rdd.Pair[string, int]

// initialState is what the cases with an initial state begin with.
func initialState(in streams) *rdd.RDD[stringInt] {
	return rdd.Parallelize(in.a.Context().RDD(), []stringInt{rdd.KV("a", 100), rdd.KV("q", 1)}, 2)
}

func sumUp(vs []int, s int, _ bool) (int, bool) {
	for _, v := range vs {
		s += v
	}
	return s, true
}

func sumRecord(k string, v rdd.Optional[int], s *dstream.State[int]) string {
	s.Update(s.Option().Value + v.Value)
	return fmt.Sprint(k, "=", s.Get())
}

var stateOps = map[string]builder{
	"updateStateByKey_sum": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.UpdateStateByKey(a, sumUp), got)
	},
	"updateStateByKey_delete": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.UpdateStateByKey(a, func(vs []int, s int, had bool) (int, bool) {
			s, _ = sumUp(vs, s, had)
			return s, len(vs) > 0 && s != 0
		}), got)
	},
	"updateStateByKey_initial": func(in streams, got report) {
		a, _ := in.pairs()
		to(dstream.UpdateStateByKeyFrom(a, initialState(in), sumUp), got)
	},
	"mapWithState_sum": func(in streams, got report) {
		a, _ := in.pairs()
		out, _ := dstream.MapWithState(a, dstream.Spec(sumRecord))
		to(out, got)
	},
	"mapWithState_remove": func(in streams, got report) {
		a, _ := in.pairs()
		out, _ := dstream.MapWithState(a, dstream.Spec(
			func(k string, v rdd.Optional[int], s *dstream.State[int]) string {
				existed, sum := s.Exists(), s.Option().Value+v.Value
				if sum == 0 {
					s.Remove()
				} else {
					s.Update(sum)
				}
				return fmt.Sprint(k, "=", existed)
			}))
		to(out, got)
	},
	"mapWithState_snapshots": func(in streams, got report) {
		a, _ := in.pairs()
		_, snapshots := dstream.MapWithState(a, dstream.Spec(sumRecord).Initial(initialState(in)))
		to(snapshots, got)
	},
}
