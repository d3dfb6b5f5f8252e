package codec

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
)

// A foreign codec is a type's own: methods that turn a value into bytes and back. They are written
// with their length before them. They see heap memory only, since they may keep what they are given.
type foreign struct {
	append func(dst []byte, ptr any) ([]byte, error)
	decode func(ptr any, src []byte) error
	name   string // of the method that writes, for errors
}

var (
	appenderType    = reflect.TypeFor[encoding.BinaryAppender]()
	marshalerType   = reflect.TypeFor[encoding.BinaryMarshaler]()
	unmarshalerType = reflect.TypeFor[encoding.BinaryUnmarshaler]()
	gobEncoderType  = reflect.TypeFor[gob.GobEncoder]()
	gobDecoderType  = reflect.TypeFor[gob.GobDecoder]()
)

// addForeign adds a step for a type with a codec of its own, and says whether t is one. Scalars and
// pointer-free arrays need none: their memory is all there is, and writing it costs no call. A struct
// that opened its fields has chosen. Text methods do not count, as many of them drop something.
func (c *compiler) addForeign(p *plan, t reflect.Type, w place) bool {
	switch k := t.Kind(); {
	case k == reflect.Struct && !declares(t, fielderType):
	case k == reflect.Slice, k == reflect.Map, k == reflect.Array && !flat(t):
	default:
		return false
	}
	own := foreignOf(t)
	if own == nil {
		return false
	}
	c.foreign = true
	p.push(step{op: opForeign, typ: t, own: own}, w)
	return true
}

// foreignOf gives the codec that t declares, or nil.
func foreignOf(t reflect.Type) *foreign {
	switch {
	case !declares(t, unmarshalerType):
	case declares(t, appenderType):
		return &foreign{func(dst []byte, ptr any) ([]byte, error) {
			return ptr.(encoding.BinaryAppender).AppendBinary(dst)
		}, unmarshalBinary, "AppendBinary"}
	case declares(t, marshalerType):
		return &foreign{func(_ []byte, ptr any) ([]byte, error) {
			return ptr.(encoding.BinaryMarshaler).MarshalBinary()
		}, unmarshalBinary, "MarshalBinary"}
	}
	if declares(t, gobEncoderType) && declares(t, gobDecoderType) {
		return &foreign{func(_ []byte, ptr any) ([]byte, error) {
			return ptr.(gob.GobEncoder).GobEncode()
		}, gobDecode, "GobEncode"}
	}
	return nil
}

func unmarshalBinary(ptr any, src []byte) error {
	return ptr.(encoding.BinaryUnmarshaler).UnmarshalBinary(src)
}

func gobDecode(ptr any, src []byte) error { return ptr.(gob.GobDecoder).GobDecode(src) }

// declares says whether t, or *t, implements iface by a method of its own. A struct gets the methods
// of what it embeds, and by time.Time's MarshalBinary `struct{ time.Time; Name string }` would lose
// its name. Reflection does not tell whether a struct also declares such a method itself; in that
// rare case its fields are written one by one, which is whole too.
func declares(t, iface reflect.Type) bool {
	return reflect.PointerTo(t).Implements(iface) && promotes(t, iface) == ""
}

// promotes gives the name of an embedded field of t that has iface's methods, or nothing.
func promotes(t, iface reflect.Type) string {
	if t.Kind() != reflect.Struct {
		return ""
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && (f.Type.Implements(iface) || reflect.PointerTo(f.Type).Implements(iface)) {
			return f.Name
		}
	}
	return ""
}

// promoter gives the name of an embedded field of t that has binary methods, or nothing.
func promoter(t reflect.Type) string {
	for _, iface := range []reflect.Type{unmarshalerType, marshalerType, appenderType, gobDecoderType} {
		if name := promotes(t, iface); name != "" {
			return name
		}
	}
	return ""
}

// appendForeign writes the length of a value's own bytes and the bytes. The method is given a buffer
// of its own and never dst, which it could harm, and which may be on a stack.
func appendForeign(dst []byte, heap address, s *step) ([]byte, error) {
	room := scratch.Get().(*[]byte)
	b, err := s.own.append((*room)[:0], pointerTo(s.typ, heap).Interface())
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", s.own.name, s.typ, err)
	}
	dst = append(appendUvarint(dst, uint64(len(b))), b...)
	scratch.Put(room)
	return dst, nil
}

// decodeForeign reads what appendForeign wrote into the zero value at heap. A method that panics on
// damaged bytes has found them out in its own way.
func decodeForeign(src []byte, heap address, s *step) (rest []byte, err error) {
	b, rest, err := decodeChunk(src)
	if err != nil {
		return src, err
	}
	defer func() {
		if r := recover(); r != nil {
			rest, err = src, fmt.Errorf("decoding %s by its own method panicked: %v", s.typ, r)
		}
	}()
	if err := s.own.decode(pointerTo(s.typ, heap).Interface(), b[:len(b):len(b)]); err != nil {
		return src, fmt.Errorf("decoding %s by its own method: %w", s.typ, err)
	}
	return rest, nil
}

// cloneForeign makes the value at to, which is zero, a copy of the one at from, by way of its bytes.
func cloneForeign(to, from address, s *step) error {
	b, err := appendForeign(nil, from, s)
	if err != nil {
		return err
	}
	_, err = decodeForeign(b, to, s)
	return err
}
