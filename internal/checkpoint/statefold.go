package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"

	"github.com/weirstream/weir/codec"
)

// Folds are those of some parts, one after the other.
type folds struct {
	deal  uint64       // the seed by which keys are dealt to parts
	seed  maphash.Seed // of the indexes: keys come from strangers
	from  int
	parts []*fold
}

func newFolds(deal uint64, from, until int) *folds {
	all := &folds{deal: deal, seed: maphash.MakeSeed(), from: from, parts: make([]*fold, until-from)}
	for i := range all.parts {
		all.parts[i] = new(fold)
		all.parts[i].setIndex(foldMin)
	}
	return all
}

// take takes a part out.
func (all *folds) take(part int) *folds {
	one := *all
	one.from, one.parts = part, []*fold{all.parts[part-all.from]}
	all.parts[part-all.from] = nil
	return &one
}

// FoldRows gather rows, so that their keys are looked up together: each look-up waits for memory three times, for the
// index, the row and its key, and where each loop does one step for all of them the processor has many of these waits
// at the same time.
type foldRows struct {
	*folds
	clone bool
	do    func(f *fold, hash uint64, r StateRow) error
	n     int
	rows  [foldAhead]StateRow
	at    [foldAhead]struct {
		*fold
		hash, slot uint64
	}
	warmed int // says nothing: it keeps the reading ahead from being left out
}

const foldAhead = 128

// take takes a row in, if it is of one of the parts.
func (g *foldRows) take(r StateRow) error {
	part := statePart(g.deal, r.Key) - g.from
	if part < 0 || part >= len(g.parts) {
		return nil
	}
	if g.clone {
		r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	}
	g.rows[g.n], g.at[g.n].fold = r, g.parts[part]
	if g.n++; g.n == foldAhead {
		return g.flush()
	}
	return nil
}

// flush does what is to be done with the rows that were gathered.
func (g *foldRows) flush() error {
	n := g.n
	g.n = 0
	for i := range n {
		at := &g.at[i]
		at.hash = maphash.Bytes(g.seed, g.rows[i].Key)
		at.slot = at.index[at.hash>>at.shift]
	}
	for i := range n {
		at := &g.at[i]
		if at.slot == 0 || (at.slot^at.hash)>>32 != 0 {
			continue
		}
		if key := at.fold.rows[uint32(at.slot)-1].Key; len(key) > 0 {
			g.warmed += int(key[0])
		}
	}
	for i := range n {
		if err := g.do(g.at[i].fold, g.at[i].hash, g.rows[i]); err != nil {
			return fmt.Errorf("%w, in one of the %d rows up to here", err, n-i)
		}
	}
	return nil
}

// A fold is what newer runs say of the keys of a part: their rows, and an index of linear probing that leads to them. A
// slot is 0, or half of a hash and the number of the row + 1.
type fold struct {
	rows  []StateRow
	index []uint64
	keys  int // that the index has
	shift int // the high 64-shift bits of a hash are its slot
}

const (
	foldMin = 64 // slots of the smallest index
	// foldMax is how many rows a fold has at most: a slot has 32 bits for the number of one.
	foldMax = 1<<32 - 2
)

func (f *fold) setIndex(slots int) {
	f.index, f.shift = make([]uint64, slots), 64-bits.Len(uint(slots-1))
}

// slot finds the slot of a key, or the free one where it belongs.
func (f *fold) slot(hash uint64, key []byte) *uint64 {
	mask := uint64(len(f.index) - 1)
	for i := hash >> f.shift; ; i++ {
		x := &f.index[i&mask]
		if *x == 0 || (*x^hash)>>32 == 0 && bytes.Equal(f.rows[uint32(*x)-1].Key, key) {
			return x
		}
	}
}

// append adds a row, to which the slot of its key leads from now on.
func (f *fold) append(slot *uint64, hash uint64, r StateRow) error {
	if len(f.rows) >= foldMax {
		return errors.New("more rows than a merge can hold at a time")
	}
	fresh := *slot == 0
	f.rows = append(f.rows, r)
	*slot = hash>>32<<32 | uint64(len(f.rows))
	if !fresh {
		return nil
	}
	if f.keys++; f.keys > len(f.index)/4*3 {
		f.double()
	}
	return nil
}

// double moves to an index of twice the size. A slot is the hash's high bits, of which each slot has 32, so both are
// walked from front to back, and no row is looked at.
func (f *fold) double() {
	old := f.index
	f.setIndex(2 * len(old))
	mask := uint64(len(f.index) - 1)
	for _, x := range old {
		if x == 0 {
			continue
		}
		i := x >> f.shift
		for f.index[i&mask] != 0 {
			i++
		}
		f.index[i&mask] = x
	}
}

// gone is the kind of a row that another took the place of, or that was given out.
const gone RowKind = 0

var errNoKey = fmt.Errorf("%w: a row changes a key that is not there", codec.ErrCorrupt)

// add takes a row of a newer run in.
func (f *fold) add(hash uint64, r StateRow) error {
	slot := f.slot(hash, r.Key)
	if *slot == 0 {
		return f.append(slot, hash, r)
	}
	old := &f.rows[uint32(*slot)-1]
	if r.Kind == Came {
		old.Kind = gone
		return f.append(slot, hash, r)
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
func (f *fold) over(hash uint64, r StateRow, put func(StateRow)) error {
	slot := *f.slot(hash, r.Key)
	if slot == 0 {
		put(r)
		return nil
	}
	change := f.rows[uint32(slot)-1]
	if change.Kind == Came {
		return nil // It comes at the end.
	}
	f.rows[uint32(slot)-1].Kind = gone
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
