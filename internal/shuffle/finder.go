package shuffle

// FindLen is how many keys a [Finder] looks up at most at a time: their hashes and slots stay in the first-level cache.
const FindLen = placesLen

// A Finder looks keys up, each in a table of its own, such as the buckets of a state. A look-up in a table that is
// larger than the caches waits for memory twice, for the index and for the entry; where each loop does one step for all
// keys, the processor has many of these waits at the same time.
type Finder[K comparable, V any] struct {
	hash, slot [FindLen]uint64
}

// Find sets at[i] to the number of the entry of keys[i] in tables[i], for [Table.At], and to -1 where the table does
// not hold the key, or is nil. There are as many of each, at most FindLen.
func (f *Finder[K, V]) Find(tables []*Table[K, V], keys []K, at []int) {
	hash, slot := f.hash[:len(keys)], f.slot[:len(keys)]
	for i, t := range tables {
		slot[i] = 0
		if t != nil {
			h := t.hashOf(&keys[i])
			hash[i], slot[i] = h, t.index[h>>t.shift]
		}
	}
	for i, t := range tables {
		at[i] = -1
		if slot[i] == 0 { // The first slot is free: no key has gone past it.
			continue
		}
		if where, ok := t.slotFrom(keys[i], hash[i]); ok {
			at[i] = int(uint32(t.index[where])) - 1
		}
	}
}
