package shuffle

// Place gives the number of k's entry, for [Table.At], and whether k is new, as Slot does. Numbers count the keys in
// the order in which they came. A key that does not fit has the number -1; Err tells.
func (t *Table[K, V]) Place(k K) (n int, fresh bool) {
	at := t.place(k)
	if at == noPlace {
		return -1, true
	}
	return int(at &^ freshPlace), at&freshPlace != 0
}

// PlaceOf gives the number of k's entry, -1 if the table does not hold k.
func (t *Table[K, V]) PlaceOf(k K) int {
	i, ok := t.slotOf(k)
	if !ok {
		return -1
	}
	return int(uint32(t.index[i])) - 1
}

// At gives the key and the value of an entry by its number. The pointer is valid until the next call of Slot, Place or
// Reset.
func (t *Table[K, V]) At(n int) (K, *V) {
	if t.kind == kindText {
		e := t.texts.at(uint32(n))
		return ofText[K](t.textAt(e)), &e.value
	}
	e := t.cells.at(uint32(n))
	return e.key, &e.value
}

// Remove takes k out, so that it is not found any more and is new when it comes again. Its entry stays where it is, and
// is still seen by iteration and by At: the owner marks it, and when there are too many copies the others to a new
// table.
func (t *Table[K, V]) Remove(k K) {
	i, ok := t.slotOf(k)
	if !ok {
		return
	}
	mask := uint64(len(t.index) - 1)
	// What stands behind the free slot and could not be found past it moves up.
	for j := (i + 1) & mask; t.index[j] != 0; j = (j + 1) & mask {
		if home := t.index[j] >> t.shift; (j-home)&mask >= (j-i)&mask {
			t.index[i] = t.index[j]
			i = j
		}
	}
	t.index[i] = 0
}

// slotOf finds the slot of the index that leads to k.
func (t *Table[K, V]) slotOf(k K) (i uint64, ok bool) { return t.slotFrom(k, t.hashOf(&k)) }

// slotFrom is slotOf where the hash is known.
func (t *Table[K, V]) slotFrom(k K, h uint64) (i uint64, ok bool) {
	mask := uint64(len(t.index) - 1)
	if t.kind != kindText {
		for i := h >> t.shift; ; i++ {
			x := t.index[i&mask]
			if x == 0 {
				return 0, false
			}
			if (x^h)>>32 == 0 && t.cells.at(uint32(x)-1).key == k {
				return i & mask, true
			}
		}
	}
	s := textOf(&k)
	lo, hi := pack(textBytes(s))
	for i := h >> t.shift; ; i++ {
		x := t.index[i&mask]
		if x == 0 {
			return 0, false
		}
		if (x^h)>>32 == 0 && t.isText(uint32(x)-1, s, lo, hi) {
			return i & mask, true
		}
	}
}

// hashOf gives the hash by which the table finds a key.
func (t *Table[K, V]) hashOf(k *K) uint64 {
	if t.kind == kindText {
		return t.seed.bytes(textBytes(textOf(k)))
	}
	return hashCell(&t.seed, t.kind, *k)
}
