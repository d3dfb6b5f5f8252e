package checkpoint

import (
	"context"
	"errors"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A StateMerge makes one run of several. It reads and writes files only, so that it can go on beside batches.
type StateMerge struct {
	// Head is that of the run; the merge fills in Part and, if Oldest is nil, Base.
	Head StateHead
	// Below tells that there are runs before Oldest.
	Below bool
	// Oldest is streamed, Newer and then Deltas are held in memory, of some parts at a time.
	Oldest StateRun
	Newer  []StateRun
	Deltas []Delta
	// Name gives the name of the file of a part.
	Name func(part int) string
	// Gone is, of panes, the time of the newest batch whose rows are left out.
	Gone int64
	// Small is up to how many bytes a run is one file, Held how many bytes of rows are in memory at a time, about.
	Small, Held int64

	fs    vfs.FS
	dir   string
	begun []string // files that may be there
}

// Bytes is how many bytes the merge reads, and writes at most.
func (m *StateMerge) Bytes() int64 {
	n := m.Oldest.Bytes()
	for _, r := range m.Newer {
		n += r.Bytes()
	}
	for _, d := range m.Deltas {
		n += d.Bytes()
	}
	return n
}

// Run merges the files of the checkpoint in dir. If it fails, what it has written is removed: it may be what has filled
// the disk.
func (m *StateMerge) Run(ctx context.Context, fsys vfs.FS, dir string) (StateRun, error) {
	m.fs, m.dir, m.Head.Base = fsys, dir, !m.Below
	run, err := m.run(ctx)
	if err != nil {
		RemoveFiles(ctx, fsys, dir, m.begun...)
		return nil, err
	}
	return run, nil
}

// removeTimeout bounds the removing of files that no entry names, also when their writing was cancelled.
const removeTimeout = 10 * time.Second

// RemoveFiles removes files of the checkpoint in dir that no entry of the log names, as far as it can: what stays is
// swept at the next start.
func RemoveFiles(ctx context.Context, fsys vfs.FS, dir string, names ...string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	for _, name := range names {
		_ = fsys.Remove(ctx, vfs.Join(dir, name))
	}
}

func (m *StateMerge) run(ctx context.Context) (StateRun, error) {
	if m.Head.Panes {
		f, err := m.panes(ctx)
		return StateRun{f}, err
	}
	if m.Bytes() <= m.Small {
		all, err := m.folds(ctx, 0, StateParts)
		if err != nil {
			return nil, err
		}
		f, err := m.write(ctx, AllParts, all)
		return StateRun{f}, err
	}
	var run StateRun
	step := StateParts
	for held := m.Bytes() - m.Oldest.Bytes(); step > 1 && held/StateParts*int64(step) > m.Held; {
		step /= 2
	}
	for from := 0; from < StateParts; from += step {
		some, err := m.folds(ctx, from, from+step)
		if err != nil {
			return nil, err
		}
		for part := from; part < from+step; part++ {
			f, err := m.write(ctx, part, some.take(part))
			if err != nil {
				return nil, err
			}
			run = append(run, f)
		}
	}
	return run, nil
}

// panes writes the rows of panes one behind the other: none of them changes another.
func (m *StateMerge) panes(ctx context.Context) (File, error) {
	sources := m.Oldest.sources()
	for _, r := range m.Newer {
		sources = append(sources, r.sources()...)
	}
	for _, d := range m.Deltas {
		sources = append(sources, d.sources()...)
	}
	h, name := m.Head, m.Name(AllParts)
	h.Part, h.Base = AllParts, true
	m.begun = append(m.begun, name)
	return WriteState(ctx, m.fs, m.dir, name, Snapshot, h, func(w *StateWriter) {
		for _, s := range sources {
			err := s.read(ctx, m.fs, m.dir, func(StateHead) error { return nil }, func(r StateRow) error {
				if r.Touch > m.Gone {
					w.Row(r)
				}
				if h.OfElements() { // Each row is read by itself.
					w.Cut()
				}
				return w.err
			})
			if err != nil {
				w.Fail(err)
				return
			}
		}
	})
}

// folds holds what the newer runs say of the parts from from to until, exclusively.
func (m *StateMerge) folds(ctx context.Context, from, until int) (*folds, error) {
	all := newFolds(m.Head.Seed, from, until)
	var sources []stateSource
	for _, r := range m.Newer {
		files := r.sources()
		if len(files) == StateParts {
			files = files[from:until]
		}
		sources = append(sources, files...)
	}
	for _, d := range m.Deltas {
		sources = append(sources, d.sources()...)
	}
	// A frame has rows of all parts, and must not be held for the sake of some.
	clone := until-from < StateParts
	return all, m.each(ctx, sources, all, clone, (*fold).add)
}

// each gives the rows of sources to what is to be done with those that are of the parts of folds.
func (m *StateMerge) each(ctx context.Context, sources []stateSource, of *folds, clone bool,
	do func(f *fold, hash uint64, r StateRow) error,
) error {
	rows := foldRows{folds: of, clone: clone, do: do}
	for _, s := range sources {
		if err := s.read(ctx, m.fs, m.dir, func(StateHead) error { return nil }, rows.take); err != nil {
			return err
		}
		if err := rows.flush(); err != nil {
			return atRow(s.name(m.dir), s.bytes(), err)
		}
	}
	return nil
}

// write writes the file of a part, or of all.
func (m *StateMerge) write(ctx context.Context, part int, of *folds) (File, error) {
	h, name := m.Head, m.Name(part)
	h.Part = part
	m.begun = append(m.begun, name)
	var failed error
	f, err := WriteState(ctx, m.fs, m.dir, name, Snapshot, h, func(w *StateWriter) {
		put := func(r StateRow) {
			if !h.Base {
				w.Row(r)
			} else if r.Kind == Changed || r.Kind == Came {
				r.Kind = Came
				w.Row(r)
			}
		}
		failed = m.stream(ctx, of, put)
		for _, fo := range of.parts {
			failed = errors.Join(failed, fo.rest(h.Base, put))
		}
		w.Fail(failed)
	})
	return f, err
}

// stream reads the oldest run and gives its rows, as the newer ones have left them.
func (m *StateMerge) stream(ctx context.Context, of *folds, put func(StateRow)) error {
	sources := m.Oldest.sources()
	if len(of.parts) == 1 && len(sources) == StateParts {
		sources = sources[of.from : of.from+1]
	}
	return m.each(ctx, sources, of, false, func(f *fold, hash uint64, r StateRow) error {
		return f.over(hash, r, put)
	})
}

// ScanState gives the rows of a version of a state, as [State.Version] names it, each key once and in order: part after
// part, or of one part only. All are of the kind [Came]. It holds what changed since the snapshot's oldest run in
// memory, of one part at a time.
func ScanState(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta, part int,
	take func(StateRow) error) error {
	head, err := StateHeadOf(ctx, fsys, dir, snapshot, deltas)
	if err == nil && head.Panes {
		err = ErrPanes
	}
	if err != nil {
		return err
	}
	m := &StateMerge{Head: head, Deltas: deltas, fs: fsys, dir: dir}
	if runs := Runs(snapshot); len(runs) > 0 {
		m.Oldest, m.Newer = runs[0], runs[1:]
	}
	for p := range StateParts {
		if part != AllParts && part != p {
			continue
		}
		of, err := m.folds(ctx, p, p+1)
		if err != nil {
			return err
		}
		put := func(r StateRow) {
			if err == nil && r.Kind != Removed {
				r.Kind = Came
				err = take(r)
			}
		}
		err = errors.Join(m.stream(ctx, of, put), err)
		if err == nil {
			err = errors.Join(of.parts[0].rest(true, put), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ErrPanes is the error of who reads the panes of a window as a state.
var ErrPanes = errors.New("it is a window: the checkpoint holds what each batch added to it, and no state by key")

// GetState gives the row of a key, by its canonical bytes; there is none if ok is false.
func GetState(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta, key []byte,
) (row StateRow, ok bool, err error) {
	head, err := StateHeadOf(ctx, fsys, dir, snapshot, deltas)
	if err != nil {
		return row, false, err
	}
	err = ScanState(ctx, fsys, dir, snapshot, deltas, statePart(head.Seed, key), func(r StateRow) error {
		if string(r.Key) == string(key) {
			row, ok = r, true
		}
		return nil
	})
	return row, ok, err
}

// StateHeadOf gives what the first segment of a state says about it: operator, schemas and seed. It is zero if there is
// no segment.
func StateHeadOf(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta) (StateHead, error) {
	var head StateHead
	sources := StateRun(snapshot).sources()
	for _, d := range deltas {
		sources = append(sources, d.sources()...)
	}
	if len(sources) == 0 {
		return head, nil
	}
	stop := errors.New("the head is known")
	err := sources[0].read(ctx, fsys, dir, func(h StateHead) error { head = h; return stop }, nil)
	if errors.Is(err, stop) {
		err = nil
	}
	return head, err
}
