package dstream

import (
	"iter"

	"github.com/weirstream/weir/rdd"
)

// Map gives f of each element. Narrow; see [rdd.Map].
func Map[T, U any](d *DStream[T], f func(T) U) *DStream[U] {
	return derive(d, "map", func(r *rdd.RDD[T]) *rdd.RDD[U] { return rdd.Map(r, f) }).needs(f == nil)
}

// MapTry is Map with a function that can fail; its error fails the task, or, with the option [ToDeadLetters], makes the
// element a dead letter. Narrow; see [rdd.MapTry].
func MapTry[T, U any](d *DStream[T], f func(T) (U, error), opts ...TryOption) *DStream[U] {
	var o tryOptions
	for _, opt := range opts {
		opt(&o)
	}
	if o.bury {
		return mapOrBury(d, f)
	}
	return derive(d, "mapTry", func(r *rdd.RDD[T]) *rdd.RDD[U] { return rdd.MapTry(r, f) }).needs(f == nil)
}

// MapToPair makes a pair of each element. Narrow; see [rdd.MapToPair].
func MapToPair[T, K, V any](d *DStream[T], f func(T) (K, V)) *DStream[rdd.Pair[K, V]] {
	return derive(d, "mapToPair", func(r *rdd.RDD[T]) *rdd.RDD[rdd.Pair[K, V]] {
		return rdd.MapToPair(r, f)
	}).needs(f == nil)
}

// MapValues gives each pair f of its value and the same key. Narrow; see [rdd.MapValues].
func MapValues[K, V, W any](d *DStream[rdd.Pair[K, V]], f func(V) W) *DStream[rdd.Pair[K, W]] {
	return derive(d, "mapValues", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, W]] {
		return rdd.MapValues(r, f)
	}).needs(f == nil)
}

// FlatMap gives all that f yields for each element, in order. Narrow; see [rdd.FlatMap].
func FlatMap[T, U any](d *DStream[T], f func(T) iter.Seq[U]) *DStream[U] {
	return derive(d, "flatMap", func(r *rdd.RDD[T]) *rdd.RDD[U] { return rdd.FlatMap(r, f) }).needs(f == nil)
}

// FlatMapValues gives, for each pair, the same key with each value that f yields for its value. Narrow; see
// [rdd.FlatMapValues].
func FlatMapValues[K, V, W any](d *DStream[rdd.Pair[K, V]], f func(V) iter.Seq[W]) *DStream[rdd.Pair[K, W]] {
	return derive(d, "flatMapValues", func(r *rdd.RDD[rdd.Pair[K, V]]) *rdd.RDD[rdd.Pair[K, W]] {
		return rdd.FlatMapValues(r, f)
	}).needs(f == nil)
}

// Filter gives the elements for which keep is true. Narrow; see [rdd.Filter].
func Filter[T any](d *DStream[T], keep func(T) bool) *DStream[T] {
	return derive(d, "filter", func(r *rdd.RDD[T]) *rdd.RDD[T] { return rdd.Filter(r, keep) }).needs(keep == nil)
}

// MapPartitions gives what f makes of each whole partition. Narrow; see [rdd.MapPartitions].
func MapPartitions[T, U any](d *DStream[T], f func(*rdd.TaskContext, iter.Seq[T]) iter.Seq[U]) *DStream[U] {
	return derive(d, "mapPartitions", func(r *rdd.RDD[T]) *rdd.RDD[U] {
		return rdd.MapPartitions(r, f)
	}).needs(f == nil)
}

// MapPartitionsWithIndex is MapPartitions whose function is told the partition's number.
func MapPartitionsWithIndex[T, U any](d *DStream[T], f func(p int, in iter.Seq[T]) iter.Seq[U]) *DStream[U] {
	return derive(d, "mapPartitionsWithIndex", func(r *rdd.RDD[T]) *rdd.RDD[U] {
		return rdd.MapPartitionsWithIndex(r, f)
	}).needs(f == nil)
}

// Glom gives each partition of a batch as one slice. Narrow; see [rdd.Glom].
func Glom[T any](d *DStream[T]) *DStream[[]T] {
	return derive(d, "glom", func(r *rdd.RDD[T]) *rdd.RDD[[]T] { return rdd.Glom(r) })
}

func (d *DStream[T]) needs(isNil bool) *DStream[T] {
	if isNil {
		d.node.refuse("%s needs a function, not nil", d.node.op)
	}
	return d
}
