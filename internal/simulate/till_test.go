package simulate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// A till is a sink of the world's that stores a batch in one transaction, as Kafka does: what is in a transaction is
// there for readers when it is committed, nothing can be taken out of it, and who opens it anew, or fences it, ends it
// and whoever used it before.
type till[T any] struct {
	vault[T]
	job         string
	takes       int            // thirds of an interval, for a transaction
	generations map[string]int // by transaction: what this process has got by fencing; guarded by the world
}

// A transaction is what the world knows by that name.
type transaction struct {
	generation int
	open       map[string]stored // by identity; nil if it is not open
}

var _ dstream.TransactionSink[int] = (*till[int])(nil)

// Transaction implements dstream.Transactor, as the others do.
func (t *till[T]) Transaction(id dstream.Effect) string {
	if id.Job == "" || t.x.life == nil {
		return ""
	}
	return id.Job + "/" + id.Output + "/" + id.Name
}

// Open implements dstream.Sink.
func (t *till[T]) Open(_ context.Context, job string, _ int64) error {
	t.job = job
	return nil
}

// Fence ends what is open, whoever opened it.
func (t *till[T]) Fence(_ context.Context, names []string) error {
	w := t.x.world
	for _, name := range names {
		fault := t.x.life.event()
		if fault != vfs.None && fault != vfs.Lose {
			return errFault
		}
		w.mu.Lock()
		held := w.transaction(name)
		held.generation++
		held.open = nil
		t.generations[name] = held.generation
		w.mu.Unlock()
		if fault == vfs.Lose {
			return fmt.Errorf("fence: %w", dstream.ErrInDoubt)
		}
	}
	return nil
}

// Newest implements dstream.SinkRewinder: there is one identity.
func (t *till[T]) Newest(ctx context.Context, output, effect string) (int64, bool, error) {
	return t.Last(ctx, output, effect, 0)
}

// Last asks what was committed.
func (t *till[T]) Last(_ context.Context, output, effect string, _ int) (int64, bool, error) {
	w := t.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	seq, ok := w.identities[t.job+"/"+output+"/"+effect]
	return seq, ok, nil
}

// AppendRecord implements dstream.TransactionSink.
func (t *till[T]) AppendRecord(dst []byte, v T) ([]byte, error) {
	return append(dst, kindOf[T]{}.texts([]T{v})[0]...), nil
}

// WriteAll opens the transaction, adds what is new, and commits.
func (t *till[T]) WriteAll(ctx context.Context, effects []dstream.Staged) error {
	name := t.Transaction(effects[0].ID)
	w := t.x.world
	w.mu.Lock()
	known := t.generations[name] > 0
	w.mu.Unlock()
	if !known {
		if err := t.Fence(ctx, []string{name}); err != nil {
			return err
		}
	}
	last, there, err := t.Last(ctx, effects[0].ID.Output, effects[0].ID.Name, 0)
	if err != nil {
		return err
	}
	newest := int64(-1)
	for _, e := range effects {
		if there && e.ID.Sequence <= last {
			continue
		}
		if newest >= 0 && e.ID.Sequence > newest {
			befell.add(shared, 1)
		}
		if err := t.add(name, e); err != nil {
			return err
		}
		newest = max(newest, e.ID.Sequence)
	}
	if newest < 0 {
		return nil
	}
	select {
	case <-time.After(time.Duration(t.takes) * t.x.interval / 3):
		return t.commit(name, newest)
	case <-ctx.Done():
		return context.Cause(ctx) // Who comes next ends the transaction.
	}
}

// add puts the records of an effect into the transaction, in requests of a few records.
func (t *till[T]) add(name string, e dstream.Staged) error {
	var rows []string
	for record, err := range e.Records {
		if err != nil {
			return err
		}
		rows = append(rows, string(record))
	}
	for len(rows) > 0 {
		n := min(3, len(rows))
		if err := t.request(name, e.ID, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (t *till[T]) request(name string, id dstream.Effect, rows []string) error {
	fault := t.x.life.event()
	w := t.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	held := w.transaction(name)
	switch {
	case fault != vfs.None && fault != vfs.Lose:
		t.abort(name)
		return errFault
	case held.generation != t.generations[name]:
		delete(t.generations, name)
		return fmt.Errorf("add to %s: %w", name, dstream.ErrFenced)
	}
	if held.open == nil {
		held.open = map[string]stored{}
	}
	s := held.open[id.Key()]
	s.output, s.sequence, s.partition, s.by = t.number, id.Sequence, id.Partition, t.x.life
	s.rows = append(s.rows, rows...)
	held.open[id.Key()] = s
	if fault == vfs.Lose {
		t.abort(name)
		return errFault
	}
	return nil
}

// abort ends the transaction, if it is still this process's.
func (t *till[T]) abort(name string) {
	if held := t.x.world.transaction(name); held.generation == t.generations[name] {
		held.open = nil
	}
}

// commit shows what is in the transaction, together with its identity.
func (t *till[T]) commit(name string, newest int64) error {
	fault := t.x.life.event()
	w := t.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	held := w.transaction(name)
	switch {
	case fault != vfs.None && fault != vfs.Lose:
		delete(t.generations, name) // Whether the request has come it cannot know.
		return fmt.Errorf("commit: %w: %w", errFault, dstream.ErrInDoubt)
	case held.generation != t.generations[name]:
		delete(t.generations, name)
		return fmt.Errorf("commit %s: %w", name, dstream.ErrFenced)
	}
	for key, s := range held.open {
		if there, twice := w.rows[key]; twice {
			w.errs = append(w.errs, fmt.Errorf("%s is committed twice, with %q by life %d and with %q by life %d", key,
				there.rows, there.by.number, s.rows, s.by.number))
		}
		w.rows[key] = s
	}
	held.open = nil
	w.identities[name] = newest
	if fault == vfs.Lose {
		delete(t.generations, name)
		return fmt.Errorf("commit: the answer got lost: %w", dstream.ErrInDoubt)
	}
	return nil
}

// Mark stores an identity alone.
func (t *till[T]) Mark(_ context.Context, id dstream.Effect, back bool) error {
	if fault := t.x.life.event(); fault != vfs.None {
		return errFault
	}
	w := t.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	name := t.Transaction(id)
	if seq, ok := w.identities[name]; !ok || back || id.Sequence > seq {
		w.identities[name] = id.Sequence
	}
	return nil
}

// Write is for programs without a checkpoint only.
func (t *till[T]) Write(context.Context, dstream.Effect, iter.Seq[T]) error {
	return errors.New("a sink of transactions was asked to write a partition by itself")
}

// transaction finds a transaction. The caller holds the lock.
func (w *world) transaction(name string) *transaction {
	held := w.transactions[name]
	if held == nil {
		held = &transaction{}
		w.transactions[name] = held
	}
	return held
}
