package weirtest_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// program is a build function as weir.Main takes it, but that its input is no Kafka.
func program(ssc *dstream.Context) error {
	lines := dstream.QueueStream(ssc, dstream.NewQueue[string]()).Named("lines")
	dstream.Print(wordCount(lines).Named("counts"), 10)
	return nil
}

func ExampleRun() {
	t := new(testing.T) // The one that a test is given.
	weirtest.Run(t, program,
		weirtest.Input("lines", []string{"to be", "or not to be"}, nil, []string{"be"}),
		weirtest.Want("counts",
			[]count{rdd.KV("to", 2), rdd.KV("be", 2), rdd.KV("or", 1), rdd.KV("not", 1)},
			nil,
			[]count{rdd.KV("be", 1)}))
	fmt.Println("failed:", t.Failed())
	// Output:
	// failed: false
}

func ExampleStart() {
	t := new(testing.T) // The one that a test is given.
	synctest.Test(t, func(t *testing.T) {
		var counts [][]count
		p := weirtest.Start(t, program,
			weirtest.Input("lines", []string{"to be"}, []string{"or"}), weirtest.Collect("counts", &counts))
		p.Advance(2)
		fmt.Println("after two seconds:", counts[1])
		p.Advance(100)
		fmt.Println("batches:", len(counts))
	})
	// Output:
	// after two seconds: [(or,1)]
	// batches: 102
}

func ExampleOp2() {
	t := new(testing.T) // The one that a test is given.
	join := func(a, b *dstream.DStream[count]) *dstream.DStream[rdd.Pair[string, rdd.Pair[int, int]]] {
		return dstream.Join(a, b)
	}
	weirtest.Op2(t, [][]count{{rdd.KV("to", 1), rdd.KV("be", 2)}}, [][]count{{rdd.KV("be", 3)}}, join,
		[][]rdd.Pair[string, rdd.Pair[int, int]]{{rdd.KV("be", rdd.KV(2, 3))}})
	fmt.Println("failed:", t.Failed())
	// Output:
	// failed: false
}

func ExampleFailTasks() {
	t := new(testing.T) // The one that a test is given.
	seen := map[string]bool{}
	unseen := func(w string) bool { // It is wrong: a second attempt finds what the first has seen.
		was := seen[w]
		seen[w] = true
		return !was
	}
	op := func(d *dstream.DStream[string]) *dstream.DStream[string] { return dstream.Filter(d, unseen) }
	weirtest.Op(t, [][]string{{"a", "b"}}, op, [][]string{{"a", "b"}},
		weirtest.FailTasks(1), weirtest.Partitions(1))
	fmt.Println("failed:", t.Failed())
	// Output:
	// failed: true
}
