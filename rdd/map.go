package rdd

import (
	"fmt"
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// Map gives f of each element. Narrow; no memory. The partitioner is not kept, since f may change keys.
func Map[T, U any](r *RDD[T], f func(T) U) *RDD[U] {
	out := narrow(r, "map", func(tc *TaskContext, p int) iter.Seq[U] {
		in := r.iterate(tc, p)
		return func(yield func(U) bool) {
			in(func(v T) bool { return yield(f(v)) })
		}
	}).needs(f == nil)
	vectored(r, out, func(*TaskContext) func([]T) []U {
		var buf []U
		return func(in []T) []U {
			out := room(buf, len(in))[:len(in)] // A local one: what a closure shares is read again after each call.
			mapInto(out, in, f)
			buf = out
			return out
		}
	})
	return out
}

// mapInto puts f of each element of in into out, which is as long. A call of f forgets all that the loop has in
// registers; four calls for a turn of it share the counting and the checks of bounds.
func mapInto[T, U any](out []U, in []T, f func(T) U) {
	for len(in) >= 4 && len(out) >= 4 {
		to, from := (*[4]U)(out), (*[4]T)(in)
		to[0] = f(from[0])
		to[1] = f(from[1])
		to[2] = f(from[2])
		to[3] = f(from[3])
		out, in = out[4:], in[4:]
	}
	for i, v := range in {
		out[i] = f(v)
	}
}

// MapTry is Map with a function that can fail: its error fails the task, which is tried again, and names
// the operator's place in the program.
func MapTry[T, U any](r *RDD[T], f func(T) (U, error)) *RDD[U] {
	var out *RDD[U]
	out = narrow(r, "mapTry", func(tc *TaskContext, p int) iter.Seq[U] {
		in := r.iterate(tc, p)
		return func(yield func(U) bool) {
			in(func(v T) bool {
				u, err := f(v)
				if err != nil {
					tc.Fail(out.failure(err))
				}
				return yield(u)
			})
		}
	}).needs(f == nil)
	return out
}

// failure says which operator a user's error came from.
func (r *RDD[T]) failure(err error) error { return errorAt(r.node.Op, r.node.Site, err) }

func errorAt(op string, site exec.Site, err error) error {
	return fmt.Errorf("%s (%s): %w", op, site, err)
}

// MapToPair makes a pair of each element. Narrow; no memory.
func MapToPair[T, K, V any](r *RDD[T], f func(T) (K, V)) *RDD[Pair[K, V]] {
	out := Map(r, func(v T) Pair[K, V] {
		k, w := f(v)
		return Pair[K, V]{k, w}
	})
	out.node.Op = "mapToPair"
	return out.needs(f == nil)
}

// MapValues gives each pair f of its value and the same key. Narrow; no memory; keeps the partitioner, so a
// following ReduceByKey or Join of the same partitioning needs no shuffle.
func MapValues[K, V, W any](r *RDD[Pair[K, V]], f func(V) W) *RDD[Pair[K, W]] {
	out := Map(r, func(kv Pair[K, V]) Pair[K, W] { return Pair[K, W]{kv.Key, f(kv.Value)} })
	out.node.Op = "mapValues"
	out.keysOf(r.dealt, r.sorted)
	return out.needs(f == nil)
}

// Keys gives the key of each pair. Narrow; no memory.
func Keys[K, V any](r *RDD[Pair[K, V]]) *RDD[K] {
	out := Map(r, func(kv Pair[K, V]) K { return kv.Key })
	out.node.Op = "keys"
	return out
}

// Values gives the value of each pair. Narrow; no memory.
func Values[K, V any](r *RDD[Pair[K, V]]) *RDD[V] {
	out := Map(r, func(kv Pair[K, V]) V { return kv.Value })
	out.node.Op = "values"
	return out
}
