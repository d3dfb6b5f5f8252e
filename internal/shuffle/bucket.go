package shuffle

import (
	"fmt"
	"iter"
	"math"
)

// A Bucket is what one map task has for one reduce partition: rows in the order in which they, or with a
// combine their keys, first came. Row i is Keys[i] with Values[i]. The two are apart because the reduce side reads
// both from front to back, because either may be of a type that the garbage collector need not scan, and because
// an empty type then costs nothing. A bucket is read-only: several attempts of a reduce task may read it.
type Bucket[K, V any] struct {
	Keys   []K
	Values []V
}

// Len returns the number of rows.
func (b Bucket[K, V]) Len() int { return len(b.Keys) }

// All yields the rows in order.
func (b Bucket[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for i, k := range b.Keys {
			if !yield(k, b.Values[i]) {
				return
			}
		}
	}
}

// Bytes returns the memory of the rows themselves, without what they point to.
func (b Bucket[K, V]) Bytes() int64 {
	return int64(len(b.Keys))*sizeOf[K]() + int64(len(b.Values))*sizeOf[V]()
}

// A dealer knows to which of n reduce partitions a key goes.
type dealer[K any] struct {
	n  int
	of func(K) int
}

// newDealer refuses what cannot deal.
func newDealer[K any](n int, of func(K) int) (dealer[K], error) {
	switch {
	case n < 1 || n > math.MaxInt32:
		return dealer[K]{}, fmt.Errorf("a shuffle into %d partitions: must be 1 to %d", n, math.MaxInt32)
	case of == nil && n > 1:
		return dealer[K]{}, fmt.Errorf("a shuffle into %d partitions without a function that deals keys to them", n)
	}
	return dealer[K]{n: n, of: of}, nil
}

// check makes the error of a key that was dealt to a partition that is not there.
func (d *dealer[K]) check(k K, p int) error {
	if p >= 0 && p < d.n {
		return nil
	}
	return fmt.Errorf("the partitioner put key %v into partition %d: must be 0 to %d", k, p, d.n-1)
}

// A layout is the place of each bucket in arrays that all buckets of a map task share: one allocation each for
// keys and values, whatever the number of reduce partitions.
type layout[K, V any] struct {
	keys   []K
	values []V
	next   []int // by partition, where its next row goes
}

// newLayout makes room for counts[p] rows in each partition p.
func newLayout[K, V any](counts []int) *layout[K, V] {
	l := &layout[K, V]{next: make([]int, len(counts))}
	total := 0
	for p, n := range counts {
		l.next[p] = total
		total += n
	}
	l.keys, l.values = make([]K, total), make([]V, total)
	return l
}

// put appends a row to partition p.
func (l *layout[K, V]) put(p int, k K, v V) {
	i := l.next[p]
	l.next[p] = i + 1
	l.keys[i], l.values[i] = k, v
}

// buckets cuts the arrays. Each bucket's capacity is its length, so that appending to one never writes into another.
func (l *layout[K, V]) buckets() []Bucket[K, V] {
	out := make([]Bucket[K, V], len(l.next))
	from := 0
	for p, to := range l.next {
		out[p] = Bucket[K, V]{Keys: l.keys[from:to:to], Values: l.values[from:to:to]}
		from = to
	}
	return out
}
