package shuffle

import (
	"iter"
	"slices"
)

// loose makes parts of buckets.
func loose[K, V any](in []Bucket[K, V]) []Part[K, V] {
	parts := make([]Part[K, V], len(in))
	for i, b := range in {
		parts[i] = Loose(b)
	}
	return parts
}

// mergeOf merges buckets in memory.
func mergeOf[K comparable, C any](in []Bucket[K, C], merge func(C, C) C, own Own[K, C]) (iter.Seq2[K, C], error) {
	m := NewMerge(merge, own)
	for _, p := range loose(in) {
		m.AddPart(p)
	}
	return m.All()
}

// sideOf adds a side of buckets in memory.
func sideOf[K comparable, V any](g *Groups[K], in []Bucket[K, V]) (*Side[K, V], error) {
	return AddSide(g, Wire[K, V]{}, slices.Values(loose(in)))
}

// groupOf groups buckets in memory.
func groupOf[K comparable, V any](in []Bucket[K, V], clone func(K) K) (iter.Seq2[K, []V], error) {
	g := NewGroups[K](clone)
	side, err := sideOf(g, in)
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

// sortedOf sorts a bucket in memory, for n partitions.
func sortedOf[K, V any](b Bucket[K, V], o Order[K], n int) (*Sorted[K, V], error) {
	s, err := NewSorter(o, Own[K, V]{}, nil, Wire[K, V]{})
	if err != nil {
		return nil, err
	}
	for k, v := range b.All() {
		s.Add(k, v)
	}
	return s.Publish(n)
}

// cutOf reads a part of a sorted output.
func cutOf[K, V any](s *Sorted[K, V], p int, bounds []K, o Order[K]) Bucket[K, V] {
	return rowsOf(MergeSorted(nil, Wire[K, V]{}, o, []Cut[K, V]{s.Cut(p, bounds)}))
}
