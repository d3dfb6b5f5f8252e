package dstream_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
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

// A reader receives the lines of a journal, which can be read again from any of them on: its position is the number of
// lines that it has read.
type reader struct {
	journal []string
	work    sync.WaitGroup
	stop    context.CancelFunc
}

// Start goes on behind the last line that was stored, by whichever process.
func (r *reader) Start(ctx context.Context, st *dstream.Store[string], resume []byte) error {
	ctx, r.stop = context.WithCancel(ctx)
	read, _ := strconv.Atoi(string(resume)) // nil is 0.
	r.work.Go(func() {
		for ; read < len(r.journal) && ctx.Err() == nil; read++ {
			position := strconv.Itoa(read + 1)
			if err := st.Some(r.journal[read:read+1], []byte(position)); err != nil {
				return
			}
		}
	})
	return nil
}

// Stop ends what Start began.
func (r *reader) Stop(context.Context) error {
	r.stop()
	r.work.Wait()
	return nil
}

// Covers compares the numbers of lines.
func (r *reader) Covers(last, position []byte) bool {
	read, _ := strconv.Atoi(string(last))
	these, _ := strconv.Atoi(string(position))
	return these <= read
}

// With a write ahead log and positions a receiver is exactly-once: each program goes on where the one before ended.
func ExampleReceiverPositions() {
	dir, err := os.MkdirTemp("", "receiver")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.receiver.writeAheadLog.enable", "true")
	program := func(journal ...string) {
		done := make(chan struct{})
		ssc, err := dstream.GetOrCreate(dir, c, 20*time.Millisecond, func(ssc *dstream.Context) error {
			lines := dstream.ReceiverStream(ssc, "reader", dstream.Receiver[string](&reader{journal: journal})).Named("lines")
			dstream.ForeachRDD(lines, func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
				return rdd.Foreach(ctx, rdd.Coalesce(r, 1), func(line string) error {
					fmt.Println(line)
					if line == journal[len(journal)-1] {
						close(done)
					}
					return nil
				})
			}).Named("print")
			return nil
		})
		if err != nil {
			panic(err)
		}
		if err := ssc.Start(context.Background()); err != nil {
			panic(err)
		}
		<-done
		if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
			panic(err)
		}
	}
	program("to be", "or not")
	program("to be", "or not", "to be that is", "the question")
	// Output:
	// to be
	// or not
	// to be that is
	// the question
}
