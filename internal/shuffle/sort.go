package shuffle

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// An entry stands for row i of what is sorted.
type entry struct {
	prefix uint64
	i      uint32
}

// radixMin is from how many entries on sorting by digits beats comparing.
const radixMin = 512

// Sort puts rows into order, equal keys in the order in which they stand, and gives new arrays. It takes 32 bytes a row
// beside them meanwhile.
func Sort[K, V any](b Bucket[K, V], o Order[K]) (Bucket[K, V], error) {
	entries, err := o.entries(b.Keys)
	if err != nil {
		return b, err
	}
	out := Bucket[K, V]{Keys: make([]K, len(entries)), Values: make([]V, len(entries))}
	for i, e := range entries {
		out.Keys[i], out.Values[i] = b.Keys[e.i], b.Values[e.i]
	}
	return out, nil
}

// entries gives an entry for each key, in order.
func (o Order[K]) entries(keys []K) ([]entry, error) {
	if uint64(len(keys)) > math.MaxUint32 {
		return nil, fmt.Errorf("sort of %d rows: %w", len(keys), ErrTooLarge)
	}
	entries := make([]entry, len(keys))
	for i, k := range keys {
		entries[i].i = uint32(i)
		if o.prefix != nil {
			entries[i].prefix = o.prefix(k)
		}
	}
	return o.sort(entries, keys), nil
}

// sort puts entries into order; it may give another array.
func (o Order[K]) sort(entries []entry, keys []K) []entry {
	byKey := func(a, b entry) int {
		if c := o.compare(keys[a.i], keys[b.i]); c != 0 {
			return c
		}
		return cmp.Compare(a.i, b.i)
	}
	if o.prefix == nil {
		slices.SortFunc(entries, byKey)
		return entries
	}
	if len(entries) >= radixMin {
		entries = radixSort(entries)
	} else {
		slices.SortFunc(entries, func(a, b entry) int {
			if a.prefix != b.prefix {
				return cmp.Compare(a.prefix, b.prefix)
			}
			return cmp.Compare(a.i, b.i)
		})
	}
	if o.exact {
		return entries
	}
	for from := 0; from < len(entries); {
		to := from + 1
		for to < len(entries) && entries[to].prefix == entries[from].prefix {
			to++
		}
		if to-from > 1 {
			slices.SortFunc(entries[from:to], byKey)
		}
		from = to
	}
	return entries
}

// radixSort sorts by the digits of the prefix, the lowest first, each pass keeping the order of the one before; a digit
// that all prefixes share takes no pass. What it gives is one of two arrays that take turns.
func radixSort(entries []entry) []entry {
	const digits, base = 8, 256
	var counts [digits][base]uint32
	for _, e := range entries {
		for d := range digits {
			counts[d][byte(e.prefix>>(8*d))]++
		}
	}
	spare := make([]entry, len(entries))
	for d := range digits {
		count := &counts[d]
		if int(count[byte(entries[0].prefix>>(8*d))]) == len(entries) {
			continue
		}
		at := uint32(0)
		for i, n := range count {
			count[i] = at
			at += n
		}
		for _, e := range entries {
			i := byte(e.prefix >> (8 * d))
			spare[count[i]] = e
			count[i]++
		}
		entries, spare = spare, entries
	}
	return entries
}

// samplesPerPartition is how many keys, evenly spaced, each sorted run shows for each partition that is cut out of
// them.
const samplesPerPartition = 32

// A Sampled key stands for that many rows around it.
type Sampled[K any] struct {
	Key    K
	Weight float64
}

// sampled gives the rows, evenly spaced, of a sorted run from which n partitions of about equal size can be cut.
func sampled(rows, n int) []int {
	want := min(rows, n*samplesPerPartition)
	out := make([]int, want)
	for i := range out {
		out[i] = (2*i + 1) * rows / (2 * want)
	}
	return out
}

// Bounds gives the last keys of the partitions but the last one, at most n-1, such that the partitions hold about
// equally many of the sampled rows. A key is in one partition only, so many equal keys make fewer partitions.
func Bounds[K any](samples []Sampled[K], n int, o Order[K]) []K {
	slices.SortStableFunc(samples, func(a, b Sampled[K]) int { return o.compare(a.Key, b.Key) })
	var total float64
	for _, s := range samples {
		total += s.Weight
	}
	var bounds []K
	var seen float64
	for _, s := range samples {
		seen += s.Weight
		if len(bounds) == n-1 {
			break
		}
		if seen < total*float64(len(bounds)+1)/float64(n) {
			continue
		}
		if len(bounds) == 0 || o.compare(bounds[len(bounds)-1], s.Key) < 0 {
			bounds = append(bounds, s.Key)
		}
	}
	return bounds
}

// PartitionOf gives the partition of a key: the first whose last key is not before it.
func PartitionOf[K any](k K, bounds []K, o Order[K]) int {
	p, _ := slices.BinarySearchFunc(bounds, k, o.compare)
	return p
}
