package rdd

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// SortBy sorts the elements by the key that f makes of each, equal keys in the order in which they came: every element
// of a partition comes before those of the next. A NaN is less than all numbers. Options: [Descending], and
// [Partitions], without which there are as many as r has. Shuffle; each map task sorts its partition, which must fit
// into memory, and a reduce task merges. The partitions are of about equal size unless many keys are equal, for those
// lie in one.
func SortBy[T any, K cmp.Ordered](r *RDD[T], f func(T) K, opts ...ShuffleOption) *RDD[T] {
	order := shuffle.NaturalOrder[K](newShuffleOptions(opts).descending)
	pairs := sorted(r, "sortBy", order, func(v T) (K, T) { return f(v), v }, opts)
	return sortedValues(pairs.needs(f == nil))
}

// SortByFunc is [SortBy] with a function that gives a negative number when a comes before b, and 0 when both are equal.
func SortByFunc[T any](r *RDD[T], compare func(a, b T) int, opts ...ShuffleOption) *RDD[T] {
	order := compare
	if newShuffleOptions(opts).descending {
		order = func(a, b T) int { return compare(b, a) }
	}
	type nothing = struct{}
	pairs := sorted(r, "sortByFunc", shuffle.NewOrder(order), func(v T) (T, nothing) { return v, nothing{} }, opts)
	out := Keys(pairs.needs(compare == nil))
	out.node.Op = pairs.node.Op
	return out
}

// SortByKey sorts the pairs by their keys; see [SortBy].
func SortByKey[K cmp.Ordered, V any](r *RDD[Pair[K, V]], opts ...ShuffleOption) *RDD[Pair[K, V]] {
	order := shuffle.NaturalOrder[K](newShuffleOptions(opts).descending)
	return sorted(r, "sortByKey", order, func(kv Pair[K, V]) (K, V) { return kv.Key, kv.Value }, opts)
}

// RepartitionAndSortWithinPartitions deals the pairs by p and sorts each partition by its keys, equal keys in the order
// in which they came. Shuffle; a partition must fit into memory. It is cheaper than to sort after RepartitionByKey.
func RepartitionAndSortWithinPartitions[K cmp.Ordered, V any](r *RDD[Pair[K, V]], p Partitioner[K]) *RDD[Pair[K, V]] {
	order := shuffle.NaturalOrder[K](false)
	d, err := defaultDealing(r.sc, []ShuffleOption{PartitionBy(p)})
	if err != nil {
		d = &dealing{n: 1}
	}
	sh, err := dealSide(r, d, err)
	out := shuffled(r.sc, "repartitionAndSortWithinPartitions", d, func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		return func(yield func(Pair[K, V]) bool) {
			var all shuffle.Bucket[K, V]
			for _, b := range side(tc, r, sh, p) {
				all.Keys, all.Values = append(all.Keys, b.Keys...), append(all.Values, b.Values...)
			}
			all, err := shuffle.Sort(all, order)
			if err != nil {
				tc.Fail(err)
			}
			all.All()(func(k K, v V) bool { return yield(Pair[K, V]{k, v}) })
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

// A sortedRun is the output of a map task of a sort: one sorted run, cut into buckets when the bounds are known.
type sortedRun[K, V any] struct {
	run   shuffle.Bucket[K, V]
	order shuffle.Order[K]
	// bounds are shared by the runs of all map tasks; decided before any bucket is read.
	bounds *[]K
}

// Bucket implements exec.MapOutput.
func (s sortedRun[K, V]) Bucket(p int) any { return shuffle.Cut(s.run, p, *s.bounds, s.order) }

// sorted shuffles rows of K and V so that they come in order.
func sorted[T, K, V any](r *RDD[T], op string, o shuffle.Order[K], row func(T) (K, V), opts []ShuffleOption,
) *RDD[Pair[K, V]] {
	n, err := sortWidth(r.node.Partitions, opts)
	var sh *exec.Shuffle
	if err == nil {
		sh, err = sortShuffle(r, n, o, row)
	}
	out := shuffled(r.sc, op, &dealing{n: n}, func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		return func(yield func(Pair[K, V]) bool) {
			rows := shuffle.MergeSorted(fetch[K, V](tc, sh, p), o)
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

func sortShuffle[T, K, V any](r *RDD[T], n int, o shuffle.Order[K], row func(T) (K, V)) (*exec.Shuffle, error) {
	own := owning[K, V]()
	bounds := new([]K)
	sh, err := newShuffle(r, n, func(tc *TaskContext, p int) ([]shuffle.Bucket[K, V], error) {
		rows, err := shuffle.NewRows(1, nil, own(tc))
		if err != nil {
			return nil, err
		}
		r.iterate(tc, p)(func(v T) bool {
			k, w := row(v)
			rows.AddTo(0, k, w)
			return true
		})
		return rows.Finish()
	})
	if err != nil {
		return nil, err
	}
	write := sh.Write
	sh.Write = func(t *exec.Task, p int) (exec.MapOutput, error) {
		out, err := write(t, p)
		if err != nil {
			return nil, err
		}
		run, err := shuffle.Sort(out.(output[K, V])[0], o)
		return sortedRun[K, V]{run, o, bounds}, err
	}
	sh.Decide = func(outputs []exec.MapOutput) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = exec.NewPanic(v, debug.Stack())
			}
		}()
		var samples []shuffle.Sampled[K]
		for _, out := range outputs {
			samples = append(samples, shuffle.Sample(out.(sortedRun[K, V]).run, n)...)
		}
		*bounds = shuffle.Bounds(samples, n, o)
		return nil
	}
	return sh, nil
}
