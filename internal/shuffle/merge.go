package shuffle

import (
	"fmt"
	"iter"
)

// Fold folds the rows of b into t in their order: the first value of a key goes through create, each further one
// through merge. The reduce side of a shuffle calls it for the buckets of all map partitions in the order of the
// map partitions; t then iterates in the order in which keys first came. Buckets may be fetched one by one.
func Fold[K comparable, V, C any](t *Table[K, C], b Bucket[K, V], create func(V) C, merge func(C, V) C) {
	for b.Len() >= placesMin {
		n := min(b.Len(), placesLen)
		values := b.Values[:n]
		for i, at := range t.places(b.Keys[:n]) {
			if at&freshPlace == 0 {
				p := t.value(at)
				*p = merge(*p, values[i])
			} else if at != noPlace {
				*t.value(at &^ freshPlace) = create(values[i])
			}
		}
		b = Bucket[K, V]{b.Keys[n:], b.Values[n:]}
	}
	for i, k := range b.Keys {
		if p, fresh := t.Slot(k); fresh {
			*p = create(b.Values[i])
		} else {
			*p = merge(*p, b.Values[i])
		}
	}
}

// A Reduce folds the rows of one key into one where no shuffle is needed.
type Reduce[K comparable, V, C any] struct{ *folder[K, V, C] }

// NewReduce makes a reduction: create takes a key's first value, merge each further one. clone is that of NewTable.
func NewReduce[K comparable, V, C any](create func(V) C, merge func(C, V) C, clone func(K) K) *Reduce[K, V, C] {
	return &Reduce[K, V, C]{newFolder(create, merge, clone)}
}

// All yields what the rows came to, keys in the order in which they first came, once.
func (r *Reduce[K, V, C]) All() (iter.Seq2[K, C], error) { return r.each, r.Err() }

// A Merge is the reduce side of a shuffle that combines: for each key it merges the values that the map partitions
// combined, in the order in which their parts are added, which is that of the map partitions. Keys come out in the
// order in which they first came. Each part must hold a key at most once, as those of Combine do.
type Merge[K comparable, C any] struct {
	*folder[K, C, C]
	own Own[K, C]
	// first is the one part that has rows, as long as there is no other: it is its own merge, and needs no table.
	first Part[K, C]
	begun bool
}

// NewMerge makes a merge. The functions of own keep the parts' memory apart from the result's. Without own.Value a
// merge must not write through its first argument, because that belongs to a part which another attempt may read
// again.
func NewMerge[K comparable, C any](merge func(C, C) C, own Own[K, C]) *Merge[K, C] {
	create := own.Value
	if create == nil {
		create = func(c C) C { return c }
	}
	return &Merge[K, C]{folder: newFolder(create, merge, own.Key), own: own}
}

// Within bounds the memory to what the space grants.
func (m *Merge[K, C]) Within(sp *Space, w Wire[K, C]) { m.folder.Within(sp, w.Values, w) }

// AddPart takes the rows of a part.
func (m *Merge[K, C]) AddPart(p Part[K, C]) {
	switch {
	case p.Len() == 0:
		return
	case m.first.Len() == 0 && !m.begun:
		m.first = p
		return
	case !m.begun:
		m.begun = true
		m.fold(m.first)
	}
	m.fold(p)
}

// fold reads with copies: of a frame of a file that is kept for one value all others would be kept.
func (m *Merge[K, C]) fold(p Part[K, C]) {
	p.pieces(m.sp, m.folded, false, func(b Bucket[K, C]) bool {
		m.AddAll(b)
		return true
	})
}

// All yields the merged rows, once.
func (m *Merge[K, C]) All() (iter.Seq2[K, C], error) {
	if err := m.Err(); err != nil {
		return nil, fmt.Errorf("merge of map outputs: %w", err)
	}
	if m.begun {
		return m.each, nil
	}
	return func(yield func(K, C) bool) {
		m.first.pieces(m.sp, m.folded, true, func(b Bucket[K, C]) bool { return ownAll(b, m.own, yield) })
	}, nil
}

func ownAll[K, V any](b Bucket[K, V], own Own[K, V], yield func(K, V) bool) bool {
	for i, k := range b.Keys {
		v := b.Values[i]
		if own.Key != nil {
			k = own.Key(k)
		}
		if own.Value != nil {
			v = own.Value(v)
		}
		if !yield(k, v) {
			return false
		}
	}
	return true
}
