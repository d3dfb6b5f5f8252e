package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"

	"github.com/weirstream/weir/rdd"
)

// A Sink stores the records of effects. Its methods may be called from several goroutines, but for Open and
// Close. The sink belongs to the context that it was given to, which closes it.
type Sink[T any] interface {
	// Open is called once before the first batch, with the job's name and epoch. It fences what an earlier
	// owner of the job may still be writing. It is the place for errors that must stop the job early; after one it
	// holds nothing, for Close is not called then, and it may be called again.
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

// SinkAttacher is a Sink that is told, before it is opened, which context opens it: for the settings and the log.
type SinkAttacher interface{ Attach(ssc *Context) }

// WriteTo has the sink store each batch of the stream: one effect for each partition.
func WriteTo[T any](d *DStream[T], s Sink[T]) *Output {
	var o *Output
	o = register(d, "writeTo", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return write(ctx, g.batch.effect(o, ""), r, s) }
	})
	if s == nil {
		o.node.refuse("writeTo needs a sink, not nil")
		return o
	}
	if err := usable(s); err != nil {
		o.node.refuse("writeTo: %w", err)
		return o
	}
	if g, ok := s.(SinkGuarantee); ok {
		o.promise = g.Guarantee()
	}
	d.node.ssc.hold(s)
	return o
}

// usable refuses sinks that cannot be told apart.
func usable(s held) error {
	if s == nil || !reflect.TypeOf(s).Comparable() {
		return fmt.Errorf("the sink is a %T, of which no two could be told apart: pass a pointer", s)
	}
	return nil
}

// Save has the sink store r, in a ForeachRDD body: the effect is named, for a body may save several RDDs. The
// name must be the same each time the body runs; a second effect of the same name is an error.
func Save[T any](ctx context.Context, b *Batch, effect string, r *rdd.RDD[T], s Sink[T]) error {
	o := b.running(ctx)
	if o == nil {
		return errors.New("Save needs the ctx that its ForeachRDD body was given")
	}
	if err := usable(s); err != nil {
		return err
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
	closed bool
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

func (ssc *Context) openSink(ctx context.Context, s held) error {
	if a, ok := s.(SinkAttacher); ok {
		a.Attach(ssc)
	}
	return s.Open(ctx, ssc.job, ssc.epoch)
}

// openLate opens a sink at its first use. One that does not open is tried again at the next use.
func (ssc *Context) openLate(ctx context.Context, s held) error {
	op, mine, err := ssc.sinks.opening(s)
	if err != nil {
		return err
	}
	if !mine {
		select {
		case <-op.done:
			return op.err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	defer close(op.done)
	if err := tell(ctx, func(ctx context.Context) error { return ssc.openSink(ctx, s) }); err != nil {
		op.err = fmt.Errorf("open a sink (%T): %w", s, err)
		ssc.sinks.forget(s)
	}
	return op.err
}

// opening gives the call of Open that the sink's users wait for; mine tells that it is the caller's to make.
func (ss *sinks) opening(s held) (op *opening, mine bool, err error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closed {
		return nil, false, ErrStopped
	}
	if op, ok := ss.opened[s]; ok {
		return op, false, nil
	}
	if ss.opened == nil {
		ss.opened = map[held]*opening{}
	}
	op = &opening{done: make(chan struct{})}
	ss.opened[s] = op
	return op, true, nil
}

func (ss *sinks) forget(s held) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.opened, s)
}

// closeSinks closes what was opened; a sink that cannot is an error of the program, for it may not have flushed.
func (ssc *Context) closeSinks(ctx context.Context) {
	ssc.sinks.mu.Lock()
	opened := ssc.sinks.opened
	ssc.sinks.opened, ssc.sinks.closed = nil, true
	ssc.sinks.mu.Unlock()
	var wg sync.WaitGroup
	for s := range opened {
		wg.Go(func() {
			if err := tell(ctx, s.Close); err != nil {
				ssc.fail(fmt.Errorf("close a sink (%T): %w", s, err))
			}
		})
	}
	wg.Wait()
}
