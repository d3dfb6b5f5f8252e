package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"

	"github.com/weirstream/weir/rdd"
)

// A bag is a list whose order carries no meaning.
type bag []any

// A list is a list whose order does, such as a pair.
type list []any

// bagOf and listOf turn elements into plain values; in them, slices are bags.
func bagOf[T any](vs []T) bag {
	out := bag{}
	for _, v := range vs {
		out = append(out, plain(v))
	}
	return out
}

func listOf[T any](vs []T) list { return list(bagOf(vs)) }

// plain turns an element into what a case's file can hold.
func plain(v any) any {
	switch v := v.(type) {
	case bag, list, int, int64, float64, string, bool:
		return v
	case interface{ plain() any }:
		return v.plain()
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.Slice:
		out := bag{}
		for i := range r.Len() {
			out = append(out, plain(r.Index(i).Interface()))
		}
		return out
	case r.Kind() == reflect.Struct && r.NumField() == 2 && r.Type().Field(1).Name == "Present":
		if !r.Field(1).Bool() {
			return list{"none"}
		}
		return list{"some", plain(r.Field(0).Interface())}
	case r.Kind() == reflect.Struct: // pairs, cogroups
		out := list{}
		for i := range r.NumField() {
			out = append(out, plain(r.Field(i).Interface()))
		}
		return out
	}
	panic(fmt.Sprintf("%T has no plain form", v))
}

// pairsOf turns a map into a bag of pairs.
func pairsOf[K comparable, V any](m map[K]V) bag {
	out := bag{}
	for k, v := range m {
		out = append(out, plain(rdd.KV(k, v)))
	}
	return out
}

// same compares what weir gave with what a case's file holds. Doubles stand there as strings or numbers.
func same(got, want any) bool {
	switch got := got.(type) {
	case bag:
		want, ok := want.([]any)
		return ok && sameBag(got, want)
	case list:
		want, ok := want.([]any)
		if !ok || len(got) != len(want) {
			return false
		}
		for i := range got {
			if !same(got[i], want[i]) {
				return false
			}
		}
		return true
	case int:
		return same(int64(got), want)
	case int64:
		n, ok := want.(json.Number)
		return ok && n.String() == strconv.FormatInt(got, 10)
	case float64:
		return sameDouble(got, want)
	}
	return got == want
}

func sameDouble(got float64, want any) bool {
	w, err := strconv.ParseFloat(fmt.Sprint(want), 64)
	switch {
	case err != nil:
		return false
	case math.IsNaN(w) || math.IsInf(w, 0):
		return math.IsNaN(w) && math.IsNaN(got) || w == got
	}
	return math.Abs(got-w) <= 1e-9*max(1, math.Abs(w))
}

// sameBag takes each wanted element away once.
func sameBag(got bag, want []any) bool {
	if len(got) != len(want) {
		return false
	}
	taken := make([]bool, len(want))
next:
	for _, g := range got {
		for i, w := range want {
			if !taken[i] && same(g, w) {
				taken[i] = true
				continue next
			}
		}
		return false
	}
	return true
}
