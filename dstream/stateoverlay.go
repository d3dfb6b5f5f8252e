package dstream

import (
	"cmp"
	"errors"
	"slices"

	"github.com/weirstream/weir/internal/shuffle"
	"github.com/weirstream/weir/rdd"
)

// An overlay is what a task has changed in its partition of a state. It lies beside the state, so that another attempt
// begins anew, until the batch is committed.
type overlay[K comparable, S any] struct {
	table *shuffle.Table[K, change[S]]
	// order are the entries that change the state, by bucket; within one those of keys that the state has, as it has
	// them, then the others as they came.
	order []int32
	// touched are, by entry, when the state's was touched last, where that lies in a store and has time-outs.
	touched []Time
}

// A change is what became of a key in a batch.
type change[S any] struct {
	value  S
	base   int64 // the number of the state's entry + 1, 0 if the state does not have the key
	bucket int32
	live   bool // the key has a state now
	put    bool // its value is another than the base's
}

func newOverlay[K comparable, S any](own func(K) K) *overlay[K, S] {
	return &overlay[K, S]{table: shuffle.NewTable[K, change[S]](own)}
}

// finish finds the order of what changes the state; touches counts keys that were touched without being changed.
func (o *overlay[K, S]) finish(touches bool) {
	type place struct {
		bucket, entry int32
		base          uint64 // the new ones, whose base is 0, stand last
	}
	places := make([]place, 0, o.table.Len())
	for i := range o.table.Len() {
		_, c := o.table.At(i)
		if c.live && (c.put || touches) || !c.live && c.base != 0 {
			places = append(places, place{c.bucket, int32(i), uint64(c.base - 1)})
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		switch {
		case a.bucket != b.bucket:
			return cmp.Compare(a.bucket, b.bucket)
		case a.base != b.base:
			return cmp.Compare(a.base, b.base)
		}
		return cmp.Compare(a.entry, b.entry)
	})
	o.order = make([]int32, len(places))
	for i, p := range places {
		o.order[i] = p.entry
	}
}

// size is how many entries change the state.
func (o *overlay[K, S]) size() int {
	if o == nil {
		return 0
	}
	return len(o.order)
}

func (o *overlay[K, S]) at(i int) (K, *change[S]) { return o.table.At(int(o.order[i])) }

// A stateCursor reads a partition of a state, with an overlay over it or none, a piece at a time.
type stateCursor[K comparable, S any] struct {
	part    *statePart[K, S]
	disk    *stateDisk[K, S] // nil where buckets lie in memory
	over    *overlay[K, S]
	changes int // those of the partition when the cursor was made
	bucket  int
	entry   int
	next    int // in the overlay's order
}

func (t *stateTable[K, S]) cursor(partition int, o *overlay[K, S]) stateCursor[K, S] {
	p := t.parts[partition]
	p.mu.RLock()
	defer p.mu.RUnlock()
	return stateCursor[K, S]{part: p, disk: t.disk, over: o, changes: p.changes}
}

// A stateEntry is a key, its state, and when it was touched last: 0 for a key of the overlay.
type stateEntry[K comparable, S any] struct {
	rdd.Pair[K, S]
	touch Time
}

// errMovedOn is the error of an attempt that nobody waits for any more.
var errMovedOn = errors.New("the state has moved on since this attempt began")

// read fills buf; it gives nothing at the end, and [errMovedOn] when the state was changed since the cursor was made.
func (c *stateCursor[K, S]) read(buf []stateEntry[K, S]) (out []stateEntry[K, S], err error) {
	if c.disk != nil {
		return c.readDisk(buf)
	}
	c.part.mu.RLock()
	defer c.part.mu.RUnlock()
	if c.part.changes != c.changes {
		return nil, errMovedOn
	}
	out = buf[:0]
	for ; c.bucket < len(c.part.buckets); c.bucket, c.entry = c.bucket+1, 0 {
		b := &c.part.buckets[c.bucket]
		for ; c.entry < b.len() && len(out) < cap(buf); c.entry++ {
			out = c.base(b, out)
		}
		for c.entry == b.len() && len(out) < cap(buf) && c.next < c.over.size() {
			k, change := c.over.at(c.next)
			if change.bucket != int32(c.bucket) {
				break
			}
			c.next++
			out = append(out, stateEntry[K, S]{rdd.KV(k, change.value), 0})
		}
		if len(out) == cap(buf) {
			return out, nil
		}
	}
	return out, nil
}

// base gives an entry of the state, or what became of it.
func (c *stateCursor[K, S]) base(b *bucket[K, S], out []stateEntry[K, S]) []stateEntry[K, S] {
	k, e := b.table.At(c.entry)
	if c.next < c.over.size() {
		if _, change := c.over.at(c.next); change.bucket == int32(c.bucket) && change.base == int64(c.entry+1) {
			c.next++
			switch {
			case !change.live:
				return out
			case change.put:
				return append(out, stateEntry[K, S]{rdd.KV(k, change.value), 0})
			}
			return append(out, stateEntry[K, S]{rdd.KV(k, e.value), 0})
		}
	}
	if !e.live() {
		return out
	}
	return append(out, stateEntry[K, S]{rdd.KV(k, e.value), e.touch})
}

// apply makes the changes of a batch the state's.
func (t *stateTable[K, S]) apply(p *statePart[K, S], o *overlay[K, S], now Time) error {
	if o.size() == 0 {
		return nil
	}
	if t.disk != nil {
		return t.applyOnDisk(p, o, now)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes++
	warm := 0
	for i, n := 0, o.size(); i < n; {
		_, first := o.at(i)
		b := &p.buckets[first.bucket]
		for ; i < n; i++ {
			if i == warm {
				warm = min(i+shuffle.FindLen, n)
				p.warmed += t.warm(p, o, i, warm)
			}
			k, c := o.at(i)
			if c.bucket != first.bucket {
				break
			}
			if err := t.change(b, k, c, now); err != nil {
				return err
			}
		}
		b.compact()
	}
	return nil
}

// warm reads the entries that some changes will meet, so that the processor waits for all of them at the same time.
// What it gives is of no use, but that the reading is not left out.
func (t *stateTable[K, S]) warm(p *statePart[K, S], o *overlay[K, S], from, until int) (used Time) {
	for i := from; i < until; i++ {
		if _, c := o.at(i); c.base != 0 {
			used += p.buckets[c.bucket].at(int(c.base) - 1).touch
		}
	}
	if !t.timed {
		return used
	}
	for i := from; i < until; i++ { // Their neighbours in the order of touches are written, too.
		_, c := o.at(i)
		if c.base == 0 {
			continue
		}
		b := &p.buckets[c.bucket]
		e := b.at(int(c.base) - 1)
		if e.older != 0 {
			used += b.at(int(e.older) - 1).touch
		}
		if e.newer != 0 {
			used += b.at(int(e.newer) - 1).touch
		}
	}
	return used
}

func (t *stateTable[K, S]) change(b *bucket[K, S], k K, c *change[S], now Time) error {
	n := int(c.base) - 1
	if !c.live {
		b.remove(n)
		return nil
	}
	if n < 0 {
		var err error
		if n, err = b.add(k, c.value); err != nil {
			return err
		}
	} else if c.put {
		b.at(n).value = c.value
	}
	b.touch(n, now, t.timed)
	return nil
}
