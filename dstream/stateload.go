package dstream

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
)

// ErrStateType is wrapped by the error of a start whose state in the checkpoint holds other types than the program's.
var ErrStateType = errors.New("the state in the checkpoint is of another type")

// load implements stateful.
func (s *stateStore[K, S]) load(ctx context.Context, at stateFolder, snapshot []checkpoint.File,
	deltas []checkpoint.Delta) error {
	if err := s.files.open(ctx, at); err != nil {
		return fmt.Errorf("make the folder of states: %w", err)
	}
	return s.reload(ctx, snapshot, deltas)
}

// reload implements stateful.
func (s *stateStore[K, S]) reload(ctx context.Context, snapshot []checkpoint.File, deltas []checkpoint.Delta) error {
	if err := s.read(ctx, snapshot, deltas); err != nil {
		return err
	}
	s.begun = len(snapshot) > 0 || len(deltas) > 0
	if s.table.disk != nil {
		return nil
	}
	checkpoint.InParallel(len(s.table.parts), runtime.GOMAXPROCS(0), func(i int) {
		for j := range s.table.parts[i].buckets {
			b := &s.table.parts[i].buckets[j]
			if b.compact(); s.table.timed {
				b.sortTouches()
			}
		}
	})
	return nil
}

// read fills an empty table. Several goroutines do, for keys of different parts, which no bucket mixes.
func (s *stateStore[K, S]) read(ctx context.Context, snapshot []checkpoint.File, deltas []checkpoint.Delta) error {
	s.table = newStateTable(s.table.dealer, s.table.timed, s.table.disk)
	check := func(h checkpoint.StateHead) error {
		if err := sameTypes(h, s.files.head, "the program's", toType); err != nil {
			return err
		}
		if h.Seed != s.files.head.Seed {
			return fmt.Errorf("its keys were parted under the seed %d, and the job's is %d: it belongs to another "+
				"checkpoint", h.Seed, s.files.head.Seed)
		}
		return nil
	}
	if s.table.disk != nil {
		return s.readToDisk(ctx, snapshot, deltas, check)
	}
	return checkpoint.ReadState(ctx, s.files.fs, s.files.dir, snapshot, deltas, runtime.GOMAXPROCS(0),
		check, s.row)
}

// sameTypes is nil if a state is of the wanted types, which are whose.
func sameTypes(h, want checkpoint.StateHead, whose, remedy string) error {
	switch {
	case h.Key != want.Key:
		return fmt.Errorf("%w: its keys are %q, and %s %q: %s", ErrStateType, h.Key, whose, want.Key, remedy)
	case h.Value != want.Value:
		return fmt.Errorf("%w: its values are %q, and %s %q: %s", ErrStateType, h.Value, whose, want.Value, remedy)
	}
	return nil
}

const toType = "let the program keep the type that it had, or give the operator another name and the new state its " +
	"initial values"

// row takes a row of a file in.
func (s *stateStore[K, S]) row(r checkpoint.StateRow) error {
	k, err := s.keys.Decode(r.Key)
	if err != nil {
		return err
	}
	p, at, err := s.table.place(k)
	if err != nil {
		return err
	}
	b := &s.table.parts[p].buckets[at]
	n := b.find(k)
	if n < 0 && (r.Kind == checkpoint.Touched || r.Kind == checkpoint.Changed) {
		return noKey(k)
	}
	if n >= 0 && (r.Kind == checkpoint.Removed || r.Kind == checkpoint.Came) {
		b.remove(n)
	}
	switch r.Kind {
	case checkpoint.Removed:
		b.compact()
		return nil
	case checkpoint.Touched:
		b.at(n).touch = Time(r.Touch)
		return nil
	}
	v, err := decodeWhole(s.values, r.Value)
	if err != nil {
		return err
	}
	if r.Kind == checkpoint.Came {
		if n, err = b.add(k, v); err != nil {
			return err
		}
	}
	e := b.at(n)
	e.value, e.touch = v, Time(r.Touch)
	return nil
}

// decodeWhole decodes a value that is all of b.
func decodeWhole[S any](values *codec.Codec[S], b []byte) (S, error) {
	v, rest, err := values.Decode(b)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes follow the value", codec.ErrCorrupt, len(rest))
	}
	return v, err
}

func noKey[K any](k K) error {
	return fmt.Errorf("%w: a row changes the key %v, which is not there", codec.ErrCorrupt, k)
}

// seal implements stateful.
func (s *stateStore[K, S]) seal(ctx context.Context, b *Batch) (checkpoint.StateChange, error) {
	if s.broken != nil {
		return checkpoint.StateChange{}, brokenState{"state", s.broken}
	}
	if s.open != nil && s.open.at == b.Time && s.files.sealed == nil {
		rows, err := s.encode(s.open)
		if err == nil && (len(rows) > 0 || s.files.virgin) {
			err = s.files.seal(ctx, b.Sequence, rows)
		}
		if err != nil {
			return checkpoint.StateChange{}, err
		}
	}
	return s.files.change(), nil
}

// encode gives the rows of a batch: what it changed, or all there is if nothing was ever written.
func (s *stateStore[K, S]) encode(open *openState[K, S]) ([][]byte, error) {
	parts, errs := make([][][]byte, len(open.overs)), make([]error, len(open.overs))
	checkpoint.InParallel(len(parts), runtime.GOMAXPROCS(0), func(i int) {
		e := stateEncoder[K, S]{s: s, now: open.at}
		if s.files.virgin {
			e.all(s.table.cursor(i, open.overs[i]))
		} else {
			e.changes(open.overs[i])
		}
		parts[i], errs[i] = e.end(), e.err
	})
	var rows [][]byte
	for _, p := range parts {
		rows = append(rows, p...)
	}
	return rows, errors.Join(errs...)
}

// stateChunk is about how many bytes of rows are encoded in one piece.
const stateChunk = 64 << 10

// A stateEncoder writes rows of one partition.
type stateEncoder[K comparable, S any] struct {
	s          *stateStore[K, S]
	now        Time
	out        [][]byte
	buf        []byte
	key, value []byte
	err        error
}

func (e *stateEncoder[K, S]) row(kind checkpoint.RowKind, touch Time, k K, v *S) {
	r := checkpoint.StateRow{Kind: kind, Touch: int64(touch)}
	var err error
	if e.key, err = e.s.keys.Append(e.key[:0], k); err == nil && v != nil {
		e.value, err = e.s.values.Append(e.value[:0], v)
		r.Value = e.value
	}
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("write the state of the key %v: %w", k, err)
	}
	r.Key = e.key
	if e.buf = r.Append(e.buf); len(e.buf) >= stateChunk {
		e.out, e.buf = append(e.out, e.buf), nil
	}
}

func (e *stateEncoder[K, S]) end() [][]byte {
	if len(e.buf) > 0 {
		e.out = append(e.out, e.buf)
	}
	return e.out
}

// all writes a whole partition.
func (e *stateEncoder[K, S]) all(c stateCursor[K, S]) {
	buf := make([]stateEntry[K, S], 0, 256)
	for {
		rows, err := c.read(buf)
		if err != nil && e.err == nil {
			e.err = fmt.Errorf("read the state to write it: %w", err)
		}
		if len(rows) == 0 {
			return
		}
		for i := range rows {
			touch := rows[i].touch
			if touch == 0 {
				touch = e.now
			}
			e.row(checkpoint.Came, touch, rows[i].Key, &rows[i].Value)
		}
	}
}

// changes writes what a batch changed.
func (e *stateEncoder[K, S]) changes(o *overlay[K, S]) {
	for i := range o.size() {
		k, c := o.at(i)
		switch {
		case !c.live:
			e.row(checkpoint.Removed, 0, k, nil)
		case c.base == 0:
			e.row(checkpoint.Came, e.now, k, &c.value)
		case c.put:
			e.row(checkpoint.Changed, e.now, k, &c.value)
		default:
			e.row(checkpoint.Touched, e.now, k, nil)
		}
	}
}

// close implements stateful.
func (s *stateStore[K, S]) close() { s.files.close() }
