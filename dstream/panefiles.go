package dstream

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A paneFiles is what a window keeps in the checkpoint: the rows of each batch's pane, as the batch had them, one
// behind the other. So a start reads the window's panes, and not what its inputs gave in all of the window's time,
// which need not be there any more.
type paneFiles[K comparable, V any] struct {
	files  stateFiles
	opts   []rdd.ShuffleOption
	dealer *rdd.KeyDealer[K]
	keys   *codec.KeyCodec[K]
	values *codec.Codec[V]
	// rows are those of batches that no commit record has named yet; those of the last one begin at last.
	rows [][]byte
	last int
}

// newPaneFiles makes those of a window whose shuffle has the given options; its errors are those of the types.
func newPaneFiles[K comparable, V any](ssc *Context, length time.Duration, opts []rdd.ShuffleOption,
) (*paneFiles[K, V], error) {
	f := &paneFiles[K, V]{opts: ssc.dealt(opts)}
	whole, err := codec.For[K]()
	if err == nil {
		f.keys, err = codec.ForKey[K]()
	}
	if err == nil {
		f.values, err = codec.For[V]()
	}
	if err == nil {
		err = f.dealAnew(ssc.dealSeed)
	}
	if err != nil {
		return f, err
	}
	head := checkpoint.StateHead{Key: whole.Schema(), Value: f.values.Schema(), Seed: f.dealer.Seed(), Panes: true}
	f.files = newStateFiles(head, func(err error) {
		ssc.warn("the panes of a window could not be merged, and will be tried again: the next start takes longer", err,
			"operator", f.files.operator)
	})
	f.files.ages = &paneAges{length: length, ends: map[string]Time{}}
	return f, nil
}

// The paneAges of files tell which of them hold nothing of the window any more.
type paneAges struct {
	length time.Duration
	newest Time            // of the panes that the log has
	ends   map[string]Time // of the newest pane of a run, by its file
}

// merge has what is gone be left out of a merge.
func (a *paneAges) merge(m *checkpoint.StateMerge, done *mergedRun, runs []checkpoint.StateRun) {
	if a == nil {
		return
	}
	gone := a.newest.Add(-a.length)
	m.Gone, done.end = int64(gone), a.newest
	for done.drop < done.from {
		end, known := a.ends[runs[done.drop][0].Name]
		if !known || end > gone {
			return
		}
		done.drop++
	}
}

// merged takes in that a run takes the place of some of the others.
func (a *paneAges) merged(done *mergedRun, runs []checkpoint.StateRun) {
	if a == nil {
		return
	}
	for i, r := range runs {
		if i < done.drop || i >= done.from {
			delete(a.ends, r[0].Name)
		}
	}
	a.ends[done.run[0].Name] = done.end
}

func (f *paneFiles[K, V]) dealAnew(seed uint64) (err error) {
	f.files.head.Seed = seed
	f.dealer, err = rdd.NewKeyDealer[K](seed, f.opts...)
	return err
}

// has tells that the window was loaded as it was after the batch, or later.
func (f *paneFiles[K, V]) has(b *Batch) bool {
	return f.files.fs != nil && b.Sequence <= f.files.loaded
}

// writes tells whether the rows of a batch are to be written: not those that a start runs through once more.
func (f *paneFiles[K, V]) writes(b *Batch) bool {
	return f.files.fs != nil && !f.files.readOnly && (f.files.virgin || b.Sequence > f.files.newest)
}

// encode writes the rows of a partition of a batch's pane.
func (f *paneFiles[K, V]) encode(now Time, rows []paneRow[K, V]) (out [][]byte, err error) {
	var buf, key, value []byte
	for i := range rows {
		if key, err = f.keys.Append(key[:0], rows[i].key); err == nil {
			value, err = f.values.Append(value[:0], &rows[i].value)
		}
		if err != nil {
			return nil, fmt.Errorf("write the pane's value of the key %v: %w", rows[i].key, err)
		}
		row := checkpoint.StateRow{Kind: checkpoint.Came, Touch: int64(now), Key: key, Value: value}
		if buf = row.Append(buf); len(buf) >= stateChunk {
			out, buf = append(out, buf), nil
		}
	}
	if len(buf) > 0 {
		out = append(out, buf)
	}
	return out, nil
}

// take keeps the encoded rows of a batch for its commit.
func (f *paneFiles[K, V]) take(parts [][][]byte) {
	f.last = len(f.rows)
	for _, p := range parts {
		f.rows = append(f.rows, p...)
	}
}

// takeBack forgets those of the last batch.
func (f *paneFiles[K, V]) takeBack() { f.rows = f.rows[:f.last] }

// seal makes the rows durable.
func (f *paneFiles[K, V]) seal(ctx context.Context, b *Batch) (checkpoint.StateChange, error) {
	if f.files.sealed == nil && (len(f.rows) > 0 || f.files.virgin) {
		if err := f.files.seal(ctx, b.Sequence, f.rows); err != nil {
			return checkpoint.StateChange{}, err
		}
	}
	return f.files.change(), nil
}

// settle takes in what became of the commit record.
func (f *paneFiles[K, V]) settle(b *Batch, committed bool) {
	if committed && f.files.sealed != nil {
		f.rows, f.last = nil, 0
		f.files.ages.newest = b.Time
	}
	f.files.settle(b.Sequence, committed)
}

// read gives the panes of a version, the oldest first, to take: the rows of each partition.
func (f *paneFiles[K, V]) read(ctx context.Context, snapshot []checkpoint.File, deltas []checkpoint.Delta,
	take func(now Time, parts [][]paneRow[K, V]) error) error {
	var now Time
	parts := make([][]paneRow[K, V], f.dealer.NumPartitions())
	flush := func(next Time) (err error) {
		if now != 0 {
			err = take(now, parts)
		}
		now, parts = next, make([][]paneRow[K, V], len(parts))
		return err
	}
	row := func(r checkpoint.StateRow) error {
		if t := Time(r.Touch); t != now {
			if err := flush(t); err != nil {
				return err
			}
		}
		p, row, err := f.decode(r)
		if err == nil {
			parts[p] = append(parts[p], row)
		}
		return err
	}
	for _, run := range checkpoint.Runs(snapshot) {
		if err := f.readFiles(ctx, run, nil, row); err != nil {
			return err
		}
		f.files.ages.ends[run[0].Name] = now
	}
	if err := f.readFiles(ctx, nil, deltas, row); err != nil {
		return err
	}
	f.files.ages.newest = now
	return flush(0)
}

func (f *paneFiles[K, V]) readFiles(ctx context.Context, run checkpoint.StateRun, deltas []checkpoint.Delta,
	row func(checkpoint.StateRow) error) error {
	return checkpoint.ReadState(ctx, f.files.fs, f.files.dir, run, deltas, 1, func(h checkpoint.StateHead) error {
		return sameTypes(h, f.files.head, "the program's", "let the program keep the type that it had, or give the "+
			"window another name and begin it anew")
	}, row)
}

// decode reads a row, and finds its partition.
func (f *paneFiles[K, V]) decode(r checkpoint.StateRow) (p int, row paneRow[K, V], err error) {
	row.next = nowhere
	if row.key, err = f.keys.Decode(r.Key); err != nil {
		return 0, row, err
	}
	if row.value, err = decodeWhole(f.values, r.Value); err == nil {
		p, _, err = f.dealer.Deal(row.key)
	}
	return p, row, err
}

// load implements stateful.
func (w *keyedWindow[K, V]) load(ctx context.Context, at stateFolder, snapshot []checkpoint.File,
	deltas []checkpoint.Delta) error {
	if err := w.files.files.open(ctx, at); err != nil {
		return fmt.Errorf("make the folder of states: %w", err)
	}
	return w.reload(ctx, snapshot, deltas)
}

// reload implements stateful.
func (w *keyedWindow[K, V]) reload(ctx context.Context, snapshot []checkpoint.File,
	deltas []checkpoint.Delta) error {
	w.partitions = nil
	return w.files.read(ctx, snapshot, deltas, func(now Time, parts [][]paneRow[K, V]) error {
		return w.add(ctx, now, parts)
	})
}

// head implements stateful.
func (w *keyedWindow[K, V]) head() checkpoint.StateHead { return w.files.files.head }

// dealAnew implements stateful.
func (w *keyedWindow[K, V]) dealAnew(seed uint64) error { return w.files.dealAnew(seed) }

// lieIn implements stateful: panes lie in memory.
func (w *keyedWindow[K, V]) lieIn(StateRows, int) error { return nil }

// deal implements stateful: each partition is its own.
func (w *keyedWindow[K, V]) deal() checkpoint.Deal {
	n := w.files.dealer.NumPartitions()
	return checkpoint.Deal{Buckets: n, Partitions: n}
}

// idle implements stateful: the window moves on in each batch.
func (w *keyedWindow[K, V]) idle(Time) bool { return false }

// changed implements stateful.
func (w *keyedWindow[K, V]) changed(b *Batch) bool {
	return w.version == b.Time && len(w.files.rows) > 0
}

// seal implements stateful.
func (w *keyedWindow[K, V]) seal(ctx context.Context, b *Batch) (checkpoint.StateChange, error) {
	return w.files.seal(ctx, b)
}

// settle implements stateful. What is not committed is taken out by forgo, if the program goes on.
func (w *keyedWindow[K, V]) settle(b *Batch, committed bool) { w.files.settle(b, committed) }

// close implements stateful.
func (w *keyedWindow[K, V]) close() { w.files.files.close() }

// window tells that what is kept are the panes of a window.
func (k *keeping) window() bool { return k.node.holds > 0 }

// elements tells that these panes hold elements.
func (k *keeping) elements() bool { return is[elementKeeper](k.stateful) }

// kind is what users know it as.
func (k *keeping) kind() string {
	if k.window() {
		return "window"
	}
	return "state"
}

// keyed tells that it is a state by key.
func (k *keeping) keyed() bool { return !k.window() }

// keepWindows has the panes of windows be kept in the checkpoint. Windows that are alike, for which an id would be a
// counter, are not kept there: a start reads what they hold from the inputs.
func (ssc *Context) keepWindows() {
	for _, w := range ssc.unwritten {
		ssc.warn("what a window looks back to has no encoding and is not in the checkpoint: a start reads it from the "+
			"inputs once more", w.err, "operator", w.node.op, "site", w.node.site.String())
	}
	ssc.unwritten = nil
	bare := ssc.bareIDs()
	count := map[string]int{}
	for _, k := range ssc.states {
		count[bare[k.node]]++
	}
	var kept []*keeping
	for _, k := range ssc.states {
		if k.window() && count[bare[k.node]] > 1 {
			ssc.warn("windows that are alike have no place of their own in the checkpoint: a start reads what they "+
				"hold from their inputs once more; give each a name with Named, and it does not", nil, "operator",
				k.node.op, "site", k.node.site.String())
			ssc.alike = append(ssc.alike, k.node)
			continue
		}
		kept = append(kept, k)
	}
	ssc.states = kept
}
