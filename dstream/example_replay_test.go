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

// summing makes a program that sums up the numbers of each batch; graph adds to it, and seen is told of each batch.
func summing(dir string, graph func(numbers *dstream.DStream[int]), seen func(b *dstream.Batch)) *dstream.Context {
	ssc, err := dstream.GetOrCreate(dir, conf.New().Set("spark.master", "local"), 5*time.Millisecond,
		func(ssc *dstream.Context) error {
			numbers := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			sums := dstream.Reduce(numbers, func(a, b int) int { return a + b }).Named("sums")
			dstream.ForeachRDD(sums, func(_ context.Context, _ *rdd.RDD[int], b *dstream.Batch) error {
				seen(b)
				return nil
			}).Named("out")
			graph(numbers)
			return nil
		})
	if err != nil {
		fmt.Println(err)
	}
	return ssc
}

// sumUp runs a program until a batch is over, and stops it.
func sumUp(dir string, until int64) {
	over := make(chan struct{})
	ssc := summing(dir, func(*dstream.DStream[int]) {}, func(b *dstream.Batch) {
		if b.Sequence == until {
			close(over)
		}
	})
	if err := ssc.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-over
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		fmt.Println(err)
	}
}

// A batch that has been committed runs once more, and what its outputs are given is collected here, not used.
func ExampleContext_Replay() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	sumUp(dir, 3)
	ssc := summing(dir, func(*dstream.DStream[int]) {}, func(*dstream.Batch) { fmt.Println("never called") })
	ssc.SetOutput(linesAfter{3})
	done, err := ssc.Replay(context.Background(), dstream.Replay{Sequence: 1})
	fmt.Println(done.Outputs[0].Name, done.Outputs[0].Records, err)
	// Output:
	// 5
	// out 1 <nil>
}

// linesAfter writes to standard output what follows the first lines of each text.
type linesAfter struct{ skip int }

func (w linesAfter) Write(text []byte) (int, error) {
	n := len(text)
	for range w.skip {
		for len(text) > 0 && text[0] != '\n' {
			text = text[1:]
		}
		text = text[1:]
	}
	_, err := os.Stdout.Write(text[:len(text)-1])
	return n, err
}

// A program that has one output more would go on, for the one before it has stopped cleanly.
func ExampleContext_CheckCheckpoint() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	sumUp(dir, 0)
	next := summing(dir, func(numbers *dstream.DStream[int]) {
		dstream.Print(dstream.Count(numbers).Named("count"), 1).Named("print")
	}, func(*dstream.Batch) {})
	fit, err := next.CheckCheckpoint(context.Background())
	fmt.Println(fit.Checkpoint.StoppedCleanly, fit.Open, err)
	for _, c := range fit.Changes {
		fmt.Println(c.Kind, c.Name, c.What)
	}
	// Output:
	// true [] <nil>
	// operator count added
}

// What a program has planned and not committed is finished by a process that plans nothing.
func ExampleContext_Finish() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	sumUp(dir, 0)
	ssc := summing(dir, func(*dstream.DStream[int]) {}, func(*dstream.Batch) { fmt.Println("a batch that was open") })
	if err := ssc.Finish(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(ssc.AwaitTermination(context.Background()))
	// Output: <nil>
}
