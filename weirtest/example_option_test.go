package weirtest_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// What must come in an order is compared in it; otherwise a batch is a bag.
func ExampleOrdered() {
	t := new(testing.T) // The one that a test is given.
	sorted := func(d *dstream.DStream[int]) *dstream.DStream[int] {
		return dstream.Transform(d, func(r *rdd.RDD[int], _ dstream.Time) *rdd.RDD[int] {
			return rdd.SortBy(r, func(v int) int { return v })
		})
	}
	weirtest.Op(t, [][]int{{3, 1, 2}}, sorted, [][]int{{1, 2, 3}}, weirtest.Ordered())
	fmt.Println("failed:", t.Failed())
	// Output: failed: false
}

// A program that is to fail, and why.
func ExampleFails() {
	t := new(testing.T) // The one that a test is given.
	halves := func(d *dstream.DStream[int]) *dstream.DStream[int] {
		return dstream.MapTry(d, func(v int) (int, error) {
			if v%2 == 1 {
				return 0, errors.New("there is no half of it")
			}
			return v / 2, nil
		})
	}
	weirtest.Op(t, [][]int{{2}, {3}}, halves, [][]int{{1}}, weirtest.Fails("there is no half of it"))
	fmt.Println("failed:", t.Failed())
	// Output: failed: false
}

// Numbers that may differ a little, wherever they are in what is compared.
func ExampleEqualFunc() {
	t := new(testing.T) // The one that a test is given.
	roots := func(d *dstream.DStream[int]) *dstream.DStream[rdd.Pair[int, float64]] {
		return dstream.MapToPair(d, func(v int) (int, float64) { return v, math.Sqrt(float64(v)) })
	}
	near := func(got, want float64) bool { return math.Abs(got-want) < 0.01 }
	weirtest.Op(t, [][]int{{2}}, roots, [][]rdd.Pair[int, float64]{{rdd.KV(2, 1.41)}}, weirtest.EqualFunc(near))
	fmt.Println("failed:", t.Failed())
	// Output: failed: false
}

// A program's own settings and interval, one number of partitions, and what it prints.
func ExampleProgram_Printed() {
	t := new(testing.T) // The one that a test is given.
	synctest.Test(t, func(t *testing.T) {
		p := weirtest.Start(t, program, weirtest.Input("lines", []string{"to be"}),
			weirtest.Set("spark.default.parallelism", "1"))
		p.Advance(1)
		fmt.Print(p.Printed())
		p.Stop() // drained; the test's end does it otherwise
		fmt.Println(p.Context().State())
	})
	// Output:
	// -------------------------------------------
	// Time: 946684801000 ms
	// -------------------------------------------
	// (to,1)
	// (be,1)
	//
	// STOPPED
}
