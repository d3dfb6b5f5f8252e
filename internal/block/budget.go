// Package block is the memory that cached RDDs, shuffles and received records share, and the files that what does not
// fit is written to. Memory is granted or refused at once and never waited for: who is refused writes to disk, or does
// without.
package block

import (
	"container/list"
	"sync"
)

// A Budget grants memory up to a bound. When it is used up it evicts what can be had again, the least recently used
// first.
type Budget struct {
	mu       sync.Mutex
	total    int64
	used     int64
	peak     int64
	evicting list.List // of *Entry, the least recently used first
}

// NewBudget makes a budget of total bytes.
func NewBudget(total int64) *Budget { return &Budget{total: total} }

// An Entry is memory that may be taken away: a cached partition.
type Entry struct {
	bytes int64
	// owner is who takes it back in at the cost of others: entries of one owner do not evict each other, or an RDD that
	// does not fit would push out its own partitions one after the other.
	owner any
	evict func()
	place *list.Element
}

// Grant takes n bytes for the asker, evicting entries of other owners if it must, and tells whether it could.
func (b *Budget) Grant(n int64, owner any) bool {
	out, ok := b.grant(n, owner)
	for _, e := range out { // It may write to disk, so not under the lock.
		e.evict()
	}
	return ok
}

// grant takes n bytes and gives the entries that must go for them; none go if that were not enough.
func (b *Budget) grant(n int64, owner any) (out []*Entry, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := b.used + n - b.total
	for at := b.evicting.Front(); at != nil && missing > 0; at = at.Next() {
		if e := at.Value.(*Entry); owner == nil || e.owner != owner {
			out = append(out, e)
			missing -= e.bytes
		}
	}
	if missing > 0 {
		return nil, false
	}
	for _, e := range out {
		b.drop(e)
	}
	b.take(n)
	return out, true
}

// Force takes n bytes that are there already, whatever the bound says.
func (b *Budget) Force(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(n)
}

func (b *Budget) take(n int64) {
	b.used += n
	b.peak = max(b.peak, b.used)
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
}

// Hold makes n granted bytes an entry that may be taken away: evict is called once then, from the goroutine of whoever
// asks for memory, when the bytes are given back already.
func (b *Budget) Hold(n int64, owner any, evict func()) *Entry {
	e := &Entry{bytes: n, owner: owner, evict: evict}
	b.mu.Lock()
	defer b.mu.Unlock()
	e.place = b.evicting.PushBack(e)
	return e
}

// Touch says that the entry was used.
func (b *Budget) Touch(e *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.place != nil {
		b.evicting.MoveToBack(e.place)
	}
}

// Drop gives an entry's bytes back, and tells whether it was still held: false says that it has been evicted.
func (b *Budget) Drop(e *Entry) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.place == nil {
		return false
	}
	b.drop(e)
	return true
}

func (b *Budget) drop(e *Entry) {
	b.evicting.Remove(e.place)
	e.place = nil
	b.used -= e.bytes
}

// Used is how many bytes are taken, Peak the most that ever were, Total the bound.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// Peak is the most bytes that were taken at a time.
func (b *Budget) Peak() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}

// Total is the bound.
func (b *Budget) Total() int64 { return b.total }
