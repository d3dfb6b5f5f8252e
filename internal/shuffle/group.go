package shuffle

import (
	"fmt"
	"iter"
	"math"
)

// Groups numbers the keys of one or more sides by the order in which they first came, side after side. One side
// makes a groupByKey, two a cogroup or a join, more a cogroup of more.
type Groups[K comparable] struct {
	numbers *Table[K, uint32]
}

// NewGroups makes an empty numbering. clone is that of NewTable.
func NewGroups[K comparable](clone func(K) K) *Groups[K] {
	return &Groups[K]{numbers: NewTable[K, uint32](clone)}
}

// Len returns the number of distinct keys of all sides.
func (g *Groups[K]) Len() int { return g.numbers.Len() }

// Keys yields each key with its number, in the order of the numbers: 0, 1, 2 ...
func (g *Groups[K]) Keys() iter.Seq2[int, K] {
	return func(yield func(int, K) bool) {
		for k, n := range g.numbers.AllPtr() {
			if !yield(int(*n), k) {
				return
			}
		}
	}
}

// A Side holds the values of one side by the numbers of their keys.
type Side[V any] struct {
	ends   []uint32 // values of key i end at ends[i] and begin where those of key i-1 end
	values []V
}

// AddSide takes all rows of one side, buckets in the order of the map partitions. It takes one look-up a row and
// two passes: the first numbers and counts, the second puts each value into its place in one array that
// all keys share, so that a value costs no allocation and no second copy.
func AddSide[K comparable, V any](g *Groups[K], in []Bucket[K, V]) (*Side[V], error) {
	rows := 0
	for _, b := range in {
		rows += b.Len()
	}
	if uint64(rows) > math.MaxUint32 { // what Side.ends can name
		return nil, fmt.Errorf("group of %d rows: %w", rows, ErrTooLarge)
	}
	numbers := make([]uint32, 0, rows)
	counts := make([]uint32, g.Len())
	for _, b := range in {
		for _, k := range b.Keys {
			n, fresh := g.numbers.Slot(k)
			if fresh {
				*n = uint32(len(counts))
				counts = append(counts, 0)
			}
			counts[*n]++
			numbers = append(numbers, *n)
		}
	}
	if err := g.numbers.Err(); err != nil {
		return nil, fmt.Errorf("group of %d map outputs: %w", len(in), err)
	}
	return scatter(in, numbers, counts), nil
}

// scatter puts the values into the places of their keys, in input order for each key.
func scatter[K, V any](in []Bucket[K, V], numbers, counts []uint32) *Side[V] {
	// counts becomes where the next value of each key goes, and so, at the end, where its values end.
	next := uint32(0)
	for i, n := range counts {
		counts[i] = next
		next += n
	}
	values := make([]V, len(numbers))
	for _, b := range in {
		for i, v := range b.Values {
			n := numbers[i]
			values[counts[n]] = v
			counts[n]++
		}
		numbers = numbers[b.Len():]
	}
	return &Side[V]{ends: counts, values: values}
}

// Of returns the values of the key with the given number in input order; it is empty if this side does not have
// the key. Appending to it never writes into another key's values, yet all keys' values are one array: who keeps
// a few of them should copy them.
func (s *Side[V]) Of(number int) []V {
	if number >= len(s.ends) {
		return nil
	}
	from := uint32(0)
	if number > 0 {
		from = s.ends[number-1]
	}
	to := s.ends[number]
	return s.values[from:to:to]
}

// Len returns the number of values.
func (s *Side[V]) Len() int { return len(s.values) }

// Group yields each key with its values: keys in the order in which they first came, values in input order, where
// in is in the order of the map partitions. The yielded slices are as described at Side.Of.
func Group[K comparable, V any](in []Bucket[K, V], clone func(K) K) (iter.Seq2[K, []V], error) {
	g := NewGroups[K](clone)
	side, err := AddSide(g, in)
	if err != nil {
		return nil, err
	}
	return func(yield func(K, []V) bool) {
		for n, k := range g.Keys() {
			if !yield(k, side.Of(n)) {
				return
			}
		}
	}, nil
}
