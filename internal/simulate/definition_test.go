package simulate

import (
	"fmt"
	"slices"

	"github.com/weirstream/weir/rdd"
)

// The definitions of operators, over all elements of a batch or of a window in their order.

func each[T, U any](in []T, f func(T) []U) []U {
	out := []U{}
	for _, v := range in {
		out = append(out, f(v)...)
	}
	return out
}

func mapped[T, U any](in []T, f func(T) U) []U { return each(in, func(v T) []U { return []U{f(v)} }) }

func only[T any](in []T, keep func(T) bool) []T {
	out := []T{}
	for _, v := range in {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

// distinct keeps the first of equal elements.
func distinct[T comparable](in []T) []T {
	out := []T{}
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// subtract keeps what other does not hold, intersection, once, what it does.
func subtract[T comparable](in, other []T) []T {
	return only(in, func(v T) bool { return !slices.Contains(other, v) })
}

func intersection[T comparable](in, other []T) []T {
	return subtract(distinct(in), subtract(in, other))
}

// reduce gives one element, or none of none.
func reduce[T any](in []T, f func(a, b T) T) []T {
	if len(in) == 0 {
		return []T{}
	}
	all := in[0]
	for _, v := range in[1:] {
		all = f(all, v)
	}
	return []T{all}
}

// group gives each key, as it first comes, and its values in order.
func group[K comparable, V any](in []pair[K, V]) []pair[K, []V] {
	at := map[K]int{}
	out := []pair[K, []V]{}
	for _, kv := range in {
		i, ok := at[kv.Key]
		if !ok {
			i, at[kv.Key] = len(out), len(out)
			out = append(out, pair[K, []V]{Key: kv.Key})
		}
		out[i].Value = append(out[i].Value, kv.Value)
	}
	return out
}

func reduceByKey[K comparable, V any](in []pair[K, V], f func(a, b V) V) []pair[K, V] {
	return mapped(group(in), func(g pair[K, []V]) pair[K, V] { return rdd.KV(g.Key, reduce(g.Value, f)[0]) })
}

func countByValue[T comparable](in []T) []pair[T, int] {
	return reduceByKey(mapped(in, func(v T) pair[T, int] { return rdd.KV(v, 1) }), sum)
}

func countByText[T any](in []T) []pair[string, int] {
	return countByValue(mapped(in, func(v T) string { return text(v) }))
}

// cogroup gives each key of either side with the values of both.
func cogroup[K comparable, V, W any](a []pair[K, V], b []pair[K, W]) []pair[K, rdd.CoGrouped[V, W]] {
	keys := distinct(append(mapped(a, key[K, V]), mapped(b, key[K, W])...))
	return mapped(keys, func(k K) pair[K, rdd.CoGrouped[V, W]] {
		return rdd.KV(k, rdd.CoGrouped[V, W]{Left: valuesOf(a, k), Right: valuesOf(b, k)})
	})
}

func key[K, V any](kv pair[K, V]) K { return kv.Key }

func value[K, V any](kv pair[K, V]) V { return kv.Value }

func valuesOf[K comparable, V any](in []pair[K, V], k K) []V {
	return mapped(only(in, func(kv pair[K, V]) bool { return kv.Key == k }), value[K, V])
}

// join pairs the values of each key; a side that may be missing has one value that is absent for none.
func join[K comparable, V any](a, b []pair[K, V], leftMayMiss, rightMayMiss bool, show func(v, w string) V,
) []pair[K, V] {
	out := []pair[K, V]{}
	for _, g := range cogroup(a, b) {
		for _, v := range orAbsent(mapped(g.Value.Left, anyText[V]), leftMayMiss) {
			for _, w := range orAbsent(mapped(g.Value.Right, anyText[V]), rightMayMiss) {
				out = append(out, rdd.KV(g.Key, show(v, w)))
			}
		}
	}
	return out
}

func anyText[V any](v V) string { return text(v) }

// absent stands for the missing side of an outer join.
const absent = "-"

func orAbsent(texts []string, mayMiss bool) []string {
	if len(texts) == 0 && mayMiss {
		return []string{absent}
	}
	return texts
}

// sortedBy sorts by a number made of each element, equal ones staying in their order.
func sortedBy[T any](in []T, number func(T) int, descending bool) []T {
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b T) int {
		if descending {
			a, b = b, a
		}
		return number(a) - number(b)
	})
	return out
}

// sortedTexts are the texts of elements, of which the order then says nothing.
func sortedTexts[V any](vs []V) string {
	texts := mapped(vs, anyText[V])
	slices.Sort(texts)
	return clip(fmt.Sprint(texts))
}
