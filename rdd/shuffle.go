package rdd

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// newShuffle makes the edge over which rows of K and V go. The codecs are asked for here, so that a type that
// could not leave the process is found when the graph is built, on a laptop too.
func newShuffle[T, K, V any](r *RDD[T], n int,
	write func(tc *TaskContext, p int) (exec.MapOutput, error),
) (*exec.Shuffle, error) {
	wire, err := shuffle.NewWire[K, V]()
	if err != nil {
		return nil, err
	}
	return &exec.Shuffle{
		Parent: r.node, Buckets: n,
		Write: func(t *exec.Task, p int) (exec.MapOutput, error) { return write((*TaskContext)(t), p) },
		Encode: func(bucket any) ([]byte, error) {
			if cut, ok := bucket.(shuffle.Cut[K, V]); ok {
				return wire.EncodeCut(cut)
			}
			return wire.Encode(bucket.(shuffle.Part[K, V]))
		},
		Decode: func(data []byte) (any, error) { return wire.Decode(data) },
	}, nil
}

// fetch gives what the map tasks wrote for a reduce partition, in the order of the map partitions.
func fetch[K, V any](tc *TaskContext, sh *exec.Shuffle, p int) iter.Seq[shuffle.Part[K, V]] {
	return func(yield func(shuffle.Part[K, V]) bool) {
		tc.task().Fetch(sh, p)(func(bucket any) bool {
			if b, ok := bucket.(shuffle.Bucket[K, V]); ok { // It came by way of its encoding.
				return yield(shuffle.Loose(b))
			}
			return yield(bucket.(shuffle.Part[K, V]))
		})
	}
}

// fetchRows yields the rows of a reduce partition in pieces.
func fetchRows[K, V any](tc *TaskContext, sp *shuffle.Space, sh *exec.Shuffle, p int,
	yield func(shuffle.Bucket[K, V]) bool,
) {
	wire := wireOf[K, V]()
	fetch[K, V](tc, sh, p)(func(part shuffle.Part[K, V]) bool { return part.Read(sp, wire, yield) })
}

// wireOf is how rows of K and V are written. A type that has no codec leaves a gap: then nothing is written.
func wireOf[K, V any]() shuffle.Wire[K, V] {
	var w shuffle.Wire[K, V]
	w.Keys, _ = codec.For[K]()   // What a shuffle needs was asked for
	w.Values, _ = codec.For[V]() // when that was made.
	return w
}

// space is what tables and writers of the task get their memory from, until it is closed or the task ends.
func (sc *Context) space(tc *TaskContext) *shuffle.Space {
	sp := &shuffle.Space{Budget: sc.budget, Disk: sc.disk, Fail: tc.Fail, Check: tc.Check}
	tc.OnEnd(sp.Close)
	return sp
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
func shuffled[T any](sc *Context, from *exec.Node, op string, d *dealing,
	compute func(tc *TaskContext, p int) iter.Seq[T],
) *RDD[T] {
	n := 1
	if d != nil {
		n = d.n
	}
	out := newRDD(sc, sc.node(op, n, from), compute)
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

// readColumns gives take the pairs of partition p, some hundred at a time, until it gives false. They are there until
// take returns.
func readColumns[K, V any](tc *TaskContext, r *RDD[Pair[K, V]], p int, take func(b shuffle.Bucket[K, V]) bool) {
	if r.batched() {
		var b shuffle.Bucket[K, V]
		r.batches(tc, p)(func(in []Pair[K, V]) bool {
			keys, values := room(b.Keys, len(in))[:len(in)], room(b.Values, len(in))[:len(in)]
			for i, kv := range in {
				keys[i], values[i] = kv.Key, kv.Value
			}
			b = shuffle.Bucket[K, V]{Keys: keys, Values: values}
			return take(b)
		})
		return
	}
	var b shuffle.Bucket[K, V]
	more := true
	r.iterate(tc, p)(func(kv Pair[K, V]) bool {
		b.Keys, b.Values = append(b.Keys, kv.Key), append(b.Values, kv.Value)
		if len(b.Keys) == batchLen {
			more = take(b)
			b.Keys, b.Values = b.Keys[:0], b.Values[:0]
		}
		return more
	})
	if more && len(b.Keys) > 0 {
		take(b)
	}
}

// dealRows is the map side of a shuffle that does not combine: each pair goes to the bucket of its key.
func dealRows[K comparable, V any](r *RDD[Pair[K, V]], d *dealing) (*exec.Shuffle, error) {
	deal, err := dealer[K](d)
	if err != nil {
		return nil, err
	}
	own := owning[K, V]()
	wire := wireOf[K, V]()
	return newShuffle[Pair[K, V], K, V](r, d.n, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		out, err := shuffle.NewRows(d.n, deal(tc), own(tc))
		if err != nil {
			return nil, err
		}
		sp := r.sc.space(tc)
		defer sp.Close()
		out.Within(sp, wire)
		readColumns(tc, r, p, func(b shuffle.Bucket[K, V]) bool {
			out.AddAll(b)
			return out.Err() == nil
		})
		return out.Publish()
	})
}

// side gives the rows of a reduce partition: those of a shuffle, or those of r's own partition if there is none
// because r is dealt that way already.
func side[K comparable, V any](tc *TaskContext, sp *shuffle.Space, r *RDD[Pair[K, V]], sh *exec.Shuffle, p int,
) iter.Seq[shuffle.Part[K, V]] {
	if sh != nil {
		return fetch[K, V](tc, sh, p)
	}
	return func(yield func(shuffle.Part[K, V]) bool) {
		wire, clone := wireOf[K, V](), newCloner[K]()(tc)
		if wire.Keys == nil || wire.Values == nil {
			yield(shuffle.Loose(collected(tc, r, p, clone)))
			return
		}
		rows, err := shuffle.NewRows(1, nil, shuffle.Own[K, V]{Key: clone})
		if err != nil {
			tc.Fail(err)
		}
		rows.Within(sp, wire)
		readColumns(tc, r, p, func(b shuffle.Bucket[K, V]) bool {
			rows.AddAll(b)
			return true
		})
		out, err := rows.Publish()
		if err != nil {
			tc.Fail(err)
		}
		defer out.Release() // What was read of it is kept by who reads it.
		yield(out.Bucket(0).(shuffle.Part[K, V]))
	}
}

// collected gives the pairs of a partition, for types that cannot be written.
func collected[K comparable, V any](tc *TaskContext, r *RDD[Pair[K, V]], p int, clone func(K) K,
) (b shuffle.Bucket[K, V]) {
	readColumns(tc, r, p, func(in shuffle.Bucket[K, V]) bool {
		if clone != nil {
			for i, k := range in.Keys {
				in.Keys[i] = clone(k)
			}
		}
		b.Keys, b.Values = append(b.Keys, in.Keys...), append(b.Values, in.Values...)
		return true
	})
	return b
}

// single is the output of a map task that writes one value for one reduce partition.
func single[A any](a A) exec.MapOutput {
	return shuffle.NewOutput([]shuffle.Bucket[struct{}, A]{{Keys: make([]struct{}, 1), Values: []A{a}}})
}

// Merged makes an RDD of one partition: part gives something of each partition of r, and merge makes the
// elements of the result from all of them, in the order of the partitions. Shuffle of one value a partition. It
// is what Count and Reduce of a stream are made of.
func Merged[T, A, U any](r *RDD[T], part func(in iter.Seq[T]) A, merge func(parts []A) iter.Seq[U]) *RDD[U] {
	keep := newCloner[A]()
	sh, err := newShuffle[T, struct{}, A](r, 1, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		a := part(r.iterate(tc, p))
		if clone := keep(tc); clone != nil {
			a = clone(a)
		}
		return single(a), nil
	})
	out := shuffled(r.sc, r.node, "merged", nil, func(tc *TaskContext, p int) iter.Seq[U] {
		return func(yield func(U) bool) {
			var parts []A
			fetchRows(tc, nil, sh, p, func(b shuffle.Bucket[struct{}, A]) bool {
				parts = append(parts, b.Values...)
				return true
			})
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
