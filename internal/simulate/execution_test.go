package simulate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/state/pebble"
)

// An execution is one run of a graph in the engine.
type execution struct {
	g        *Graph
	ssc      *dstream.Context
	interval time.Duration
	// life and world are those of a durable program.
	life  *living
	world *world
	job   int // 1 for the second job of a name

	mu      sync.Mutex
	batches []batch
	outputs []observed
}

// observed is what an output was given.
type observed struct {
	whole map[dstream.Time][]string         // by those that see a batch
	parts map[dstream.Time]map[int][]string // by those that see a partition
	tries map[dstream.Time]int
	errs  []error
}

// run runs the graph in the engine; it must be called within a bubble, for it waits for the batches to come. dir is for
// what does not fit into memory.
func (g *Graph) run(ctx context.Context, s Settings, dir string) (*execution, error) {
	ssc, err := dstream.NewContext(s.conf(g, dir, g.Parallelism), g.Interval)
	if err != nil {
		return nil, err
	}
	x := &execution{g: g, ssc: ssc, interval: g.Interval, outputs: make([]observed, len(g.Outputs))}
	x.build()
	dstream.FromSource(ssc, "clock", dstream.Source[int](&clock{x: x}))
	if err := ssc.Start(ctx); err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(g.Batches)*g.Interval + g.Interval/2):
	case <-ended(ctx, ssc):
	}
	if err := errors.Join(ssc.Stop(ctx, dstream.Graceful()), ssc.AwaitTermination(ctx)); err != nil {
		return nil, err
	}
	return x, nil
}

// ended is closed when the program has ended.
func ended(ctx context.Context, ssc *dstream.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = ssc.AwaitTermination(ctx) // Its error is asked for again when the program is stopped.
	}()
	return done
}

// conf has no parallelism if that is 0.
func (s Settings) conf(g *Graph, dir string, parallelism int) *conf.Conf {
	c := conf.New().
		Set("spark.master", fmt.Sprintf("local[%d,%d]", s.Cores, attempts)).
		Set("spark.streaming.concurrentJobs", strconv.Itoa(s.ConcurrentJobs)).
		Set("spark.local.dir", dir).
		Set("weir.honest", strconv.FormatBool(s.Honest)).
		Set("weir.streaming.failedBatch", "retry").
		Set("weir.streaming.failedBatch.maxRetries", strconv.Itoa(attempts)).
		Set("weir.streaming.failedBatch.backoff", "0ms")
	if parallelism > 0 {
		c.Set("spark.default.parallelism", strconv.Itoa(parallelism))
	}
	if (g.Seed+uint64(s.Cores))%16 == 0 { // One of the runs of some graphs, and some lives of a program.
		c.Set("weir.state.store", "pebble").Set("weir.state.memory", "8m")
	}
	if s.Budget > 0 {
		c.Set("weir.memory.budget", strconv.Itoa(s.Budget)+"b").
			Set("weir.receiver.memory", "64k").Set("weir.kafka.fetchBytes", "1k") // What could not fit is refused.
	}
	return c
}

// build makes the graph in the engine.
func (x *execution) build() {
	x.ssc.AddStateStore(pebble.Store())
	if x.g.Remember > 0 {
		x.ssc.Remember(time.Duration(x.g.Remember) * x.interval)
	}
	streams := make([]any, len(x.g.Steps))
	for i, s := range x.g.Steps {
		if s.op == nil {
			streams[i] = s.input.make(x, s.input)
			s.input.kind.named(streams[i], fmt.Sprint("s", i))
			continue
		}
		in := make([]any, len(s.In))
		for j, p := range s.In {
			in[j] = streams[p]
			if x.life != nil && s.op.remembers { // States are known by what they read: it must not be shared.
				in[j] = x.g.Steps[p].kind().through(in[j], fmt.Sprint("to", i))
			}
		}
		streams[i] = s.op.live(x, s, in)
		if s.Level != rdd.NotPersisted {
			s.op.out.persist(streams[i], s.Level)
		}
	}
	for i, o := range x.g.Outputs {
		x.outputs[i] = observed{whole: map[dstream.Time][]string{}, parts: map[dstream.Time]map[int][]string{},
			tries: map[dstream.Time]int{}}
		if x.life != nil {
			x.g.Steps[o.Step].kind().outlive(x, i, streams[o.Step])
			continue
		}
		x.g.Steps[o.Step].kind().output(x, i, streams[o.Step])
	}
}

// output registers an output operation that notes what it is given.
func (k kindOf[T]) output(x *execution, number int, d any) {
	in, o := d.(*stream[T]), x.g.Outputs[number]
	switch o.How {
	case partitioned:
		dstream.ForeachPartition(in, func(tc *rdd.TaskContext, _ dstream.Effect, vs iter.Seq[T]) error {
			return x.notePartition(number, dstream.Time(tc.BatchTime()), tc.PartitionID(), k.texts(slices.Collect(vs)))
		})
	case sunk:
		dstream.WriteTo(in, dstream.Sink[T](&sink[T]{x: x, number: number}))
	default:
		dstream.ForeachRDD(in, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
			texts, err := k.read(ctx, r, o.How == twice)
			if err != nil {
				return err
			}
			return x.note(ctx, number, b, texts)
		})
	}
}

// read reads a batch, once or by several actions that must agree.
func (k kindOf[T]) read(ctx context.Context, r *rdd.RDD[T], twice bool) ([]string, error) {
	vs, err := rdd.Collect(ctx, r)
	if err != nil || !twice {
		return k.texts(vs), err
	}
	n, err := rdd.Count(ctx, r)
	if err != nil {
		return nil, err
	}
	some, err := rdd.Take(ctx, r, len(vs)/2)
	if err != nil {
		return nil, err
	}
	again, err := rdd.Collect(ctx, r)
	if err != nil {
		return nil, err
	}
	texts := k.texts(vs)
	if int(n) != len(vs) || !slices.Equal(k.texts(again), texts) || !slices.Equal(k.texts(some), texts[:len(vs)/2]) {
		return nil, fmt.Errorf("collect gives %v, count %d, take(%d) %v and a second collect %v", vs, n, len(vs)/2,
			some, again)
	}
	return texts, nil
}

// note keeps what a body saw of a batch, or fails it.
func (x *execution) note(ctx context.Context, number int, b *dstream.Batch, texts []string) error {
	o, seen := x.g.Outputs[number], &x.outputs[number]
	x.mu.Lock()
	seen.tries[b.Time]++
	fails := int64(o.At) == b.Sequence && seen.tries[b.Time] <= o.Fails
	if _, again := seen.whole[b.Time]; again {
		seen.errs = append(seen.errs, fmt.Errorf("the body saw the batch of %v again after it had succeeded", b.Time))
	}
	if !fails {
		seen.whole[b.Time] = texts
	}
	x.mu.Unlock()
	if fails {
		return errFault
	}
	if int64(o.At) == b.Sequence {
		return x.stall(ctx, o)
	}
	return nil
}

// stall sleeps as an output says.
func (x *execution) stall(ctx context.Context, o Output) error {
	if o.Stall == 0 {
		return nil
	}
	select {
	case <-time.After(time.Duration(o.Stall)*x.interval + x.interval/3):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// notePartition keeps what a task saw of a partition, or fails it.
func (x *execution) notePartition(number int, at dstream.Time, partition int, texts []string) error {
	o, seen := x.g.Outputs[number], &x.outputs[number]
	x.mu.Lock()
	defer x.mu.Unlock()
	if seen.tries[at]++; seen.tries[at] <= o.Fails {
		return errFault
	}
	if seen.parts[at] == nil {
		seen.parts[at] = map[int][]string{}
	}
	if _, again := seen.parts[at][partition]; again {
		seen.errs = append(seen.errs, fmt.Errorf("partition %d of %v came again after it had succeeded", partition, at))
	}
	seen.parts[at][partition] = texts
	return nil
}

// texts is what the output saw in a batch. An output that sees partitions cannot tell an RDD without any from none.
func (o *observed) texts(h how, at dstream.Time) (texts []string, saw bool) {
	if h == collected || h == twice {
		texts, saw = o.whole[at]
		return texts, saw
	}
	parts := o.parts[at]
	for _, p := range slices.Sorted(maps.Keys(parts)) {
		texts = append(texts, parts[p]...)
	}
	return texts, len(parts) > 0
}

// A sink keeps what it is given.
type sink[T any] struct {
	x      *execution
	number int
}

// Open implements dstream.Sink.
func (s *sink[T]) Open(context.Context, string, int64) error { return nil }

// Last implements dstream.Sink.
func (s *sink[T]) Last(context.Context, string, string, int) (int64, bool, error) {
	return 0, false, nil
}

// Write implements dstream.Sink.
func (s *sink[T]) Write(ctx context.Context, id dstream.Effect, in iter.Seq[T]) error {
	at := dstream.Time(ctx.(*rdd.TaskContext).BatchTime())
	return s.x.notePartition(s.number, at, id.Partition, kindOf[T]{}.texts(slices.Collect(in)))
}

// Close implements dstream.Sink.
func (s *sink[T]) Close(context.Context) error { return nil }
