package shuffle

import (
	"fmt"
	"iter"
)

// Fold folds the rows of b into t in their order: the first value of a key goes through create, each further one
// through merge. The reduce side of a shuffle calls it for the buckets of all map partitions in the order of the
// map partitions; t then iterates in the order in which keys first came. Buckets may be fetched one by one.
func Fold[K comparable, V, C any](t *Table[K, C], b Bucket[K, V], create func(V) C, merge func(C, V) C) {
	for i, k := range b.Keys {
		if p, fresh := t.Slot(k); fresh {
			*p = create(b.Values[i])
		} else {
			*p = merge(*p, b.Values[i])
		}
	}
}

// Merge yields what the buckets of a map-side combine come to: for each key the values that the map partitions
// combined, merged in the order of in, which is that of the map partitions; keys in the order in which they first
// came. Each bucket must hold a key at most once, as those of Combine do.
//
// The functions of own keep in's memory apart from the result's. Without own.Value a merge must not write
// through its first argument, because that belongs to a bucket which another attempt may read again.
func Merge[K comparable, C any](
	in []Bucket[K, C], merge func(C, C) C, own Own[K, C],
) (iter.Seq2[K, C], error) {
	if b, ok := only(in); ok {
		return ownAll(b, own), nil
	}
	t := NewTable[K, C](own.Key)
	create := own.Value
	if create == nil {
		create = func(c C) C { return c }
	}
	for _, b := range in {
		Fold(t, b, create, merge)
	}
	if err := t.Err(); err != nil {
		return nil, fmt.Errorf("merge of %d map outputs: %w", len(in), err)
	}
	return t.All(), nil
}

// only finds the one bucket that has rows: it is its own merge, and needs no table.
func only[K, V any](in []Bucket[K, V]) (b Bucket[K, V], ok bool) {
	for _, c := range in {
		if c.Len() == 0 {
			continue
		}
		if ok {
			return b, false
		}
		b, ok = c, true
	}
	return b, ok
}

func ownAll[K, V any](b Bucket[K, V], own Own[K, V]) iter.Seq2[K, V] {
	if own.Value == nil && own.Key == nil {
		return b.All()
	}
	return func(yield func(K, V) bool) {
		for k, v := range b.All() {
			if own.Key != nil {
				k = own.Key(k)
			}
			if own.Value != nil {
				v = own.Value(v)
			}
			if !yield(k, v) {
				return
			}
		}
	}
}
