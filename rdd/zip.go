package rdd

import (
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// Zip pairs the elements of two RDDs that have the same number of partitions, and in each the same number of elements;
// where they do not, the task fails. Narrow; no memory.
func Zip[T, U any](a *RDD[T], b *RDD[U]) *RDD[Pair[T, U]] {
	return zipped(a, b, "zip", func(tc *TaskContext, as iter.Seq[T], bs iter.Seq[U]) iter.Seq[Pair[T, U]] {
		return func(yield func(Pair[T, U]) bool) {
			next, stop := iter.Pull(bs)
			defer stop()
			n, more := 0, true
			as(func(v T) bool {
				u, ok := next()
				if !ok {
					tc.Fail(exec.Permanent(fmt.Errorf("zip: partition %d has more elements on the left side than the "+
						"%d on the right; both sides must have the same number", tc.PartitionID(), n)))
				}
				n++
				more = yield(Pair[T, U]{v, u})
				return more
			})
			if !more {
				return
			}
			if _, ok := next(); ok {
				tc.Fail(exec.Permanent(fmt.Errorf("zip: partition %d has more elements on the right side than the %d "+
					"on the left; both sides must have the same number", tc.PartitionID(), n)))
			}
		}
	})
}

// ZipPartitions gives what f makes of each partition of a with the partition of b of the same number. Narrow; the
// memory is f's. f may read each of its inputs once.
func ZipPartitions[A, B, U any](a *RDD[A], b *RDD[B],
	f func(tc *TaskContext, as iter.Seq[A], bs iter.Seq[B]) iter.Seq[U],
) *RDD[U] {
	return zipped(a, b, "zipPartitions", f)
}

func zipped[A, B, U any](a *RDD[A], b *RDD[B], op string,
	f func(tc *TaskContext, as iter.Seq[A], bs iter.Seq[B]) iter.Seq[U],
) *RDD[U] {
	out := narrow(a, op, func(tc *TaskContext, p int) iter.Seq[U] {
		return f(tc, a.iterate(tc, p), b.iterate(tc, p))
	}).needs(f == nil)
	beside(out, b)
	return out
}

// ZipPartitions3 is [ZipPartitions] of three RDDs.
func ZipPartitions3[A, B, C, U any](a *RDD[A], b *RDD[B], c *RDD[C],
	f func(tc *TaskContext, as iter.Seq[A], bs iter.Seq[B], cs iter.Seq[C]) iter.Seq[U],
) *RDD[U] {
	out := narrow(a, "zipPartitions", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(tc, a.iterate(tc, p), b.iterate(tc, p), c.iterate(tc, p))
	}).needs(f == nil)
	beside(out, b)
	beside(out, c)
	return out
}

// ZipPartitions4 is [ZipPartitions] of four RDDs.
func ZipPartitions4[A, B, C, D, U any](a *RDD[A], b *RDD[B], c *RDD[C], d *RDD[D],
	f func(tc *TaskContext, as iter.Seq[A], bs iter.Seq[B], cs iter.Seq[C], ds iter.Seq[D]) iter.Seq[U],
) *RDD[U] {
	out := narrow(a, "zipPartitions", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(tc, a.iterate(tc, p), b.iterate(tc, p), c.iterate(tc, p), d.iterate(tc, p))
	}).needs(f == nil)
	beside(out, b)
	beside(out, c)
	beside(out, d)
	return out
}

// beside makes b a further narrow parent of out, partition by partition.
func beside[T, U any](out *RDD[T], b *RDD[U]) {
	out.node.AddNarrow(b.node)
	if out.sc != b.sc {
		out.refuse("%s of RDDs of different contexts", out.node.Op)
	}
	if n, m := out.node.Partitions, b.node.Partitions; n != m {
		out.refuse("%s of RDDs of %d and %d partitions: both must have the same number", out.node.Op, n, m)
	}
}
