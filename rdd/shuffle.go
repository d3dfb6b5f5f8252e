package rdd

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
)

// buckets is what a map task of a shuffle of Rs writes.
type buckets[R any] [][]R

func (b buckets[R]) Bucket(i int) any { return b[i] }

// newShuffle makes the edge over which rows of type R go. The codec is asked for here, so that a type that
// could not leave the process is found when the graph is built, on a laptop too.
func newShuffle[T, R any](
	r *RDD[T],
	n int,
	write func(tc *TaskContext, p int) (buckets[R], error),
) (*exec.Shuffle, error) {
	c, err := codec.For[R]()
	if err != nil {
		return nil, err
	}
	return &exec.Shuffle{
		Parent: r.node, Buckets: n,
		Write:  func(t *exec.Task, p int) (exec.MapOutput, error) { return write((*TaskContext)(t), p) },
		Encode: func(bucket any) ([]byte, error) { return encodeRows(c, bucket.([]R)) },
		Decode: func(data []byte) (any, error) { return decodeRows(c, data) },
	}, nil
}

func encodeRows[R any](c *codec.Codec[R], rows []R) ([]byte, error) {
	data := binary.AppendUvarint(nil, uint64(len(rows)))
	for i := range rows {
		var err error
		if data, err = c.Append(data, &rows[i]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func decodeRows[R any](c *codec.Codec[R], data []byte) ([]R, error) {
	n, size := binary.Uvarint(data)
	if size <= 0 {
		return nil, fmt.Errorf("a bucket of a shuffle begins with no count")
	}
	data = data[size:]
	rows := make([]R, 0, min(n, uint64(len(data))))
	for range n {
		v, rest, err := c.Decode(data)
		if err != nil {
			return nil, err
		}
		rows, data = append(rows, v), rest
	}
	return rows, nil
}

// rows gives what the map tasks wrote for a reduce partition, in the order of the map partitions.
func rows[R any](tc *TaskContext, sh *exec.Shuffle, p int) iter.Seq[[]R] {
	return func(yield func([]R) bool) {
		for _, b := range tc.task().Fetch(sh, p) {
			if !yield(b.([]R)) {
				return
			}
		}
	}
}

// owner gives a function that makes a value independent of the buffer it may alias, nil if it never does.
func owner[T any]() (func(T) (T, error), error) {
	c, err := codec.For[T]()
	if err != nil {
		return nil, err
	}
	if c.PointerFree() {
		return nil, nil
	}
	return c.Clone, nil
}

// shuffled makes the node of an operator that reads shuffles, and of those narrow parents whose keys lie where
// they must already.
func shuffled[T any](sc *Context, op string, d *dealing, compute func(tc *TaskContext, p int) iter.Seq[T]) *RDD[T] {
	n := 1
	if d != nil {
		n = d.n
	}
	return &RDD[T]{sc: sc, node: sc.node(op, n), compute: compute, dealt: d}
}

// dealRows writes each pair of r to the bucket of its key, as it is.
func dealRows[K comparable, V any](r *RDD[Pair[K, V]], d *dealing) (*exec.Shuffle, error) {
	deal, err := dealer[K](d)
	if err != nil {
		return nil, err
	}
	own, err := owner[Pair[K, V]]()
	if err != nil {
		return nil, err
	}
	return newShuffle(r, d.n, func(tc *TaskContext, p int) (buckets[Pair[K, V]], error) {
		out := make(buckets[Pair[K, V]], d.n)
		r.compute(tc, p)(func(kv Pair[K, V]) bool {
			i, err := deal(kv.Key)
			if err == nil && own != nil {
				kv, err = own(kv)
			}
			if err != nil {
				tc.Fail(err)
			}
			out[i] = append(out[i], kv)
			return true
		})
		return out, nil
	})
}

// Merged makes an RDD of one partition: part gives something of each partition of r, and merge makes the
// elements of the result from all of them, in the order of the partitions. Shuffle of one value a partition. It
// is what Count and Reduce of a stream are made of.
func Merged[T, A, U any](r *RDD[T], part func(in iter.Seq[T]) A, merge func(parts []A) iter.Seq[U]) *RDD[U] {
	sh, err := newShuffle(r, 1, func(tc *TaskContext, p int) (buckets[A], error) {
		return buckets[A]{{part(r.compute(tc, p))}}, nil
	})
	out := shuffled(r.sc, "merged", nil, func(tc *TaskContext, p int) iter.Seq[U] {
		return func(yield func(U) bool) {
			var parts []A
			for b := range rows[A](tc, sh, p) {
				parts = append(parts, b...)
			}
			merge(parts)(yield)
		}
	})
	out.reads(err, r.node, sh)
	return out
}

// reads makes a parent of what r reads: a shuffle, or the parent itself if sh is nil; or it keeps the error of
// making the shuffle.
func (r *RDD[T]) reads(err error, parent *exec.Node, sh *exec.Shuffle) {
	switch {
	case err != nil:
		r.refuse("%s: %w", r.node.Op, err)
	case sh == nil:
		r.node.Narrow = append(r.node.Narrow, parent)
	default:
		r.node.Shuffles = append(r.node.Shuffles, sh)
	}
}

// cloner is how a table keeps keys that hold memory of others.
func cloner[K comparable]() func(K) K {
	c, err := codec.For[K]()
	if err != nil || c.PointerFree() {
		return nil // A key without a codec is refused where it is dealt.
	}
	return func(k K) K {
		k, _ = c.Clone(k) // Keys hold no cycles, the only thing that cannot be cloned.
		return k
	}
}
