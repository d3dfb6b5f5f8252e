package shuffle

import (
	"cmp"
	"encoding/binary"
	"math"
	"reflect"
)

// An Order is how keys of type K are sorted. Keys that compare equal keep the order in which they came.
type Order[K any] struct {
	compare func(a, b K) int
	// prefix gives 64 bits that sort as the key does, as far as they tell keys apart; nil if there are none.
	prefix func(K) uint64
	// exact tells that keys of equal prefix are equal.
	exact bool
}

// NewOrder is the order of a function, which gives a negative number when a comes before b and 0 when they are equal.
func NewOrder[K any](compare func(a, b K) int) Order[K] { return Order[K]{compare: compare} }

// NaturalOrder is the order of <, turned round if it is to be descending. A NaN comes before all other numbers.
func NaturalOrder[K cmp.Ordered](descending bool) Order[K] {
	o := Order[K]{compare: cmp.Compare[K]}
	o.prefix, o.exact = prefixOf[K]()
	if descending {
		up := o.prefix
		o.compare = func(a, b K) int { return cmp.Compare(b, a) }
		o.prefix = func(k K) uint64 { return ^up(k) }
	}
	return o
}

// Compare gives a negative number when a comes before b, and 0 when they are equal.
func (o Order[K]) Compare(a, b K) int { return o.compare(a, b) }

// prefixOf makes the function of the prefix by K's kind.
func prefixOf[K cmp.Ordered]() (prefix func(K) uint64, exact bool) {
	word := kindOf[K]()
	size := sizeOf[K]()
	switch kind := reflect.TypeFor[K]().Kind(); {
	case kind == reflect.String:
		return func(k K) uint64 { return textPrefix(textOf(&k)) }, false
	case kind == reflect.Float32:
		return func(k K) uint64 {
			return floatPrefix(float64(math.Float32frombits(uint32(wordOf(&k, kindWord4)))))
		}, true
	case kind == reflect.Float64:
		return func(k K) uint64 { return floatPrefix(math.Float64frombits(wordOf(&k, kindWord8))) }, true
	case kind <= reflect.Int64: // signed: its top bit tells below 0 from above
		top := uint64(1) << (8*size - 1)
		return func(k K) uint64 { return wordOf(&k, word) ^ top }, true
	}
	return func(k K) uint64 { return wordOf(&k, word) }, true
}

// textPrefix is the first eight bytes.
func textPrefix(s string) (w uint64) {
	if len(s) >= 8 {
		return binary.BigEndian.Uint64(textBytes(s))
	}
	for i := range len(s) {
		w |= uint64(s[i]) << (56 - 8*i)
	}
	return w
}

// floatPrefix sorts as cmp.Compare does: NaN, -Inf, negative numbers, -0 and 0 alike, positive ones, +Inf.
func floatPrefix(f float64) uint64 {
	switch {
	case f != f:
		return 0
	case f == 0:
		return 1 << 63
	}
	w := math.Float64bits(f)
	if w>>63 == 1 {
		return ^w
	}
	return w | 1<<63
}
