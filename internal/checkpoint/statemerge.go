package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
	// Small is up to how many bytes a run is one file, Held how many bytes of rows are in memory at a time, about.
	Small, Held int64

	fs  vfs.FS
	dir string
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

// Run merges the files of the checkpoint in dir.
func (m *StateMerge) Run(ctx context.Context, fsys vfs.FS, dir string) (StateRun, error) {
	m.fs, m.dir, m.Head.Base = fsys, dir, !m.Below
	if m.Bytes() <= m.Small {
		folds, err := m.folds(ctx, 0, StateParts)
		if err != nil {
			return nil, err
		}
		f, err := m.write(ctx, AllParts, folds)
		return StateRun{f}, err
	}
	var run StateRun
	step := StateParts
	for held := m.Bytes() - m.Oldest.Bytes(); step > 1 && held/StateParts*int64(step) > m.Held; {
		step /= 2
	}
	for from := 0; from < StateParts; from += step {
		folds, err := m.folds(ctx, from, from+step)
		if err != nil {
			return nil, err
		}
		for i := range folds {
			f, err := m.write(ctx, from+i, folds[i:i+1])
			if err != nil {
				return nil, err
			}
			run = append(run, f)
			folds[i] = nil
		}
	}
	return run, nil
}

// folds holds what the newer runs say of the parts from from to until, exclusively.
func (m *StateMerge) folds(ctx context.Context, from, until int) ([]*fold, error) {
	folds := make([]*fold, until-from)
	for i := range folds {
		folds[i] = &fold{at: map[string]int{}}
	}
	take := func(r StateRow) error {
		p := statePart(m.Head.Seed, r.Key)
		if p < from || p >= until {
			return nil
		}
		if until-from < StateParts { // A frame has rows of all parts, and must not be held for the sake of some.
			r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
		}
		return folds[p-from].add(r)
	}
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
	for _, s := range sources {
		if err := s.read(ctx, m.fs, m.dir, func(StateHead) error { return nil }, take); err != nil {
			return nil, err
		}
	}
	return folds, nil
}

// write writes the file of a part, or of all.
func (m *StateMerge) write(ctx context.Context, part int, folds []*fold) (File, error) {
	h := m.Head
	h.Part = part
	var failed error
	f, err := WriteState(ctx, m.fs, m.dir, m.Name(part), Snapshot, h, func(w *StateWriter) {
		put := func(r StateRow) {
			if !h.Base {
				w.Row(r)
			} else if r.Kind == Changed || r.Kind == Came {
				r.Kind = Came
				w.Row(r)
			}
		}
		failed = m.stream(ctx, part, folds, put)
		for _, fo := range folds {
			failed = errors.Join(failed, fo.rest(h.Base, put))
		}
		w.err = failed
	})
	return f, err
}

// stream reads the oldest run and gives its rows, as the newer ones have left them.
func (m *StateMerge) stream(ctx context.Context, part int, folds []*fold, put func(StateRow)) error {
	sources := m.Oldest.sources()
	if part != AllParts && len(sources) == StateParts {
		sources = sources[part : part+1]
	}
	for _, s := range sources {
		err := s.read(ctx, m.fs, m.dir, func(StateHead) error { return nil }, func(r StateRow) error {
			p := statePart(m.Head.Seed, r.Key)
			switch {
			case part == AllParts:
				return folds[p].over(r, put)
			case p == part:
				return folds[0].over(r, put)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A fold is what newer runs say of the keys of a part.
type fold struct {
	at   map[string]int
	rows []StateRow
}

// gone is the kind of a row that another took the place of, or that was given out.
const gone RowKind = 0

var errNoKey = errors.New("a row changes a key that is not there")

// add takes a row of a newer run in.
func (f *fold) add(r StateRow) error {
	i, there := f.at[string(r.Key)]
	if !there {
		f.at[string(r.Key)] = len(f.rows)
		f.rows = append(f.rows, r)
		return nil
	}
	old := &f.rows[i]
	if r.Kind == Came {
		old.Kind = gone
		f.at[string(r.Key)] = len(f.rows)
		f.rows = append(f.rows, r)
		return nil
	}
	merged, err := newer(*old, r)
	*old = merged
	return err
}

// newer is an old row as a row that does not move the key has left it.
func newer(old, r StateRow) (StateRow, error) {
	switch {
	case r.Kind == Removed:
		return r, nil
	case old.Kind == Removed:
		return old, fmt.Errorf("%w: %q", errNoKey, r.Key)
	case r.Kind == Touched:
		old.Touch = r.Touch
		return old, nil
	case old.Kind == Came:
		r.Kind = Came
	}
	return r, nil
}

// over gives a row of the oldest run, or what became of it.
func (f *fold) over(r StateRow, put func(StateRow)) error {
	i, there := f.at[string(r.Key)]
	if !there {
		put(r)
		return nil
	}
	change := f.rows[i]
	if change.Kind == Came {
		return nil // It comes at the end.
	}
	f.rows[i].Kind = gone
	merged, err := newer(r, change)
	if err == nil {
		put(merged)
	}
	return err
}

// rest gives the rows that the oldest run said nothing of.
func (f *fold) rest(base bool, put func(StateRow)) error {
	for _, r := range f.rows {
		if base && (r.Kind == Touched || r.Kind == Changed) {
			return fmt.Errorf("%w: %q", errNoKey, r.Key)
		}
		if r.Kind != gone {
			put(r)
		}
	}
	return nil
}

// ScanState gives the rows of a version of a state, as [State.Version] names it, each key once and in order: part after
// part, or of one part only. All are of the kind [Came]. It holds what changed since the snapshot's oldest run in
// memory, of one part at a time.
func ScanState(ctx context.Context, fsys vfs.FS, dir string, snapshot []File, deltas []Delta, part int,
	take func(StateRow) error) error {
	head, err := StateHeadOf(ctx, fsys, dir, snapshot, deltas)
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
		folds, err := m.folds(ctx, p, p+1)
		if err != nil {
			return err
		}
		put := func(r StateRow) {
			if err == nil && r.Kind != Removed {
				r.Kind = Came
				err = take(r)
			}
		}
		err = errors.Join(m.stream(ctx, p, folds, put), err)
		if err == nil {
			err = errors.Join(folds[0].rest(true, put), err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

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
