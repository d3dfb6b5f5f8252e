package codec

import (
	"reflect"
	"runtime"
	"unsafe"
)

// This file is the only one that imports unsafe. The rest of the package names places in memory by
// address and reads them by at, with types that the plan took from reflect.
//
// The rule that keeps it sound: an address made by hide may point into the caller's stack, so it may
// be passed on and read through, but never stored in anything on the heap, for the stack can move.
// Code that is not ours (methods of users' types, reflect's iterators) is therefore only ever given
// addresses of heap memory. What a record points to is on the heap always, because every exported
// function that hides a record also has a path on which the record's contents escape.

// An address is a place in memory. Its zero value is nil.
type address struct{ p unsafe.Pointer }

// hide gives the address of *v without making v escape: without it, each call of Append on a local
// variable would allocate. The way through memory is what neither escape analysis nor vet follows;
// a stack is never moved between the two lines, since it moves at calls only. The caller keeps v
// alive with keep, below its last use of the address.
func hide[T any](v *T) address {
	x := uintptr(unsafe.Pointer(v))
	return *(*address)(unsafe.Pointer(&x))
}

// keep marks the end of the use of an address that hide gave.
func keep[T any](v *T) { runtime.KeepAlive(v) }

// reveal gives the address of *v and lets v escape.
func reveal[T any](v *T) address { return address{unsafe.Pointer(v)} }

// at reads an address as a *T. The plan answers for the type.
func at[T any](a address) *T { return (*T)(a.p) }

// add moves n bytes up, within the same variable.
func (a address) add(n uintptr) address { return address{unsafe.Add(a.p, n)} }

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

// mapValue gives the map of type t kept at a. It copies the map's pointer to the heap first, because
// reflect's iterators keep the place it came from.
func mapValue(t reflect.Type, a address) reflect.Value {
	w := new(address)
	*w = a.word()
	return reflect.NewAt(t, unsafe.Pointer(w)).Elem()
}

// pointerTo gives a as a reflect.Value of type *t. a must be on the heap.
func pointerTo(t reflect.Type, a address) reflect.Value { return reflect.NewAt(t, a.p) }

// addressOf gives the address that a pointer Value holds.
func addressOf(v reflect.Value) address { return address{v.UnsafePointer()} }

// stringBytes is the memory of s, to be read only.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// bytesString makes a string of b's own memory, which must not be written to any more.
func bytesString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// revealCopy copies *v to the heap for code that is not ours, so that v itself need not be there.
func revealCopy[T any](v *T) address {
	p := new(T)
	*p = *v
	return reveal(p)
}
