package weir_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A service runs a program beside what else it does, for as long as its own context lasts. It keeps its flags, signals,
// logger and exit code; the program ends drained, and its error is the service's to handle.
func ExampleRun() {
	ctx, shutdown := context.WithCancel(context.Background()) // in a service: signal.NotifyContext, or an errgroup's
	defer shutdown()

	words := dstream.NewQueue([]string{"weir", "flow", "weir"}) // in a service: kafka.DirectStream
	build := func(ssc *dstream.Context) error {
		counts := dstream.CountByValue(dstream.QueueStream(ssc, words))
		type rows = rdd.RDD[rdd.Pair[string, int64]]
		dstream.ForeachRDD(counts, func(ctx context.Context, r *rows, b *dstream.Batch) error {
			n, err := rdd.CollectAsMap(ctx, r)
			if err != nil || b.Sequence > 0 {
				return err
			}
			fmt.Println(n)
			shutdown() // in a service: when it is asked to end
			return nil
		})
		return nil
	}
	err := weir.Run(ctx, build,
		weir.Conf(conf.New().Set("spark.master", "local[2]").Set("spark.app.name", "words")),
		weir.Interval(10*time.Millisecond),
		weir.Logger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))))
	fmt.Println("ended:", err)
	// Output:
	// map[flow:1 weir:2]
	// ended: <nil>
}
