package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// inVirtualTime runs a program for some batches, a second apart.
func inVirtualTime(batches int, build func(ssc *dstream.Context) error) {
	synctest.Test(new(testing.T), func(t *testing.T) { // a test hands its own
		program := weirtest.Start(t, build, weirtest.KeepInputs())
		program.Advance(batches)
		fmt.Print(program.Printed())
	})
}

// each prints what a stream holds in each batch.
func each[T any](d *dstream.DStream[T]) {
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		fmt.Println(vs)
		return err
	})
}

// A program that makes its own context, as Spark's do.
func ExampleNewContext() {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), 10*time.Millisecond)
	if err != nil {
		fmt.Println(err)
		return
	}
	words := dstream.QueueStream(ssc, dstream.NewQueue([]string{"to", "be"}))
	broken := errors.New("not to be")
	dstream.Foreach(words, func(w string) error {
		if w == "be" {
			return broken
		}
		return nil
	})
	if err := ssc.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	err = ssc.AwaitTermination(context.Background()) // until it is stopped, or a batch has failed for good
	fmt.Println(errors.Is(err, broken), ssc.State())
	// Output: true STOPPED
}

// Two streaming contexts on one context of RDDs, one after the other.
func ExampleOn() {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2]"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sc.Stop(context.Background())
	for _, word := range []string{"to", "be"} {
		ssc, err := dstream.On(sc, 10*time.Millisecond)
		if err != nil {
			fmt.Println(err)
			return
		}
		read := make(chan string)
		dstream.Foreach(dstream.QueueStream(ssc, dstream.NewQueue([]string{word})), func(w string) error {
			read <- w
			return nil
		})
		if err := ssc.Start(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(<-read, ssc.Stop(context.Background(), dstream.Graceful(), dstream.KeepContext()))
	}
	// Output:
	// to <nil>
	// be <nil>
}

// Events tell of all that happens. The function that AddListener gives ends it.
func ExampleContext_AddListener() {
	inVirtualTime(2, func(ssc *dstream.Context) error {
		words := dstream.QueueStream(ssc, dstream.NewQueue([]string{"to", "be"}))
		dstream.Foreach(words, func(string) error { return nil }).Named("nowhere")
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.BatchCompleted:
				fmt.Println("batch", e.Sequence, "read", e.Records(), "records and took", e.TotalDelay())
			case dstream.OutputOperationCompleted:
				fmt.Println("output", e.Name, e.Err)
			}
		})
		return nil
	})
	// Output:
	// output nowhere <nil>
	// batch 0 read 2 records and took 0s
	// output nowhere <nil>
	// batch 1 read 0 records and took 0s
}

// Mostly it is added to a context: ssc.AddListener(dstream.StatsReport(slog.Default(), 10)). Here it is told of two
// batches.
func ExampleStatsReport() {
	brief := func(groups []string, a slog.Attr) slog.Attr { // without the time, and the quantiles in between
		if a.Key == slog.TimeKey || strings.HasSuffix(a.Key, "%") || a.Key == "min" && groups[0] == "processing" {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: brief}))
	report := dstream.StatsReport(logger, 10)
	for _, took := range []time.Duration{20 * time.Millisecond, 30 * time.Millisecond} {
		var b dstream.BatchInfo
		b.ProcessingStart = b.SubmissionTime.Add(5 * time.Millisecond)
		b.ProcessingEnd = b.ProcessingStart.Add(took)
		report(dstream.BatchCompleted{BatchInfo: b})
	}
	// Output:
	// level=INFO msg="delays of the last batches" batches=1 total.min=25ms total.max=25ms processing.max=20ms
	// level=INFO msg="delays of the last batches" batches=2 total.min=25ms total.max=35ms processing.max=30ms
}

// A batch takes an entry of the queue, and a default where there is none.
func ExampleQueueStream() {
	inVirtualTime(3, func(ssc *dstream.Context) error {
		queue := dstream.NewQueue([]int{1, 2}) // the first entry
		queue.Add(3)                           // the second; others may be added while the program runs
		queue.Default(rdd.Parallelize(ssc.RDD(), []int{0}))
		each(dstream.QueueStream(ssc, queue))
		return nil
	})
	// Output:
	// [1 2]
	// [3]
	// [0]
}

func ExampleAllAtOnce() {
	inVirtualTime(2, func(ssc *dstream.Context) error {
		each(dstream.QueueStream(ssc, dstream.NewQueue([]int{1, 2}, []int{3}), dstream.AllAtOnce()))
		return nil
	})
	// Output:
	// [1 2 3]
	// []
}

// Elements for which the function fails are counted, and do not fail their batch.
func ExampleToDeadLetters() {
	inVirtualTime(1, func(ssc *dstream.Context) error {
		numbers := dstream.QueueStream(ssc, dstream.NewQueue([]int{1, -2, 3}))
		roots := dstream.MapTry(numbers, func(v int) (uint, error) {
			if v < 0 {
				return 0, fmt.Errorf("%d is below 0", v)
			}
			return uint(v), nil
		}, dstream.ToDeadLetters()).Named("roots")
		each(roots)
		each(dstream.Map(dstream.DeadLetters(ssc), func(l dstream.DeadLetter) string { return l.Error }))
		return nil
	})
	// Output:
	// [1 3]
	// [-2 is below 0]
}

// By their names streams and outputs are found in logs, errors, tests and checkpoints.
func ExampleDStream_Named() {
	inVirtualTime(1, func(ssc *dstream.Context) error {
		words := dstream.QueueStream(ssc, dstream.NewQueue([]string{"to"})).Named("words")
		dstream.Print(words, 1).Named("shown")
		found, err := dstream.Find[string](ssc, "words")
		fmt.Println(found == words, err, words.SlideDuration())
		return nil
	})
	// Output:
	// true <nil> 1s
	// -------------------------------------------
	// Time: 946684801000 ms
	// -------------------------------------------
	// to
}

// The RDDs of a minute can be read by Slice, whatever windows there are.
func ExampleContext_Remember() {
	inVirtualTime(3, func(ssc *dstream.Context) error {
		ssc.Remember(time.Minute)
		numbers := dstream.QueueStream(ssc, dstream.NewQueue([]int{1}, []int{2}, []int{3}))
		dstream.ForeachRDD(numbers, func(ctx context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
			last, err := dstream.Slice(ctx, numbers, dstream.Interval{Begin: b.Time.Add(-time.Minute), End: b.Time})
			fmt.Println(len(last), err)
			return err
		})
		return nil
	})
	// Output:
	// 1 <nil>
	// 2 <nil>
	// 3 <nil>
}

func ExampleTime_Until() {
	var begin dstream.Time = 1_000
	for t := range begin.Until(begin.Add(3*time.Second), time.Second) { // and To, which has the end, too
		fmt.Println(t, t.IsMultipleOf(2*time.Second), t.Sub(begin))
	}
	// Output:
	// 1000 ms false 0s
	// 2000 ms true 1s
	// 3000 ms false 2s
}

func ExampleInterval() {
	minute := dstream.Interval{Begin: 0, End: 60_000}
	fmt.Println(minute, minute.Duration())
	// Output: [0 ms, 60000 ms] 1m0s
}

// What a checkpoint holds, without a program.
func ExampleReadCheckpoint() {
	temporary(func(dir string) error {
		if err := evenAndOdd(dir, 4, func(*dstream.Context) {}); err != nil {
			return err
		}
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			return err
		}
		defer sc.Stop(context.Background())
		c, err := dstream.ReadCheckpoint(context.Background(), sc, dir)
		if err != nil {
			return err
		}
		fmt.Println(c.Epoch, c.StoppedCleanly, c.States)
		return dstream.StopOwner(context.Background(), sc, dir, dstream.OwnerStop{}) // it has stopped already
	})
	// Output: 1 true [sums]
}
