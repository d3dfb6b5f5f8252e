package dstream

import (
	"context"
	"errors"
	"fmt"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A StateUpdate is what an import does to a key: it gives it a value, or takes it out.
type StateUpdate[K, S any] struct {
	Key     K
	Value   S
	Removed bool
	// Touched is when the key was touched last, from which a time-out counts; 0 stands for the time of the import.
	Touched Time
}

// A StateImport says what an import has done, or would do.
type StateImport struct {
	// Version is the batch that the import is in the checkpoint. It is the one before if nothing was to be changed.
	Version StateVersion
	// Came, Changed and Removed count keys that were not there, have another value, and are gone; Same counts those
	// that had the value already, whose times of the last touch stay as they are.
	Came, Changed, Removed, Same int
}

// An ImportOption says how [ImportState] goes about it.
type ImportOption func(*importing)

type importing struct {
	dry, whole, overwrite bool
	reason                string
}

// ImportDryRun has an import say what it would do, and do nothing. If it would be refused now, such as with a
// [*HeldError], its error says so, beside what it would do.
func ImportDryRun() ImportOption { return func(o *importing) { o.dry = true } }

// ImportWhole has an import take all keys out that are not among its updates.
func ImportWhole() ImportOption { return func(o *importing) { o.whole = true } }

// ImportOverwriting allows an import to change values that are there, and to take keys out.
func ImportOverwriting() ImportOption { return func(o *importing) { o.overwrite = true } }

// ImportReason has the checkpoint's log say why.
func ImportReason(text string) ImportOption { return func(o *importing) { o.reason = text } }

// ErrOverwrite is wrapped by the error of an import that would change or remove what is there, and may not.
var ErrOverwrite = errors.New("the import would overwrite what is there")

// ImportState changes the state of an operator in the checkpoint in dir, while no program runs on it: all updates, or
// none. The next run of the program goes on with that, and the version before it can be read as others can. Unless
// [ImportOverwriting] is given it may only add keys.
//
// The state must be there: a batch of the program has been committed. A checkpoint that is in use is refused with a
// [*HeldError], and one in which a batch is planned that is not committed, which may need the state as it was. The
// import holds its updates in memory, and reads the state once.
func ImportState[K comparable, S any](ctx context.Context, sc *rdd.Context, dir, name string,
	updates []StateUpdate[K, S], opts ...ImportOption,
) (StateImport, error) {
	r, err := OpenState[K, S](sc, dir, name)
	if err != nil {
		return StateImport{}, err
	}
	return importState(ctx, sc, dir, r, updates, opts)
}

// ImportRawState is [ImportState] for who does not have the program's types, as [OpenRawState] is for readers.
func ImportRawState(ctx context.Context, sc *rdd.Context, dir, name string, updates []StateUpdate[[]byte, []byte],
	opts ...ImportOption,
) (StateImport, error) {
	return importState(ctx, sc, dir, OpenRawState(sc, dir, name), updates, opts)
}

func importState[K, S any](ctx context.Context, sc *rdd.Context, dir string, r *StateReader[K, S],
	updates []StateUpdate[K, S], opts []ImportOption,
) (StateImport, error) {
	o := importing{reason: "states were imported"}
	for _, opt := range opts {
		opt(&o)
	}
	c, err := readStopped(ctx, sc, dir)
	if err != nil {
		return StateImport{}, err
	}
	i := &stateImporter{o: o, updates: map[string]checkpoint.StateRow{}}
	i.done.Version = StateVersion{Sequence: c.found.Planned.Sequence + 1, Time: Time(c.found.Planned.Time) + 1,
		Imported: true}
	for n, u := range updates {
		if err := addUpdate(i, r, u); err != nil {
			return StateImport{}, fmt.Errorf("the state %q: update %d: %w", r.name, n+1, err)
		}
	}
	rows, head, err := i.compare(ctx, r)
	if err != nil {
		return StateImport{}, err
	}
	if len(rows) == 0 {
		i.done.Version = versionAt(c.found, c.found.Committed.Sequence)
		return i.done, nil
	}
	if head.Key == "" { // Of what types the rows are, and how they are dealt, only the program can say.
		return StateImport{}, fmt.Errorf("the state %q has no schema yet, for no batch has reached it: let the "+
			"program commit one that does", r.name)
	}
	if o.dry {
		return i.done, c.rehearse(ctx, nil)
	}
	if !o.overwrite && i.done.Changed+i.done.Removed > 0 {
		return i.done, fmt.Errorf("the state %q: %w: %d keys have other values, and %d would go", r.name, ErrOverwrite,
			i.done.Changed, i.done.Removed)
	}
	return i.done, c.change(ctx, "state import", func(log *checkpoint.Recovered) ([]checkpoint.Entry, error) {
		return i.write(ctx, c, r.name, log.Epoch, head, rows)
	})
}

// A stateImporter turns updates into the changes of a version.
type stateImporter struct {
	o       importing
	updates map[string]checkpoint.StateRow
	order   []string
	done    StateImport
}

func addUpdate[K, S any](i *stateImporter, r *StateReader[K, S], u StateUpdate[K, S]) error {
	key, err := r.types.bytes(u.Key)
	if err != nil {
		return err
	}
	row := checkpoint.StateRow{Kind: checkpoint.Came, Key: key, Touch: int64(u.Touched)}
	if u.Removed {
		row.Kind = checkpoint.Removed
	} else if row.Value, err = r.types.encoded(u.Value); err != nil {
		return err
	}
	if row.Touch == 0 {
		row.Touch = int64(max(i.done.Version.Time, now())) // The version may be as old as the last batch.
	}
	if _, twice := i.updates[string(key)]; twice {
		return fmt.Errorf("its key %v comes twice", u.Key)
	}
	i.updates[string(key)] = row
	i.order = append(i.order, string(key))
	return nil
}

// compare reads the state, and gives the rows that change it.
func (i *stateImporter) compare(ctx context.Context, r interface {
	view(ctx context.Context) (*stateView, error)
	failed(v *stateView, err error) error
}) (rows []checkpoint.StateRow, head checkpoint.StateHead, err error) {
	v, err := r.view(ctx)
	if err != nil {
		return nil, head, err
	}
	defer v.release()
	err = v.scan(ctx, checkpoint.AllParts, func(row checkpoint.StateRow) error {
		key := string(row.Key)
		u, there := i.updates[key]
		switch {
		case !there && !i.o.whole:
			return nil
		case !there || u.Kind == checkpoint.Removed:
			i.done.Removed++
			rows = append(rows, checkpoint.StateRow{Kind: checkpoint.Removed, Key: row.Key})
			delete(i.updates, key)
		case string(u.Value) == string(row.Value):
			i.done.Same++
			delete(i.updates, key)
		default:
			i.done.Changed++
			u.Kind = checkpoint.Changed
			i.updates[key] = u
		}
		return nil
	})
	if err != nil {
		return nil, head, r.failed(v, err)
	}
	for _, key := range i.order {
		u, left := i.updates[key]
		if !left || u.Kind == checkpoint.Removed { // What is to go is not there.
			continue
		}
		if u.Kind == checkpoint.Came {
			i.done.Came++
		}
		rows = append(rows, u)
	}
	return rows, v.head, nil
}

// write makes the changes durable, and gives the entry that makes them the state's.
func (i *stateImporter) write(ctx context.Context, c *stoppedCheckpoint, name string, epoch int64,
	head checkpoint.StateHead, rows []checkpoint.StateRow,
) ([]checkpoint.Entry, error) {
	var chunks [][]byte
	var buf []byte
	for n, r := range rows {
		if buf = r.Append(buf); len(buf) >= stateChunk || n == len(rows)-1 {
			chunks, buf = append(chunks, buf), nil
		}
	}
	files := newStateFiles(head, nil)
	if err := files.open(ctx, stateFolder{fs: c.fs, dir: c.path, epoch: epoch, operator: name}); err != nil {
		return nil, err
	}
	if err := files.seal(ctx, i.done.Version.Sequence, chunks); err != nil {
		return nil, err
	}
	change := *files.sealed
	change.Operator = name
	return []checkpoint.Entry{checkpoint.Import{Sequence: i.done.Version.Sequence, Time: int64(i.done.Version.Time),
		Reason: i.o.reason, State: []checkpoint.StateChange{change}}}, nil
}
