package rdd

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"sync/atomic"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// SortBy sorts the elements by the key that f makes of each, equal keys in the order in which they came: every element
// of a partition comes before those of the next. A NaN is less than all numbers. Options: [Descending], and
// [Partitions], without which there are as many as r has. Shuffle; each map task sorts its partition, by way of the
// disk if it does not fit into weir.memory.budget, and a reduce task merges. The partitions are of about equal size
// unless many keys are equal, for those lie in one.
func SortBy[T any, K cmp.Ordered](r *RDD[T], f func(T) K, opts ...ShuffleOption) *RDD[T] {
	order := shuffle.NaturalOrder[K](newShuffleOptions(opts).descending)
	pairs := sorted(r, "sortBy", &sortBounds[K]{order: order}, func(v T) (K, T) { return f(v), v }, opts)
	return sortedValues(pairs.needs(f == nil))
}

// SortByFunc is [SortBy] with a function that gives a negative number when a comes before b, and 0 when both are equal.
func SortByFunc[T any](r *RDD[T], compare func(a, b T) int, opts ...ShuffleOption) *RDD[T] {
	order := compare
	if newShuffleOptions(opts).descending {
		order = func(a, b T) int { return compare(b, a) }
	}
	type nothing = struct{}
	bounds := &sortBounds[T]{order: shuffle.NewOrder(order)}
	pairs := sorted(r, "sortByFunc", bounds, func(v T) (T, nothing) { return v, nothing{} }, opts)
	out := Keys(pairs.needs(compare == nil))
	out.node.Op = pairs.node.Op
	return out
}

// SortByKey sorts the pairs by their keys; see [SortBy].
func SortByKey[K cmp.Ordered, V any](r *RDD[Pair[K, V]], opts ...ShuffleOption) *RDD[Pair[K, V]] {
	order := shuffle.NaturalOrder[K](newShuffleOptions(opts).descending)
	bounds := &sortBounds[K]{order: order}
	out := sorted(r, "sortByKey", bounds, func(kv Pair[K, V]) (K, V) { return kv.Key, kv.Value }, opts)
	out.sorted = bounds
	return out
}

// RepartitionAndSortWithinPartitions deals the pairs by p and sorts each partition by its keys, equal keys in the order
// in which they came. Shuffle; a partition that does not fit into weir.memory.budget is sorted by way of the disk. It
// is cheaper than to sort after RepartitionByKey.
func RepartitionAndSortWithinPartitions[K cmp.Ordered, V any](r *RDD[Pair[K, V]], p Partitioner[K]) *RDD[Pair[K, V]] {
	order := shuffle.NaturalOrder[K](false)
	d, err := defaultDealing(r.sc, []ShuffleOption{PartitionBy(p)})
	if err != nil {
		d = &dealing{n: 1}
	}
	sh, err := dealSide(r, d, err)
	wire := wireOf[K, V]()
	const op = "repartitionAndSortWithinPartitions"
	out := shuffled(r.sc, r.node, op, d, func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		return func(yield func(Pair[K, V]) bool) {
			sp := r.sc.space(tc)
			defer sp.Close()
			all, err := shuffle.NewSorter(order, shuffle.Own[K, V]{}, sp, wire)
			if err != nil {
				tc.Fail(err)
			}
			for part := range side(tc, sp, r, sh, p) {
				part.Read(sp, wire, func(b shuffle.Bucket[K, V]) bool {
					for i, k := range b.Keys {
						all.Add(k, b.Values[i])
					}
					return true
				})
			}
			if err := all.Each(func(k K, v V) bool { return yield(Pair[K, V]{k, v}) }); err != nil {
				tc.Fail(err)
			}
		}
	})
	out.reads(err, r.node, sh)
	return out
}

// sortedValues drops the keys by which something was sorted.
func sortedValues[K, T any](pairs *RDD[Pair[K, T]]) *RDD[T] {
	out := Values(pairs)
	out.node.Op = pairs.node.Op
	return out
}

// A sortedOutput is the output of a map task of a sort, which is cut into buckets when the bounds are known.
type sortedOutput[K, V any] struct {
	*shuffle.Sorted[K, V]
	by *sortBounds[K] // shared by the outputs of all map tasks
}

// Bucket implements exec.MapOutput.
func (s sortedOutput[K, V]) Bucket(p int) any { return s.Cut(p, s.by.get()) }

// A sortBounds is how a sort deals its keys: the last keys of the partitions but the last one, which are found when all
// map tasks have run, before any bucket is read.
type sortBounds[K any] struct {
	order shuffle.Order[K]
	found atomic.Pointer[[]K] // nil until the sort has run
}

func (b *sortBounds[K]) get() []K {
	if found := b.found.Load(); found != nil {
		return *found
	}
	return nil
}

// overlaps tells whether partition p may hold keys between the two given ones.
func (b *sortBounds[K]) overlaps(p int, lower, upper K) bool {
	bounds := b.get()
	if bounds == nil {
		return true
	}
	first, last := shuffle.PartitionOf(lower, bounds, b.order), shuffle.PartitionOf(upper, bounds, b.order)
	return min(first, last) <= p && p <= max(first, last) // The last comes first in a sort that descends.
}

// fetchSorted gives what the map tasks wrote for a reduce partition, in the order of the map partitions.
func fetchSorted[K, V any](tc *TaskContext, sh *exec.Shuffle, p int) (cuts []shuffle.Cut[K, V]) {
	for bucket := range tc.task().Fetch(sh, p) {
		if b, ok := bucket.(shuffle.Bucket[K, V]); ok { // It came by way of its encoding.
			cuts = append(cuts, shuffle.LooseCut(b))
		} else {
			cuts = append(cuts, bucket.(shuffle.Cut[K, V]))
		}
	}
	return cuts
}

// sorted shuffles rows of K and V so that they come in order.
func sorted[T, K, V any](r *RDD[T], op string, bounds *sortBounds[K], row func(T) (K, V), opts []ShuffleOption,
) *RDD[Pair[K, V]] {
	n, err := sortWidth(r.node.Partitions, opts)
	var sh *exec.Shuffle
	if err == nil {
		sh, err = sortShuffle(r, op, n, bounds, row)
	}
	wire := wireOf[K, V]()
	out := shuffled(r.sc, r.node, op, &dealing{n: n}, func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		return func(yield func(Pair[K, V]) bool) {
			sp := r.sc.space(tc)
			defer sp.Close()
			rows := shuffle.MergeSorted(sp, wire, bounds.order, fetchSorted[K, V](tc, sh, p))
			rows(func(k K, v V) bool { return yield(Pair[K, V]{k, v}) })
		}
	})
	out.dealt = nil // by bounds, which are known only when it runs
	out.reads(err, r.node, sh)
	return out
}

// sortWidth is the number of partitions of a sort.
func sortWidth(parents int, opts []ShuffleOption) (int, error) {
	o := newShuffleOptions(opts)
	switch {
	case o.err != nil:
		return 1, o.err
	case o.by != nil:
		return 1, errors.New("a sort deals by bounds, not by a partitioner: use Partitions, " +
			"or RepartitionAndSortWithinPartitions")
	case o.dealt && o.n < 1:
		return 1, fmt.Errorf("a sort needs at least one partition, not %d", o.n)
	case !o.dealt:
		return max(parents, 1), nil
	}
	return o.n, nil
}

func sortShuffle[T, K, V any](r *RDD[T], op string, n int, by *sortBounds[K], row func(T) (K, V),
) (*exec.Shuffle, error) {
	own, wire := owning[K, V](), wireOf[K, V]()
	sh, err := newShuffle[T, K, V](r, n, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		sp := r.sc.space(tc)
		defer sp.Close()
		rows, err := shuffle.NewSorter(by.order, own(tc), sp, wire)
		if err != nil {
			return nil, err
		}
		r.readAll(tc, p, func(in []T) {
			for _, v := range in {
				rows.Add(row(v))
			}
		})
		out, err := rows.Publish(n)
		return sortedOutput[K, V]{out, by}, err
	})
	if err != nil {
		return nil, err
	}
	site := exec.Caller()
	sh.Decide = func(outputs []exec.MapOutput) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = errorAt(op, site, exec.NewPanic(v, debug.Stack()))
			}
		}()
		var samples []shuffle.Sampled[K]
		for _, out := range outputs {
			samples = append(samples, out.(sortedOutput[K, V]).Samples()...)
		}
		bounds := shuffle.Bounds(samples, n, by.order)
		by.found.Store(&bounds)
		return nil
	}
	return sh, nil
}
