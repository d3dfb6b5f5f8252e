package dstream

import (
	"math"
	"slices"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/shuffle"
	"github.com/weirstream/weir/rdd"
)

const (
	// bucketsMin is how many buckets a state has at least, so that making one of them larger, or smaller, takes no time
	// that a batch would feel.
	bucketsMin = 1024
	// deadMin is how many entries of keys that were taken out a bucket keeps without counting.
	deadMin = 32
)

// A kept is what a state holds of a key. It holds no pointer where S holds none. With a key and a value of eight bytes
// each it is a power of two, so that none lies across two lines of the cache.
type kept[S any] struct {
	value S
	touch Time // or noTouch
	// older and newer are the neighbours in the order of the last touch, as numbers of entries + 1; 0 is none. Only a
	// state with a time-out has them.
	older, newer int32
}

// noTouch is the touch of a key that was taken out.
const noTouch = Time(math.MinInt64)

func (e *kept[S]) live() bool { return e.touch != noTouch }

// A bucket is the smallest part of a state: a table whose order is that in which the keys came.
type bucket[K comparable, S any] struct {
	table          *shuffle.Table[K, kept[S]] // nil before the first key
	oldest, newest int32                      // of the list of touches, as in kept
	latest         int32                      // the one that was touched last; others may have been said to be younger
	dead           int
}

// A stateTable is a state after a batch, in memory. A task reads one partition of it, perhaps one of an attempt that
// nobody waits for any more, while the driver changes it.
type stateTable[K comparable, S any] struct {
	dealer *rdd.KeyDealer[K]
	per    int // buckets of a partition
	timed  bool
	parts  []*statePart[K, S]
	disk   *stateDisk[K, S] // nil where buckets lie in memory
}

type statePart[K comparable, S any] struct {
	mu      sync.RWMutex
	changes int            // counts how often it was changed
	buckets []bucket[K, S] // nil where they lie in a store
	first   int            // the number of the first bucket among those of the state
	warmed  Time           // says nothing: see warm
}

// stands tells whether the partition was not changed since it had been so many times.
func (p *statePart[K, S]) stands(changes int) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.changes == changes
}

// newStateTable makes an empty table; a disk must be empty, too.
func newStateTable[K comparable, S any](dealer *rdd.KeyDealer[K], timed bool, disk *stateDisk[K, S],
) *stateTable[K, S] {
	t := &stateTable[K, S]{dealer: dealer, per: bucketsPer(dealer), timed: timed,
		disk:  disk,
		parts: make([]*statePart[K, S], dealer.NumPartitions())}
	for i := range t.parts {
		t.parts[i] = &statePart[K, S]{first: i * t.per}
		if disk == nil {
			t.parts[i].buckets = make([]bucket[K, S], t.per)
		}
	}
	if disk != nil {
		disk.per, disk.timed = t.per, timed
	}
	return t
}

// bucketsPer is how many buckets a partition has. All keys of a bucket are in one part of the state's files. Where the
// hash deals, that takes a number of buckets that is a multiple both of the partitions and of the parts; a
// partitioner's partitions have a bucket for each part.
func bucketsPer[K comparable](dealer *rdd.KeyDealer[K]) int {
	n := dealer.NumPartitions()
	if dealer.Partitioned() {
		return checkpoint.StateParts
	}
	all := n
	for all%checkpoint.StateParts != 0 {
		all += n
	}
	return (bucketsMin + all - 1) / all * all / n
}

// place finds the partition of a key, and the bucket there.
func (t *stateTable[K, S]) place(k K) (partition, bucket int, err error) {
	partition, hash, err := t.dealer.Deal(k)
	if err != nil {
		return 0, 0, err
	}
	if t.dealer.Partitioned() {
		return partition, codec.Partition(hash, t.per), nil
	}
	return partition, codec.Partition(hash, t.per*len(t.parts)) % t.per, nil
}

// find gives the number of a key's entry, -1 if there is none.
func (b *bucket[K, S]) find(k K) int {
	if b.table == nil {
		return -1
	}
	return b.table.PlaceOf(k)
}

func (b *bucket[K, S]) at(n int) *kept[S] {
	_, e := b.table.At(n)
	return e
}

// len is how many entries there are, of keys that are there and of others.
func (b *bucket[K, S]) len() int {
	if b.table == nil {
		return 0
	}
	return b.table.Len()
}

// add appends a key that is not there. Key and value must own their memory, but for a key that is a string.
func (b *bucket[K, S]) add(k K, value S) (n int, err error) {
	if b.table == nil {
		b.table = shuffle.NewTable[K, kept[S]](nil)
	}
	n, _ = b.table.Place(k)
	if err := b.table.Err(); err != nil {
		return 0, err
	}
	e := b.at(n)
	e.value = value
	return n, nil
}

// touch puts the entry into the order of touches.
func (b *bucket[K, S]) touch(n int, at Time, timed bool) {
	e := b.at(n)
	e.touch = at
	if !timed {
		return
	}
	b.unlink(e, n)
	self := int32(n + 1)
	e.older = b.notAfter(at)
	e.newer = b.after(e.older)
	if e.older != 0 {
		b.at(int(e.older) - 1).newer = self
	} else {
		b.oldest = self
	}
	if e.newer != 0 {
		b.at(int(e.newer) - 1).older = self
	} else {
		b.newest = self
	}
	b.latest = self
}

// notAfter finds the last entry that was not touched after a time. It looks from the one that was touched last, for
// batches come in the order of their times, and behind it lies only what an import has said to be younger.
func (b *bucket[K, S]) notAfter(at Time) int32 {
	n := b.latest
	for n != 0 && b.at(int(n)-1).touch > at {
		n = b.at(int(n) - 1).older
	}
	for next := b.after(n); next != 0 && b.at(int(next)-1).touch <= at; next = b.after(n) {
		n = next
	}
	return n
}

// after gives the entry behind one in the order of touches: the oldest for 0, and 0 behind the newest.
func (b *bucket[K, S]) after(n int32) int32 {
	if n == 0 {
		return b.oldest
	}
	return b.at(int(n) - 1).newer
}

// unlink takes an entry out of the order of touches, if it is there.
func (b *bucket[K, S]) unlink(e *kept[S], n int) {
	self := int32(n + 1)
	if e.older == 0 && b.oldest != self {
		return // It is in no list.
	}
	if b.latest == self {
		b.latest = e.older
	}
	if e.older != 0 {
		b.at(int(e.older) - 1).newer = e.newer
	} else {
		b.oldest = e.newer
	}
	if e.newer != 0 {
		b.at(int(e.newer) - 1).older = e.older
	} else {
		b.newest = e.older
	}
	e.older, e.newer = 0, 0
}

// remove takes the key of an entry out.
func (b *bucket[K, S]) remove(n int) {
	k, e := b.table.At(n)
	b.unlink(e, n)
	b.table.Remove(k)
	*e = kept[S]{touch: noTouch}
	b.dead++
}

// compact drops the entries of keys that are not there any more, when they are the most. The others keep their order.
func (b *bucket[K, S]) compact() {
	if b.dead <= deadMin || b.dead <= b.len()/2 {
		return
	}
	table, moved := shuffle.NewTable[K, kept[S]](nil), make([]int32, b.len()+1)
	for i := range b.len() {
		k, e := b.table.At(i)
		if !e.live() {
			continue
		}
		n, _ := table.Place(k)
		_, to := table.At(n)
		*to, moved[i+1] = *e, int32(n+1)
	}
	for i := range table.Len() {
		_, e := table.At(i)
		e.older, e.newer = moved[e.older], moved[e.newer]
	}
	*b = bucket[K, S]{table: table, oldest: moved[b.oldest], newest: moved[b.newest], latest: moved[b.latest]}
}

// sortTouches puts all keys in the order of their touches.
func (b *bucket[K, S]) sortTouches() {
	all := make([]int, 0, b.len())
	for i := range b.len() {
		if e := b.at(i); e.live() {
			e.older, e.newer = 0, 0
			all = append(all, i)
		}
	}
	slices.SortStableFunc(all, func(x, y int) int { return int(b.at(x).touch - b.at(y).touch) })
	b.oldest, b.newest, b.latest = 0, 0, 0
	for _, n := range all {
		b.touch(n, b.at(n).touch, true)
	}
}
