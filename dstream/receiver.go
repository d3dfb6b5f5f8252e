package dstream

import (
	"context"
	"time"

	"github.com/weirstream/weir/conf"
)

// A Receiver brings records in on its own, from a source that cannot be read by ranges: a socket, a push service. It is
// one per stream; union several streams to receive in parallel. What it stores is kept in blocks, in bounded memory,
// until a batch takes it: all there is, up to 10,000 blocks, of which those that time makes are half at most (see
// spark.streaming.blockInterval). With a write ahead log it is kept there, within weir.receiver.logBytes, and a batch
// takes what one call stored whole, and no more than its limit of records (weir.streaming.firstBatchRecords,
// back-pressure), those bytes, and as many blocks: what is left is for the next one.
type Receiver[T any] interface {
	// Start begins to receive and must not block: what it does goes on in goroutines that Stop ends. ctx ends
	// when Stop has returned, or has had its time. resume is the last position that was stored, from which the
	// receiver goes on: by an earlier run of it, or, with a write ahead log, by an earlier process; nil if there is
	// none. An error has the receiver restarted after a pause.
	Start(ctx context.Context, st *Store[T], resume []byte) error
	// Stop ends the receiving. It may store what it still has in hand, and returns when nothing will be stored
	// any more, or when ctx ends. Each call of Start is followed by one, as in Spark also that which gave an error or
	// panicked, at whatever point: what Start did not come to set is not there.
	Stop(ctx context.Context) error
}

// ReceiverChecker is a Receiver that can tell what is wrong with how it was made. Check does no I/O; a graph with a
// receiver that is wrong is refused.
type ReceiverChecker interface{ Check() error }

// ReceiverPositions is a Receiver whose source can be read again from a position on, and that gives one with all that
// it stores. With a write ahead log it is exactly-once: what was not logged before a process died is read again, from
// where the log ends, and what comes a second time is dropped.
type ReceiverPositions interface {
	// Covers tells whether a source that stands at the position last has given all up to position before. Records whose
	// position the last one covers are not stored again. Of receivers that are no ReceiverPositions, those are dropped
	// whose position equals the last one. It is called in the order of the records and must not block. Where a source
	// may go back on purpose, because other records have come to stand at the same places, a lower position is not
	// covered, and is stored alone before what is read from there.
	Covers(last, position []byte) bool
}

// ReceiverHandsOver is a Receiver that never changes what it has stored, nor any memory that it shares: records are
// kept as they are then. Of others they are copied, if something in them could be changed, such as bytes.
type ReceiverHandsOver interface{ HandsOver() }

// A Store is where a receiver puts what it received. Its methods may be called from several goroutines. A
// receiver whose Start was called anew has a new Store; the old one refuses.
//
// What One, Some and Many are given is the caller's again when they return: it may read the next record into the same
// bytes. Copies are made for that, but not of strings, and not for a [ReceiverHandsOver]. What the codec cannot copy is
// kept as it is, and may not be changed: values of types without a codec, and those that cannot be encoded.
type Store[T any] struct {
	s *supervisor[T]
	// ended closes when this run of the receiver is over: a call that waits gives up then.
	ended context.Context
}

// One stores a record. It becomes part of a block within the block interval, or a 5,000th of the batch interval if that
// is longer. It waits as the rate limit asks, and while the memory for what no batch has taken is full, which holds the
// sender back; it never waits for a running batch's memory. With a write ahead log
// (spark.streaming.receiver.writeAheadLog.enable) it waits for no memory, but while so much is in the log and in no
// batch as weir.receiver.logBytes says, until the next batch is planned; and it returns when the log has the record:
// calls that come together share a sync of the disk, and who calls one after the other waits for a sync each time, so
// that a receiver of one goroutine is faster with Some. An error says that the receiver has been stopped, or is about
// to be started again since the log could not be written; whether the record was stored is not known then. A log cannot
// hold what cannot be encoded: the error wraps [ErrNotEncoded] then, and the receiver may go on.
func (st *Store[T]) One(v T) error { return st.s.one(st.ended, v) }

// Some stores records at once, each of which becomes part of a block like One's: with a write ahead log all or none of
// them are there after a crash. position says where the source stands behind them, nil if it has no positions; a
// position that is empty counts as nil. A position without records is stored as well, and given to the next Start: a
// receiver that chooses where to begin, such as at the end of its source, stores that before it asks for the first
// record, so that the next process does not choose anew and pass over what came in between.
//
// Of records of which a write ahead log cannot encode one, the others are stored, and the error wraps [ErrNotEncoded].
// With a position none of them is, and the receiver is started again, for its source still has them.
func (st *Store[T]) Some(vs []T, position []byte) error {
	return st.s.several(st.ended, vs, position, false)
}

// Many stores records at once as one block, which is one partition of a batch, and so a task: Some is for few records
// at a time. It waits like One, as the rate limit asks for that many records. position is that of Some.
func (st *Store[T]) Many(vs []T, position []byte) error {
	return st.s.several(st.ended, vs, position, true)
}

// Burst is how many records the rate limit lets through at once, at least 1: whoever stores more waits in between.
func (st *Store[T]) Burst() int { return st.s.limiter.Burst() }

// Report tells of an error after which the receiver goes on.
func (st *Store[T]) Report(err error) { st.s.report(err) }

// Restart has the receiver stopped and, after spark.streaming.receiverRestartDelay, started again. It does not
// wait.
func (st *Store[T]) Restart(err error) { st.RestartAfter(st.s.delay, err) }

// RestartAfter is Restart with another delay, as a source asks for that says when to come again.
func (st *Store[T]) RestartAfter(delay time.Duration, err error) {
	st.s.demand(order{st: st, err: err, again: true, delay: max(delay, 0)})
}

// Stop has the receiver stopped for good; the stream goes on with what was stored. It does not wait. It goes before a
// Restart that was asked for earlier, as long as Start has not been called again.
func (st *Store[T]) Stop(err error) { st.s.demand(order{st: st, err: err}) }

// Context ends when this run of the receiver is over.
func (st *Store[T]) Context() context.Context { return st.ended }

// ReceiverStream makes a stream of what a receiver stores. name is the kind of receiver in errors and pages,
// such as "socketTextStream".
func ReceiverStream[T any](ssc *Context, name string, r Receiver[T]) *DStream[T] {
	if r == nil {
		d := newStream[T](ssc, name, nil)
		d.compute = read[T](d, nil)
		d.node.refuse("%s needs a receiver, not nil", name)
		return d
	}
	s := newSupervisor(ssc, r)
	d := FromSource(ssc, name, Source[T](s))
	s.info = ReceiverInfo{StreamID: len(ssc.inputs) - 1, Name: d.node.op}
	if s.wrong != nil {
		d.node.refuse("%s: %s: %w", name, conf.ReceiverWriteAheadLog.Name(), s.wrong)
	}
	if c, ok := r.(ReceiverChecker); ok {
		if err := c.Check(); err != nil {
			d.node.refuse("%s: %w", name, err)
		}
	}
	return d
}

// receiverStopTimeout bounds how long a receiver may take to stop.
const receiverStopTimeout = 10 * time.Second
