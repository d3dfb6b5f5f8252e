package rdd

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// A RangePartitioner deals keys by their order: every key of a partition comes before those of the next. Two of them
// deal alike if their bounds are the same. It is Spark's; SortBy and SortByKey need none, for they choose their bounds
// when they run.
type RangePartitioner[K cmp.Ordered] struct {
	bounds     []K // the last keys of the partitions but the last one
	order      shuffle.Order[K]
	descending bool
}

const (
	// rangeSamples is how many keys are looked at for each partition that is to be made, of each partition of the RDD;
	// maxRangeSamples how many in all.
	rangeSamples    = 60
	maxRangeSamples = 1_000_000
)

// NewRangePartitioner samples r's keys by a job, and makes a partitioner whose partitions hold about equally many of
// its pairs: n of them, or fewer if there are not so many keys. [Descending] is the only option that it takes. The job
// computes r once: persist r if that costs anything. The driver holds the sample: 60 keys for each of the n and each
// partition of r, a million at most.
func NewRangePartitioner[K cmp.Ordered, V any](ctx context.Context, r *RDD[Pair[K, V]], n int, opts ...ShuffleOption,
) (*RangePartitioner[K], error) {
	o := newShuffleOptions(opts)
	var err error
	switch {
	case n < 1:
		err = fmt.Errorf("it needs at least one partition, not %d", n)
	case n > maxPartitions:
		err = tooMany("what it deals", n)
	case o.dealt:
		err = errors.New("it takes Descending only: the number of partitions is its argument")
	}
	if err != nil {
		return nil, fmt.Errorf("rangePartitioner at %s: %w", exec.Caller(), err)
	}
	order := shuffle.NaturalOrder[K](o.descending)
	samples := make([][]shuffle.Sampled[K], r.node.Partitions)
	size := min(max(maxRangeSamples/max(r.node.Partitions, 1), 1), rangeSamples*n)
	clone := newCloner[K]()
	draw := func(tc *TaskContext, in iter.Seq[Pair[K, V]]) ([]shuffle.Sampled[K], error) {
		return sampleKeys(sampling{}.random(tc, r.sc, r.node, tc.PartitionID()), in, size, clone(tc)), nil
	}
	err = run(ctx, r, "rangePartitioner", r.all(), draw, func(i int, s []shuffle.Sampled[K]) error {
		samples[i] = s
		return nil
	})
	if err != nil {
		return nil, err
	}
	bounds := shuffle.Bounds(join(samples), n, order)
	return &RangePartitioner[K]{bounds: bounds, order: order, descending: o.descending}, nil
}

// sampleKeys draws size keys of a partition, each as likely as the others.
func sampleKeys[K cmp.Ordered, V any](random *rand.Rand, in iter.Seq[Pair[K, V]], size int, clone func(K) K,
) []shuffle.Sampled[K] {
	var keys []K
	var n int64
	in(func(kv Pair[K, V]) bool {
		n++
		keys = reservoir(random, keys, kv.Key, size, n, false)
		return true
	})
	out := make([]shuffle.Sampled[K], len(keys))
	for i, k := range keys {
		if clone != nil {
			k = clone(k)
		}
		out[i] = shuffle.Sampled[K]{Key: k, Weight: float64(n) / float64(len(keys))}
	}
	return out
}

// NumPartitions implements Partitioner.
func (p *RangePartitioner[K]) NumPartitions() int { return len(p.bounds) + 1 }

// Partition implements Partitioner. A NaN comes before all numbers.
func (p *RangePartitioner[K]) Partition(k K) int { return shuffle.PartitionOf(k, p.bounds, p.order) }

// Bounds are the last keys of the partitions but the last one.
func (p *RangePartitioner[K]) Bounds() []K { return slices.Clone(p.bounds) }

// Equal tells that two range partitioners of the same bounds and order deal alike.
func (p *RangePartitioner[K]) Equal(other any) bool {
	o, ok := other.(*RangePartitioner[K])
	return ok && p.descending == o.descending &&
		slices.EqualFunc(p.bounds, o.bounds, func(a, b K) bool { return cmp.Compare(a, b) == 0 })
}

// FilterByRange gives the pairs whose keys are from lower to upper, both included. If r was dealt by a
// [RangePartitioner] only the partitions that may hold such keys are there afterwards, and the others are not computed.
// After [SortByKey], whose ranges are found when it runs, all partitions are there, and those that cannot hold such
// keys are empty without having been computed. Otherwise it looks at all pairs, as Filter does, and keeps the
// partitioner. Narrow; no memory.
func FilterByRange[K cmp.Ordered, V any](r *RDD[Pair[K, V]], lower, upper K) *RDD[Pair[K, V]] {
	within := Filter(r, func(kv Pair[K, V]) bool {
		return cmp.Compare(lower, kv.Key) <= 0 && cmp.Compare(kv.Key, upper) <= 0
	})
	within.node.Op = "filterByRange"
	if found, ok := r.sorted.(*sortBounds[K]); ok {
		none := cmp.Compare(lower, upper) > 0
		within.reroute(func(p int) (int, bool) { return p, !none && found.overlaps(p, lower, upper) })
		return within
	}
	if r.dealt == nil {
		return within
	}
	by, ok := r.dealt.by.(*RangePartitioner[K])
	if !ok {
		return within
	}
	first, last := by.Partition(lower), by.Partition(upper)
	if last < first {
		first, last = last, first // descending; or nothing is within
	}
	within.node.Partitions = last - first + 1
	within.dealt = nil
	within.reroute(func(p int) (int, bool) { return first + p, true })
	within.node.Prefer(func(p int) []string { return r.PreferredLocations(first + p) })
	return within
}

// reroute has partition p of r be what another one was until now, or empty, while r is being made.
func (r *RDD[T]) reroute(to func(p int) (other int, there bool)) {
	from := r.from.Load()
	next := &source[T]{compute: func(tc *TaskContext, p int) iter.Seq[T] {
		if other, there := to(p); there {
			return from.compute(tc, other)
		}
		return nil
	}}
	if from.batch != nil {
		next.batch = func(tc *TaskContext, p int) batches[T] {
			if other, there := to(p); there {
				return from.batch(tc, other)
			}
			return func(func([]T) bool) {}
		}
	}
	r.from.Store(next)
}

// kind is a text that other range partitioners have, of this and of other processes, if they deal alike: the type, and
// a hash of the order and the bounds. It is "" for what has a range partitioner in it, which may deal otherwise, and
// for keys that have no encoding.
func (p *RangePartitioner[K]) kind(of any) string {
	keys, err := codec.ForKey[K]()
	if of != any(p) || err != nil {
		return ""
	}
	all, key := []byte{0}, []byte(nil)
	if p.descending {
		all[0] = 1
	}
	for _, bound := range p.bounds {
		if key, err = keys.Append(key[:0], bound); err != nil {
			return ""
		}
		all = append(binary.AppendUvarint(all, uint64(len(key))), key...)
	}
	return fmt.Sprintf("%T %016x", p, codec.Hash(0, all))
}
