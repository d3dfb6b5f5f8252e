package rdd

import "fmt"

// A Pair is a key with a value: the element of an RDD that can be reduced, grouped and joined by key.
type Pair[K, V any] struct {
	Key   K
	Value V
}

// KV makes a Pair.
func KV[K, V any](k K, v V) Pair[K, V] { return Pair[K, V]{k, v} }

// String gives "(key,value)", as Spark prints a pair.
func (p Pair[K, V]) String() string { return fmt.Sprintf("(%v,%v)", p.Key, p.Value) }

// An Optional is a value or its absence: the side of an outer join that may find no partner. Its fields
// are for codecs; read it through Get and Or.
type Optional[T any] struct {
	Value   T
	Present bool
}

// Some is a present value.
func Some[T any](v T) Optional[T] { return Optional[T]{Value: v, Present: true} }

// None is an absent value.
func None[T any]() Optional[T] { return Optional[T]{} }

// Get gives the value and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.Value, o.Present }

// Or gives the value, or otherwise if there is none.
func (o Optional[T]) Or(otherwise T) T {
	if o.Present {
		return o.Value
	}
	return otherwise
}

// String gives "Some(v)" or "None".
func (o Optional[T]) String() string {
	if !o.Present {
		return "None"
	}
	return fmt.Sprintf("Some(%v)", o.Value)
}

// CoGrouped is what two RDDs hold for one key.
type CoGrouped[V, W any] struct {
	Left  []V
	Right []W
}

// CoGrouped3 is what three RDDs hold for one key.
type CoGrouped3[V, W, X any] struct {
	First  []V
	Second []W
	Third  []X
}

// CoGrouped4 is what four RDDs hold for one key.
type CoGrouped4[V, W, X, Y any] struct {
	First  []V
	Second []W
	Third  []X
	Fourth []Y
}
