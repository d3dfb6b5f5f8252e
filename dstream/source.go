package dstream

import (
	"context"
	"math"

	"github.com/weirstream/weir/rdd"
)

// A Source is an input that is read by ranges: what a batch takes is fixed, as plain data, before the batch
// runs, and can be read again. All methods are called by the batch loop, one at a time, but for Read's
// RDD, which tasks compute, and Committed and Released, which may overlap with Plan, and with Read and the tasks of
// batches that come later, as may what else is asked or told of a batch that is over (SourceRate, SourceCounter). Every
// call must honour its context and end.
type Source[T any] interface {
	// Resolve is called once at start and gives the position from which the first range is planned. from is
	// nil at a first start; after a restart it is the last planned range, which Resolve may check. It is
	// the place for what must stop the job before its first batch: unreachable servers, missing rights.
	Resolve(ctx context.Context, from []byte) (start []byte, err error)
	// Plan fixes the next range: what lies beyond from, which is the start position or the range before,
	// within the limit. n is the number of records if it is known, else an upper bound, or the best guess of a
	// SourceCounter. An error that wraps Transient is tried again for spark.network.timeout; any other ends the job.
	Plan(ctx context.Context, from []byte, l Limit) (rng []byte, n int64, err error)
	// Read gives the range as an RDD. It must not do I/O; its tasks do.
	Read(sc *rdd.Context, rng []byte) *rdd.RDD[T]
	// Committed says that all effects of the batch are in. An error is logged and counted and does not
	// fail the batch, which is committed already.
	Committed(ctx context.Context, b *Batch, rng []byte) error
	// Released says that nothing will ask for ranges up to this one again.
	Released(ctx context.Context, upTo []byte) error
}

// SourceCloser is a Source that holds something until the end. Close is called once, after the last batch.
type SourceCloser interface {
	Close(ctx context.Context) error
}

// SourceDescriber is a Source that can say what a range holds, for pages and listeners: one line each, the
// first being shown first.
type SourceDescriber interface{ Describe(rng []byte) []string }

// SourceDrainer is a Source that receives on its own and holds what no batch has taken yet. Drain stops the
// receiving, and returns when nothing more will be received, or ctx ends. If it is slow, batches take meanwhile what is
// there: all but Drain may be called while it goes on. Pending tells how many records are left to plan beyond from,
// which is what Plan would be given: a range that was planned and came into no batch, because another input had none,
// counts as left.
type SourceDrainer interface {
	Drain(ctx context.Context) error
	Pending(from []byte) int64
}

// SourceRated is a Source that wants to know the rate in force, in records per second.
type SourceRated interface {
	Rate(recordsPerSecond float64)
}

// SourceCounter is a Source that learns how many records a range holds only when tasks have read it. Counted is asked
// when the outputs of the range's batch have run, and corrects what Plan said; ok is false while it is not known.
type SourceCounter interface {
	Counted(rng []byte) (records int64, ok bool)
}

// SourceSlowed is a Source that may be slowed down from outside, as by a quota. Slowed says by what, since it was last
// asked; "" is nothing.
type SourceSlowed interface{ Slowed() string }

// SourceBehind is a Source that knows how far it is behind. Behind gives how many records it has beyond the last range
// that was planned, as it knew then; known is false while nothing was planned. It is called at any time, by any
// goroutine, and does no I/O.
type SourceBehind interface {
	Behind() (records int64, known bool)
}

// SourceChecker is a Source that can tell what is wrong with how it was made. Check does no I/O; a graph with a source
// that is wrong is refused.
type SourceChecker interface{ Check() error }

// SourceGuarantee is a Source that says, in a few words, what becomes of its records when the job is started again.
type SourceGuarantee interface{ Guarantee() string }

// Limit bounds a range.
type Limit struct {
	// Records is the most that the range may hold; math.MaxInt64 means no limit.
	Records int64
	// Interval is the batch interval in seconds, for limits that are given per second.
	Interval float64
	// Measured tells that Records comes from a measured or configured rate, so that a floor per partition
	// may apply, and not just from the bound that an unmeasured batch has.
	Measured bool
}

// Unlimited is the limit that limits nothing.
func Unlimited(interval float64) Limit { return Limit{Records: math.MaxInt64, Interval: interval} }

// transient marks an error after which planning may be tried again.
type transient struct{ error }

// Transient marks err as one that time may mend: a broker away, a leader moved.
func Transient(err error) error {
	if err == nil {
		return nil
	}
	return transient{err}
}

func (t transient) Unwrap() error { return t.error }

// FromSource makes a stream of what the source plans for each batch. op is the name of the kind of source in
// errors and plans, such as "kafka.DirectStream".
func FromSource[T any](ssc *Context, op string, s Source[T]) *DStream[T] {
	d := newStream[T](ssc, op, nil)
	d.compute = read(d, s)
	if s == nil {
		d.node.refuse("%s needs a source, not nil", op)
		return d
	}
	if c, ok := s.(SourceChecker); ok {
		if err := c.Check(); err != nil {
			d.node.refuse("%s: %w", op, err)
		}
	}
	if b, ok := s.(SourceBurier[T]); ok && b.Buries() {
		buries(d)
	}
	if ssc.State() == Initialized {
		ssc.inputs = append(ssc.inputs, newInput(d.node, s))
	}
	return d
}

// sourceKey finds an input's source again by its stream.
func sourceOf(n *node) any {
	for _, in := range n.ssc.inputs {
		if in.node == n {
			return in.source
		}
	}
	return nil
}

// SourceOf gives the source that d was made from, nil if d is not the stream of a source itself.
func SourceOf[T any](d *DStream[T]) Source[T] {
	s, _ := sourceOf(d.node).(Source[T])
	return s
}
