package shuffle

import "fmt"

// A Combine is the map side of a shuffle that combines: of all rows of one key in a map partition it makes one
// (reduceByKey, aggregateByKey, combineByKey, countByValue).
type Combine[K comparable, V, C any] struct {
	*folder[K, V, C]
	deal dealer[K]
	own  Own[K, C]
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
	return &Combine[K, V, C]{newFolder(create, merge, own.Key), d, own}, nil
}

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

// Publish is Finish for a writer with a bound, which is of no use afterwards. The rows lie in memory if there is room
// to lay them out, otherwise on disk.
func (c *Combine[K, V, C]) Publish() (*Output[K, C], error) {
	if c.sp == nil {
		buckets, err := c.Finish()
		return NewOutput(buckets), err
	}
	if err := c.table.Err(); err != nil {
		return nil, fmt.Errorf("map-side combine of %d keys: %w", c.table.Len(), err)
	}
	heap, _ := c.heap(c.table.Len(), c.table.entry)
	bytes := int64(c.table.Len())*(sizeOf[K]()+sizeOf[C]()) + heap
	if c.aside != nil || !c.held.Reach(c.table.Bytes()+heap+bytes) {
		return c.publishRows()
	}
	bytes += c.table.arena.Bytes()
	buckets, err := c.Finish()
	if err != nil {
		return nil, err
	}
	return NewOutput(buckets).owned(c.sp, c.folded, c.held, bytes), nil
}

// publishRows deals the rows through a writer that may spill, the table's first and then those of the keys that it
// did not take.
func (c *Combine[K, V, C]) publishRows() (*Output[K, C], error) {
	rows, err := NewRows(c.deal.n, c.deal.of, Own[K, C]{})
	if err != nil {
		return nil, err
	}
	rows.Within(c.sp, c.folded)
	n, table := 0, c.table.Len()
	c.each(func(k K, v C) bool {
		if n++; n <= table && c.own.Value != nil { // What was set aside is nobody else's.
			v = c.own.Value(v)
		}
		rows.Add(k, v)
		return rows.Err() == nil
	})
	return rows.Publish()
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
