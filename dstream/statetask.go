package dstream

import (
	"bytes"
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/shuffle"
	"github.com/weirstream/weir/rdd"
)

// A stateTask is an attempt at a partition of a step.
type stateTask[K comparable, S any] struct {
	tc      *rdd.TaskContext
	s       *stateStore[K, S]
	p       int
	part    *statePart[K, S]
	changes int
	over    *overlay[K, S]
	disk    diskReader[K, S]
	ahead   lookAhead[K, S]
	a, b    []byte // of keys, and of same
}

func (s *stateStore[K, S]) task(tc *rdd.TaskContext) *stateTask[K, S] {
	t := &stateTask[K, S]{tc: tc, s: s, p: tc.PartitionID(), over: newOverlay[K, S](s.ownKey)}
	t.part, t.disk.stateDisk = s.table.parts[t.p], s.table.disk
	t.part.mu.RLock()
	t.changes = t.part.changes
	t.part.mu.RUnlock()
	return t
}

// A lookAhead holds the keys that are looked up together: in a state that is larger than the caches each waits for
// memory several times, and the processor can wait for many at once.
type lookAhead[K comparable, S any] struct {
	keys   []K
	places []int // of keys, in the overlay
	fresh  []K   // keys that the overlay did not have
	where  []int // they are, in the overlay
	tables []*shuffle.Table[K, kept[S]]
	at     []int
	finder *shuffle.Finder[K, kept[S]]
}

// finderMin is from how many keys on looking ahead pays.
const finderMin = 8

// change gives what became of a key so far. The pointer is valid until the next call.
func (t *stateTask[K, S]) change(k K) *change[S] {
	t.ahead.keys = append(t.ahead.keys[:0], k)
	t.lookUp()
	return t.found(0)
}

// eachChange calls f for each pair of in, with what became of its key so far, until f returns false.
func eachChange[K comparable, S, V any](t *stateTask[K, S], in iter.Seq[rdd.Pair[K, V]],
	f func(kv rdd.Pair[K, V], c *change[S]) (more bool)) {
	var pairs []rdd.Pair[K, V]
	flush := func() bool {
		t.ahead.keys = t.ahead.keys[:0]
		for i := range pairs {
			t.ahead.keys = append(t.ahead.keys, pairs[i].Key)
		}
		t.lookUp()
		for i := range pairs {
			if !f(pairs[i], t.found(i)) {
				return false
			}
		}
		pairs = pairs[:0]
		return true
	}
	more := true
	in(func(kv rdd.Pair[K, V]) bool {
		if pairs = append(pairs, kv); len(pairs) == shuffle.FindLen {
			more = flush()
		}
		return more
	})
	if more && len(pairs) > 0 {
		flush()
	}
}

// found is what became of the i-th key that was looked up.
func (t *stateTask[K, S]) found(i int) *change[S] {
	_, c := t.over.table.At(t.ahead.places[i])
	return c
}

// lookUp finds the places of keys in the overlay, and what the state has of those that are new there.
func (t *stateTask[K, S]) lookUp() {
	l := &t.ahead
	l.places, l.fresh, l.where = l.places[:0], l.fresh[:0], l.where[:0]
	for _, k := range l.keys {
		n, fresh := t.over.table.Place(k)
		if err := t.over.table.Err(); err != nil {
			t.tc.Fail(err)
		}
		l.places = append(l.places, n)
		if !fresh {
			continue
		}
		p, at, err := t.s.table.place(k)
		if err == nil && p != t.p {
			err = fmt.Errorf("the key %v is dealt to partition %d, and came in partition %d: "+
				"keys must stay where they are", k, p, t.p)
		}
		if err != nil {
			t.tc.Fail(err)
		}
		_, c := t.over.table.At(n)
		c.bucket = int32(at)
		l.fresh, l.where = append(l.fresh, k), append(l.where, n)
	}
	if err := t.base(); err != nil {
		t.tc.Fail(err)
	}
}

// base looks the keys that are new to the overlay up in the state.
func (t *stateTask[K, S]) base() error {
	l := &t.ahead
	if t.disk.stateDisk != nil {
		for i, k := range l.fresh {
			_, c := t.over.table.At(l.where[i])
			if err := t.baseOnDisk(k, c); err != nil {
				return err
			}
		}
		return nil
	}
	t.part.mu.RLock()
	defer t.part.mu.RUnlock()
	if t.part.changes != t.changes {
		return errMovedOn
	}
	t.find()
	for i, n := range l.at {
		if n < 0 {
			continue
		}
		_, c := t.over.table.At(l.where[i])
		_, e := l.tables[i].At(n)
		c.base, c.live, c.value = int64(n+1), true, e.value
	}
	return nil
}

// find finds the entries of the new keys in the tables of their buckets.
func (t *stateTask[K, S]) find() {
	l := &t.ahead
	l.tables, l.at = l.tables[:0], l.at[:0]
	for _, n := range l.where {
		_, c := t.over.table.At(n)
		l.tables, l.at = append(l.tables, t.part.buckets[c.bucket].table), append(l.at, -1)
	}
	if len(l.fresh) < finderMin {
		for i, k := range l.fresh {
			if l.tables[i] != nil {
				l.at[i] = l.tables[i].PlaceOf(k)
			}
		}
		return
	}
	if l.finder == nil {
		l.finder = new(shuffle.Finder[K, kept[S]])
	}
	l.finder.Find(l.tables, l.fresh, l.at)
}

// baseOnDisk is base where the state lies in a store.
func (t *stateTask[K, S]) baseOnDisk(k K, c *change[S]) (err error) {
	if t.a, err = t.s.keys.Append(t.a[:0], k); err != nil {
		return err
	}
	e, err := t.disk.find(t.part.first+int(c.bucket), t.a)
	if err == nil && e.number != 0 {
		c.base, c.live = int64(e.number), true
		c.value, err = t.disk.decoded(e)
	}
	t.over.touched = append(t.over.touched, e.touch)
	if err == nil && !t.part.stands(t.changes) {
		err = errMovedOn
	}
	return err
}

// set makes v the state of a key, unless it is written as the one before.
func (t *stateTask[K, S]) set(c *change[S], v S) {
	if !c.live || c.put || !t.same(&c.value, &v) {
		c.value, c.live, c.put = v, true, true
	}
}

// drop takes the state of a key away.
func (t *stateTask[K, S]) drop(c *change[S]) {
	var none S
	c.value, c.live, c.put = none, false, true
}

// same tells whether two values are written alike, so that the state need not be written.
func (t *stateTask[K, S]) same(a, b *S) bool {
	var errA, errB error
	t.a, errA = t.s.values.Append(t.a[:0], a)
	t.b, errB = t.s.values.Append(t.b[:0], b)
	return errA == nil && errB == nil && bytes.Equal(t.a, t.b)
}

// rest yields the entries of the state that the task has not met, those of the batch before included.
func (t *stateTask[K, S]) rest(yield func(k K, v S) bool) {
	c := stateCursor[K, S]{part: t.part, disk: t.disk.stateDisk, changes: t.changes}
	t.s.scan(t.tc, c, func(e stateEntry[K, S]) bool {
		return t.over.table.PlaceOf(e.Key) >= 0 || yield(e.Key, e.Value)
	})
}

// finish makes what was changed independent of the memory that it came in.
func (t *stateTask[K, S]) finish() *overlay[K, S] {
	t.over.finish(t.s.touches)
	if t.s.own == nil {
		return t.over
	}
	for i := range t.over.order {
		_, c := t.over.at(i)
		if !c.put || !c.live {
			continue
		}
		v, err := t.s.own(c.value)
		if err != nil {
			t.tc.Fail(fmt.Errorf("copy a state of %s to keep it: %w", t.s.op, err))
		}
		c.value = v
	}
	return t.over
}
