package dstream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// An elementPane tells where a pane of elements lies.
type elementPane struct {
	partitions int
	dealt      string
	places     []checkpoint.Place // of the partitions
	// delta holds the pane that this process wrote: it is looked through when it is asked for, which is rare.
	delta []checkpoint.Delta
}

// errPane is what is wrong with a row that no writer makes.
var errPane = fmt.Errorf("%w: it holds no pane of elements here", codec.ErrCorrupt)

// newPane reads the first row of a pane.
func newPane(r checkpoint.StateRow) (*elementPane, error) {
	n, size := binary.Uvarint(r.Value)
	if size <= 0 || n > maxPartitions {
		return nil, fmt.Errorf("%w: a number of partitions", errPane)
	}
	rest := r.Value[size:]
	length, size := binary.Uvarint(rest)
	if size <= 0 || length != uint64(len(rest)-size) {
		return nil, fmt.Errorf("%w: how keys were dealt", errPane)
	}
	return &elementPane{partitions: int(n), dealt: string(rest[size:]), places: make([]checkpoint.Place, n)}, nil
}

// maxPartitions is more than an RDD has.
const maxPartitions = 1 << 24

// add takes in where a row lies.
func (p *elementPane) add(r checkpoint.StateRow, at checkpoint.Place) error {
	n, size := binary.Uvarint(r.Key)
	if size != len(r.Key) || n >= uint64(p.partitions) {
		return fmt.Errorf("%w: a partition", errPane)
	}
	place, follows := p.places[n].And(at)
	if !follows {
		return fmt.Errorf("%w: partition %d is in two places", errPane, n)
	}
	p.places[n] = place
	return nil
}

// placed looks through files and gives where the panes lie that are not gone; newest is the time of the last one that
// there is.
func (k *elements[T]) placed(ctx context.Context, run checkpoint.StateRun, deltas []checkpoint.Delta, gone Time,
) (panes map[Time]*elementPane, newest Time, err error) {
	panes = map[Time]*elementPane{}
	var now *elementPane
	err = checkpoint.PlaceRows(ctx, k.files.fs, k.files.dir, run, deltas, k.check,
		func(r checkpoint.StateRow, at checkpoint.Place) (err error) {
			if len(r.Key) > 0 {
				if now == nil || Time(r.Touch) != newest {
					return fmt.Errorf("%w: a partition before its pane", errPane)
				}
				return now.add(r, at)
			}
			if now, err = newPane(r); err == nil && Time(r.Touch) > gone {
				panes[Time(r.Touch)] = now
			}
			newest = Time(r.Touch)
			return err
		})
	return panes, newest, err
}

// check refuses elements of another type.
func (k *elements[T]) check(h checkpoint.StateHead) error {
	if !h.OfElements() || h.Value != k.files.head.Value {
		return fmt.Errorf("%w: its elements are %q, and the program's %q: let the program keep the type that it had, "+
			"or give the window another name and begin it anew", ErrStateType, h.Value, k.files.head.Value)
	}
	return nil
}

// place is called when a merge has written a run, beside batches.
func (k *elements[T]) place(ctx context.Context, done *mergedRun) (err error) {
	done.panes, _, err = k.placed(ctx, done.run, nil, 0)
	return err
}

// load implements stateful.
func (k *elements[T]) load(ctx context.Context, at stateFolder, snapshot []checkpoint.File, deltas []checkpoint.Delta,
) error {
	if err := k.files.open(ctx, at); err != nil {
		return fmt.Errorf("make the folder of states: %w", err)
	}
	d, ages := k.stream.node, k.files.ages
	ages.length = max(d.need, d.recall) + d.slide
	k.since = Time(d.ssc.durable.found.Committed.Time).Add(-ages.length)
	take := func(run checkpoint.StateRun, deltas []checkpoint.Delta) (Time, error) {
		panes, newest, err := k.placed(ctx, run, deltas, k.since)
		maps.Copy(k.panes, panes)
		ages.newest = max(ages.newest, newest)
		return newest, err
	}
	for _, run := range checkpoint.Runs(snapshot) {
		newest, err := take(run, nil)
		if err != nil {
			return err
		}
		ages.ends[run[0].Name] = newest
	}
	if _, err := take(nil, deltas); err != nil {
		return err
	}
	d.keptFrom = k.since
	// An earlier program may have kept less: before its oldest pane, what the inputs give is asked for.
	if times := k.times(); len(times) > 0 {
		k.since = max(k.since, times[0]-1)
	} else {
		k.since = Time(d.ssc.durable.found.Committed.Time)
	}
	return nil
}

// times implements elementKeeper.
func (k *elements[T]) times() []Time { return slices.Sorted(maps.Keys(k.panes)) }

// pane gives what is known of a pane, nil if there is none.
func (k *elements[T]) pane(t Time) *elementPane {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.panes[t]
}

// found gives a pane of which it is known where its partitions lie.
func (k *elements[T]) found(ctx context.Context, t Time) (*elementPane, error) {
	pane := k.pane(t)
	if pane == nil {
		return nil, fmt.Errorf("what %s (%s) had at %v is not in the checkpoint any more", k.stream.node.op,
			k.stream.node.site, t)
	}
	if pane.delta == nil {
		return pane, nil
	}
	panes, _, err := k.placed(ctx, nil, pane.delta, 0)
	if err != nil {
		return pane, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.panes[t] == pane {
		k.panes[t] = panes[t]
	}
	if pane = k.panes[t]; pane == nil || pane.delta != nil {
		return pane, errPane
	}
	return pane, nil
}

// read yields a partition of a pane. Where files were merged meanwhile, and have gone, it goes on in the new one.
func (k *elements[T]) read(tc *rdd.TaskContext, t Time, p int, yield func(T) bool) {
	given, more := 0, true
	for {
		pane, err := k.found(tc, t)
		if err == nil {
			skip := given
			err = pane.places[p].Rows(tc, k.files.fs, k.files.dir, func(r checkpoint.StateRow) error {
				return k.decode(tc, r.Value, func(v T) bool {
					if skip > 0 {
						skip--
						return true
					}
					given++
					more = yield(v)
					return more
				})
			})
		}
		switch {
		case err == nil || !more:
			return
		case pane == nil || k.pane(t) == pane:
			tc.Fail(unreadable{fmt.Errorf("read what a window looks back to, partition %d of %v: %w", p, t, err)})
		}
	}
}

// decode yields the elements of a row.
func (k *elements[T]) decode(tc *rdd.TaskContext, data []byte, yield func(T) bool) error {
	n, size := binary.Uvarint(data)
	if size <= 0 {
		return fmt.Errorf("%w: a number of elements", errPane)
	}
	data = data[size:]
	for i := range n {
		if i&1023 == 1023 {
			tc.Check()
		}
		v, rest, err := k.codec.Decode(data)
		if err != nil {
			return err
		}
		if data = rest; !yield(v) {
			return errEnough
		}
	}
	if len(data) > 0 {
		return fmt.Errorf("%w: %d bytes follow the elements", errPane, len(data))
	}
	return nil
}

// seal implements stateful.
func (k *elements[T]) seal(ctx context.Context, b *Batch) (checkpoint.StateChange, error) {
	if staged := k.version == b.Time; k.files.sealed == nil && (staged || k.files.virgin) {
		size := 0
		if staged {
			size = len(k.first)
			for _, won := range k.winners {
				size += won.size
			}
		}
		if err := k.files.sealRows(ctx, b.Sequence, size, k.write); err != nil {
			return checkpoint.StateChange{}, err
		}
	}
	return k.files.change(), nil
}

// write writes what is staged, each row as a frame.
func (k *elements[T]) write(w *checkpoint.StateWriter) {
	w.Rows(k.first)
	for _, won := range k.winners {
		for row, err := range won.all() {
			if w.Cut(); err != nil {
				w.Fail(err)
				return
			}
			w.Rows(row)
		}
	}
}

// settle implements stateful.
func (k *elements[T]) settle(b *Batch, committed bool) {
	sealed, named := k.files.sealed, k.files.named
	if committed && k.files.fs != nil && b.Sequence > k.files.newest {
		k.files.ages.newest = b.Time
		if k.version == b.Time && sealed != nil {
			delta := []checkpoint.Delta{{Sequence: b.Sequence, Files: sealed.Delta, Inline: sealed.Inline}}
			k.mu.Lock()
			k.panes[b.Time] = &elementPane{delta: delta}
			k.mu.Unlock()
			k.behind = append(k.behind, k.made)
		}
	}
	k.drop(b)
	k.files.settle(b.Sequence, committed)
	if !committed || k.files.fs == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if named != nil {
		for t, pane := range named.panes {
			if k.panes[t] != nil {
				k.panes[t] = pane
			}
		}
	}
	gone := k.files.ages.newest.Add(-k.files.ages.length)
	maps.DeleteFunc(k.panes, func(t Time, _ *elementPane) bool { return t <= gone })
}

// head implements stateful.
func (k *elements[T]) head() checkpoint.StateHead { return k.files.head }

// dealAnew implements stateful.
func (k *elements[T]) dealAnew(seed uint64) error {
	if k.files.head.Seed = seed; k.keyed == nil {
		return nil
	}
	return k.keyed.anew(seed)
}

// lieIn implements stateful: panes lie in files.
func (k *elements[T]) lieIn(StateRows, int) error { return nil }

// reload implements stateful.
func (k *elements[T]) reload(context.Context, []checkpoint.File, []checkpoint.Delta) error {
	return errElements
}

var errElements = errors.New("the elements of a window are loaded once, and are those of the checkpoint")

// deal implements stateful: elements stay in the partitions in which they are.
func (k *elements[T]) deal() checkpoint.Deal { return checkpoint.Deal{} }

// idle implements stateful: the windows move on in each batch.
func (k *elements[T]) idle(Time) bool { return false }

// changed implements stateful.
func (k *elements[T]) changed(b *Batch) bool { return k.version == b.Time }

// close implements stateful.
func (k *elements[T]) close() {
	if k.staging != nil {
		k.staging.end()
	}
	k.files.close()
}
