package weirtest

import (
	"math"
	"reflect"
)

// A comparer tells whether two values hold the same: as reflect.DeepEqual, but that a nil slice or map is as an empty
// one, that NaN is NaN, that types with a method Equal, such as time.Time, decide themselves, and that the functions of
// EqualFunc decide for their types, wherever these occur.
type comparer map[reflect.Type]reflect.Value

func newComparer(given []any) comparer {
	c := comparer{}
	for _, f := range given {
		c[reflect.TypeOf(f).In(0)] = reflect.ValueOf(f)
	}
	return c
}

// same compares two elements of a stream.
func same[T any](c comparer) func(got, want T) bool {
	return func(got, want T) bool { return c.equal(reflect.ValueOf(&got).Elem(), reflect.ValueOf(&want).Elem()) }
}

func (c comparer) equal(a, b reflect.Value) bool {
	if !a.IsValid() || !b.IsValid() || a.Type() != b.Type() {
		return !a.IsValid() && !b.IsValid()
	}
	if same, ok := c.ask(a, b); ok {
		return same
	}
	switch a.Kind() {
	case reflect.Pointer:
		return a.Pointer() == b.Pointer() || c.equal(a.Elem(), b.Elem())
	case reflect.Interface:
		return c.equal(a.Elem(), b.Elem())
	case reflect.Slice, reflect.Array:
		return c.equalLists(a, b)
	case reflect.Map:
		return c.equalMaps(a, b)
	case reflect.Struct:
		for i := range a.NumField() {
			if !c.equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || math.IsNaN(a.Float()) && math.IsNaN(b.Float())
	case reflect.Func:
		return a.IsNil() && b.IsNil()
	default:
		return a.Equal(b)
	}
}

// ask has a function of EqualFunc decide, or the type's own method Equal. Neither can be given the fields that a struct
// does not export, and the method is not called on nil.
func (c comparer) ask(a, b reflect.Value) (same, ok bool) {
	if !a.CanInterface() || !b.CanInterface() {
		return false, false
	}
	if f, ok := c[a.Type()]; ok {
		return f.Call([]reflect.Value{a, b})[0].Bool(), true
	}
	if a.Kind() == reflect.Interface || a.Kind() == reflect.Pointer && (a.IsNil() || b.IsNil()) {
		return false, false
	}
	m, found := a.Type().MethodByName("Equal")
	if !found {
		return false, false
	}
	t := m.Type
	if t.NumIn() != 2 || t.In(1) != a.Type() || t.NumOut() != 1 || t.Out(0).Kind() != reflect.Bool {
		return false, false
	}
	return m.Func.Call([]reflect.Value{a, b})[0].Bool(), true
}

func (c comparer) equalLists(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !c.equal(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func (c comparer) equalMaps(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for it := a.MapRange(); it.Next(); {
		v := b.MapIndex(it.Key())
		if !v.IsValid() || !c.equal(it.Value(), v) {
			return false
		}
	}
	return true
}
