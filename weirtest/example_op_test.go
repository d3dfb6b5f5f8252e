package weirtest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

type count = rdd.Pair[string, int]

// wordCount is the function that is tested.
func wordCount(lines *dstream.DStream[string]) *dstream.DStream[count] {
	words := dstream.FlatMap(lines, strings.FieldsSeq)
	ones := dstream.Map(words, func(w string) count { return rdd.KV(w, 1) })
	return dstream.ReduceByKey(ones, func(a, b int) int { return a + b })
}

func ExampleOp() {
	t := new(testing.T) // The one that a test is given.
	weirtest.Op(t, [][]string{{"to be", "or not to be"}, {}, {"be"}}, wordCount, [][]count{
		{rdd.KV("to", 2), rdd.KV("be", 2), rdd.KV("or", 1), rdd.KV("not", 1)},
		{},
		{rdd.KV("be", 1)},
	})
	fmt.Println("failed:", t.Failed())
	// Output:
	// failed: false
}
