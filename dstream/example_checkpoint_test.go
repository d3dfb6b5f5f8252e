package dstream_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// ledger is a source of numbers that are kept outside of the program: of those up to n.
type ledger struct {
	twos
	n int
}

func (s ledger) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	_, at := parseSpan(from)
	until := min(at+2, s.n)
	return fmt.Appendf(nil, "%d-%d", at, until), int64(until - at), nil
}

// The second process goes on behind what the first one has committed, and with its state.
func ExampleGetOrCreate() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	process := func(n int) error {
		last := make(chan struct{})
		build := func(ssc *dstream.Context) error {
			numbers := dstream.FromSource(ssc, "ledger", dstream.Source[int](ledger{n: n})).Named("numbers")
			keyed := dstream.Map(numbers, func(v int) rdd.Pair[string, int] { return rdd.KV("sum", v) })
			sums, _ := dstream.MapWithState(keyed, dstream.Spec(
				func(_ string, v rdd.Optional[int], sum *dstream.State[int]) int {
					sum.Update(sum.Option().Or(0) + v.Value)
					return sum.Get()
				}))
			dstream.ForeachRDD(sums.Named("sums"), func(ctx context.Context, r *rdd.RDD[int], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				if len(vs) > 0 {
					fmt.Println(vs)
				}
				if _, until := parseSpan(dstream.Range(b, numbers)); len(vs) > 0 && until == n {
					close(last)
				}
				return err
			}).Named("print")
			return nil
		}
		ssc, err := dstream.GetOrCreate(dir, conf.New().Set("spark.master", "local"), 5*time.Millisecond, build)
		if err == nil {
			err = ssc.Start(context.Background())
		}
		if err != nil {
			return err
		}
		<-last
		return ssc.Stop(context.Background(), dstream.Graceful())
	}
	fmt.Println(process(4))
	fmt.Println(process(4 + 1)) // one number more
	// Output:
	// [0 1]
	// [3 6]
	// <nil>
	// [10]
	// <nil>
}
