package weirtest

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// totals counts how often each word has come.
func totals(words *dstream.DStream[string]) *dstream.DStream[rdd.Pair[string, int]] {
	ones := dstream.MapToPair(words, func(w string) (string, int) { return w, 1 })
	counts, _ := dstream.MapWithState(ones, dstream.Spec(
		func(word string, _ rdd.Optional[int], state *dstream.State[int]) rdd.Pair[string, int] {
			n, _ := state.Option().Get()
			state.Update(n + 1)
			return rdd.KV(word, n+1)
		}))
	return counts
}

// TestKills: a program whose state is in the checkpoint gives the same whenever its process dies, and one that
// remembers something beside it is told by the step, the batch and the stream.
func TestKills(t *testing.T) {
	batches := [][]string{{"to", "be"}, {"or"}, {"to", "be"}}
	want := [][]rdd.Pair[string, int]{{rdd.KV("to", 1), rdd.KV("be", 1)}, {rdd.KV("or", 1)},
		{rdd.KV("to", 2), rdd.KV("be", 2)}}
	var processes int
	row := func(want, into *[][]rdd.Pair[string, int],
		count func(*dstream.DStream[string]) *dstream.DStream[rdd.Pair[string, int]],
	) []string {
		c, r := configure([]Option{Kills()}), &report{}
		c.batches = len(batches)
		inKills(t, c, r, func(t testing.TB, m mode) error {
			e := &expectation[rdd.Pair[string, int]]{name: "totals", into: into}
			if want != nil {
				e.want = *want
			}
			return runOnce(t, c, m, []answer{e}, func(ssc *dstream.Context) error {
				processes++
				e.watch(count(source(ssc, c, batches).Named("words")).Named("totals"), c)
				return nil
			})
		})
		return r.failures()
	}
	if failures := row(&want, nil, totals); len(failures) > 0 {
		t.Errorf("state in the checkpoint: %s", strings.Join(failures, "\n"))
	}
	if processes < 60 {
		t.Errorf("there were %d processes: a row of three batches takes more steps", processes)
	}
	var calls atomic.Int64
	another := func(words *dstream.DStream[string]) *dstream.DStream[rdd.Pair[string, int]] {
		return dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, int(calls.Add(1))) })
	}
	if told := strings.Join(row(nil, new([][]rdd.Pair[string, int]), another), "\n"); !strings.Contains(told, " of totals ran again (-before +then):") {
		t.Errorf("what is another thing at each call: told %q", told)
	}
	beside := func(words *dstream.DStream[string]) *dstream.DStream[rdd.Pair[string, int]] {
		var n [128]atomic.Int64 // what another process does not know
		return dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, int(n[w[0]].Add(1))) })
	}
	failures := strings.Join(row(&want, nil, beside), "\n")
	if !strings.Contains(failures, "killed before step ") || !strings.Contains(failures, "batch 2 of totals") {
		t.Errorf("a counter beside the checkpoint: told %q", failures)
	}
}
