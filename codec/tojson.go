package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// AppendJSON writes a value, which is all of src, as JSON behind dst.
func (s *Schema) AppendJSON(dst, src []byte) ([]byte, error) {
	return s.show(dst, src, func(w *shower) ([]byte, error) { return w.value(src, s.value, maxDepth) })
}

// AppendKeyJSON writes a key, whose canonical bytes are all of src, as JSON behind dst.
func (s *Schema) AppendKeyJSON(dst, src []byte) ([]byte, error) {
	return s.show(dst, src, func(w *shower) (rest []byte, err error) {
		switch f := s.key; {
		case s.opaqueKey:
			w.raw(src)
			return nil, nil
		case f.op == opString && !f.record:
			w.text(src)
			return nil, nil
		case f.integer():
			if len(src) < 8 {
				return src, errShort
			}
			return src[8:], w.integer(f, binary.LittleEndian.Uint64(src))
		}
		return w.value(src, s.key, maxDepth)
	})
}

// show calls write, which is to leave nothing of src.
func (s *Schema) show(dst, src []byte, write func(*shower) (rest []byte, err error)) ([]byte, error) {
	w := &shower{out: dst}
	rest, err := write(w)
	if err == nil && len(rest) > 0 {
		err = errTrailing
	}
	if err != nil {
		return dst, fmt.Errorf("codec: cannot decode a %s: at byte %d of %d: %w: %w", s.text, len(src)-len(rest),
			len(src), err, ErrCorrupt)
	}
	return w.out, nil
}

// integer tells whether it is a number of so many bytes as a key.
func (f *form) integer() bool { return !f.record && opInt8 <= f.op && f.op <= opUint64 }

// emptyMax bounds how many elements without bytes are written out.
const emptyMax = 1 << 16

var errEmpties = errors.New("there are too many elements without bytes")

// A shower writes values as JSON.
type shower struct{ out []byte }

func (w *shower) put(text string) { w.out = append(w.out, text...) }

// raw is how bytes are shown that have no other form.
func (w *shower) raw(b []byte) {
	w.put(`{"base64":"`)
	w.out = base64.StdEncoding.AppendEncode(w.out, b)
	w.put(`"}`)
}

// text writes a string.
func (w *shower) text(b []byte) {
	if !utf8.Valid(b) {
		w.raw(b)
		return
	}
	w.out = append(w.out, '"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			w.out = append(w.out, '\\', c)
		case c == '\n':
			w.put(`\n`)
		case c == '\t':
			w.put(`\t`)
		case c < ' ':
			w.out = fmt.Appendf(w.out, `\u%04x`, c)
		default:
			w.out = append(w.out, c)
		}
	}
	w.out = append(w.out, '"')
}

// value writes what comes first in src, and gives what follows it.
func (w *shower) value(src []byte, f *form, left int) (rest []byte, err error) {
	if f.record {
		return w.record(src, f, left)
	}
	if f.elem != nil && f.op != opArray {
		if left--; left < 0 {
			return src, errDepth
		}
	}
	switch f.op {
	case opArray:
		return w.list(src, f.elem, f.n, left)
	case opSlice:
		n, rest, err := decodeCount(src, f.elem.least(), 0)
		if err != nil {
			return src, err
		}
		return w.list(rest, f.elem, n, left)
	case opMap:
		return w.entries(src, f, left)
	case opPointer:
		return w.pointer(src, f, left)
	}
	return w.leaf(src, f)
}

// least is 1 if the form has bytes for certain.
func (f *form) least() int {
	switch {
	case f.record:
		for _, x := range f.fields {
			if x.form.least() > 0 {
				return 1
			}
		}
		return 0
	case f.op == opArray:
		return min(f.n, f.elem.least())
	case f.op == opByteArray:
		return min(f.n, 1)
	}
	return 1
}

func (w *shower) record(src []byte, f *form, left int) (rest []byte, err error) {
	w.put("{")
	for i, x := range f.fields {
		if i > 0 {
			w.put(",")
		}
		w.text([]byte(x.name))
		w.put(":")
		if src, err = w.value(src, x.form, left); err != nil {
			return src, within(err, x.name)
		}
	}
	w.put("}")
	return src, nil
}

// list writes n elements; -1 says that there is no list.
func (w *shower) list(src []byte, elem *form, n, left int) (rest []byte, err error) {
	if n < 0 {
		w.put("null")
		return src, nil
	}
	if n > emptyMax && elem.least() == 0 {
		return src, errEmpties
	}
	w.put("[")
	for i := range n {
		if i > 0 {
			w.put(",")
		}
		if src, err = w.value(src, elem, left); err != nil {
			return src, within(err, "[]")
		}
	}
	w.put("]")
	return src, nil
}

// pointer writes what is pointed to, in a list of its own if that may itself be null.
func (w *shower) pointer(src []byte, f *form, left int) (rest []byte, err error) {
	switch {
	case len(src) == 0:
		return src, errShort
	case src[0] > 1:
		return src, errFlag
	case src[0] == 0:
		w.put("null")
		return src[1:], nil
	case f.elem.nullable():
		return w.list(src[1:], f.elem, 1, left)
	}
	return w.value(src[1:], f.elem, left)
}

// nullable tells whether a value of the form may be null.
func (f *form) nullable() bool {
	switch f.op {
	case opSlice, opMap, opPointer, opBytes, opProto:
		return !f.record
	}
	return false
}

// entries writes a map: an object if all keys are words, else a list of pairs.
func (w *shower) entries(src []byte, f *form, left int) (rest []byte, err error) {
	n, rest, err := decodeCount(src, f.key.least()+f.elem.least(), 0)
	switch {
	case err != nil:
		return src, err
	case n < 0:
		w.put("null")
		return rest, nil
	case n > 1 && f.key.least()+f.elem.least() == 0:
		return src, errOrder
	}
	begin := len(w.out)
	object, err := w.pairs(&rest, f, n, left, true)
	if err == nil && !object {
		w.out = w.out[:begin]
		_, rest, _ = decodeCount(src, 0, 0)
		_, err = w.pairs(&rest, f, n, left, false)
	}
	return rest, err
}

// pairs writes the entries of a map. As an object it ends, with false, at the first key that is no word.
func (w *shower) pairs(src *[]byte, f *form, n, left int, object bool) (ok bool, err error) {
	open, between, end, done := "[[", ",", "]", "]"
	if object {
		open, between, end, done = "{", ":", "", "}"
	}
	if n == 0 {
		w.put(open[:1] + done)
		return true, nil
	}
	var last []byte
	for i := range n {
		begin, from := *src, len(w.out)
		if *src, err = w.value(*src, f.key, left); err != nil {
			return false, within(err, "[key]")
		}
		bytesOfKey := begin[:len(begin)-len(*src)]
		if i > 0 && bytes.Compare(last, bytesOfKey) >= 0 {
			return false, errOrder
		}
		last = bytesOfKey
		key := string(w.out[from:])
		w.out = w.out[:from]
		if object {
			switch key[0] {
			case '{', '[':
				return false, nil
			case '"':
			default:
				key = `"` + key + `"`
			}
		}
		if i > 0 {
			open = "," + open[1:]
		}
		w.put(open + key + between)
		if *src, err = w.value(*src, f.elem, left); err != nil {
			return false, within(err, "[]")
		}
		w.put(end)
	}
	w.put(done)
	return true, nil
}

// leaf writes what has no elements.
func (w *shower) leaf(src []byte, f *form) (rest []byte, err error) {
	switch f.op {
	case opBool:
		if len(src) == 0 {
			return src, errShort
		} else if src[0] > 1 {
			return src, errBool
		}
		w.put(strconv.FormatBool(src[0] == 1))
		return src[1:], nil
	case opInt8, opUint8:
		if len(src) == 0 {
			return src, errShort
		} else if f.op == opInt8 {
			return src[1:], w.integer(f, uint64(int8(src[0])))
		}
		return src[1:], w.integer(f, uint64(src[0]))
	case opInt16, opInt32, opInt64:
		x, rest, err := decodeVarint(src)
		if err != nil {
			return src, err
		}
		return rest, w.integer(f, uint64(x))
	case opUint16, opUint32, opUint64:
		x, rest, err := decodeUvarint(src)
		if err != nil {
			return src, err
		}
		return rest, w.integer(f, x)
	case opString:
		b, rest, err := decodeChunk(src)
		w.text(b)
		return rest, err
	}
	return w.other(src, f)
}

// integer writes a number, if the form has room for it.
func (w *shower) integer(f *form, x uint64) error {
	var room uint64
	if err := storeInteger(addressOf(&room), f.op, x); err != nil {
		return err
	}
	if f.op <= opInt64 {
		w.out = strconv.AppendInt(w.out, int64(x), 10)
	} else {
		w.out = strconv.AppendUint(w.out, x, 10)
	}
	return nil
}

// other writes what leaf leaves to it.
func (w *shower) other(src []byte, f *form) (rest []byte, err error) {
	switch f.op {
	case opBytes, opProto:
		n, rest, err := decodeCount(src, 1, 0)
		if err != nil || n < 0 {
			w.put("null")
			return rest, err
		}
		if f.op == opProto {
			w.raw(rest[:n])
		} else {
			w.quoted(base64.StdEncoding.EncodeToString(rest[:n]))
		}
		return rest[n:], nil
	case opByteArray:
		if len(src) < f.n {
			return src, errShort
		}
		w.quoted(base64.StdEncoding.EncodeToString(src[:f.n]))
		return src[f.n:], nil
	case opForeign:
		b, rest, err := decodeChunk(src)
		w.raw(b)
		return rest, err
	case opTime, opAddr, opAddrPort, opPrefix:
		return w.texted(src, f)
	}
	return w.floats(src, f)
}

func (w *shower) quoted(text string) { w.put(`"` + text + `"`) }

// floats writes one number, or a list of the two of a complex one.
func (w *shower) floats(src []byte, f *form) (rest []byte, err error) {
	one, parts := f.op, 1
	switch f.op {
	case opComplex64, opKeyComplex64:
		one, parts = opFloat32, 2
	case opComplex128, opKeyComplex128:
		one, parts = opFloat64, 2
	}
	if opKeyFloat32 <= f.op && f.op <= opKeyComplex128 {
		var room [2]float64
		if _, err := decodeKeyFloats(src, address{addressOf(&room).p}, f.op); err != nil {
			return src, err
		}
	}
	for i := range parts {
		if parts > 1 {
			w.put([]string{"[", ","}[i])
		}
		size, bits := 8, 64
		if one == opFloat32 || one == opKeyFloat32 {
			size, bits = 4, 32
		}
		if len(src) < size {
			return src, errShort
		}
		if bits == 32 {
			w.float(float64(math.Float32frombits(binary.LittleEndian.Uint32(src))), 32, src[:4])
		} else {
			w.float(math.Float64frombits(binary.LittleEndian.Uint64(src)), 64, src[:8])
		}
		src = src[size:]
	}
	if parts > 1 {
		w.put("]")
	}
	return src, nil
}

// float writes a number; what JSON has no number for is a string, but for a NaN whose bits are not Go's.
func (w *shower) float(x float64, bits int, raw []byte) {
	switch {
	case math.IsInf(x, 1):
		w.quoted("Infinity")
	case math.IsInf(x, -1):
		w.quoted("-Infinity")
	case x != x && !bytes.Equal(appendFloat(nil, math.NaN(), bits), raw):
		w.raw(raw)
	case x != x:
		w.quoted("NaN")
	case x != 0 && (math.Abs(x) < 1e-6 || math.Abs(x) >= 1e21):
		w.out = strconv.AppendFloat(w.out, x, 'e', -1, bits)
	default:
		w.out = strconv.AppendFloat(w.out, x, 'f', -1, bits)
	}
}

func appendFloat(dst []byte, x float64, bits int) []byte {
	if bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(x)))
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(x))
}

// texted writes a time or an address as its text, if that is all there is to it.
func (w *shower) texted(src []byte, f *form) (rest []byte, err error) {
	var text string
	if f.op == opTime {
		var t time.Time
		rest, err = decodeTime(src, addressOf(&t))
		text = t.Format(time.RFC3339Nano)
		if t.Location() != time.UTC {
			text = t.Format("2006-01-02T15:04:05.999999999-07:00") // so that it is not UTC
		}
	} else {
		text, rest, err = netText(src, f.op)
	}
	if err != nil {
		return src, err
	}
	raw := src[:len(src)-len(rest)]
	if back, err := appendText(nil, f.op, text); err != nil || !bytes.Equal(back, raw) {
		w.raw(raw)
	} else {
		w.text([]byte(text))
	}
	return rest, nil
}

func netText(src []byte, o op) (text string, rest []byte, err error) {
	var b []byte
	switch o {
	case opAddr:
		var a netip.Addr
		rest, err = decodeNet(src, addressOf(&a), o)
		b, _ = a.MarshalText()
	case opAddrPort:
		var a netip.AddrPort
		rest, err = decodeNet(src, addressOf(&a), o)
		b, _ = a.MarshalText()
	default: // opPrefix
		var a netip.Prefix
		rest, err = decodeNet(src, addressOf(&a), o)
		b, _ = a.MarshalText()
	}
	return string(b), rest, err
}

// appendText reads what texted wrote.
func appendText(dst []byte, o op, text string) ([]byte, error) {
	var err error
	switch o {
	case opTime:
		var t time.Time
		if t, err = time.Parse(time.RFC3339Nano, text); err == nil && !strings.HasSuffix(text, "Z") {
			_, offset := t.Zone()
			t = t.In(time.FixedZone("", offset))
		}
		return appendTime(dst, addressOf(&t)), err
	case opAddr:
		var a netip.Addr
		err = a.UnmarshalText([]byte(text))
		return appendNet(dst, addressOf(&a), o), err
	case opAddrPort:
		var a netip.AddrPort
		err = a.UnmarshalText([]byte(text))
		return appendNet(dst, addressOf(&a), o), err
	}
	var a netip.Prefix
	err = a.UnmarshalText([]byte(text))
	return appendNet(dst, addressOf(&a), o), err
}
