package weirtest_test

import (
	"fmt"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// A program whose process dies before each step of its checkpoint, and goes on in another one: the counts are in a
// state, so that none is lost, and none counted twice.
func ExampleKills() {
	t := new(testing.T) // The one that a test is given.
	build := func(ssc *dstream.Context) error {
		lines := dstream.QueueStream(ssc, dstream.NewQueue[string]()).Named("lines")
		ones := dstream.MapToPair(lines, func(line string) (string, int) { return line, 1 })
		counts, _ := dstream.MapWithState(ones, dstream.Spec(
			func(line string, _ rdd.Optional[int], state *dstream.State[int]) count {
				n, _ := state.Option().Get()
				state.Update(n + 1)
				return rdd.KV(line, n+1)
			}))
		counts.Named("counts")
		return nil
	}
	weirtest.Run(t, build, weirtest.Kills(),
		weirtest.Input("lines", []string{"to be"}, []string{"to be"}),
		weirtest.Want("counts", []count{rdd.KV("to be", 1)}, []count{rdd.KV("to be", 2)}))
	fmt.Println("failed:", t.Failed())
	// Output: failed: false
}
