package dstream

import (
	"context"
	"time"
)

// A Receiver brings records in on its own, from a source that cannot be read by ranges: a socket, a push
// service. It is one per stream; union several streams to receive in parallel. What it stores is kept in
// blocks, in bounded memory, until a batch takes it.
type Receiver[T any] interface {
	// Start begins to receive and must not block: what it does goes on in goroutines that Stop ends. ctx ends
	// when Stop has returned, or has had its time. resume is the last position given to Store.Many, after a
	// restart from a write
	// ahead log; nil otherwise. An error has the receiver restarted after a pause.
	Start(ctx context.Context, st *Store[T], resume []byte) error
	// Stop ends the receiving. It may store what it still has in hand, and returns when nothing will be stored
	// any more, or when ctx ends.
	Stop(ctx context.Context) error
}

// ReceiverChecker is a Receiver that can tell what is wrong with how it was made. Check does no I/O; a graph with a
// receiver that is wrong is refused.
type ReceiverChecker interface{ Check() error }

// A Store is where a receiver puts what it received. Its methods may be called from several goroutines. A
// receiver whose Start was called anew has a new Store; the old one refuses.
type Store[T any] struct {
	s *supervisor[T]
	// ended closes when this run of the receiver is over: a call that waits gives up then.
	ended context.Context
}

// One stores a record. It is buffered and becomes part of a block within the block interval. It waits as the
// rate limit asks, and while the memory for what no batch has taken is full, which holds the sender back; it
// never waits for a running batch's memory. An error says that the receiver has been stopped.
func (st *Store[T]) One(v T) error { return st.s.one(st.ended, v) }

// Many stores records as one block, which is one partition of a batch, and returns when the block is stored. It
// waits for memory like One and as the rate limit asks for that many records. position says where the source
// stands after
// them, nil if it has no positions; with a write ahead log it is given back to Start.
func (st *Store[T]) Many(vs []T, position []byte) error { return st.s.many(st.ended, vs, position) }

// Report tells of an error after which the receiver goes on.
func (st *Store[T]) Report(err error) { st.s.report(err) }

// Restart has the receiver stopped and, after spark.streaming.receiverRestartDelay, started again. It does not
// wait.
func (st *Store[T]) Restart(err error) { st.s.demand(order{st: st, err: err, again: true}) }

// Stop has the receiver stopped for good; the stream goes on with what was stored. It does not wait.
func (st *Store[T]) Stop(err error) { st.s.demand(order{st: st, err: err}) }

// Context ends when this run of the receiver is over.
func (st *Store[T]) Context() context.Context { return st.ended }

// ReceiverStream makes a stream of what a receiver stores. name is the kind of receiver in errors and pages,
// such as "socketTextStream".
func ReceiverStream[T any](ssc *Context, name string, r Receiver[T]) *DStream[T] {
	if r == nil {
		d := FromSource[T](ssc, name, nil)
		return d
	}
	s := newSupervisor(ssc, r)
	d := FromSource(ssc, name, Source[T](s))
	s.info = ReceiverInfo{StreamID: len(ssc.inputs) - 1, Name: d.node.op}
	if c, ok := r.(ReceiverChecker); ok {
		if err := c.Check(); err != nil {
			d.node.refuse("%s: %w", name, err)
		}
	}
	return d
}

// receiverStopTimeout bounds how long a receiver may take to stop.
const receiverStopTimeout = 10 * time.Second
