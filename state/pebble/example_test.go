package pebble_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

func ExampleStore() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	build := func(ssc *dstream.Context) error {
		words := dstream.QueueStream(ssc, dstream.NewQueue([]string{"a", "b", "a"}, []string{"a"}))
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		totals, _ := dstream.MapWithState(ones, dstream.Spec(
			func(w string, n rdd.Optional[int], s *dstream.State[int]) rdd.Pair[string, int] {
				s.Update(s.Option().Value + n.Value)
				return rdd.KV(w, s.Get())
			}).Partitions(1))
		texts := dstream.Map(totals, func(kv rdd.Pair[string, int]) string { return fmt.Sprint(kv) })
		dstream.ForeachRDD(texts, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			all, err := rdd.Collect(ctx, r)
			if len(all) > 0 {
				fmt.Println(all)
			}
			if b.Sequence == 1 {
				cancel()
			}
			return err
		})
		return nil
	}
	c := conf.New().Set("weir.state.store", "pebble").Set("weir.state.memory", "16m")
	err := weir.Run(ctx, build, weir.Conf(c), weir.Interval(10*time.Millisecond), weir.WithStateStore(pebble.Store()))
	fmt.Println(err)
	// Output:
	// [(a,1) (b,1) (a,2)]
	// [(a,3)]
	// <nil>
}
