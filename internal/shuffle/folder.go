package shuffle

import (
	"math/rand/v2"

	"github.com/weirstream/weir/codec"
)

// A folding is how the rows of a key become one: create takes its first value, merge each further one.
type folding[K comparable, V, C any] struct {
	create func(V) C
	merge  func(C, V) C
	sp     *Space // nil where memory has no bound
	// rows and folded write what is set aside.
	rows   Wire[K, V]
	folded Wire[K, C]
	key    func(*K) int64 // weighers
	value  func(*C) int64
}

// A folder folds rows into a table. Once it is refused more memory the table takes no new keys: their rows are set
// aside in input order, and folded when all others are. If then the values in the table grow beyond what is granted,
// the table itself is set aside, and further rows go behind it. So keys come out in the order in which they first came,
// and each key's values are folded one after the other, as without a bound.
type folder[K comparable, V, C any] struct {
	folding[K, V, C]
	table *Table[K, C]
	meter
	held   *share
	aside  *aside[K, V, C] // nil as long as the table takes new keys
	next   uint64          // position of the next row that is set aside
	growth meter           // of the values in a table that takes no new keys
}

func newFolder[K comparable, V, C any](create func(V) C, merge func(C, V) C, clone func(K) K) *folder[K, V, C] {
	return &folder[K, V, C]{
		folding: folding[K, V, C]{create: create, merge: merge},
		table:   NewTable[K, C](clone),
		meter:   meter{left: forever},
	}
}

// Within bounds the memory to what the space grants. folded is how a folded row is written, values how an input's value
// is. Where a type has no codec the table takes all keys whatever the bound.
func (f *folder[K, V, C]) Within(sp *Space, values *codec.Codec[V], folded Wire[K, C]) {
	f.sp, f.folded, f.rows = sp, folded, Wire[K, V]{folded.Keys, values}
	f.key, f.value = weigher(folded.Keys), weigher(folded.Values)
	f.held = sp.share()
	f.left, f.most = 0, lookMax
}

// Add takes one row. It does not fail at once; Err tells of a key that cannot be held.
func (f *folder[K, V, C]) Add(k K, v V) {
	if f.left--; f.left < 0 {
		if f.full() {
			f.addFull(k, v)
			return
		}
		f.left--
	}
	if p, fresh := f.table.Slot(k); fresh {
		*p = f.create(v)
	} else {
		*p = f.merge(*p, v)
	}
}

// AddKnown takes the row only if its key is there already, and tells whether it did. A table over its budget goes on
// with it and sets the other rows aside; as their keys are new, they come after all keys that are there.
func (f *folder[K, V, C]) AddKnown(k K, v V) bool {
	p := f.table.Find(k)
	if p == nil {
		return false
	}
	*p = f.merge(*p, v)
	return true
}

// addFull is Add when the table takes no new keys.
func (f *folder[K, V, C]) addFull(k K, v V) {
	if f.growth.left--; f.growth.left < 0 {
		f.lookAtGrowth()
	}
	if !f.AddKnown(k, v) {
		f.aside.addRow(f.next, k, v)
		f.next++
	}
}

// AddAll is Add for the rows of b.
func (f *folder[K, V, C]) AddAll(b Bucket[K, V]) {
	for b.Len() > 0 {
		if f.left <= 0 && f.full() {
			for i, k := range b.Keys {
				f.addFull(k, b.Values[i])
			}
			return
		}
		n := min(f.left, b.Len())
		Fold(f.table, Bucket[K, V]{b.Keys[:n], b.Values[:n]}, f.create, f.merge)
		f.left -= n
		b = Bucket[K, V]{b.Keys[n:], b.Values[n:]}
	}
}

// canSetAside tells whether there are codecs for what would be written.
func (f *folding[K, V, C]) canSetAside() bool { return f.rows.Values != nil && f.folded.Values != nil }

// full looks at the table's memory, and tells whether it takes no new keys any more.
func (f *folder[K, V, C]) full() bool {
	if f.aside != nil {
		return true
	}
	heap, weighed := f.heap(f.table.Len(), f.table.entry)
	bytes := f.table.soon(lookMax) + heap
	if !f.held.Reach(bytes) {
		if f.canSetAside() {
			f.aside = newAside(&f.folding, 0)
			f.next = uint64(f.table.Len())
			f.growth = meter{left: lookMax, most: lookMax}
			if f.value == nil {
				f.growth.left = forever
			}
			return true
		}
		f.held.Force(bytes)
	}
	f.most = lookMax + int(weighed/weighPart)
	f.meter.next(bytes, f.held.Granted()-bytes, f.table.Len())
	return false
}

const (
	// weighMost is how many entries are weighed at a look.
	weighMost = 32
	// weighPart: after weighing that many bytes one record more goes by until the next look, for large values take
	// their time.
	weighPart = 64
)

// heap estimates what n entries hold beyond the table, by a sample of them, and tells how much it weighed.
func (f *folding[K, V, C]) heap(n int, entry func(i int) (*K, *C)) (bytes, weighed int64) {
	if n == 0 || f.key == nil && f.value == nil {
		return 0, 0
	}
	some := min(n, weighMost)
	for i := range some {
		if n > weighMost {
			i = rand.IntN(n)
		}
		k, c := entry(i)
		if f.key != nil && k != nil {
			weighed += f.key(k)
		}
		if f.value != nil {
			weighed += f.value(c)
		}
	}
	return weighed * int64(n) / int64(some), weighed
}

// lookAtGrowth sets the table aside if its values have grown beyond what is granted.
func (f *folder[K, V, C]) lookAtGrowth() {
	heap, weighed := f.heap(f.table.Len(), f.table.entry)
	bytes := f.table.Bytes() + heap
	if f.held.Reach(bytes) {
		f.growth.most = lookMax + int(weighed/weighPart)
		f.growth.next(bytes, f.held.Granted()-bytes, f.table.Len())
		return
	}
	pos := uint64(0)
	for k, c := range f.table.AllPtr() {
		f.aside.addFolded(pos, k, *c)
		pos++
	}
	f.table = NewTable[K, C](nil)
	f.held.Keep(0)
	f.growth.left = forever
}

// each yields what the rows came to. If some were set aside that can be done once.
func (f *folder[K, V, C]) each(yield func(K, C) bool) {
	for k, c := range f.table.AllPtr() {
		if !yield(k, *c) {
			return
		}
	}
	if f.aside == nil {
		return
	}
	f.table = NewTable[K, C](nil)
	_ = f.held.Close()
	f.aside.each(func(_ uint64, k K, c C) bool { return yield(k, c) })
}

// Len returns the number of distinct keys so far, without those that were set aside.
func (f *folder[K, V, C]) Len() int { return f.table.Len() }

// Bytes returns the memory held, without what keys and values point to (an arena's strings are in it).
func (f *folder[K, V, C]) Bytes() int64 { return f.table.Bytes() }

// Err is the Err of the table: looking at it now and then ends a hopeless task early.
func (f *folder[K, V, C]) Err() error { return f.table.Err() }
