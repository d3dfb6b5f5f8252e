package codec

import (
	"bytes"
	"reflect"
	"strings"
)

// ownSteps makes the value at a (and heap, if foreign code will see it), a shallow copy of another,
// own all its memory: whatever it points to is replaced by a copy. Only the steps that point anywhere
// are visited. Time zones and network zones are shared, since nobody can change them.
func ownSteps(a, heap address, p *plan, left int) error {
	steps := p.owned
	for i := range steps {
		s := &steps[i]
		f := a.add(s.off)
		var err error
		switch s.op {
		case opString:
			*at[string](f) = strings.Clone(*at[string](f))
		case opBytes:
			b := at[[]byte](f)
			*b = bytes.Clone(*b)
		case opArray:
			err = ownMany(f, heap.addHeap(s.off), s.n, s.elem, left)
		case opProto:
			cloneProto(f, s)
		case opForeign:
			err = ownForeign(heap.addHeap(s.off), s)
		default:
			err = ownOther(f, s, left)
		}
		if err != nil {
			return within(err, s.name)
		}
	}
	return nil
}

// ownOther does what can lie deep for ownSteps.
func ownOther(a address, s *step, left int) error {
	if left == 0 {
		return errDepth
	}
	switch s.op {
	case opSlice:
		old := *at[slice](a)
		if old.data == (address{}) {
			return nil
		}
		fresh := makeSlice(s.typ, old.len)
		reflect.Copy(fresh.value(s.typ), old.value(s.typ))
		*at[slice](a) = fresh
		return ownMany(fresh.data, fresh.data, fresh.len, s.elem, left-1)
	case opMap:
		return ownMap(a, s, left-1)
	}
	old := a.word() // opPointer
	if old == (address{}) {
		return nil
	}
	fresh := reflect.New(s.typ)
	a.setWord(fresh)
	if e := s.elem.steps; len(e) == 1 && e[0].op == opForeign && e[0].typ == s.typ {
		// What has methods of its own may hold a lock, and is not copied shallowly.
		return cloneForeign(pointee(fresh), old, &e[0])
	}
	fresh.Elem().Set(pointerTo(s.typ, old).Elem())
	return ownSteps(pointee(fresh), pointee(fresh), s.elem, left-1)
}

// ownMany makes n values own their memory.
func ownMany(a, heap address, n int, elem *plan, left int) error {
	if len(elem.owned) == 0 {
		return nil
	}
	for i := range n {
		off := uintptr(i) * elem.size
		if err := ownSteps(a.add(off), heap.addHeap(off), elem, left); err != nil {
			return err
		}
	}
	return nil
}

// ownForeign replaces a value with a codec of its own by a copy.
func ownForeign(a address, s *step) error {
	fresh := reflect.New(s.typ)
	if err := cloneForeign(pointee(fresh), a, s); err != nil {
		return err
	}
	pointerTo(s.typ, a).Elem().Set(fresh.Elem())
	return nil
}
