package sql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/dstream"
)

var readCommitted = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}

// Write implements dstream.Sink. The transaction is begun when there are a thousand records, or all; without records
// there is none.
func (s *DatabaseSink[T]) Write(ctx context.Context, id dstream.Effect, in iter.Seq[T]) error {
	f := newFeed(in)
	defer f.stop()
	head, ok := <-f.chunks
	if !ok {
		return f.err
	}
	given := false
	c, err := s.acquire(ctx)
	if err == nil {
		defer c.Release()
		given, err = s.watched(ctx, c, id, f, head)
	}
	if err == nil {
		return nil
	}
	if own := !given || ofDatabase(c.Conn(), err); own && ctx.Err() == nil && !errors.Is(err, dstream.ErrFenced) {
		err = s.trouble(err)
	}
	return fmt.Errorf("store partition %d of batch %d: %w", id.Partition, id.Sequence, err)
}

// watched makes the transaction, and ends it when the database does not answer. given tells whether that has come to
// the records.
func (s *DatabaseSink[T]) watched(ctx context.Context, c *pgxpool.Conn, id dstream.Effect, f *feed[T], head []T,
) (given bool, err error) {
	w := &watch{limit: s.timeout}
	ctx = w.start(ctx, s.late())
	defer w.end()
	given, err = s.transact(ctx, c, id, f, head, w)
	return given, s.explain(ctx, err)
}

// acquire waits for a connection as long as the task may: while others hold them all it is not the database that does
// not answer. What it asks of the database has deadlines in the pool.
func (s *DatabaseSink[T]) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	c, err := s.pool.Acquire(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("the task ended while it waited for one of the pool's %d connections (pool_max_conns "+
			"of the connection string), which are held by as many tasks: %w", s.pool.Config().MaxConns,
			context.Cause(ctx))
	}
	return c, err
}

func (s *DatabaseSink[T]) transact(ctx context.Context, c *pgxpool.Conn, id dstream.Effect, f *feed[T], head []T,
	w *watch) (given bool, err error) {
	tx, err := c.BeginTx(ctx, readCommitted)
	if err != nil {
		return false, err
	}
	defer func() {
		// After a commit it does nothing. A connection on which it fails is closed, which the server takes for the
		// same.
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = tx.Rollback(back)
	}()
	if mine, err := s.claim(ctx, tx, id); err != nil || !mine {
		return false, err
	}
	r := reading[T]{of: f, head: head, watch: w}
	err = s.statement.store(ctx, within{tx}, id, r.all)
	if err = cmp.Or(err, r.failed(), ctx.Err()); err != nil {
		return true, err
	}
	w.goOn()
	return true, tx.Commit(ctx)
}

const rollbackTimeout = 5 * time.Second

// A reading is the records of a feed as a statement reads them: once.
type reading[T any] struct {
	of    *feed[T]
	head  []T
	watch *watch
	begun int
	atEnd bool
}

var errReadTwice = errors.New("the records of a partition can be read once: collect those that are needed again")

// all yields the records.
func (r *reading[T]) all(yield func(T) bool) {
	if r.begun++; r.begun > 1 {
		return
	}
	for chunk, ok := r.head, true; ok; {
		for _, v := range chunk {
			r.watch.goOn()
			if !yield(v) {
				return
			}
		}
		r.watch.pause()
		chunk, ok = <-r.of.chunks
		r.watch.goOn()
	}
	r.atEnd = true
}

// failed says why what was read is not all that there is. A statement need not read it to the end.
func (r *reading[T]) failed() error {
	switch {
	case r.begun > 1:
		return errReadTwice
	case r.atEnd:
		return r.of.err
	}
	return nil
}

// within is a transaction that the sink alone may end.
type within struct{ pgx.Tx }

// Commit implements pgx.Tx.
func (within) Commit(context.Context) error {
	return fmt.Errorf("the sink commits the transaction, when the function has returned")
}

// Rollback implements pgx.Tx.
func (within) Rollback(context.Context) error {
	return fmt.Errorf("the sink ends the transaction: return an error to have it be rolled back")
}

// A watch ends a context when a step takes longer than the limit. While records are computed it stands still.
type watch struct {
	limit time.Duration

	mu     sync.Mutex
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func (w *watch) start(ctx context.Context, late error) context.Context {
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.limit, func() { w.cancel(late) })
	return ctx
}

// goOn begins the next step.
func (w *watch) goOn() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Reset(w.limit)
}

func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
}

func (w *watch) end() {
	w.pause()
	w.cancel(nil)
}
