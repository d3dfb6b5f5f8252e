package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// streams measures what batches cost: an empty one, and the slides of windows of few and of many panes.
func (c *coreBench) streams(ctx context.Context, r *results) error {
	debug.FreeOSMemory() // Else batches pay for giving back what contests before them have left.
	cpu, err := c.emptyBatch(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("empty batch of a ten-operator graph: %.0f µs of CPU; bar: 200\n", cpu*1e6)
	r.set("empty batch · CPU", cpu)
	durable, err := c.durableBatch(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("durable batch of one record every 10 ms, with a state: %.2f ms of CPU; bar: 1\n", durable*1e3)
	r.set("durable batch · CPU", durable)
	var costs []float64
	for _, panes := range []int{10, 600} {
		cost, err := c.window(ctx, panes)
		if err != nil {
			return err
		}
		costs = append(costs, cost)
		fmt.Printf("window of %d panes, 1000 of 20000 keys a batch: %.0f ns a key of the window and slide\n", panes,
			cost*1e9)
		r.set(fmt.Sprintf("window of %d panes · a key", panes), cost)
	}
	fmt.Printf("600 panes cost %.2f times what 10 do; bar: 1.5\n", costs[1]/costs[0])
	return nil
}

// emptyBatch gives the CPU seconds of a batch without records.
func (c *coreBench) emptyBatch(ctx context.Context) (float64, error) {
	const batches = 2000
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Millisecond)
	if err != nil {
		return 0, err
	}
	d := dstream.QueueStream(ssc, dstream.NewQueue[int64]())
	for range 7 {
		d = dstream.Map(d, plusOne)
	}
	pairs := dstream.Map(dstream.Filter(d, noThird), func(v int64) rdd.Pair[int64, int64] { return rdd.KV(v, v) })
	return cpuOfBatches(ctx, ssc, dstream.ReduceByKey(pairs, sumInt64s), batches)
}

// durableBatch gives the CPU seconds of a batch of one record with a checkpoint on disk: its plan, its change of a
// state and its commit are in the log, which takes a slot a batch and two syncs.
func (c *coreBench) durableBatch(ctx context.Context) (float64, error) {
	const batches = 2000 // After the first 200 the log writes its slots in the files of old ones.
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), 10*time.Millisecond)
	if err != nil {
		return 0, err
	}
	ssc.Checkpoint(dir)
	pairs := dstream.Map(dstream.FromSource(ssc, "ticks", dstream.Source[int64](ticks{})).Named("ticks"),
		func(v int64) rdd.Pair[int64, int64] { return rdd.KV(v%1000, v) })
	sums, _ := dstream.UpdateTouchedStateByKey(pairs, func(vs []int64, sum int64, _ bool) (int64, bool) {
		for _, v := range vs {
			sum += v
		}
		return sum, true
	})
	return cpuOfBatches(ctx, ssc, sums, batches)
}

// ticks is a source of one number a batch.
type ticks struct{}

// Resolve implements dstream.Source, as the others do.
func (ticks) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		from = []byte("0")
	}
	return from, nil
}

// Plan takes the next number.
func (ticks) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	n, err := strconv.ParseInt(string(from), 10, 64)
	return strconv.AppendInt(nil, n+1, 10), 1, err
}

// Read gives the number.
func (ticks) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int64] {
	n, _ := strconv.ParseInt(string(rng), 10, 64) // Plan made it.
	return rdd.Parallelize(sc, []int64{n}, 1)
}

// Committed implements dstream.Source.
func (ticks) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (ticks) Released(context.Context, []byte) error { return nil }

// cpuOfBatches runs a program for a number of batches and gives the CPU seconds of each.
func cpuOfBatches[T any](ctx context.Context, ssc *dstream.Context, d *dstream.DStream[T], batches int64,
) (float64, error) {
	done := make(chan struct{})
	var begin, end float64
	dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
		switch b.Sequence {
		case batches / 10:
			begin = cpuSeconds()
		case batches + batches/10:
			end = cpuSeconds()
			close(done)
		}
		_, err := rdd.Count(ctx, r)
		return err
	})
	if err := ssc.Start(ctx); err != nil {
		return 0, err
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	if err := ssc.Stop(context.WithoutCancel(ctx)); err != nil {
		return 0, err
	}
	return (end - begin) / float64(batches), ctx.Err()
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// window gives the CPU seconds of a slide for each key that is in the window, once it is full.
func (c *coreBench) window(ctx context.Context, panes int) (float64, error) {
	const keys, touched = 20_000, 1000
	const interval = 20 * time.Millisecond
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), interval)
	if err != nil {
		return 0, err
	}
	runtime.GC()
	slides := int64(2 * panes)
	q := dstream.NewQueue[rdd.Pair[int64, int64]]()
	next := int64(0)
	for range slides*13/10 + 50 {
		batch := make([]rdd.Pair[int64, int64], touched)
		for i := range batch {
			batch[i] = rdd.KV(next%keys, next)
			next++
		}
		q.Add(batch...)
	}
	length := time.Duration(panes) * interval
	w := dstream.ReduceByKeyAndWindow(dstream.QueueStream(ssc, q), sumInt64s, length, interval)
	cpu, err := cpuOfBatches(ctx, ssc, w, slides)
	// Each slide touches the window's keys, those that come and those that go.
	return cpu / float64(min(panes*touched, keys)+2*touched), err
}
