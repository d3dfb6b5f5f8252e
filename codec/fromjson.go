package codec

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// AppendValue writes behind dst the value that JSON says, as [Schema.AppendJSON] shows it: a struct needs all of its
// fields, and may have no others.
func (s *Schema) AppendValue(dst, text []byte) ([]byte, error) {
	v, err := anyOf(text)
	if err != nil {
		return dst, s.unread(err)
	}
	out, err := appendAny(dst, v, s.value)
	if err != nil {
		return dst, s.unread(err)
	}
	return out, nil
}

// AppendKey writes behind dst the canonical bytes of the key that JSON says, as [Schema.AppendKeyJSON] shows it.
func (s *Schema) AppendKey(dst, text []byte) ([]byte, error) {
	v, err := anyOf(text)
	if err != nil {
		return dst, s.unread(err)
	}
	out, err := s.appendKey(dst, v)
	if err != nil {
		return dst, s.unread(err)
	}
	return out, nil
}

func (s *Schema) appendKey(dst []byte, v any) ([]byte, error) {
	switch f := s.key; {
	case s.opaqueKey:
		b, ok := rawOf(v)
		if !ok {
			return nil, errOpaque
		}
		return append(dst, b...), nil
	case f.op == opString && !f.record:
		b, ok := textIn(v)
		if !ok {
			return nil, misfit(v, f)
		}
		return append(dst, b...), nil
	case f.integer():
		x, err := integerOf(v, f)
		return binary.LittleEndian.AppendUint64(dst, x), err
	}
	return appendAny(dst, v, s.key)
}

func (s *Schema) unread(err error) error { return fmt.Errorf("it is not a %s: %w", s.text, err) }

var errOpaque = errors.New(`its type has a form of its own, which is given by {"base64":"..."}`)

// anyOf reads one JSON value.
func anyOf(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&v); err != nil {
		return nil, fmt.Errorf("the JSON cannot be read: %w", err)
	}
	if _, err = d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON")
	}
	return v, nil
}

// misfit is the error of a value that the form does not take.
func misfit(v any, f *form) error {
	what := opNames[f.op]
	if f.record {
		what = "object of fields"
	}
	text, _ := json.Marshal(v)
	if len(text) > 80 {
		text = append(text[:77:77], "..."...)
	}
	return fmt.Errorf("%s is no %s", text, what)
}

// rawOf gives the bytes of {"base64":"..."}.
func rawOf(v any) (b []byte, ok bool) {
	m, ok := v.(map[string]any)
	text, isText := m["base64"].(string)
	if !ok || !isText || len(m) != 1 {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil
}

// textIn gives the bytes of a string.
func textIn(v any) (b []byte, ok bool) {
	if text, ok := v.(string); ok {
		return []byte(text), true
	}
	return rawOf(v)
}

// appendAny writes a value. The JSON that it comes from bounds how deep it is.
func appendAny(dst []byte, v any, f *form) ([]byte, error) {
	if f.record {
		return appendRecord(dst, v, f)
	}
	switch f.op {
	case opArray:
		list, ok := v.([]any)
		if !ok || len(list) != f.n {
			return nil, misfit(v, f)
		}
		return appendList(dst, list, f.elem)
	case opSlice:
		list, ok := v.([]any)
		switch {
		case v == nil:
			return append(dst, 0), nil
		case !ok:
			return nil, misfit(v, f)
		}
		return appendList(appendUvarint(dst, uint64(len(list))+1), list, f.elem)
	case opMap:
		return appendEntries(dst, v, f)
	case opPointer:
		if v == nil {
			return append(dst, 0), nil
		}
		if f.elem.nullable() {
			list, ok := v.([]any)
			if !ok || len(list) != 1 {
				return nil, misfit(v, f)
			}
			v = list[0]
		}
		return appendAny(append(dst, 1), v, f.elem)
	}
	return appendLeaf(dst, v, f)
}

func appendRecord(dst []byte, v any, f *form) (out []byte, err error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, misfit(v, f)
	}
	for _, x := range f.fields {
		field, ok := m[x.name]
		if !ok {
			return nil, fmt.Errorf("the field %s is missing", x.name)
		}
		if dst, err = appendAny(dst, field, x.form); err != nil {
			return nil, within(err, x.name)
		}
	}
	if len(m) == len(f.fields) {
		return dst, nil
	}
	for _, x := range f.fields {
		delete(m, x.name)
	}
	for name := range m {
		return nil, fmt.Errorf("there is no field %q", name)
	}
	return dst, nil
}

func appendList(dst []byte, list []any, elem *form) (out []byte, err error) {
	for _, v := range list {
		if dst, err = appendAny(dst, v, elem); err != nil {
			return nil, within(err, "[]")
		}
	}
	return dst, nil
}

// appendEntries writes a map, whose keys come in any order: of an object, or of a list of pairs.
func appendEntries(dst []byte, v any, f *form) ([]byte, error) {
	var pairs [][2]any
	switch m := v.(type) {
	case nil:
		return append(dst, 0), nil
	case map[string]any:
		for name, v := range m {
			pairs = append(pairs, [2]any{wordOf(name, f.key), v})
		}
	case []any:
		for _, x := range m {
			pair, ok := x.([]any)
			if !ok || len(pair) != 2 {
				return nil, misfit(x, f)
			}
			pairs = append(pairs, [2]any(pair))
		}
	default:
		return nil, misfit(v, f)
	}
	dst = appendUvarint(dst, uint64(len(pairs))+1)
	first, spans, seen := len(dst), make([]span, 0, len(pairs)), map[string]bool{}
	for _, p := range pairs {
		var err error
		e := span{begin: len(dst)}
		if dst, err = appendAny(dst, p[0], f.key); err != nil {
			return nil, within(err, "[key]")
		}
		e.value = len(dst)
		if key := string(dst[e.begin:]); seen[key] {
			return nil, errors.New("a key of a map comes twice")
		} else {
			seen[key] = true
		}
		if dst, err = appendAny(dst, p[1], f.elem); err != nil {
			return nil, within(err, "[]")
		}
		e.end = len(dst)
		spans = append(spans, e)
	}
	sortSpans(dst, first, spans)
	return dst, nil
}

// wordOf gives the key that stands as a name in an object.
func wordOf(name string, key *form) any {
	if key.record {
		return name
	}
	switch key.op {
	case opBool:
		if b, err := strconv.ParseBool(name); err == nil {
			return b
		}
	case opString, opTime, opAddr, opAddrPort, opPrefix, opByteArray:
	default:
		if _, err := strconv.ParseFloat(name, 64); err == nil && !strings.ContainsAny(name, "INin") {
			return json.Number(name)
		}
	}
	return name
}

// appendLeaf writes what has no elements.
func appendLeaf(dst []byte, v any, f *form) ([]byte, error) {
	switch o := f.op; {
	case o == opBool:
		b, ok := v.(bool)
		if !ok {
			return nil, misfit(v, f)
		}
		if b {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case f.integer():
		x, err := integerOf(v, f)
		switch {
		case err != nil:
			return nil, err
		case o == opInt8 || o == opUint8:
			return append(dst, byte(x)), nil
		case o <= opInt64:
			return appendVarint(dst, int64(x)), nil
		}
		return appendUvarint(dst, x), nil
	case o == opString:
		b, ok := textIn(v)
		if !ok {
			return nil, misfit(v, f)
		}
		return append(appendUvarint(dst, uint64(len(b))), b...), nil
	case o == opTime || o == opAddr || o == opAddrPort || o == opPrefix:
		return appendTexted(dst, v, f)
	case o == opBytes || o == opProto || o == opByteArray || o == opForeign:
		return appendOpaque(dst, v, f)
	}
	return appendNumbers(dst, v, f)
}

// integerOf reads a number, which must fit.
func integerOf(v any, f *form) (uint64, error) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, misfit(v, f)
	}
	var x uint64
	var err error
	if f.op <= opInt64 {
		var signed int64
		signed, err = strconv.ParseInt(n.String(), 10, 64)
		x = uint64(signed)
	} else {
		x, err = strconv.ParseUint(n.String(), 10, 64)
	}
	var room uint64
	if err != nil || storeInteger(addressOf(&room), f.op, x) != nil {
		return 0, misfit(v, f)
	}
	return x, nil
}

// appendTexted writes a time or an address.
func appendTexted(dst []byte, v any, f *form) ([]byte, error) {
	if text, ok := v.(string); ok {
		out, err := appendText(dst, f.op, text)
		if err != nil {
			return nil, misfit(v, f)
		}
		return out, nil
	}
	b, ok := rawOf(v)
	if ok { // It is what a value is, or nothing that would ever be read again.
		rest, err := (&shower{}).texted(b, f)
		ok = err == nil && len(rest) == 0
	}
	if !ok {
		return nil, misfit(v, f)
	}
	return append(dst, b...), nil
}

// appendOpaque writes bytes.
func appendOpaque(dst []byte, v any, f *form) ([]byte, error) {
	var b []byte
	var ok bool
	switch text, isText := v.(string); {
	case v == nil && (f.op == opBytes || f.op == opProto):
		return append(dst, 0), nil
	case f.op == opForeign || f.op == opProto:
		if b, ok = rawOf(v); !ok {
			return nil, errOpaque
		}
	case isText:
		var err error
		b, err = base64.StdEncoding.DecodeString(text)
		ok = err == nil
	}
	switch {
	case !ok || f.op == opByteArray && len(b) != f.n:
		return nil, misfit(v, f)
	case f.op == opByteArray:
		return append(dst, b...), nil
	case f.op == opForeign:
		return append(appendUvarint(dst, uint64(len(b))), b...), nil
	}
	return append(appendUvarint(dst, uint64(len(b))+1), b...), nil
}

// appendNumbers writes one floating-point number, or the two of a complex one.
func appendNumbers(dst []byte, v any, f *form) ([]byte, error) {
	bits, parts := 64, []any{v}
	switch f.op {
	case opFloat32, opComplex64, opKeyFloat32, opKeyComplex64:
		bits = 32
	}
	switch f.op {
	case opComplex64, opComplex128, opKeyComplex64, opKeyComplex128:
		parts, _ = v.([]any)
		if len(parts) != 2 {
			return nil, misfit(v, f)
		}
	}
	for _, part := range parts {
		if b, ok := rawOf(part); ok && len(b) == bits/8 {
			dst = append(dst, b...) // A NaN: keys have none, and find that out when they are read.
			continue
		}
		x, ok := floatOf(part, bits)
		if !ok {
			return nil, misfit(v, f)
		}
		if opKeyFloat32 <= f.op && f.op <= opKeyComplex128 {
			if x != x {
				return nil, ErrNaN
			}
			x += 0 // There is no -0 in keys.
		}
		dst = appendFloat(dst, x, bits)
	}
	return dst, nil
}

func floatOf(v any, bits int) (x float64, ok bool) {
	switch v := v.(type) {
	case json.Number:
		x, err := strconv.ParseFloat(v.String(), bits)
		return x, err == nil
	case string:
		switch v {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
	}
	return 0, false
}
