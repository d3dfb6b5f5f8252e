package codec

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"reflect"
	"strings"
)

// intBits is the width of an int.
const intBits = bits.UintSize

// limits is what a decoder carries inwards.
type limits struct {
	left    int  // levels of pointers, slices and maps that may still follow
	reserve int  // bytes at the end of the input that what is allocated already will need
	alias   bool // strings and byte slices may share the input's memory
}

// inside gives the limits of what lies within an element, behind which reserve more bytes must come.
//
// Without the reserve, a recursive type would let every level of a small input claim all that follows
// it, and memory would grow with the product of size and depth. With it, each byte of the input
// answers for one element only.
func (l limits) inside(reserve int) limits {
	l.left--
	l.reserve += reserve
	return l
}

// decodeSteps reads a value into the zero value at a, which is also at heap if foreign code will see
// it, and gives the bytes behind it. On an error, rest begins where the trouble is. It takes nothing
// but what appendSteps writes, so that one value has one form.
func decodeSteps(src []byte, a, heap address, p *plan, l limits) (rest []byte, err error) {
	steps := p.steps
	for i := range steps {
		s := &steps[i]
		f := a.add(s.off)
		switch s.op {
		case opBool, opInt8, opUint8:
			src, err = decodeByte(src, f, s.op)
		case opInt16, opInt32, opInt64:
			src, err = decodeInt(src, f, s.op)
		case opUint16, opUint32, opUint64:
			src, err = decodeUint(src, f, s.op)
		case opFloat32, opFloat64, opComplex64, opComplex128:
			src, err = decodeFloats(src, f, s.op)
		case opString:
			var b []byte
			if b, src, err = decodeChunk(src); err == nil {
				*at[string](f) = textOf(b, l.alias)
			}
		default:
			src, err = decodeOther(src, f, heap.addHeap(s.off), s, l)
		}
		if err != nil {
			return src, within(err, s.name)
		}
	}
	return src, nil
}

// decodeOther reads what decodeSteps leaves to it.
func decodeOther(src []byte, a, heap address, s *step, l limits) ([]byte, error) {
	switch s.op {
	case opKeyFloat32, opKeyFloat64, opKeyComplex64, opKeyComplex128:
		return decodeKeyFloats(src, a, s.op)
	case opBytes:
		return decodeBytes(src, a, l.alias)
	case opByteArray:
		if len(src) < s.n {
			return src, errShort
		}
		return src[copy(a.bytes(s.n), src):], nil
	case opTime:
		return decodeTime(src, a)
	case opAddr, opAddrPort, opPrefix:
		return decodeNet(src, a, s.op)
	case opForeign:
		return decodeForeign(src, heap, s)
	case opProto:
		return decodeProto(src, a, s)
	}
	l.reserve += s.after
	switch {
	case s.op == opArray:
		return decodeMany(src, a, heap, s.n, s.elem, l)
	case l.left == 0:
		return src, errDepth
	case s.op == opSlice:
		n, rest, err := decodeCount(src, s.elem.min, l.reserve)
		if err != nil || n < 0 {
			return rest, err
		}
		v := makeSlice(s.typ, n)
		*at[slice](a) = v
		return decodeMany(rest, v.data, v.data, n, s.elem, l.inside(0))
	case s.op == opMap:
		return decodeMap(src, a, s, l)
	default: // opPointer
		return decodePointer(src, a, s, l)
	}
}

// decodeMany reads n values into memory at a.
func decodeMany(src []byte, a, heap address, n int, elem *plan, l limits) (rest []byte, err error) {
	if len(elem.steps) == 0 {
		return src, nil
	}
	// While the i-th is read, the others' minimum is out of bounds for what it allocates.
	outer := l.reserve
	for i := range n {
		l.reserve = outer + (n-1-i)*elem.min
		off := uintptr(i) * elem.size
		if src, err = decodeSteps(src, a.add(off), heap.addHeap(off), elem, l); err != nil {
			return src, err
		}
	}
	return src, nil
}

// decodePointer reads a flag, and what it points to unless it is nil.
func decodePointer(src []byte, a address, s *step, l limits) ([]byte, error) {
	switch {
	case len(src) == 0:
		return src, errShort
	case src[0] == 0:
		return src[1:], nil
	case src[0] != 1:
		return src, errFlag
	case len(src)-1 < s.elem.min+l.reserve:
		return src, errShort
	}
	// What is pointed to is allocated only now that the input is known to be long enough for it.
	p := reflect.New(s.typ)
	a.setWord(p)
	fresh := pointee(p)
	return decodeSteps(src[1:], fresh, fresh, s.elem, l.inside(0))
}

// decodeByte reads a bool or an integer of one byte.
func decodeByte(src []byte, a address, o op) ([]byte, error) {
	if len(src) == 0 {
		return src, errShort
	}
	if o == opBool && src[0] > 1 {
		return src, errBool
	}
	*at[byte](a) = src[0]
	return src[1:], nil
}

// decodeInt reads a signed integer of more than one byte.
func decodeInt(src []byte, a address, o op) ([]byte, error) {
	x, rest, err := decodeVarint(src)
	if err != nil {
		return src, err
	}
	if err := storeInt(a, o, x); err != nil {
		return src, err
	}
	return rest, nil
}

// storeInt keeps x in an integer of o's width, if it fits.
func storeInt(a address, o op, x int64) error {
	fits := true
	switch o {
	case opInt8:
		*at[int8](a) = int8(x)
		fits = int64(int8(x)) == x
	case opInt16:
		*at[int16](a) = int16(x)
		fits = int64(int16(x)) == x
	case opInt32:
		*at[int32](a) = int32(x)
		fits = int64(int32(x)) == x
	default:
		*at[int64](a) = x
	}
	if !fits {
		return errRange
	}
	return nil
}

// decodeUint reads an unsigned integer of more than one byte.
func decodeUint(src []byte, a address, o op) ([]byte, error) {
	x, rest, err := decodeUvarint(src)
	if err != nil {
		return src, err
	}
	if err := storeUint(a, o, x); err != nil {
		return src, err
	}
	return rest, nil
}

// storeUint keeps x in an unsigned integer of o's width, if it fits.
func storeUint(a address, o op, x uint64) error {
	fits := true
	switch o {
	case opUint8:
		*at[uint8](a) = uint8(x)
		fits = uint64(uint8(x)) == x
	case opUint16:
		*at[uint16](a) = uint16(x)
		fits = uint64(uint16(x)) == x
	case opUint32:
		*at[uint32](a) = uint32(x)
		fits = uint64(uint32(x)) == x
	default:
		*at[uint64](a) = x
	}
	if !fits {
		return errRange
	}
	return nil
}

// decodeFloats reads one or two floating-point numbers, every bit of which is kept.
func decodeFloats(src []byte, a address, o op) ([]byte, error) {
	if len(src) < opMins[o] {
		return src, errShort
	}
	switch o {
	case opFloat32:
		*at[uint32](a) = binary.LittleEndian.Uint32(src)
	case opFloat64:
		*at[uint64](a) = binary.LittleEndian.Uint64(src)
	case opComplex64:
		*at[[2]uint32](a) = [2]uint32{binary.LittleEndian.Uint32(src), binary.LittleEndian.Uint32(src[4:])}
	default: // opComplex128
		*at[[2]uint64](a) = [2]uint64{binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])}
	}
	return src[opMins[o]:], nil
}

// decodeKeyFloats reads the floating-point numbers of a key, which are neither NaN nor -0.
func decodeKeyFloats(src []byte, a address, o op) (rest []byte, err error) {
	switch o {
	case opKeyFloat32:
		rest, err = decodeFloats(src, a, opFloat32)
	case opKeyFloat64:
		rest, err = decodeFloats(src, a, opFloat64)
	case opKeyComplex64:
		rest, err = decodeFloats(src, a, opComplex64)
	default: // opKeyComplex128
		rest, err = decodeFloats(src, a, opComplex128)
	}
	if err != nil {
		return src, err
	}
	var room [16]byte
	form, err := appendKeyFloats(room[:0], a, o)
	switch {
	case err != nil:
		return src, err
	case !bytes.Equal(form, src[:len(form)]):
		return src, errZero
	}
	return rest, nil
}

// textOf makes a string of b.
func textOf(b []byte, alias bool) string {
	if alias {
		return bytesString(b)
	}
	return strings.Clone(bytesString(b))
}

// decodeBytes reads a slice of bytes. A slice that shares src's memory has no room to grow into it.
func decodeBytes(src []byte, a address, alias bool) ([]byte, error) {
	n, rest, err := decodeCount(src, 1, 0)
	if err != nil || n < 0 {
		return rest, err
	}
	b := rest[:n:n]
	if !alias {
		b = append(make([]byte, 0, n), b...)
	}
	*at[[]byte](a) = b
	return rest[n:], nil
}
