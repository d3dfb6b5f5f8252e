package dstream_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestPlaces looks at where the RDDs of a batch say that they were made: those of the stream's operators at the call
// that made the stream, those that a user makes of them at the user's call.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		odd := dstream.Map(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2, 3})), func(v int) int { return v % 2 })
		mapped := line(-1)
		counted := dstream.CountByValue(odd)
		byValue := line(-1)
		var inTransform string
		moved := dstream.Transform(counted, func(r *rdd.RDD[rdd.Pair[int, int64]], _ dstream.Time) *rdd.RDD[int64] {
			values := rdd.Values(r)
			inTransform = line(-1)
			return values
		})
		var got, inBody string
		dstream.ForeachRDD(moved, func(_ context.Context, r *rdd.RDD[int64], _ *dstream.Batch) error {
			got = rdd.Filter(r, func(int64) bool { return true }).DebugString()
			inBody = line(-1)
			return nil
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"filter[5] at " + inBody, "values[4] at " + inTransform,
			"countByValue[3] at " + byValue, "map[2] at " + byValue, "map[1] at " + mapped} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in\n%s", want, got)
			}
		}
	})
}

// line gives the caller's place, some lines down.
func line(down int) string {
	_, _, n, _ := runtime.Caller(1)
	return fmt.Sprintf("places_test.go:%d", n+down)
}
