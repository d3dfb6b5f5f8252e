package shuffle

import "fmt"

// A Combine is the map side of a shuffle that combines: of all rows of one key in a map partition it makes one
// (reduceByKey, aggregateByKey, combineByKey, countByValue).
type Combine[K comparable, V, C any] struct {
	table  *Table[K, C]
	deal   dealer[K]
	create func(V) C
	merge  func(C, V) C
	own    Own[K, C]
}

// Own says how keys and values are kept without holding on to memory of others, such as a fetch buffer. Nil
// functions keep them as they are. Types of string kind need none: they are always copied into an arena.
type Own[K, V any] struct {
	Key   func(K) K
	Value func(V) V
}

// NewCombine makes a writer for n reduce partitions. The first value of a key goes through create, each
// further one through merge, in input order. deal gives a key's partition, 0 to n-1; it must be the
// same function in every process and release, and is called once for each distinct key, in Finish; it may be nil
// when n is 1. own.Key is called once for each distinct key when it first comes, own.Value
// once for each distinct key in Finish; until then a combined value may hold on to its input's memory.
func NewCombine[K comparable, V, C any](
	n int, deal func(K) int, create func(V) C, merge func(C, V) C, own Own[K, C],
) (*Combine[K, V, C], error) {
	d, err := newDealer(n, deal)
	if err != nil {
		return nil, err
	}
	return &Combine[K, V, C]{
		table: NewTable[K, C](own.Key), deal: d, create: create, merge: merge, own: own,
	}, nil
}

// Add takes one row. It does not fail at once; Err and Finish tell of a key that cannot be held.
func (c *Combine[K, V, C]) Add(k K, v V) {
	if p, fresh := c.table.Slot(k); fresh {
		*p = c.create(v)
	} else {
		*p = c.merge(*p, v)
	}
}

// AddKnown takes the row only if its key is there already, and tells whether it did. A writer over its budget
// goes on with it and sets the other rows aside; as their keys are new, they come after all keys that are there.
func (c *Combine[K, V, C]) AddKnown(k K, v V) bool {
	p := c.table.Find(k)
	if p == nil {
		return false
	}
	*p = c.merge(*p, v)
	return true
}

// Len returns the number of distinct keys so far.
func (c *Combine[K, V, C]) Len() int { return c.table.Len() }

// Bytes returns the memory held, without what keys and values point to (an arena's strings are in it). While Finish
// runs the rows, but not the bytes of string keys, are there twice.
func (c *Combine[K, V, C]) Bytes() int64 { return c.table.Bytes() }

// Err is the Err of the table: looking at it now and then ends a hopeless task early.
func (c *Combine[K, V, C]) Err() error { return c.table.Err() }

// Finish returns the bucket of each reduce partition and leaves the writer empty, ready for the next task with its
// memory kept. In each bucket keys stand in the order in which they first came. A key that the table
// could not hold, or one dealt to a partition that is not there, is an error.
func (c *Combine[K, V, C]) Finish() ([]Bucket[K, C], error) {
	defer c.table.Reset()
	if err := c.table.Err(); err != nil {
		return nil, fmt.Errorf("map-side combine of %d keys: %w", c.table.Len(), err)
	}
	counts := make([]int, c.deal.n)
	if c.deal.n == 1 {
		counts[0] = c.table.Len()
		return c.fill(counts, nil), nil
	}
	parts := make([]uint32, 0, c.table.Len())
	for k := range c.table.AllPtr() {
		p := c.deal.of(k)
		if err := c.deal.check(k, p); err != nil {
			return nil, err
		}
		counts[p]++
		parts = append(parts, uint32(p))
	}
	return c.fill(counts, parts), nil
}

// fill lays the table's rows out. Without parts all go to partition 0.
func (c *Combine[K, V, C]) fill(counts []int, parts []uint32) []Bucket[K, C] {
	l := newLayout[K, C](counts)
	keep := keeper(c.own.Value, new(Arena))
	i, p := 0, 0
	for k, v := range c.table.AllPtr() {
		if parts != nil {
			p = int(parts[i])
		}
		i++
		if keep == nil {
			l.put(p, k, *v)
		} else {
			l.put(p, k, keep(*v))
		}
	}
	return l.buckets()
}

// keeper returns the function that makes a T ours, or nil if there is nothing to do: the arena for strings,
// otherwise the caller's clone.
func keeper[T any](clone func(T) T, arena *Arena) func(T) T {
	if kindOf[T]() == kindText {
		return func(v T) T { return ofText[T](arena.Copy(textOf(&v))) }
	}
	return clone
}
