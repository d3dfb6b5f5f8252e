package codec

import (
	"encoding/binary"
	"math"
)

// appendSteps writes the value at a, which is also at heap if foreign code will see it. left is how
// many more levels of pointers, slices and maps may follow. On an error it gives no bytes.
//
// Integers and strings, of which most records consist, are here, and share one copy of the code that
// writes varints; the rest is in appendOther. So the loop is small, and so is a level of recursion.
func appendSteps(dst []byte, a, heap address, p *plan, left int) ([]byte, error) {
	steps := p.steps
	for i := range steps {
		s := &steps[i]
		f := a.add(s.off)
		var x uint64
		switch s.op {
		case opString:
			text := *at[string](f)
			dst = append(appendUvarint(dst, uint64(len(text))), text...)
			continue
		case opInt16:
			x = zigzag(int64(*at[int16](f)))
		case opInt32:
			x = zigzag(int64(*at[int32](f)))
		case opInt64:
			x = zigzag(*at[int64](f))
		case opUint16:
			x = uint64(*at[uint16](f))
		case opUint32:
			x = uint64(*at[uint32](f))
		case opUint64:
			x = *at[uint64](f)
		default:
			var err error
			if dst, err = appendOther(dst, f, heap.addHeap(s.off), s, left); err != nil {
				return nil, within(err, s.name)
			}
			continue
		}
		for ; x >= 0x80; x >>= 7 {
			dst = append(dst, byte(x)|0x80)
		}
		dst = append(dst, byte(x))
	}
	return dst, nil
}

// appendOther writes what appendSteps leaves to it.
func appendOther(dst []byte, a, heap address, s *step, left int) ([]byte, error) {
	switch s.op {
	case opBool, opInt8, opUint8:
		return append(dst, *at[byte](a)), nil
	case opFloat32:
		return binary.LittleEndian.AppendUint32(dst, *at[uint32](a)), nil
	case opFloat64:
		return binary.LittleEndian.AppendUint64(dst, *at[uint64](a)), nil
	case opBytes:
		return appendBytes(dst, *at[[]byte](a)), nil
	case opByteArray:
		return append(dst, a.bytes(s.n)...), nil
	case opComplex64:
		return appendMany(dst, a, heap, 2, float32Plan, left)
	case opComplex128:
		return appendMany(dst, a, heap, 2, float64Plan, left)
	case opKeyFloat32, opKeyFloat64, opKeyComplex64, opKeyComplex128:
		return appendKeyFloats(dst, a, s.op)
	case opArray:
		return appendMany(dst, a, heap, s.n, s.elem, left)
	case opTime:
		return appendTime(dst, a), nil
	case opAddr, opAddrPort, opPrefix:
		return appendNet(dst, a, s.op), nil
	case opForeign:
		return appendForeign(dst, heap, s)
	case opProto:
		return appendProto(dst, a, s)
	}
	if left == 0 {
		return nil, errDepth
	}
	switch s.op {
	case opSlice:
		v := *at[slice](a)
		if v.data == (address{}) {
			return append(dst, 0), nil
		}
		dst = appendUvarint(dst, uint64(v.len)+1)
		return appendMany(dst, v.data, v.data, v.len, s.elem, left-1)
	case opMap:
		return appendMap(dst, a, s, left-1)
	default: // opPointer
		p := a.word()
		if p == (address{}) {
			return append(dst, 0), nil
		}
		return appendSteps(append(dst, 1), p, p, s.elem, left-1)
	}
}

// The plans of the parts of complex numbers.
var (
	float32Plan = &plan{steps: []step{{op: opFloat32}}, size: 4}
	float64Plan = &plan{steps: []step{{op: opFloat64}}, size: 8}
)

// appendMany writes n values that lie behind each other. Elements without bytes take no time, however
// many they are.
func appendMany(dst []byte, a, heap address, n int, elem *plan, left int) ([]byte, error) {
	if len(elem.steps) == 0 {
		return dst, nil
	}
	var err error
	for i := range n {
		off := uintptr(i) * elem.size
		if dst, err = appendSteps(dst, a.add(off), heap.addHeap(off), elem, left); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendBytes writes 0 for nil, else one more than the length, and the bytes.
func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 0)
	}
	return append(appendUvarint(dst, uint64(len(b))+1), b...)
}

// appendKeyFloats writes the floating-point numbers of a key, in which both zeros are one.
func appendKeyFloats(dst []byte, a address, o op) ([]byte, error) {
	parts := 1
	if o == opKeyComplex64 || o == opKeyComplex128 {
		parts = 2
	}
	for i := range uintptr(parts) {
		if o == opKeyFloat32 || o == opKeyComplex64 {
			v := *at[float32](a.add(4 * i))
			if math.IsNaN(float64(v)) {
				return nil, ErrNaN
			}
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(v+0))
			continue
		}
		v := *at[float64](a.add(8 * i))
		if math.IsNaN(v) {
			return nil, ErrNaN
		}
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v+0))
	}
	return dst, nil
}
