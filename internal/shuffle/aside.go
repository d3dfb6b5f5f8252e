package shuffle

import (
	"cmp"
	"slices"
)

const (
	// fanOut is into how many splits rows are dealt that are set aside, fanBits its logarithm.
	fanOut  = 1 << fanBits
	fanBits = 4
	// levelMax bounds how often rows are set aside again. Each time fanOut times as many keys fit.
	levelMax = 8
)

// An aside is rows that were set aside, dealt to splits by a hash of their keys that has its own seed: it shares no bit
// with the hash that dealt them to their partition, nor with those of the tables that could not take them.
type aside[K comparable, V, C any] struct {
	*folding[K, V, C]
	level  int
	split  splitter[K]
	file   *spool
	folded [fanOut]placed // what tables had made of keys that come here, to be read before the rows
	rows   [fanOut]placed
}

// A splitter deals keys to splits.
type splitter[K comparable] struct {
	seed seed
	kind kind
}

func newSplitter[K comparable]() splitter[K] { return splitter[K]{newSeed(), kindOf[K]()} }

func (s *splitter[K]) of(k K) int {
	if s.kind == kindText {
		return int(s.seed.bytes(textBytes(textOf(&k))) >> (64 - fanBits))
	}
	return int(hashCell(&s.seed, s.kind, k) >> (64 - fanBits))
}

func newAside[K comparable, V, C any](f *folding[K, V, C], level int) *aside[K, V, C] {
	a := &aside[K, V, C]{folding: f, level: level, split: newSplitter[K](), file: f.sp.spool()}
	for i := range fanOut {
		a.folded[i].to, a.rows[i].to = a.file, a.file
	}
	return a
}

// addRow sets a row aside. Its position is that of its key's first record, or any later one.
func (a *aside[K, V, C]) addRow(pos uint64, k K, v V) {
	s := &a.rows[a.split.of(k)]
	raw, err := a.folding.rows.append(s.at(pos), &k, &v)
	a.sp.must(err)
	a.sp.must(s.end(raw))
}

// addFolded sets aside what a table had made of a key, whose rows come later.
func (a *aside[K, V, C]) addFolded(pos uint64, k K, c C) {
	s := &a.folded[a.split.of(k)]
	raw, err := a.folding.folded.append(s.at(pos), &k, &c)
	a.sp.must(err)
	a.sp.must(s.end(raw))
}

// each folds the splits, one at a time, and yields what they come to by the positions of the keys.
func (a *aside[K, V, C]) each(yield func(pos uint64, k K, c C) bool) {
	var parts []int
	for i := range fanOut {
		a.sp.must(a.folded[i].finish())
		a.sp.must(a.rows[i].finish())
		if a.folded[i].stream.rows+a.rows[i].stream.rows > 0 {
			parts = append(parts, i)
		}
	}
	a.sp.must(a.file.flush())
	if len(parts) == 1 { // What cannot be divided is folded whatever it takes.
		a.refold(parts[0], true, yield)
		_ = a.file.Close()
		return
	}
	runs := a.sp.spool()
	list := make([]placed, len(parts))
	for i, p := range parts {
		list[i].to = runs
		a.refold(p, a.level >= levelMax, func(pos uint64, k K, c C) bool {
			a.writeRun(&list[i], pos, k, c)
			return true
		})
		a.sp.must(list[i].finish())
	}
	_ = a.file.Close()
	a.sp.must(runs.flush())
	mergePlaced(a.sp, runs, list, func(pos uint64, src []byte) ([]byte, bool, error) {
		k, c, rest, err := a.folding.folded.row(src, false)
		return rest, err == nil && yield(pos, k, c), err
	})
	_ = runs.Close()
}

func (a *aside[K, V, C]) writeRun(run *placed, pos uint64, k K, c C) {
	raw, err := a.folding.folded.append(run.at(pos), &k, &c)
	a.sp.must(err)
	a.sp.must(run.end(raw))
}

// refold folds split p in memory, setting rows aside again if they do not fit unless it is forced to take them, and
// yields its keys by their positions.
func (a *aside[K, V, C]) refold(p int, force bool, yield func(pos uint64, k K, c C) bool) {
	r := &refolder[K, V, C]{
		folding: a.folding, level: a.level + 1, force: force,
		table: NewTable[K, positioned[C]](nil), held: a.sp.share(), meter: meter{most: lookMax},
	}
	defer r.held.Close()
	eachPlaced(a.sp, a.file, &a.folded[p], func(pos uint64, src []byte) ([]byte, error) {
		k, c, rest, err := r.folding.folded.row(src, false)
		if err == nil {
			r.addFolded(pos, k, c)
		}
		return rest, err
	})
	eachPlaced(a.sp, a.file, &a.rows[p], func(pos uint64, src []byte) ([]byte, error) {
		k, v, rest, err := r.folding.rows.row(src, false)
		if err == nil {
			r.addRow(pos, k, v)
		}
		return rest, err
	})
	a.sp.must(r.table.Err())
	r.each(a, yield)
}

// A positioned value is what a key has come to, and where its first record was.
type positioned[C any] struct {
	pos uint64
	c   C
}

// A refolder is a folder whose rows carry positions.
type refolder[K comparable, V, C any] struct {
	*folding[K, V, C]
	level int
	force bool
	table *Table[K, positioned[C]]
	meter
	held   *share
	deeper *aside[K, V, C]
	dumped bool
}

// slot finds where a key's value is; nil says that it goes deeper.
func (r *refolder[K, V, C]) slot(pos uint64, k K) (p *positioned[C], fresh bool) {
	if r.left--; r.left < 0 {
		r.look()
	}
	if r.deeper != nil {
		return r.table.Find(k), false
	}
	if p, fresh = r.table.Slot(k); fresh {
		p.pos = pos
	}
	return p, fresh
}

func (r *refolder[K, V, C]) addRow(pos uint64, k K, v V) {
	switch p, fresh := r.slot(pos, k); {
	case p == nil:
		r.deeper.addRow(pos, k, v)
	case fresh:
		p.c = r.create(v)
	default:
		p.c = r.merge(p.c, v)
	}
}

// addFolded takes what a key had come to, which no row of that key comes before.
func (r *refolder[K, V, C]) addFolded(pos uint64, k K, c C) {
	if p, _ := r.slot(pos, k); p == nil {
		r.deeper.addFolded(pos, k, c)
	} else {
		p.c = c
	}
}

// look does what folder.full and folder.lookAtGrowth do.
func (r *refolder[K, V, C]) look() {
	if r.dumped {
		r.left = forever
		return
	}
	heap, weighed := r.heap(r.table.Len(), func(i int) (*K, *C) {
		k, p := r.table.entry(i)
		return k, &p.c
	})
	bytes := r.table.soon(lookMax) + heap
	switch {
	case r.held.Reach(bytes):
	case r.force:
		r.held.Force(bytes)
	case r.deeper == nil:
		r.deeper = newAside(r.folding, r.level)
	case r.value != nil:
		r.dump()
		return
	}
	r.most = lookMax + int(weighed/weighPart)
	r.next(bytes, r.held.Granted()-bytes, r.table.Len())
}

// dump sets the table aside.
func (r *refolder[K, V, C]) dump() {
	for k, p := range r.table.AllPtr() {
		r.deeper.addFolded(p.pos, k, p.c)
	}
	r.table, r.dumped, r.left = NewTable[K, positioned[C]](nil), true, forever
	r.held.Keep(0)
}

// each yields the table's keys and those that went deeper, by their positions.
func (r *refolder[K, V, C]) each(a *aside[K, V, C], yield func(pos uint64, k K, c C) bool) {
	if r.deeper == nil {
		r.eachHere(yield)
		return
	}
	runs := r.sp.spool()
	defer runs.Close()
	run := placed{stream: stream{to: runs}}
	r.eachHere(func(pos uint64, k K, c C) bool {
		a.writeRun(&run, pos, k, c)
		return true
	})
	r.sp.must(run.finish())
	r.sp.must(runs.flush())
	r.table = nil
	r.held.Keep(0)
	here, more := newPlacedReader(r.sp, runs, &run), true
	until := func(pos uint64) bool {
		for more && here.left > 0 && here.pos < pos {
			k, c, rest, err := r.folding.folded.row(here.src, false)
			r.sp.must(err)
			more = yield(here.pos, k, c)
			r.sp.must(here.advance(rest))
		}
		return more
	}
	r.deeper.each(func(pos uint64, k K, c C) bool {
		more = until(pos) && yield(pos, k, c)
		return more
	})
	until(1<<64 - 1)
}

// eachHere yields the table's keys by their positions, which is the order in which they came unless a table was set
// aside before.
func (r *refolder[K, V, C]) eachHere(yield func(pos uint64, k K, c C) bool) {
	n := r.table.Len()
	pos := make([]uint64, n)
	for i := range pos {
		_, p := r.table.entry(i)
		pos[i] = p.pos
	}
	for _, i := range byPosition(pos) {
		k, p := r.table.At(int(i))
		if !yield(p.pos, k, p.c) {
			return
		}
	}
}

// byPosition numbers the positions in their order.
func byPosition(pos []uint64) []uint32 {
	order := make([]uint32, len(pos))
	for i := range order {
		order[i] = uint32(i)
	}
	if !slices.IsSorted(pos) {
		slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(pos[a], pos[b]) })
	}
	return order
}
