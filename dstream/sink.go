package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/weirstream/weir/rdd"
)

// A Sink stores the records of effects. Its methods may be called from several goroutines, but for Open and
// Close. The sink belongs to the context that it was given to, which closes it.
type Sink[T any] interface {
	// Open is called once before the first batch, with the job's name and epoch. It fences what an earlier
	// owner of the job may still be writing. It is the place for errors that must stop the job early.
	Open(ctx context.Context, job string, epoch int64) error
	// Last gives the sequence of the last batch whose effect the sink holds, ok telling whether there is one.
	Last(ctx context.Context, output, effect string, partition int) (seq int64, ok bool, err error)
	// Write stores the records of in atomically together with the identity, or does nothing if the identity
	// is there. A sink that cannot do that says so by Guarantee.
	Write(ctx context.Context, id Effect, in iter.Seq[T]) error
	// Close is called once, after the last batch; it must flush.
	Close(ctx context.Context) error
}

// SinkGuarantee is a Sink that promises less than exactly-once and says what, in a few words such as
// "at-least-once".
type SinkGuarantee interface{ Guarantee() string }

// WriteTo has the sink store each batch of the stream: one effect for each partition.
func WriteTo[T any](d *DStream[T], s Sink[T]) {
	var o *output
	o = register(d, "writeTo", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return write(ctx, g.batch.effect(o, ""), r, s) }
	})
	if s == nil {
		o.node.refuse("writeTo needs a sink, not nil")
		return
	}
	if g, ok := s.(SinkGuarantee); ok {
		o.promise = g.Guarantee()
	}
	d.node.ssc.hold(s)
}

// Save has the sink store r, in a ForeachRDD body: the effect is named, for a body may save several RDDs. The
// name must be the same each time the body runs; a second effect of the same name is an error.
func Save[T any](ctx context.Context, b *Batch, effect string, r *rdd.RDD[T], s Sink[T]) error {
	o := b.running(ctx)
	if o == nil {
		return errors.New("Save needs the ctx that its ForeachRDD body was given")
	}
	if err := b.claim(o, effect); err != nil {
		return err
	}
	if err := b.ssc.openLate(ctx, s); err != nil {
		return err
	}
	return write(ctx, b.effect(o, effect), r, s)
}

func write[T any](ctx context.Context, id Effect, r *rdd.RDD[T], s Sink[T]) error {
	return rdd.ForeachPartition(ctx, r, func(tc *rdd.TaskContext, in iter.Seq[T]) error {
		id := id
		id.Partition = tc.PartitionID()
		return s.Write(tc, id, in)
	})
}

// held is a sink without its type.
type held interface {
	Open(ctx context.Context, job string, epoch int64) error
	Close(ctx context.Context) error
}

// sinks are those that the context has been given, each opened once and closed at the end.
type sinks struct {
	mu     sync.Mutex
	all    []held
	opened map[held]*opening
}

// An opening is the one call of Open, for which others wait.
type opening struct {
	done chan struct{}
	err  error
}

func (ssc *Context) hold(s held) {
	ssc.sinks.mu.Lock()
	defer ssc.sinks.mu.Unlock()
	ssc.sinks.all = append(ssc.sinks.all, s)
}

// openAll opens the sinks known before the first batch.
func (ssc *Context) openAll(ctx context.Context) error {
	var errs []error
	for _, s := range ssc.sinks.all {
		errs = append(errs, ssc.openLate(ctx, s))
	}
	return errors.Join(errs...)
}

// openLate opens a sink at its first use.
func (ssc *Context) openLate(ctx context.Context, s held) error {
	ssc.sinks.mu.Lock()
	if ssc.sinks.opened == nil {
		ssc.sinks.opened = map[held]*opening{}
	}
	op, known := ssc.sinks.opened[s]
	if !known {
		op = &opening{done: make(chan struct{})}
		ssc.sinks.opened[s] = op
	}
	ssc.sinks.mu.Unlock()
	if known {
		select {
		case <-op.done:
			return op.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if op.err = s.Open(ctx, ssc.job, 0); op.err != nil {
		op.err = fmt.Errorf("open a sink: %w", op.err)
	}
	close(op.done)
	return op.err
}

func (ssc *Context) closeSinks(ctx context.Context) {
	ssc.sinks.mu.Lock()
	opened := ssc.sinks.opened
	ssc.sinks.opened = nil
	ssc.sinks.mu.Unlock()
	for s := range opened {
		if err := s.Close(ctx); err != nil {
			ssc.fail(fmt.Errorf("close a sink: %w", err))
		}
	}
}
