package dstream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A StateEntry is what a state holds of a key. Touched is the time of the batch that changed it last or, where there is
// a time-out, gave the key a record.
type StateEntry[K, S any] struct {
	Key     K
	Value   S
	Touched Time
}

// A StateDiff is a key whose state is another one in two versions; in one of them there may be none.
type StateDiff[K, S any] struct {
	Key           K
	Before, After rdd.Optional[StateEntry[K, S]]
}

// A StateVersion is a batch as of which a state can be read.
type StateVersion struct {
	Sequence int64
	Time     Time
	// Imported tells that it is an import ([ImportState]), which is a batch of its own. When it was made is not kept:
	// Time is the millisecond after the batch before.
	Imported bool
}

// A StateInfo says what lies in a checkpoint of the state of an operator, as of a version.
type StateInfo struct {
	Operator string
	// Key and Value are the schemas of its keys and values, which codec.ParseSchema reads: empty while nothing was
	// written.
	Key, Value string
	// Version is the batch that the state is read as of; where that has no entry in the log any more it has no time.
	Version StateVersion
	// Files and Bytes are what the version is made of.
	Files int
	Bytes int64
}

// A StateReader reads the state of an operator, [UpdateStateByKey] or [MapWithState], as a batch left it, while the
// program that it belongs to runs or when it has ended. It changes nothing. It may be used by several goroutines.
//
// A version is complete and does not change: a batch that is not committed is in none. Those that can be read are the
// last weir.checkpoint.retainedBatches, or more if windows need them.
type StateReader[K, S any] struct {
	name   string
	source stateSource
	at     int64 // -1 for the newest version
	types  stateTypes[K, S]
	// newest gives what is in memory; nil where nothing is.
	newest func(ctx context.Context, k K) (StateEntry[K, S], bool, error)
}

// A stateSource gives what the log says now, and where the files lie, which stay there until release is called, if the
// source can see to that.
type stateSource func(ctx context.Context) (s *checkpoint.State, fsys vfs.FS, path string, release func(), err error)

// stateTypes are how a reader takes the bytes.
type stateTypes[K, S any] struct {
	key   func([]byte) (K, error)
	bytes func(K) ([]byte, error)
	value func([]byte) (S, error)
	// encoded is the way back of value.
	encoded func(S) ([]byte, error)
	check   func(checkpoint.StateHead) error
}

// rawTypes take the bytes as they are.
func rawTypes() stateTypes[[]byte, []byte] {
	same := func(b []byte) ([]byte, error) { return b, nil }
	return stateTypes[[]byte, []byte]{same, same, same, same, func(checkpoint.StateHead) error { return nil }}
}

// OpenState makes a reader of a state in the checkpoint in dir, which may be in use, and on any file system that sc was
// given. name is that of the operator. A reader of other types than the state's fails with [ErrStateType].
//
// A version that is released while it is read fails: read again, or let the program retain more of them
// (weir.checkpoint.retainedBatches).
func OpenState[K comparable, S any](sc *rdd.Context, dir, name string) (*StateReader[K, S], error) {
	types, err := typesOf[K, S]()
	if err != nil {
		return nil, fmt.Errorf("the state %q: %w", name, err)
	}
	return &StateReader[K, S]{name: name, source: folderSource(sc, dir), at: -1, types: types}, nil
}

// OpenRawState makes a reader as [OpenState] does, for who does not have the program's types: keys are their canonical
// bytes and values their encodings, which docs/FORMAT.md fixes and codec.ParseSchema shows.
func OpenRawState(sc *rdd.Context, dir, name string) *StateReader[[]byte, []byte] {
	return &StateReader[[]byte, []byte]{name: name, source: folderSource(sc, dir), at: -1, types: rawTypes()}
}

func folderSource(sc *rdd.Context, dir string) stateSource {
	return func(ctx context.Context) (*checkpoint.State, vfs.FS, string, func(), error) {
		fsys, path, err := sc.FileSystem(dir)
		if err != nil {
			return nil, nil, "", nil, fmt.Errorf("checkpoint %s: %w", dir, err)
		}
		s, err := checkpoint.Read(ctx, fsys, path)
		if err == nil && s == nil {
			err = noCheckpoint(path)
		}
		if err != nil {
			return nil, nil, "", nil, fmt.Errorf("checkpoint %s: %w", dir, err)
		}
		return s, fsys, path, func() {}, nil
	}
}

// At gives a reader of the state as the batch of a sequence left it; [StateReader.Versions] lists what there is.
func (r *StateReader[K, S]) At(sequence int64) *StateReader[K, S] {
	at := *r
	at.at, at.newest = max(sequence, 0), nil
	return &at
}

// Versions lists the batches as of which the state can be read, the oldest first.
func (r *StateReader[K, S]) Versions(ctx context.Context) ([]StateVersion, error) {
	s, _, _, release, err := r.source(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return versionsOf(s), nil
}

func versionsOf(s *checkpoint.State) (all []StateVersion) {
	for _, b := range s.Batches {
		if !b.Open() {
			all = append(all, versionAt(s, b.Plan.Sequence))
		}
	}
	if all == nil && s.Committed.Sequence >= 0 {
		all = append(all, versionAt(s, s.Committed.Sequence))
	}
	return all
}

// versionAt is the version of a sequence. It has no time if its batch is neither kept nor the last one.
func versionAt(s *checkpoint.State, sequence int64) StateVersion {
	v := StateVersion{Sequence: sequence}
	if b := s.Batch(sequence); b != nil {
		v.Time, v.Imported = Time(b.Plan.Time), b.Import != nil
	} else if sequence == s.Committed.Sequence {
		v.Time = Time(s.Committed.Time)
	}
	return v
}

// A stateView is a version of a state.
type stateView struct {
	fs       vfs.FS
	path     string
	version  StateVersion
	snapshot []checkpoint.File
	deltas   []checkpoint.Delta
	head     checkpoint.StateHead
	release  func()
}

// view finds the reader's version. It must be released.
func (r *StateReader[K, S]) view(ctx context.Context) (*stateView, error) {
	s, fsys, path, release, err := r.source(ctx)
	if err != nil {
		return nil, err
	}
	v := &stateView{fs: fsys, path: path, release: release}
	if err = v.find(s, r.name, r.at); err == nil {
		v.head, err = checkpoint.StateHeadOf(ctx, fsys, path, v.snapshot, v.deltas)
	}
	if err == nil && v.head.Key != "" {
		err = r.types.check(v.head)
	}
	if err != nil {
		release()
		return nil, r.failed(v, err)
	}
	return v, nil
}

// find looks a version up.
func (v *stateView) find(s *checkpoint.State, name string, at int64) error {
	if !slices.Contains(s.Keyed(), name) {
		return noState(s, name)
	}
	if at < 0 {
		at = max(s.Committed.Sequence, 0)
	}
	v.version.Sequence = at
	switch oldest := max(s.Released, 0); {
	case at > max(s.Committed.Sequence, 0):
		return versionError{fmt.Errorf("batch %d is not committed: the last one is %d", at, s.Committed.Sequence)}
	case at < oldest:
		return versionError{fmt.Errorf("it is not kept as of batch %d any more, but from %d to %d (set %s before)", at,
			oldest, s.Committed.Sequence, conf.RetainedInCheckpoint.Name())}
	}
	v.version = versionAt(s, at)
	v.snapshot, v.deltas = s.Version(name, at)
	return nil
}

// ErrNoState is wrapped by the error of a reader whose state is not in the checkpoint.
var ErrNoState = errors.New("there is no such state")

// ErrNoVersion is what the error of a reader is whose version is not there, or not any more.
var ErrNoVersion = errors.New("there is no such version")

// A versionError is an ErrNoVersion, and says what is wrong and no more.
type versionError struct{ error }

func (versionError) Is(target error) bool { return target == ErrNoVersion }

func noState(s *checkpoint.State, name string) error {
	all := s.Keyed()
	if slices.Contains(s.Windows(), name) {
		return fmt.Errorf("%w: %w", ErrNoState, checkpoint.ErrPanes)
	}
	if len(all) == 0 {
		return fmt.Errorf("%w: the checkpoint holds none, or none yet: one is there when a batch is committed",
			ErrNoState)
	}
	return fmt.Errorf("%w: the checkpoint holds %q", ErrNoState, all)
}

// failed completes an error.
func (r *StateReader[K, S]) failed(v *stateView, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if missing, ok := errors.AsType[*checkpoint.DamageError](err); ok {
			err = missing.Cause // The remedy is another one.
		}
		err = fmt.Errorf("the version was released while it was read: read it again, a newer one, or let the program "+
			"retain more of them (%s): %w", conf.RetainedInCheckpoint.Name(), err)
	}
	if errors.Is(err, ErrNoState) {
		return fmt.Errorf("the state %q: %w", r.name, err)
	}
	return fmt.Errorf("the state %q as of batch %d: %w", r.name, v.version.Sequence, err)
}

// Info says what there is of the state as of the reader's version.
func (r *StateReader[K, S]) Info(ctx context.Context) (StateInfo, error) {
	v, err := r.view(ctx)
	if err != nil {
		return StateInfo{}, err
	}
	defer v.release()
	info := StateInfo{Operator: r.name, Key: v.head.Key, Value: v.head.Value, Version: v.version,
		Files: len(v.snapshot)}
	info.Bytes = checkpoint.StateRun(v.snapshot).Bytes()
	for _, d := range v.deltas {
		info.Files += len(d.Files)
		info.Bytes += d.Bytes()
	}
	return info, nil
}

// Get gives what the state holds of a key; ok is false if there is nothing. The newest version of a program that runs
// in this process is in memory. Any other is read from files: a sixteenth of it, and what changed since its snapshot.
func (r *StateReader[K, S]) Get(ctx context.Context, k K) (e StateEntry[K, S], ok bool, err error) {
	if r.newest != nil {
		return r.newest(ctx, k)
	}
	v, err := r.view(ctx)
	if err != nil {
		return e, false, err
	}
	defer v.release()
	key, err := r.types.bytes(k)
	if err != nil {
		return e, false, r.failed(v, err)
	}
	row, ok, err := checkpoint.GetState(ctx, v.fs, v.path, v.snapshot, v.deltas, key)
	if err == nil && ok {
		e, err = r.entry(row)
	}
	if err != nil {
		return e, false, r.failed(v, err)
	}
	return e, ok, nil
}

// entry decodes a row.
func (r *StateReader[K, S]) entry(row checkpoint.StateRow) (e StateEntry[K, S], err error) {
	e.Touched = Time(row.Touch)
	if e.Key, err = r.types.key(row.Key); err == nil {
		e.Value, err = r.types.value(row.Value)
	}
	return e, err
}

// errEnough ends a scan whose reader wants no more.
var errEnough = errors.New("enough")

// All yields the state of all keys, as the reader's version has them, in an order that two readers of it share: while
// batches run it stays at the version that was the newest when it began. An error is yielded last. It costs as much
// memory as a sixteenth of what changed since the version's snapshot.
func (r *StateReader[K, S]) All(ctx context.Context) iter.Seq2[StateEntry[K, S], error] {
	return func(yield func(StateEntry[K, S], error) bool) {
		v, err := r.view(ctx)
		if err == nil {
			defer v.release()
			err = v.scan(ctx, checkpoint.AllParts, func(row checkpoint.StateRow) error {
				e, err := r.entry(row)
				if err == nil && !yield(e, nil) {
					err = errEnough
				}
				return err
			})
			if err != nil && !errors.Is(err, errEnough) {
				err = r.failed(v, err)
			}
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(StateEntry[K, S]{}, err)
		}
	}
}

func (v *stateView) scan(ctx context.Context, part int, take func(checkpoint.StateRow) error) error {
	return checkpoint.ScanState(ctx, v.fs, v.path, v.snapshot, v.deltas, part, take)
}

// Diff yields the keys whose state is another one than as of the batch of sequence since, for each of sixteen parts
// those that are there in the order of the state, and then those that are gone. It costs the memory of a sixteenth of
// the state.
func (r *StateReader[K, S]) Diff(ctx context.Context, since int64) iter.Seq2[StateDiff[K, S], error] {
	return func(yield func(StateDiff[K, S], error) bool) {
		err := r.diff(ctx, since, func(d StateDiff[K, S]) error {
			if !yield(d, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(StateDiff[K, S]{}, err)
		}
	}
}

func (r *StateReader[K, S]) diff(ctx context.Context, since int64, yield func(StateDiff[K, S]) error) error {
	after, err := r.view(ctx)
	if err != nil {
		return err
	}
	defer after.release()
	before, err := r.At(since).view(ctx)
	if err != nil {
		return err
	}
	defer before.release()
	for part := range checkpoint.StateParts {
		old, order := map[string]checkpoint.StateRow{}, []string{}
		err := before.scan(ctx, part, func(row checkpoint.StateRow) error {
			old[string(row.Key)] = row
			order = append(order, string(row.Key))
			return nil
		})
		if err != nil {
			return r.failed(before, err)
		}
		changed, err := after.against(ctx, part, old)
		if err != nil {
			return r.failed(after, err)
		}
		for _, key := range order {
			if row, gone := old[key]; gone {
				changed = append(changed, [2]checkpoint.StateRow{row, {}})
			}
		}
		for _, pair := range changed {
			if err := r.told(pair, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

// against gives the rows of a part that are others than in old, from which it takes out all that it finds.
func (v *stateView) against(ctx context.Context, part int, old map[string]checkpoint.StateRow,
) (changed [][2]checkpoint.StateRow, err error) {
	err = v.scan(ctx, part, func(row checkpoint.StateRow) error {
		was, there := old[string(row.Key)]
		if there {
			delete(old, string(row.Key))
		}
		if !there || string(was.Value) != string(row.Value) {
			changed = append(changed, [2]checkpoint.StateRow{was, row})
		}
		return nil
	})
	return changed, err
}

// told yields what became of a key.
func (r *StateReader[K, S]) told(rows [2]checkpoint.StateRow, yield func(StateDiff[K, S]) error) error {
	var d StateDiff[K, S]
	for i, at := range []*rdd.Optional[StateEntry[K, S]]{&d.Before, &d.After} {
		if rows[i].Kind == 0 {
			continue
		}
		e, err := r.entry(rows[i])
		if err != nil {
			return fmt.Errorf("the state %q: %w", r.name, err)
		}
		*at, d.Key = rdd.Optional[StateEntry[K, S]]{Value: e, Present: true}, e.Key
	}
	return yield(d)
}
