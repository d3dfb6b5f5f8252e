package shuffle

import (
	"encoding/binary"
	"reflect"
	"unsafe"
)

// All uses of unsafe are in this file. Each reads a value as what reflect said it is (kindOf), or turns bytes
// that nobody writes again into a string.

// A kind says how a table hashes, keeps and compares keys of one type.
type kind uint8

const (
	// kindOther hashes by the runtime's own hash of the type: floats (whose zeros differ in bits),
	// strings within structs, structs with padding, interfaces.
	kindOther kind = iota
	kindText       // kind string: bytes go to the arena
	kindWord8      // eight bytes without padding, all of them compared by ==
	kindWord4
	kindWord2
	kindWord1
	kindBytes // like the words, of any other size
)

// kindOf finds the kind of K.
func kindOf[K any]() kind {
	t := reflect.TypeFor[K]()
	switch {
	case t.Kind() == reflect.String:
		return kindText
	case !plain(t):
		return kindOther
	}
	switch t.Size() {
	case 8:
		return kindWord8
	case 4:
		return kindWord4
	case 2:
		return kindWord2
	case 1:
		return kindWord1
	}
	return kindBytes
}

// plain tells whether == on values of type t is the same as equality of their bytes. It is not for floats,
// for what holds pointers of any sort, and for structs with padding or blank fields, which == passes over.
func plain(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Uintptr:
		return true
	case k == reflect.Array:
		return plain(t.Elem())
	case k == reflect.Struct:
		var sum uintptr // less than the whole where there is padding
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" || !plain(f.Type) {
				return false
			}
			sum += f.Type.Size()
		}
		return sum == t.Size()
	}
	return false
}

// textOf reads a value of string kind as the string it is.
func textOf[K any](k *K) string { return *(*string)(unsafe.Pointer(k)) }

// ofText is the way back.
func ofText[K any](s string) K { return *(*K)(unsafe.Pointer(&s)) }

// wordOf reads a value of one of the word kinds. It goes by way of bytes because an array of them may lie at
// any address; where the processor allows that, the compiler makes it one load.
func wordOf[K any](k *K, kind kind) uint64 {
	switch b := bytesOf(k); kind {
	case kindWord8:
		return binary.LittleEndian.Uint64(b)
	case kindWord4:
		return uint64(binary.LittleEndian.Uint32(b))
	case kindWord2:
		return uint64(binary.LittleEndian.Uint16(b))
	default:
		return uint64(b[0])
	}
}

// bytesOf reads a value of kindBytes or of one of the word kinds. The slice must not outlive k.
func bytesOf[K any](k *K) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(k)), unsafe.Sizeof(*k)) }

// textBytes gives the bytes of s, to be read only.
func textBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// bytesText makes a string of bytes that are never written again.
func bytesText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// sizeOf gives the bytes that one T takes in a slice.
func sizeOf[T any]() int64 {
	var zero T
	return int64(unsafe.Sizeof(zero))
}
