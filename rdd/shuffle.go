package rdd

import (
	"encoding/binary"
	"fmt"
	"iter"
	"reflect"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// output is what a map task of a shuffle writes: a bucket for each reduce partition.
type output[K, V any] []shuffle.Bucket[K, V]

// Bucket implements exec.MapOutput.
func (o output[K, V]) Bucket(i int) any { return o[i] }

// newShuffle makes the edge over which rows of K and V go. The codecs are asked for here, so that a type that
// could not leave the process is found when the graph is built, on a laptop too.
func newShuffle[T, K, V any](r *RDD[T], n int,
	write func(tc *TaskContext, p int) ([]shuffle.Bucket[K, V], error),
) (*exec.Shuffle, error) {
	keys, err := codec.For[K]()
	if err != nil {
		return nil, err
	}
	values, err := codec.For[V]()
	if err != nil {
		return nil, err
	}
	wire := wire[K, V]{keys, values}
	return &exec.Shuffle{
		Parent: r.node, Buckets: n,
		Write: func(t *exec.Task, p int) (exec.MapOutput, error) {
			out, err := write((*TaskContext)(t), p)
			return output[K, V](out), err
		},
		Encode: wire.encode, Decode: wire.decode,
	}, nil
}

// wire carries buckets across a process boundary: the number of rows, then each row's key and value.
type wire[K, V any] struct {
	keys   *codec.Codec[K]
	values *codec.Codec[V]
}

func (w wire[K, V]) encode(bucket any) ([]byte, error) {
	b := bucket.(shuffle.Bucket[K, V])
	data := binary.AppendUvarint(nil, uint64(b.Len()))
	for i := range b.Keys {
		var err error
		if data, err = w.keys.Append(data, &b.Keys[i]); err != nil {
			return nil, err
		}
		if data, err = w.values.Append(data, &b.Values[i]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (w wire[K, V]) decode(data []byte) (any, error) {
	n, size := binary.Uvarint(data)
	if size <= 0 {
		return nil, fmt.Errorf("a bucket of a shuffle begins with no count")
	}
	data = data[size:]
	var b shuffle.Bucket[K, V]
	for range n {
		k, rest, err := w.keys.Decode(data)
		if err != nil {
			return nil, err
		}
		v, rest, err := w.values.Decode(rest)
		if err != nil {
			return nil, err
		}
		b.Keys, b.Values, data = append(b.Keys, k), append(b.Values, v), rest
	}
	return b, nil
}

// fetch gives what the map tasks wrote for a reduce partition, in the order of the map partitions.
func fetch[K, V any](tc *TaskContext, sh *exec.Shuffle, p int) []shuffle.Bucket[K, V] {
	fetched := tc.task().Fetch(sh, p)
	buckets := make([]shuffle.Bucket[K, V], len(fetched))
	for i, b := range fetched {
		buckets[i] = b.(shuffle.Bucket[K, V])
	}
	return buckets
}

// A cloner makes, for a task, the function that makes a value independent of all memory that it may share: nil for
// types that share none. A value that cannot be cloned, which only one with a codec of its own or one that holds
// itself can be, fails the task.
type cloner[T any] func(tc *TaskContext) func(T) T

func newCloner[T any]() cloner[T] {
	c, err := codec.For[T]()
	if err != nil || c.PointerFree() {
		return noClone[T] // A type without a codec is refused where its shuffle is made.
	}
	return func(tc *TaskContext) func(T) T {
		return func(v T) T {
			w, err := c.Clone(v)
			if err != nil {
				tc.Fail(fmt.Errorf("copy a %T to keep it: %w", v, err))
			}
			return w
		}
	}
}

func noClone[T any](*TaskContext) func(T) T { return nil }

// MutableClone is how a value is copied that functions could write through; nil if they could not, or if the type has
// no codec. It is for those that keep values between jobs.
func MutableClone[T any]() func(T) (T, error) {
	c, err := codec.For[T]()
	if err != nil || !mutable(reflect.TypeFor[T]()) {
		return nil
	}
	return c.Clone
}

// newMutableCloner is newCloner for types through which a user's function could write: where it merges into its
// first argument, that must not be memory that another attempt reads again. Strings cannot be written to.
func newMutableCloner[T any]() cloner[T] {
	if !mutable(reflect.TypeFor[T]()) {
		return noClone[T]
	}
	return newCloner[T]()
}

func mutable(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return true
	case reflect.Array:
		return mutable(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if mutable(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// owning is how rows are kept past their task.
func owning[K, V any]() func(tc *TaskContext) shuffle.Own[K, V] {
	keys, values := newCloner[K](), newCloner[V]()
	return func(tc *TaskContext) shuffle.Own[K, V] {
		return shuffle.Own[K, V]{Key: keys(tc), Value: values(tc)}
	}
}

// shuffled makes the node of an operator that reads shuffles, or narrow parents whose keys lie where they must
// already.
func shuffled[T any](sc *Context, op string, d *dealing, compute func(tc *TaskContext, p int) iter.Seq[T]) *RDD[T] {
	n := 1
	if d != nil {
		n = d.n
	}
	out := newRDD(sc, sc.node(op, n), compute)
	out.dealt = d
	return out
}

// reads makes a parent of what r reads: a shuffle, or the parent itself if sh is nil; or it keeps the error of
// making the shuffle.
func (r *RDD[T]) reads(err error, parent *exec.Node, sh *exec.Shuffle) {
	switch {
	case err != nil:
		r.refuse("%s: %w", r.node.Op, err)
	case sh == nil:
		r.node.AddNarrow(parent)
	default:
		r.node.AddShuffle(sh)
	}
}

// dealRows is the map side of a shuffle that does not combine: each pair goes to the bucket of its key.
func dealRows[K comparable, V any](r *RDD[Pair[K, V]], d *dealing) (*exec.Shuffle, error) {
	deal, err := dealer[K](d)
	if err != nil {
		return nil, err
	}
	own := owning[K, V]()
	return newShuffle(r, d.n, func(tc *TaskContext, p int) ([]shuffle.Bucket[K, V], error) {
		out, err := shuffle.NewRows(d.n, deal(tc), own(tc))
		if err != nil {
			return nil, err
		}
		r.iterate(tc, p)(func(kv Pair[K, V]) bool {
			out.Add(kv.Key, kv.Value)
			return out.Err() == nil
		})
		return out.Finish()
	})
}

// side gives the rows of a reduce partition: those of a shuffle, or those of r's own partition if there is none
// because r is dealt that way already.
func side[K comparable, V any](tc *TaskContext, r *RDD[Pair[K, V]], sh *exec.Shuffle, p int) []shuffle.Bucket[K, V] {
	if sh != nil {
		return fetch[K, V](tc, sh, p)
	}
	var b shuffle.Bucket[K, V]
	clone := newCloner[K]()(tc)
	r.iterate(tc, p)(func(kv Pair[K, V]) bool {
		if clone != nil {
			kv.Key = clone(kv.Key)
		}
		b.Keys, b.Values = append(b.Keys, kv.Key), append(b.Values, kv.Value)
		return true
	})
	return []shuffle.Bucket[K, V]{b}
}

// Merged makes an RDD of one partition: part gives something of each partition of r, and merge makes the
// elements of the result from all of them, in the order of the partitions. Shuffle of one value a partition. It
// is what Count and Reduce of a stream are made of.
func Merged[T, A, U any](r *RDD[T], part func(in iter.Seq[T]) A, merge func(parts []A) iter.Seq[U]) *RDD[U] {
	keep := newCloner[A]()
	sh, err := newShuffle(r, 1, func(tc *TaskContext, p int) ([]shuffle.Bucket[struct{}, A], error) {
		a := part(r.iterate(tc, p))
		if clone := keep(tc); clone != nil {
			a = clone(a)
		}
		return []shuffle.Bucket[struct{}, A]{{Keys: make([]struct{}, 1), Values: []A{a}}}, nil
	})
	out := shuffled(r.sc, "merged", nil, func(tc *TaskContext, p int) iter.Seq[U] {
		return func(yield func(U) bool) {
			var parts []A
			for _, b := range fetch[struct{}, A](tc, sh, p) {
				parts = append(parts, b.Values...)
			}
			merge(parts)(yield)
		}
	})
	out.reads(err, r.node, sh)
	return out.needs(part == nil || merge == nil)
}

// dealSide shuffles one parent unless its keys lie where they must already.
func dealSide[K comparable, V any](r *RDD[Pair[K, V]], d *dealing, err error) (*exec.Shuffle, error) {
	if err != nil || r.dealt.same(d) {
		return nil, err
	}
	return dealRows(r, d)
}
