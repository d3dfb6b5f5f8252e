package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"sync"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A Sink stores the records of effects, each exactly once if it keeps to this contract, which weirtest.Sink tests. Its
// methods may be called from several goroutines, but for Open and Close. The sink belongs to the context that it was
// given to, which closes it. One that stores all partitions of a batch in one transaction is a TransactionSink besides,
// and one that stores them at once in another way is a BatchSink.
type Sink[T any] interface {
	// Open is called once before the first batch, with the job's name and epoch. It fences what an earlier owner of the
	// job may still be writing. It is the place for errors that must stop the job early; after one it holds nothing,
	// for Close is not called then, and it may be called again. Without a checkpoint the epoch is 0 and the job is new
	// at each start: identities are of no use then. Epochs begin again lower when an older checkpoint is restored, so
	// that an epoch alone does not tell who is late: Context.Owns does.
	Open(ctx context.Context, job string, epoch int64) error
	// Last gives the sequence of the last batch whose effect the sink holds, ok telling whether there is one. It is
	// asked between Open and Close.
	Last(ctx context.Context, output, effect string, partition int) (seq int64, ok bool, err error)
	// Write stores the records of in atomically together with the identity, or does nothing if the identity, or that
	// of a later batch, is there: then it need not read in. An error says that nothing was stored, or that it is not
	// known; Write is called again either way. It is called for partitions without records, too, and may then leave
	// the identity out. A sink that cannot do that says so by Guarantee. An error that wraps ErrFenced has the job ask
	// the log whether it is still its owner.
	Write(ctx context.Context, id Effect, in iter.Seq[T]) error
	// Close is called once, after the last batch; it must flush.
	Close(ctx context.Context) error
}

// SinkGuarantee is a Sink that may promise less than exactly-once and says what, in a few words such as
// "at-least-once"; "" is exactly-once. It is asked when the sink has been opened, or before the first batch if it is
// not opened by then.
type SinkGuarantee interface{ Guarantee() string }

// SinkRewinder is a Sink without transactions that knows the identities of all partitions of an effect, whatever their
// number was. Without it a start looks at those partitions only of which the log knows.
type SinkRewinder interface {
	// Newest gives the sequence of the last batch of which the sink holds a partition.
	Newest(ctx context.Context, output, effect string) (seq int64, ok bool, err error)
	// Rewind sets the identities of all partitions of an effect back to that of an earlier batch, -1 for none, so that
	// the later ones are stored again. A user has asked for it, who restored an older checkpoint and accepts
	// duplicates: what is stored stays.
	Rewind(ctx context.Context, id Effect) error
}

// SinkBurner is a Sink without transactions that can have a batch which is given up never come in. Without it a batch
// that was begun, and of which the sink does not say that it is in, is written down as unknown if an earlier process
// had planned it, or a write of it has failed: it may be on its way still.
type SinkBurner interface {
	// Burn has no partition of an effect come in any more that is not in: not by a write whose outcome is in doubt, and
	// not by one of an earlier owner that wakes up late. It may store the identity without records, or wait. It gives
	// how many partitions are in, or 1 if the sink has one identity for all and that is in; what an earlier call has
	// burned is not. partitions is how many this process has tried to store, 0 if it has tried none: earlier owners may
	// have had any number. The batch is never written again, and its identity may count as held from then on. By
	// ErrFenced and ErrInDoubt it says that the call is to be made again if the job still has its owner.
	Burn(ctx context.Context, id Effect, partitions int) (in int, err error)
}

// SinkTrouble marks an error by which a sink says that it cannot be written itself, as a disk that is full or broken,
// or a store that takes no writes, and not that the records of the batch cannot: whatever the next batch held, it would
// meet the same. A batch that fails of it is tried again, as any is, and then the program ends. It is never given up,
// for with it the whole stream would be passed over, batch by batch. The error should name what cannot be written, and
// what helps. What records are the reason of, such as their encoding, must not be marked. [errors.Is] and [errors.As]
// find what is in it; of nil it is nil.
func SinkTrouble(err error) error {
	if err == nil {
		return nil
	}
	return sinkTrouble{err}
}

type sinkTrouble struct{ error }

func (e sinkTrouble) Unwrap() error { return e.error }

// promiseOf is what a sink says of itself, "" for exactly-once.
func promiseOf(s any) string {
	if g, ok := s.(SinkGuarantee); ok {
		return g.Guarantee()
	}
	return ""
}

// SinkAttacher is a Sink that is told, before it is opened, which context opens it: for the settings and the log.
type SinkAttacher interface{ Attach(ssc *Context) }

// writeTo is the operator of WriteTo.
const writeTo = "writeTo"

// WriteTo has the sink store each batch of the stream: one effect for each partition. Where the sink writes in
// transactions, the batch's may still be on its way when outputs that are defined after this one run, and so may those
// of some batches before it (weir.streaming.maxUncommittedBatches): a body that must find them stored, such as one
// that tells others of them, acts on BatchCommitted, or the setting is 1.
func WriteTo[T any](d *DStream[T], s Sink[T]) *Output {
	var o *Output
	o = register(d, writeTo, func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return store(ctx, g.batch, o, "", r, s) }
	})
	if s == nil {
		o.node.refuse("writeTo needs a sink, not nil")
		return o
	}
	if err := usable(s); err != nil {
		o.node.refuse("writeTo: %w", err)
		return o
	}
	o.sink, o.quiet = s, true
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
// name must be the same each time the body runs; a second effect of the same name is an error. Where the sink does not
// open, or has trouble ([SinkTrouble]), or the user must say first what its past means (weir.sink.accept), the batch is
// never given up for that.
//
// After a start, what the sink holds of the output's effects is looked at, and kept from expiring, once the body has
// saved by it. Where that may take days, tell of the sink by SavesTo.
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
	err := b.ssc.openLate(ctx, s)
	if err == nil {
		err = b.ssc.admit(ctx, o, effect, s)
	}
	if err != nil {
		err = admissionError{err}
	} else {
		err = store(ctx, b, o, effect, r, s)
	}
	b.bar(o, err)
	return err
}

// An admissionError says that an effect cannot be written whatever the batch holds: its sink does not open, has another
// past than the log, or a rival. The next batch would meet the same, and some of it only the user can answer, so no
// batch is given up for it.
type admissionError struct{ error }

func (e admissionError) Unwrap() error { return e.error }

// ofSinkAlone tells that a sink would take no other batch either.
func ofSinkAlone(err error) bool {
	_, barred := errors.AsType[admissionError](err)
	_, trouble := errors.AsType[sinkTrouble](err)
	return barred || trouble
}

// store has the sink store what an effect of a batch holds, and notes what came of it.
func store[T any](ctx context.Context, b *Batch, o *Output, name string, r *rdd.RDD[T], s Sink[T]) error {
	id := b.effect(o, name)
	b.tries(o, name, r.NumPartitions())
	if t, ok := s.(TransactionSink[T]); ok && t.Transaction(id) != "" {
		return transact(ctx, b, o, id, r, t)
	}
	if all, ok := s.(BatchSink[T]); ok {
		return prepare(ctx, b, o, id, r, all)
	}
	if err := b.fix(ctx); err != nil {
		return err
	}
	return write(ctx, b, o, id, r, s)
}

// write has the sink store each partition by itself. What the sink does not read is computed all the same: an identity
// that is there suppresses the write, never the task.
func write[T any](ctx context.Context, b *Batch, o *Output, id Effect, r *rdd.RDD[T], s Sink[T]) error {
	passes := b.ssc.sinks.passes(id)
	task := func(tc *rdd.TaskContext, in iter.Seq[T]) (n int64, err error) {
		id := id
		id.Partition = tc.PartitionID()
		begun := false
		all := func(yield func(T) bool) {
			begun = true
			more := true
			for v := range in {
				n++
				more = more && yield(v)
			}
		}
		if !passes {
			err = b.writing(o, id.Name, func() error { return s.Write(tc, id, all) })
		}
		if err != nil || begun {
			return n, err
		}
		for range in {
			n++
		}
		return n, nil
	}
	parts := r.NumPartitions()
	var records int64
	err := b.ssc.insist(ctx, func() error {
		records = 0
		return rdd.RunJob(ctx, r, nil, task, func(_ int, n int64) error {
			records += n
			return nil
		})
	})
	if err == nil {
		b.note(o, id.Name, records > 0, identitiesIn(s, parts))
	}
	return err
}

// identitiesIn is how many identities a sink keeps of an effect of n partitions, or of all of them at once.
func identitiesIn(s any, n int) int {
	if promiseOf(s) != "" {
		return 0
	}
	return n
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

	log   sinkLog
	known map[effectOf]*identity // effects that may be written
	// saves are the sinks of bodies that SavesTo tells of, rested those that were asked for identities of effects which
	// this process has not written yet, and resting what they hold.
	saves   map[*Output][]held
	rested  map[sinkOf]bool
	resting map[effectOf]*identity
	named   map[string]bool // transactional ids that the log has
	fenced  map[string]bool // those that this owner has fenced
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

// openAll opens the sinks known before the first batch, fences their predecessors and looks at what they hold.
func (ssc *Context) openAll(ctx context.Context) error {
	if ssc.durable.opened {
		ssc.sinksKnow(ssc.durable.found, func(ctx context.Context, e checkpoint.Transactions) error {
			return ssc.log.Append(ctx, e)
		})
	}
	var errs []error
	for _, s := range ssc.sinks.all {
		errs = append(errs, ssc.openLate(ctx, s))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return ssc.admitAll(ctx)
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
		op.err = fmt.Errorf("open %s: %w", ssc.sinkText(s), err)
		ssc.sinks.forget(s)
	}
	return op.err
}

// sinkText names a sink by the output that it is of; one that only bodies use has its type.
func (ssc *Context) sinkText(s held) string {
	for _, o := range ssc.outputs {
		if o.sink == s {
			return fmt.Sprintf("the sink of output %s (%s)", o.label(), o.node.site)
		}
	}
	return fmt.Sprintf("a sink (%T)", s)
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
