package shuffle

import (
	"errors"
	"hash/maphash"
	"iter"
	"math"
)

// ErrNaN is the error of a table that was given a key that is not equal to itself, which only a NaN is. Such a
// key has no place: it can be neither found again nor dealt.
var ErrNaN = errors.New("a key is NaN, which equals no key, not even itself; " +
	"drop such records or give them another key before the shuffle")

// ErrTooLarge is the error of a table that can take no more keys, whatever the memory: 2^30 keys, 32 GiB of key
// bytes, or one key of 4 GiB.
var ErrTooLarge = errors.New("more keys, or longer ones, than one table can hold; use more partitions")

const (
	indexMin = 32 // slots of the smallest index
	loadNum  = 3  // the index doubles when it is three quarters full
	loadDen  = 4
	keysMax  = 1 << 30 // a slot has 32 bits for an entry's number; an int may have no more either
)

// A Table is a hash table that is made for aggregation: one look-up a record, iteration in the order in which
// keys first came, no allocation for a key that is there, nothing for the garbage collector to scan where K is
// a string or holds no pointers and V holds none.
//
// An index of eight bytes a slot (half of the hash, number of the entry) leads to entries that lie in pages in
// insertion order. The entry of a string holds its length and its first and last eight bytes, so
// that only strings of more than 16 bytes are compared in the arena: a hit costs two cache misses at most.
//
// Keys of string kind are copied into an arena. All other keys are kept as they are, or as the clone function
// of NewTable returns them.
type Table[K comparable, V any] struct {
	index []uint64 // linear probing; 0 is free, else half a hash << 32 | number of the entry + 1
	shift uint     // the high 64-shift bits of a hash are its slot
	limit int      // entries at which the index doubles
	seed  seed
	kind  kind
	texts pages[text[V]]    // kindText
	cells pages[cell[K, V]] // all other kinds
	arena Arena
	clone func(K) K
	max   int // keysMax, lower in tests
	spare V   // the slot of a key that was refused
	err   error

	together *places   // of keys that are looked up together; nil until some were
	few      [4]uint32 // what places gives for a few keys before that
}

// text is the entry of a string key. The value comes first because a struct that ends in an empty value is padded.
type text[V any] struct {
	value  V
	lo, hi uint64
	pos, n uint32
}

type cell[K comparable, V any] struct {
	value V
	key   K
}

// NewTable returns an empty table with a hash of its own. A nil clone keeps keys as they are; it must be given
// where a K that is no string holds memory of others (a struct with strings). It is called once for each
// distinct key.
func NewTable[K comparable, V any](clone func(K) K) *Table[K, V] {
	t := &Table[K, V]{seed: newSeed(), kind: kindOf[K](), clone: clone, max: keysMax}
	t.setIndex(indexMin)
	return t
}

// Slot returns where the value of k is kept, and whether k is new: then the value is zero and the caller sets it.
// The pointer is valid until the next call of Slot or Reset. A reduction is
//
//	if p, fresh := t.Slot(k); fresh {
//		*p = v
//	} else {
//		*p = f(*p, v)
//	}
//
// Slot does not fail. NaN keys are each new, and are seen by iteration only; keys that do not fit go to a slot
// that is not seen at all. In both cases Err tells. Where K is an interface, a key that cannot be compared panics,
// as it does in a map.
func (t *Table[K, V]) Slot(k K) (v *V, fresh bool) {
	switch at := t.place(k); {
	case at == noPlace:
		var zero V
		t.spare = zero
		return &t.spare, true
	case at&freshPlace != 0:
		return t.value(at &^ freshPlace), true
	default:
		return t.value(at), false
	}
}

func hashCell[K comparable](s *seed, kind kind, k K) uint64 {
	switch kind {
	case kindWord8, kindWord4, kindWord2, kindWord1:
		return s.word(wordOf(&k, kind))
	case kindBytes:
		return s.bytes(bytesOf(&k))
	}
	return maphash.Comparable(s.std, k)
}

// Find returns where the value of k is kept, or nil if the table does not hold k. A table over its budget is
// asked in this way: records of keys that it holds are folded, all others set aside.
func (t *Table[K, V]) Find(k K) *V {
	if n := t.PlaceOf(k); n >= 0 {
		return t.value(uint32(n))
	}
	return nil
}

// addText makes the entry of a new string key whose free slot is i, and gives its place.
func (t *Table[K, V]) addText(s string, lo, hi, h, i uint64) uint32 {
	if t.Len() >= t.max || uint64(len(s)) > math.MaxUint32 {
		return t.refuse()
	}
	pos, ok := t.arena.put(s)
	if !ok {
		return t.refuse()
	}
	e := t.texts.next()
	e.lo, e.hi, e.pos, e.n = lo, hi, pos, uint32(len(s))
	return t.enter(h, i, t.texts.n)
}

// addCell makes the entry of any other new key. A NaN gets an entry but no slot in the index: it could never
// be found, and all NaNs in one index would be a chain to walk for each of them.
func (t *Table[K, V]) addCell(k K, h, i uint64) uint32 {
	if t.Len() >= t.max {
		return t.refuse()
	}
	e := t.cells.next()
	e.key = k
	if k != k {
		t.fail(ErrNaN)
		return uint32(t.cells.n-1) | freshPlace
	}
	if t.clone != nil {
		e.key = t.clone(k)
	}
	return t.enter(h, i, t.cells.n)
}

func (t *Table[K, V]) refuse() uint32 {
	t.fail(ErrTooLarge)
	return noPlace
}

// fail keeps the first error.
func (t *Table[K, V]) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}

// enter puts the n-th entry into slot i.
func (t *Table[K, V]) enter(h, i uint64, n int) uint32 {
	t.index[i] = h>>32<<32 | uint64(n)
	if n > t.limit {
		t.double()
	}
	return uint32(n-1) | freshPlace
}

// setIndex makes an empty index of size slots, a power of two.
func (t *Table[K, V]) setIndex(size int) {
	t.index = make([]uint64, size)
	t.shift = 64
	for s := size; s > 1; s >>= 1 {
		t.shift--
	}
	t.limit = size / loadDen * loadNum
}

// double moves to an index of twice the size. Half a hash in each slot is all that is needed: entries are not
// touched, and as a slot is the hash's high bits, both indexes are walked from front to back.
func (t *Table[K, V]) double() {
	old := t.index
	t.setIndex(2 * len(old))
	mask := uint64(len(t.index) - 1)
	for _, x := range old {
		if x == 0 {
			continue
		}
		i := x >> t.shift
		for t.index[i&mask] != 0 {
			i++
		}
		t.index[i&mask] = x
	}
}

// Len returns the number of keys.
func (t *Table[K, V]) Len() int {
	if t.kind == kindText {
		return t.texts.n
	}
	return t.cells.n
}

// Err tells what was wrong with a key since the last Reset: ErrNaN or ErrTooLarge.
// A task that sees an error must fail: the table does not hold what it was given.
func (t *Table[K, V]) Err() error { return t.err }

// Bytes returns the memory that the table holds, with the bytes of string keys and without what other keys and
// values point to. When the index doubles, the old one is held beside the new for a moment.
func (t *Table[K, V]) Bytes() int64 {
	return int64(len(t.index))*8 + t.texts.bytes() + t.cells.bytes() + t.arena.Bytes()
}

// soon is what Bytes may come to when n more keys come, as far as that depends on their number.
func (t *Table[K, V]) soon(n int) int64 {
	bytes := t.Bytes()
	if t.Len()+n > t.limit {
		bytes += int64(len(t.index)) * 16 // the new index, while the old one is still there
	}
	return bytes
}

// entry gives the value of the i-th key, and the key if it is no string.
func (t *Table[K, V]) entry(i int) (k *K, v *V) {
	if t.kind == kindText {
		return nil, &t.texts.at(uint32(i)).value
	}
	e := t.cells.at(uint32(i))
	return &e.key, &e.value
}

// Reset empties the table and keeps as much of its memory as the last use needed, so that it can serve the
// next batch without growing. Keys that it gave stay valid: their arena is left to them.
func (t *Table[K, V]) Reset() {
	n := t.Len()
	if len(t.index) > indexMin && n < t.limit/4 {
		t.setIndex(len(t.index) / 2)
	} else {
		clear(t.index)
	}
	t.texts.reset()
	t.cells.reset()
	t.arena = Arena{}
	t.err = nil
	var zero V
	t.spare = zero
}

func (t *Table[K, V]) textAt(e *text[V]) string { return t.arena.at(e.pos, int(e.n)) }

// All yields keys and values in the order in which the keys first came. The table must not be changed meanwhile.
func (t *Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, v := range t.AllPtr() {
			if !yield(k, *v) {
				return
			}
		}
	}
}

// AllPtr is All with pointers to the values, which may be changed through them.
func (t *Table[K, V]) AllPtr() iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for _, page := range t.texts.all {
			for i := range page {
				if !yield(ofText[K](t.textAt(&page[i])), &page[i].value) {
					return
				}
			}
		}
		for _, page := range t.cells.all {
			for i := range page {
				if !yield(page[i].key, &page[i].value) {
					return
				}
			}
		}
	}
}
