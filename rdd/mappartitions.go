package rdd

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
)

// A PartitionsOption of [MapPartitions] and [MapPartitionsWithIndex].
type PartitionsOption func(*partitionsOptions)

type partitionsOptions struct{ keep bool }

// KeepPartitioner says that each pair that the function gives has a key that was in the same partition before: Spark's
// preservesPartitioning. What follows then need not shuffle where r's pairs would not have to be. If the function does
// not keep to that, joins and lookups miss keys. Elements that are no pairs of the same type of keys are refused; if r
// is not dealt by any partitioner there is nothing to keep.
func KeepPartitioner() PartitionsOption { return func(o *partitionsOptions) { o.keep = true } }

// MapPartitions gives what f makes of each whole partition: for work that has a cost per partition, such as a
// connection. f is called once for each attempt at a partition, with its task context, and may read its input once; nil
// is no elements. Narrow; the memory is f's. The partitioner is lost, but for the option [KeepPartitioner].
func MapPartitions[T, U any](r *RDD[T], f func(*TaskContext, iter.Seq[T]) iter.Seq[U], opts ...PartitionsOption,
) *RDD[U] {
	out := narrow(r, "mapPartitions", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(tc, r.iterate(tc, p))
	}).needs(f == nil)
	keepDealing(r, out, opts)
	return out
}

// MapPartitionsWithIndex is MapPartitions whose function is told the partition's number.
func MapPartitionsWithIndex[T, U any](r *RDD[T], f func(p int, in iter.Seq[T]) iter.Seq[U], opts ...PartitionsOption,
) *RDD[U] {
	out := narrow(r, "mapPartitionsWithIndex", func(tc *TaskContext, p int) iter.Seq[U] {
		return f(p, r.iterate(tc, p))
	}).needs(f == nil)
	keepDealing(r, out, opts)
	return out
}

// DerivePartitions is MapPartitions whose function is told the partition's number, too: that of r's partition, which is
// not that of the task where an operator behind it joins or moves partitions. It is for makers of operators.
func DerivePartitions[T, U any](r *RDD[T], op string, f func(tc *TaskContext, p int, in iter.Seq[T]) iter.Seq[U],
) *RDD[U] {
	return narrow(r, op, func(tc *TaskContext, p int) iter.Seq[U] { return f(tc, p, r.iterate(tc, p)) }).needs(f == nil)
}

// keepDealing has out dealt as r is, if the options say so.
func keepDealing[T, U any](r *RDD[T], out *RDD[U], opts []PartitionsOption) {
	var o partitionsOptions
	for _, opt := range opts {
		opt(&o)
	}
	if !o.keep || r.dealt == nil {
		return
	}
	before, after := reflect.TypeFor[T](), reflect.TypeFor[U]()
	if keys := keyType(before); keys == nil || keys != keyType(after) {
		out.refuse("%s: KeepPartitioner needs pairs with the keys of %v, not %v", out.node.Op, before, after)
		return
	}
	out.dealt = r.dealt
}

// pairName is how the names of the types of pairs begin.
var pairName, _, _ = strings.Cut(fmt.Sprintf("%T", Pair[int, int]{}), "[")

// keyType is the type of a pair's key, nil if t is no pair.
func keyType(t reflect.Type) reflect.Type {
	if !strings.HasPrefix(t.String(), pairName+"[") || t.PkgPath() != reflect.TypeFor[Pair[int, int]]().PkgPath() {
		return nil
	}
	return t.Field(0).Type
}
