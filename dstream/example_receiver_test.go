package dstream_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A ticker is a receiver of what a channel brings, as a subscription to a push service would.
type ticker struct {
	lines <-chan string
	work  sync.WaitGroup
	stop  context.CancelFunc
}

// Start begins to receive and does not block.
func (t *ticker) Start(ctx context.Context, st *dstream.Store[string], _ []byte) error {
	ctx, t.stop = context.WithCancel(ctx)
	t.work.Go(func() {
		for {
			select {
			case line, ok := <-t.lines:
				if !ok {
					st.Stop(nil) // The source is over. After a failure it would be st.Restart(err).
					return
				}
				if err := st.One(line); err != nil { // It waits while memory is full, or the rate is reached.
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return nil
}

// Stop ends what Start began. A receiver that may hang would look at ctx as well.
func (t *ticker) Stop(context.Context) error {
	t.stop()
	t.work.Wait()
	return nil
}

func ExampleReceiverStream() {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), 20*time.Millisecond)
	if err != nil {
		panic(err)
	}
	lines := make(chan string)
	received := dstream.ReceiverStream(ssc, "ticker", dstream.Receiver[string](&ticker{lines: lines}))
	dstream.ForeachRDD(received, func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
		return rdd.Foreach(ctx, rdd.Coalesce(r, 1), func(line string) error {
			fmt.Println(line)
			return nil
		})
	})
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	for _, line := range []string{"to be", "or not"} {
		lines <- line
	}
	close(lines)
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil { // It processes what was received.
		panic(err)
	}
	// Output:
	// to be
	// or not
}
