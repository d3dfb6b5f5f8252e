package codec

import (
	"bytes"
	"reflect"
	"slices"
)

// A span is where one entry of a map lies among the bytes written so far.
type span struct{ begin, value, end int }

// appendMap writes 0 for nil, else one more than the number of entries, and the entries in ascending
// order of their keys' bytes. They are written in the map's order and then moved.
func appendMap(dst []byte, a address, s *step, left int) ([]byte, error) {
	if a.word() == (address{}) {
		return append(dst, 0), nil
	}
	m := mapValue(s.typ, a)
	dst = appendUvarint(dst, uint64(m.Len())+1)
	first := len(dst)
	spans := make([]span, 0, m.Len())
	err := eachEntry(m, func(key, value address) (err error) {
		e := span{begin: len(dst)}
		if dst, err = appendSteps(dst, key, key, s.key, left); err != nil {
			return within(err, "[key]")
		}
		e.value = len(dst)
		if dst, err = appendSteps(dst, value, value, s.elem, left); err != nil {
			return within(err, "[]")
		}
		e.end = len(dst)
		spans = append(spans, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	sortSpans(dst, first, spans)
	return dst, nil
}

// sortSpans puts the entries that lie from first to the end of b in the order of their keys' bytes.
func sortSpans(b []byte, first int, spans []span) {
	byKey := func(x, y span) int { return bytes.Compare(b[x.begin:x.value], b[y.begin:y.value]) }
	if slices.IsSortedFunc(spans, byKey) {
		return
	}
	slices.SortFunc(spans, byKey)
	sorted := make([]byte, 0, len(b)-first)
	for _, e := range spans {
		sorted = append(sorted, b[e.begin:e.end]...)
	}
	copy(b[first:], sorted)
}

// eachEntry calls f with copies, on the heap, of each key and value of m. It uses the copies again.
func eachEntry(m reflect.Value, f func(key, value address) error) error {
	key, value := reflect.New(m.Type().Key()), reflect.New(m.Type().Elem())
	for it := m.MapRange(); it.Next(); {
		key.Elem().SetIterKey(it)
		value.Elem().SetIterValue(it)
		if err := f(pointee(key), pointee(value)); err != nil {
			return err
		}
	}
	return nil
}

// decodeMap reads what appendMap wrote. Ascending order also means that no key comes twice.
func decodeMap(src []byte, a address, s *step, l limits) ([]byte, error) {
	each := s.key.min + s.elem.min
	n, rest, err := decodeCount(src, each, l.reserve)
	switch {
	case err != nil || n < 0:
		return rest, err
	case each == 0 && n > 1: // the only key takes no bytes
		return src, errOrder
	}
	m := reflect.MakeMapWithSize(s.typ, n)
	a.setWord(m)
	// The key and the value are read into the same memory each time, which is therefore cleared below:
	// decoders expect zero values, and the map has taken copies.
	key, value := reflect.New(s.typ.Key()), reflect.New(s.typ.Elem())
	var last []byte
	for i := range n {
		behind := (n - 1 - i) * each
		begin := rest
		if rest, err = decodeSteps(rest, pointee(key), pointee(key), s.key, l.inside(behind+s.elem.min)); err != nil {
			return rest, within(err, "[key]")
		}
		bytesOfKey := begin[:len(begin)-len(rest)]
		if i > 0 && bytes.Compare(last, bytesOfKey) >= 0 {
			return begin, errOrder
		}
		last = bytesOfKey
		if rest, err = decodeSteps(rest, pointee(value), pointee(value), s.elem, l.inside(behind)); err != nil {
			return rest, within(err, "[]")
		}
		m.SetMapIndex(key.Elem(), value.Elem())
		key.Elem().SetZero()
		value.Elem().SetZero()
	}
	return rest, nil
}

// ownMap replaces the map at a by one that shares no memory with it.
func ownMap(a address, s *step, left int) error {
	if a.word() == (address{}) {
		return nil
	}
	m := mapValue(s.typ, a)
	fresh := reflect.MakeMapWithSize(s.typ, m.Len())
	err := eachEntry(m, func(key, value address) error {
		if err := ownSteps(key, key, s.key, left); err != nil {
			return err
		}
		if err := ownSteps(value, value, s.elem, left); err != nil {
			return within(err, "[]")
		}
		fresh.SetMapIndex(pointerTo(s.typ.Key(), key).Elem(), pointerTo(s.typ.Elem(), value).Elem())
		return nil
	})
	a.setWord(fresh)
	return err
}

// Go's maps keep entries in groups of eight with a byte of control each, and are between 7/16 and
// 7/8 full, so that an entry takes about half as much again as itself.
const (
	mapHead     = 48
	mapControl  = 1
	mapOverhead = 3
	mapPer      = 2
)

// mapHeap estimates the memory of the map at a.
func mapHeap(a address, s *step, g *gauge) int {
	if a.word() == (address{}) {
		return 0
	}
	m := mapValue(s.typ, a)
	total := mapHead + m.Len()*(int(s.key.size+s.elem.size)+mapControl)*mapOverhead/mapPer
	if len(s.key.owned)+len(s.elem.owned) == 0 {
		return total
	}
	_ = eachEntry(m, func(key, value address) error {
		total += heapOf(key, key, s.key, g) + heapOf(value, value, s.elem, g)
		return nil
	})
	return total
}
