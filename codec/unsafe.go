package codec

import (
	"reflect"
	"unsafe"
)

// This file is the only one that imports unsafe. The rest of the package names places in memory by
// address and reads them by at, with types that the plan took from reflect.
//
// A record that is encoded, decoded or cloned may lie on the caller's stack, and should stay there:
// an allocation for each call would cost more than the call. Nothing is hidden from the compiler's
// escape analysis for that. The steps only read and write through an address, which does not make it
// escape. Methods of users' types may keep what they are given, so they get their own argument: beside
// each address a goes an address heap of the same value, for plans with such methods, whose records
// are copied to the heap first (onHeap). It is nil for all others.

// An address is a place in memory. Its zero value is nil.
type address struct{ p unsafe.Pointer }

// addressOf gives the address of *v.
func addressOf[T any](v *T) address { return address{unsafe.Pointer(v)} }

// onHeap copies *v to the heap and gives the address of the copy.
func onHeap[T any](v *T) address {
	p := new(T)
	*p = *v
	if escape.never {
		escape.to = p
	}
	return address{unsafe.Pointer(p)}
}

// escape is never written to. What might be kept in it is on the heap.
var escape struct {
	never bool
	to    any
}

// at reads an address as a *T. The plan answers for the type.
func at[T any](a address) *T { return (*T)(a.p) }

// add moves n bytes up, within the same variable.
func (a address) add(n uintptr) address { return address{unsafe.Add(a.p, n)} }

// addHeap is add for an address that may be nil, and then stays so.
func (a address) addHeap(n uintptr) address {
	if a.p == nil {
		return a
	}
	return address{unsafe.Add(a.p, n)}
}

// bytes is the memory of n bytes at a, which holds no pointers.
func (a address) bytes(n int) []byte { return unsafe.Slice((*byte)(a.p), n) }

// word is the pointer (or map) kept at a.
func (a address) word() address { return *(*address)(a.p) }

// setWord keeps the pointer (or map) of v at a.
func (a address) setWord(v reflect.Value) { *(*unsafe.Pointer)(a.p) = v.UnsafePointer() }

// A slice is a slice header of any element type.
type slice struct {
	data     address
	len, cap int
}

// makeSlice allocates a slice of type t with n elements of zero.
func makeSlice(t reflect.Type, n int) slice {
	return slice{address{reflect.MakeSlice(t, n, n).UnsafePointer()}, n, n}
}

// value gives s as a reflect.Value of slice type t.
func (s slice) value(t reflect.Type) reflect.Value {
	return reflect.NewAt(t, unsafe.Pointer(&s)).Elem()
}

// mapValue gives the map of type t kept at a. It copies the map's pointer first, because reflect keeps
// the place that a Value came from, and a must not escape.
func mapValue(t reflect.Type, a address) reflect.Value {
	w := new(address)
	*w = a.word()
	return reflect.NewAt(t, unsafe.Pointer(w)).Elem()
}

// pointerTo gives a as a reflect.Value of type *t. a must be on the heap.
func pointerTo(t reflect.Type, a address) reflect.Value { return reflect.NewAt(t, a.p) }

// pointee gives the address that a pointer Value holds.
func pointee(v reflect.Value) address { return address{v.UnsafePointer()} }

// stringBytes is the memory of s, to be read only.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// bytesString makes a string of b's own memory, which must not be written to any more.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
