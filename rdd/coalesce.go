package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// Coalesce gives the same elements in n partitions, or in as many as r has if those are fewer: partition i takes r's
// partitions from i*N/n on, in their order. Narrow; no memory; fewer tasks run at the same time. To have more
// partitions, or equal ones, use [Repartition].
func Coalesce[T any](r *RDD[T], n int) *RDD[T] {
	parents := r.node.Partitions
	parts := min(max(n, 1), parents)
	from := func(p int) int { return p * parents / max(parts, 1) }
	out := narrow(r, "coalesce", func(tc *TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			more := true
			each := func(v T) bool {
				more = yield(v)
				return more
			}
			for i := from(p); i < from(p+1) && more; i++ {
				r.iterate(tc, i)(each)
			}
		}
	})
	out.node.Partitions = parts
	out.node.Prefer(func(p int) []string { return r.PreferredLocations(from(p)) })
	if n < 1 {
		out.refuse("coalesce needs at least one partition, not %d", n)
	}
	return out
}

// Repartition deals the elements to n partitions in turn, so that all are of nearly the same size; the elements of a
// partition of r begin at the partition of the same number. Shuffle without combining.
func Repartition[T any](r *RDD[T], n int) *RDD[T] {
	type nothing = struct{}
	own := owning[nothing, T]()
	d := &dealing{n: max(n, 1)}
	wire := wireOf[nothing, T]()
	sh, err := newShuffle[T, nothing, T](r, d.n, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		rows, err := shuffle.NewRows(d.n, nil, own(tc))
		if err != nil {
			return nil, err
		}
		sp := r.sc.space(tc)
		defer sp.Close()
		rows.Within(sp, wire)
		to := p % d.n
		r.iterate(tc, p)(func(v T) bool {
			rows.AddTo(to, nothing{}, v)
			if to++; to == d.n {
				to = 0
			}
			return true
		})
		return rows.Publish()
	})
	out := shuffled(r.sc, r.node, "repartition", d, func(tc *TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			fetchRows(tc, r.sc.space(tc), sh, p, func(b shuffle.Bucket[nothing, T]) bool {
				for _, v := range b.Values {
					if !yield(v) {
						return false
					}
				}
				return true
			})
		}
	})
	out.dealt = nil
	out.reads(err, r.node, sh)
	if n < 1 {
		out.refuse("repartition needs at least one partition, not %d", n)
	}
	return out
}

// RepartitionByKey deals the pairs as the options say, by default to as many partitions as shuffles have: Spark's
// partitionBy. What follows and is dealt alike, such as a Join of two RDDs repartitioned by the same partitioner, needs
// no further shuffle. Shuffle without combining; none if r is dealt that way already. The pairs of a key keep their
// order.
func RepartitionByKey[K comparable, V any](r *RDD[Pair[K, V]], opts ...ShuffleOption) *RDD[Pair[K, V]] {
	d, err := defaultDealing(r.sc, opts, r.asParent())
	if err != nil {
		d = &dealing{n: 1}
	}
	sh, err := dealSide(r, d, err)
	out := shuffled(r.sc, r.node, "repartitionByKey", d, func(tc *TaskContext, p int) iter.Seq[Pair[K, V]] {
		if sh == nil {
			return r.iterate(tc, p)
		}
		return func(yield func(Pair[K, V]) bool) {
			fetchRows(tc, r.sc.space(tc), sh, p, func(b shuffle.Bucket[K, V]) bool {
				for i, k := range b.Keys {
					if !yield(Pair[K, V]{k, b.Values[i]}) {
						return false
					}
				}
				return true
			})
		}
	})
	out.reads(err, r.node, sh)
	return out
}
