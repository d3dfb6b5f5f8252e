package simulate

import (
	"context"
	"fmt"
	"hash/fnv"
	"reflect"
	"strconv"
	"strings"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// pair is short for a pair of package rdd.
type pair[K, V any] = rdd.Pair[K, V]

// stream is short for a stream of package dstream.
type stream[T any] = dstream.DStream[T]

// A kind is a type of elements, for those that do not know it: rows are a []T and a stream is a *DStream[T], both as an
// any.
type kind interface {
	String() string
	concat(parts []any) any
	texts(rows any) []string
	fewer(rows any) []any
	persist(stream any, level rdd.StorageLevel)
	output(x *execution, number int, stream any)
	outlive(x *execution, number int, stream any)
	named(stream any, name string)
	through(stream any, name string) any
	parallelize(sc *rdd.Context, rows any, partitions int) any
	collect(ctx context.Context, table any) ([]string, error)
	persistTable(table any, level rdd.StorageLevel)
}

type kindOf[T any] struct{}

func (kindOf[T]) String() string {
	return strings.ReplaceAll(reflect.TypeFor[T]().String(), "rdd.Pair", "")
}

func (kindOf[T]) concat(parts []any) any {
	all := []T{}
	for _, rows := range parts {
		all = append(all, rows.([]T)...)
	}
	return all
}

func (kindOf[T]) texts(rows any) []string {
	out := make([]string, len(rows.([]T)))
	for i, v := range rows.([]T) {
		out[i] = text(v)
	}
	return out
}

// fewer gives either half of the rows, and all but the last.
func (kindOf[T]) fewer(rows any) []any {
	vs := rows.([]T)
	return []any{vs[:len(vs)/2], vs[len(vs)-len(vs)/2:], vs[:len(vs)-1]}
}

func (kindOf[T]) persist(d any, level rdd.StorageLevel) { d.(*stream[T]).Persist(level) }

func (kindOf[T]) named(d any, name string) { d.(*stream[T]).Named(name) }

// through gives a stream of the same elements that has a name.
func (kindOf[T]) through(d any, name string) any {
	return dstream.Filter(d.(*stream[T]), func(T) bool { return true }).Named(name)
}

func (kindOf[T]) parallelize(sc *rdd.Context, rows any, partitions int) any {
	return rdd.Parallelize(sc, rows.([]T), partitions)
}

func (k kindOf[T]) collect(ctx context.Context, r any) ([]string, error) {
	vs, err := rdd.Collect(ctx, r.(*table[T]))
	return k.texts(vs), err
}

func (kindOf[T]) persistTable(r any, level rdd.StorageLevel) { r.(*table[T]).Persist(level) }

// text shows an element; elements that are not equal have different texts.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case pair[string, int]:
		return "(" + v.Key + "," + strconv.Itoa(v.Value) + ")"
	case pair[int, string]:
		return "(" + strconv.Itoa(v.Key) + "," + v.Value + ")"
	}
	return fmt.Sprint(v)
}

// digest is a number made of a text: what functions on elements of any kind depend on.
func digest(text string, seed int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte{byte(seed)})
	_, _ = h.Write([]byte(text))
	return int(h.Sum32() >> 3)
}

// clip keeps texts from growing from operator to operator.
func clip(s string) string {
	if len(s) > 40 {
		return s[:20] + "#" + strconv.Itoa(digest(s, 0))
	}
	return s
}

// An order is what is defined of the order of a stream's elements: nothing; for each key that of its values; or all.
type order int

const (
	bag order = iota
	byKey
	list
	undefined // more than there is: an answer that needs it depends on partitions, and the two runs alone are compared
)

// String gives the order's name.
func (o order) String() string { return [...]string{"bag", "byKey", "list", "undefined"}[o] }
