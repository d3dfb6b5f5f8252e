package dstream

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

const (
	// inlineMax is how many bytes of changes go into the commit record: a file costs two syncs.
	inlineMax = 4 << 10
	// Deltas are merged when there are so many of them, or so many bytes of them, in commit records or in all. Large
	// deltas are merged rarely, for what is merged is written again.
	deltasMax, inlinesMax, deltaBytesMax = 128, 64 << 10, 64 << 20
	// A run of so many bytes is one file, and a merge holds so many bytes in memory.
	smallRun, mergeHeld = 1 << 20, 64 << 20
	// runsMax is how many runs there are at most, whatever their sizes.
	runsMax = 24
	// mergeTimeout bounds a merge.
	mergeTimeout = time.Hour
)

// stateFiles are the files of a state: runs, which a snapshot names, and the deltas since.
type stateFiles struct {
	stateFolder
	head   checkpoint.StateHead
	number int64
	virgin bool // nothing was ever committed: the first delta is all there is
	runs   []checkpoint.StateRun
	deltas []checkpoint.Delta
	limit  int // of deltas; less in tests, as what follows
	inline int // bytes of a delta that needs no file
	small  int64
	held   int64
	most   int       // runs
	ages   *paneAges // nil unless these are the panes of a window
	// look looks at a run that was merged, before it is named, beside batches; nil for no need.
	look func(ctx context.Context, done *mergedRun) error

	sealed *checkpoint.StateChange // of the open batch
	named  *mergedRun              // the merge that sealed names

	merging chan *mergedRun // nil if no merge is on its way
	ready   *mergedRun      // a merge that no commit has named yet
	cancel  context.CancelFunc
	after   int             // a merge that failed is tried again when there are so many deltas
	report  func(err error) // of a merge
}

// A mergedRun is what a merge has made: it takes the place of runs and deltas.
type mergedRun struct {
	run    checkpoint.StateRun
	from   int   // the runs from this one on are in it
	upTo   int64 // so are the deltas up to this batch
	drop   int   // the runs before this one are gone
	end    Time  // of panes, the time of the newest
	panes  map[Time]*elementPane
	err    error
	deltas int
}

func newStateFiles(head checkpoint.StateHead, report func(error)) stateFiles {
	return stateFiles{head: head, virgin: true, limit: deltasMax, inline: inlineMax, small: smallRun, held: mergeHeld,
		most: runsMax, report: report}
}

// open makes the folder ready.
func (f *stateFiles) open(ctx context.Context, at stateFolder) error {
	f.stateFolder, f.head.Operator = at, at.operator
	f.runs, f.deltas = checkpoint.Runs(at.snapshot), slices.Clone(at.deltas)
	f.virgin = len(at.snapshot) == 0 && len(at.deltas) == 0
	if at.readOnly {
		return nil
	}
	return at.fs.MkdirAll(ctx, vfs.Join(at.dir, stateDir))
}

// name gives the name of the next run's file.
func (f *stateFiles) name(number int64, part int) string {
	text := "all"
	if part != checkpoint.AllParts {
		text = fmt.Sprintf("%02d", part)
	}
	name := fmt.Sprintf("%016x-%d-%d-%s", codec.Hash(0, []byte(f.operator)), f.epoch, number, text)
	return vfs.Join(stateDir, name)
}

// seal writes rows, which are encoded, as the delta of a batch.
func (f *stateFiles) seal(ctx context.Context, sequence int64, rows [][]byte) error {
	if f.sealed != nil {
		return nil
	}
	size := 0
	for _, r := range rows {
		size += len(r)
	}
	return f.sealRows(ctx, sequence, size, func(w *checkpoint.StateWriter) {
		for _, r := range rows {
			w.Rows(r)
		}
	})
}

// An unwrittenState is why a file of a state could not be written, which time may mend.
type unwrittenState struct{ cause error }

// Error says what becomes of the batch if it ends the program.
func (u unwrittenState) Error() string {
	return fmt.Sprintf("%v; the batch is not committed, and the next start runs it again", u.cause)
}

// NoBatchsFault implements noBatchsFault.
func (unwrittenState) NoBatchsFault() {}

// Unwrap gives the error of the file.
func (u unwrittenState) Unwrap() error { return u.cause }

// sealRows is seal for rows of so many bytes that write writes.
func (f *stateFiles) sealRows(ctx context.Context, sequence int64, size int, write func(w *checkpoint.StateWriter),
) error {
	h := f.head // Of an import it is that of a file, perhaps of a run to which no other is older: a delta is none.
	h.From, h.To, h.Part, h.Base = sequence, sequence, checkpoint.AllParts, false
	var change checkpoint.StateChange
	if size <= f.inline {
		inline, err := checkpoint.InlineState(h, write)
		if err != nil {
			return err
		}
		change.Inline = inline
	} else {
		f.number++
		name := f.name(f.number, checkpoint.AllParts)
		file, err := checkpoint.WriteState(ctx, f.fs, f.dir, name, checkpoint.Deltas, h, write)
		if err != nil {
			return unwrittenState{err}
		}
		change.Delta = []checkpoint.File{file}
	}
	f.sealed = &change
	return nil
}

// change is what the commit record of the batch says: its delta, and the snapshot that has become ready.
func (f *stateFiles) change() (c checkpoint.StateChange) {
	if f.sealed != nil {
		c = *f.sealed
	}
	c.Operator, c.Panes = f.operator, f.ages != nil
	f.collect()
	if f.named = f.ready; f.named != nil {
		c.Snapshot = checkpoint.Files(f.named.among(f.runs))
		c.SnapshotAt = f.named.upTo
	}
	return c
}

// settle takes in what became of the commit record.
func (f *stateFiles) settle(sequence int64, committed bool) {
	sealed, named := f.sealed, f.named
	f.sealed, f.named = nil, nil
	if f.fs == nil || !committed {
		return
	}
	if named != nil {
		f.ages.merged(named, f.runs)
		f.runs = named.among(f.runs)
		f.deltas, f.ready, f.after = f.deltas[named.deltas:], nil, 0
	}
	if sealed != nil {
		f.virgin = false
		f.deltas = append(f.deltas, checkpoint.Delta{Sequence: sequence, Files: sealed.Delta, Inline: sealed.Inline})
	}
	f.merge()
}

// among puts the run in the place of those that are in it.
func (m *mergedRun) among(runs []checkpoint.StateRun) []checkpoint.StateRun {
	return append(slices.Clone(runs[m.drop:m.from]), m.run)
}

// full tells whether there are enough deltas for a merge.
func (f *stateFiles) full() bool {
	if len(f.deltas) < f.after {
		return false
	}
	inline, all := 0, int64(0)
	for _, d := range f.deltas {
		inline += len(d.Inline)
		all += d.Bytes()
	}
	return len(f.deltas) >= f.limit || inline >= inlinesMax || all >= deltaBytesMax
}

// merge begins to merge the deltas, with the runs before them that are not much larger, if it is time to.
func (f *stateFiles) merge() {
	if f.readOnly || f.merging != nil || f.ready != nil || !f.full() {
		return
	}
	m := &checkpoint.StateMerge{Head: f.head, Deltas: f.deltas[:len(f.deltas):len(f.deltas)], Small: f.small,
		Held: f.held}
	m.Head.From, m.Head.To = f.deltas[0].Sequence, f.deltas[len(f.deltas)-1].Sequence
	from := len(f.runs)
	// Each run is more than twice as large as the next one, so that there are few, and what is written again grows by
	// half at least each time.
	for from > 0 && (f.runs[from-1].Bytes() <= 2*m.Bytes() || from >= f.most) {
		from--
		m.Newer = append([]checkpoint.StateRun{f.runs[from]}, m.Newer...)
	}
	if len(m.Newer) > 0 {
		m.Oldest, m.Newer = m.Newer[0], m.Newer[1:]
	}
	m.Below = from > 0
	done := &mergedRun{from: from, upTo: m.Head.To, deltas: len(f.deltas)}
	f.ages.merge(m, done, f.runs)
	f.number++
	number := f.number
	m.Name = func(part int) string { return f.name(number, part) }
	ctx, cancel := context.WithTimeout(context.Background(), mergeTimeout)
	f.merging, f.cancel = make(chan *mergedRun, 1), cancel
	fsys, dir, over, look := f.fs, f.dir, f.merging, f.look
	go func() {
		defer cancel()
		if done.run, done.err = m.Run(ctx, fsys, dir); done.err == nil && look != nil {
			done.err = look(ctx, done)
		}
		over <- done
	}()
}

// collect looks whether a merge has come to its end. One that failed is begun again after some more commits.
func (f *stateFiles) collect() {
	if f.merging == nil {
		return
	}
	select {
	case done := <-f.merging:
		if f.merging, f.ready = nil, done; done.err != nil {
			f.ready, f.after = nil, len(f.deltas)+f.limit/8+1
			f.report(done.err)
		}
	default:
	}
}

// close ends the merge, and removes what one has written that no commit has named.
func (f *stateFiles) close() {
	if f.merging != nil {
		f.cancel()
		if done := <-f.merging; done.err == nil {
			f.ready = done
		}
		f.merging = nil
	}
	if f.ready == nil {
		return
	}
	var names []string
	for _, part := range f.ready.run {
		names = append(names, part.Name)
	}
	checkpoint.RemoveFiles(context.Background(), f.fs, f.dir, names...)
	f.ready = nil
}
