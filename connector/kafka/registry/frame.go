package registry

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstream/weir/connector/kafka"
)

const (
	// magicID and magicGUID are the first byte of a reference to a schema: what follows is an id of
	// four bytes, big-endian, or a GUID of sixteen.
	magicID   = 0
	magicGUID = 1

	prefixLen   = 1 + 4
	guidRefLen  = 1 + 16
	keyHeader   = "__key_schema_id"
	valueHeader = "__value_schema_id"

	// depthMax bounds a message path. protoc itself refuses messages nested this deep.
	depthMax = 32
)

// A Frame is a record's key or value taken apart: the schema it was written with, and the bytes that
// the schema describes. Payload points into the data.
type Frame struct {
	Ref     Ref
	Payload []byte

	// tail is what stands behind the reference in a header; inHeader says that there was one.
	tail     []byte
	inHeader bool
}

// Unframe finds out which schema a key or value was written with: from the header __key_schema_id or
// __value_schema_id if the record has it, and else from the magic byte and the id at the front of the
// data. It is not to be called for a null, which has no schema. An error says what the bytes look
// like and which deserializer reads them.
func Unframe(m kafka.Meta, data []byte) (Frame, error) {
	name := valueHeader
	if m.IsKey {
		name = keyHeader
	}
	// The last one counts, as with Java's lastHeader. Nearly all records have no header at all.
	for i := len(m.Headers) - 1; i >= 0; i-- {
		if h := m.Headers[i]; h.Key == name && h.Value != nil {
			ref, tail, err := cutRef(h.Value)
			if err != nil {
				return Frame{}, fmt.Errorf("header %s of the record: %w: check what the producer writes there",
					name, err)
			}
			return Frame{Ref: ref, Payload: data, tail: tail, inHeader: true}, nil
		}
	}
	if len(data) < prefixLen || data[0] != magicID {
		return Frame{}, unframed(m, data)
	}
	id := binary.BigEndian.Uint32(data[1:prefixLen])
	return Frame{Ref: Ref{ID: int(id)}, Payload: data[prefixLen:]}, nil
}

// cutRef takes a reference off the front of a header's value.
func cutRef(b []byte) (ref Ref, tail []byte, err error) {
	switch {
	case len(b) >= prefixLen && b[0] == magicID:
		return Ref{ID: int(binary.BigEndian.Uint32(b[1:prefixLen]))}, b[prefixLen:], nil
	case len(b) >= guidRefLen && b[0] == magicGUID:
		return Ref{GUID: kafka.UUIDValue(b[1:guidRefLen])}, b[guidRefLen:], nil
	case len(b) == 0:
		return Ref{}, nil, fmt.Errorf("it is empty, where a schema's id or GUID is expected")
	}
	return Ref{}, nil, fmt.Errorf("its %d bytes begin with 0x%02x: a schema's id is 0 and %d bytes, a GUID 1 and %d",
		len(b), b[0], prefixLen-1, guidRefLen-1)
}

// unframed says what is wrong with data that no registry serializer wrote.
func unframed(m kafka.Meta, data []byte) error {
	half := "value"
	if m.IsKey {
		half = "key"
	}
	const instead = "read plain Avro with avro.Schema, plain Protobuf with protobuf.Message, text with kafka.String " +
		"or kafka.JSON"
	if len(data) == 0 {
		return fmt.Errorf("the %s is empty, where a schema registry's serializer writes at least %d bytes "+
			"(a tombstone is a null, not an empty value): %s", half, prefixLen, instead)
	}
	if data[0] == magicID {
		return fmt.Errorf("the %s has %d bytes, where a schema registry's serializer writes at least %d: %s",
			half, len(data), prefixLen, instead)
	}
	looks := ""
	switch b := data[0]; {
	case b == '{' || b == '[':
		looks = ", which looks like JSON"
	case b >= ' ' && b <= '~':
		looks = fmt.Sprintf(" (%q)", rune(b))
	}
	return fmt.Errorf("the %s begins with byte 0x%02x%s, where a schema registry's serializer writes a magic byte 0 "+
		"and the schema's id: %s", half, data[0], looks, instead)
}

// MessagePath returns where in its schema a Protobuf message is defined, from the outside in ([2 0]
// is the first message within the third), and the bytes of the message. The path is appended to buf,
// which may be nil.
func (f Frame) MessagePath(buf []int) (path []int, message []byte, err error) {
	if f.inHeader {
		path, _, err = cutPath(buf, f.tail)
		return path, f.Payload, err
	}
	return cutPath(buf, f.Payload)
}

// cutPath takes a message path off the front of b: its length and its elements, each a zigzag varint;
// or a single 0, short for the first message of the schema.
func cutPath(buf []int, b []byte) (path []int, rest []byte, err error) {
	n, width := binary.Varint(b)
	if width <= 0 {
		return nil, nil, fmt.Errorf("the message path behind the schema's id is cut short or malformed")
	}
	rest = b[width:]
	if n == 0 {
		return append(buf, 0), rest, nil
	}
	if n < 0 || n > depthMax {
		return nil, nil, fmt.Errorf("the message path behind the schema's id claims %d elements, where 1 to %d are "+
			"possible: the record was not written by a Protobuf serializer for a schema registry", n, depthMax)
	}
	for range n {
		index, width := binary.Varint(rest)
		if width <= 0 || index < 0 || index > 1<<20 {
			return nil, nil, fmt.Errorf("the message path behind the schema's id is cut short or malformed")
		}
		buf, rest = append(buf, int(index)), rest[width:]
	}
	return buf, rest, nil
}

// AppendID appends what goes before a key or value written with a schema: the magic byte and the id.
func AppendID(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, magicID), uint32(id))
}

// AppendMessagePath appends what goes between the id and a Protobuf message: the message's place in
// the schema.
func AppendMessagePath(dst []byte, path []int) []byte {
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, index := range path {
		dst = binary.AppendVarint(dst, int64(index))
	}
	return dst
}
