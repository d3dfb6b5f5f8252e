package shuffle

import "math"

const (
	// placesLen is how many keys are looked up at a time: their hashes and index slots stay in the first-level cache.
	placesLen = 128
	// placesMin is from how many keys on that pays.
	placesMin = 8
	// freshPlace marks the place of a key that was not there before. Places are less: see keysMax.
	freshPlace = 1 << 31
	// noPlace is the place of a key that the table could not take; Err tells.
	noPlace = math.MaxUint32
)

// A places looks some keys up together. A look-up waits for memory twice, for the index and for the entry; where each
// loop does one step for all keys, the processor has many of these waits at the same time.
type places struct {
	hash, slot [placesLen]uint64
	lo, hi     [placesLen]uint64
	at         [placesLen]uint32
}

// places gives the numbers of the entries of keys, at most placesLen of them, making those that are not there: these
// have the bit freshPlace and a zero value. The result is valid until the next call.
func (t *Table[K, V]) places(keys []K) []uint32 {
	if t.together == nil {
		if len(keys) <= len(t.few) {
			for i, k := range keys {
				t.few[i] = t.place(k)
			}
			return t.few[:len(keys)]
		}
		t.together = new(places)
	}
	at := t.together.at[:len(keys)]
	switch t.kind {
	case kindText:
		t.textPlaces(keys, at)
	case kindWord8, kindWord4, kindWord2, kindWord1:
		t.wordPlaces(keys, at)
	default:
		for i, k := range keys {
			at[i] = t.cellPlace(k, hashCell(&t.seed, t.kind, k))
		}
	}
	return at
}

// place is places for one key.
func (t *Table[K, V]) place(k K) uint32 {
	if t.kind != kindText {
		return t.cellPlace(k, hashCell(&t.seed, t.kind, k))
	}
	s := textOf(&k)
	b := textBytes(s)
	lo, hi := pack(b)
	return t.textPlace(s, lo, hi, t.seed.packed(b, lo, hi))
}

func (t *Table[K, V]) wordPlaces(keys []K, at []uint32) {
	hash, slot := t.together.hash[:len(keys)], t.together.slot[:len(keys)]
	kind, seed, shift, index := t.kind, t.seed, t.shift, t.index
	for i := range keys {
		h := seed.word(wordOf(&keys[i], kind))
		hash[i], slot[i] = h, index[h>>shift]
	}
	for i, k := range keys {
		// A slot may have been taken since it was looked at, but one that is taken keeps its entry.
		h, x := hash[i], slot[i]
		if x != 0 && (x^h)>>32 == 0 && t.cells.at(uint32(x)-1).key == k {
			at[i] = uint32(x) - 1
		} else {
			at[i] = t.cellPlace(k, h)
		}
	}
}

// cellPlace looks a key up that is no string.
func (t *Table[K, V]) cellPlace(k K, h uint64) uint32 {
	mask := uint64(len(t.index) - 1)
	for i := h >> t.shift; ; i++ {
		x := t.index[i&mask]
		if x == 0 {
			return t.addCell(k, h, i&mask)
		}
		if (x^h)>>32 == 0 && t.cells.at(uint32(x)-1).key == k {
			return uint32(x) - 1
		}
	}
}

func (t *Table[K, V]) textPlaces(keys []K, at []uint32) {
	c := t.together
	hash, slot, los, his := c.hash[:len(keys)], c.slot[:len(keys)], c.lo[:len(keys)], c.hi[:len(keys)]
	seed, shift, index := t.seed, t.shift, t.index
	for i := range keys {
		b := textBytes(textOf(&keys[i]))
		lo, hi := pack(b)
		h := seed.packed(b, lo, hi)
		los[i], his[i], hash[i], slot[i] = lo, hi, h, index[h>>shift]
	}
	for i := range keys {
		h, x, s := hash[i], slot[i], textOf(&keys[i])
		if x != 0 && (x^h)>>32 == 0 && t.isText(uint32(x)-1, s, los[i], his[i]) {
			at[i] = uint32(x) - 1
		} else {
			at[i] = t.textPlace(s, los[i], his[i], h)
		}
	}
}

// isText tells whether s, of which lo and hi were made, is the key of entry n.
func (t *Table[K, V]) isText(n uint32, s string, lo, hi uint64) bool {
	e := t.texts.at(n)
	return e.lo == lo && e.hi == hi && int(e.n) == len(s) && (len(s) <= 16 || t.arena.at(e.pos, len(s)) == s)
}

func (t *Table[K, V]) textPlace(s string, lo, hi, h uint64) uint32 {
	mask := uint64(len(t.index) - 1)
	for i := h >> t.shift; ; i++ {
		x := t.index[i&mask]
		if x == 0 {
			return t.addText(s, lo, hi, h, i&mask)
		}
		if (x^h)>>32 == 0 && t.isText(uint32(x)-1, s, lo, hi) {
			return uint32(x) - 1
		}
	}
}

// value gives the value of entry n.
func (t *Table[K, V]) value(n uint32) *V {
	if t.kind == kindText {
		return &t.texts.at(n).value
	}
	return &t.cells.at(n).value
}
