package dstream_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestSlice takes what a stream had in earlier batches, from a body and from outside.
func TestSlice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := dstream.Time(time.Now().UnixMilli())
		at := func(seconds int) dstream.Time { return begin.Add(time.Duration(seconds) * time.Second) }
		ssc := newContext(t)
		ssc.Remember(3 * time.Second)
		d := dstream.Map(dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}, []int{3}, []int{4}, []int{5})),
			func(v int) int { return 10 * v })
		counts := dstream.CountByWindow(d, 2*time.Second, 2*time.Second)
		read := func(ctx context.Context, d *dstream.DStream[int], from, to int) string {
			return show(ctx, d, dstream.Interval{Begin: at(from), End: at(to)})
		}
		var inBody []string
		dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			inBody = append(inBody, show(ctx, d, dstream.Interval{Begin: b.Time.Add(-time.Second), End: b.Time}))
			return nil
		})
		dstream.ForeachRDD(counts, func(context.Context, *rdd.RDD[int64], *dstream.Batch) error { return nil })
		if _, err := dstream.Slice(t.Context(), d, dstream.Interval{}); err == nil ||
			!strings.Contains(err.Error(), "has not been started") {
			t.Errorf("before Start: %v", err)
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4500 * time.Millisecond)
		for _, tt := range []struct{ got, want string }{
			{read(t.Context(), d, 3, 4), "[30] [40]"},
			{read(t.Context(), d, 4, 9), "[40]"},
			{read(t.Context(), d, 2, 2), "[20]"},
			{read(t.Context(), d, -3, 0), ""},
			{show(t.Context(), d, dstream.Interval{Begin: at(3), End: math.MaxInt64}), "[30] [40]"},
			{show(t.Context(), d, dstream.Interval{Begin: math.MinInt64, End: at(0)}), ""},
			{show(t.Context(), counts, dstream.Interval{Begin: at(2), End: at(4)}), "[2] [2]"},
		} {
			if tt.got != tt.want {
				t.Errorf("got %s, want %s", tt.got, tt.want)
			}
		}
		time.Sleep(4 * time.Second)
		if got := read(t.Context(), d, -3, 8); !strings.Contains(got, "are not kept any more") ||
			!strings.Contains(got, "Remember") {
			t.Errorf("what is not remembered: %s", got)
		}
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		want := []string{"[10]", "[10] [20]", "[20] [30]", "[30] [40]", "[40] [50]"}
		if len(inBody) < 5 || !slices.Equal(inBody[:5], want) {
			t.Errorf("in the body: %q, want %q", inBody, want)
		}
	})
}

// show collects the RDDs of a slice.
func show[T any](ctx context.Context, d *dstream.DStream[T], i dstream.Interval) string {
	rs, err := dstream.Slice(ctx, d, i)
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, r := range rs {
		vs, err := rdd.Collect(ctx, r)
		if err != nil {
			return err.Error()
		}
		out = append(out, fmt.Sprint(vs))
	}
	return strings.Join(out, " ")
}

func TestTimes(t *testing.T) {
	second := time.Second
	for _, tt := range []struct{ got, want any }{
		{slices.Collect(dstream.Time(1000).Until(3000, second)), []dstream.Time{1000, 2000}},
		{slices.Collect(dstream.Time(1000).To(3000, second)), []dstream.Time{1000, 2000, 3000}},
		{slices.Collect(dstream.Time(5).To(4, second)), []dstream.Time(nil)},
		{dstream.Time(-1).Floor(second), dstream.Time(-1000)},
		{dstream.Time(math.MinInt64).Floor(second), dstream.Time(math.MinInt64)},
		{dstream.Interval{Begin: 1000, End: 3000}.Duration(), 2 * second},
		{dstream.Interval{Begin: 1000, End: 3000}.String(), "[1000 ms, 3000 ms]"},
	} {
		if fmt.Sprint(tt.got) != fmt.Sprint(tt.want) {
			t.Errorf("%v, want %v", tt.got, tt.want)
		}
	}
}
