package codec

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// messageType is what every generated *Message implements.
var messageType = reflect.TypeFor[proto.Message]()

// protoMarshal makes one binary write equal messages in equal bytes. Other releases of the protobuf
// library may order map entries and unknown fields in another way, and read all of them.
var protoMarshal = proto.MarshalOptions{Deterministic: true}

// message gives the message that the pointer at a points to. It must not be nil.
func message(t reflect.Type, a address) proto.Message {
	return pointerTo(t.Elem(), a.word()).Interface().(proto.Message)
}

// appendProto writes 0 for nil, else 1 more than the length of the message's bytes, and them.
func appendProto(dst []byte, a address, s *step) ([]byte, error) {
	if a.word() == (address{}) {
		return append(dst, 0), nil
	}
	room := scratch.Get().(*[]byte)
	b, err := protoMarshal.MarshalAppend((*room)[:0], message(s.typ, a))
	if err != nil {
		return nil, fmt.Errorf("marshalling %s: %w", s.typ, err)
	}
	dst = append(appendUvarint(dst, uint64(len(b))+1), b...)
	scratch.Put(room)
	return dst, nil
}

// decodeProto reads what appendProto wrote. protobuf copies what it keeps of src.
func decodeProto(src []byte, a address, s *step) ([]byte, error) {
	n, rest, err := decodeCount(src, 1, 0)
	if err != nil || n < 0 {
		return rest, err
	}
	// The message goes to the heap by itself, so that protobuf, which keeps references to messages
	// while it works, never sees a stack.
	p := reflect.New(s.typ.Elem())
	if err := proto.Unmarshal(rest[:n], p.Interface().(proto.Message)); err != nil {
		return src, fmt.Errorf("unmarshalling %s: %w", s.typ, err)
	}
	a.setWord(p)
	return rest[n:], nil
}

// cloneProto replaces the pointer at a by one to a copy of its message.
func cloneProto(a address, s *step) {
	if a.word() != (address{}) {
		a.setWord(reflect.ValueOf(proto.Clone(message(s.typ, a))))
	}
}

// sizeProto estimates a message's memory: its struct, and about twice its bytes for what it holds.
func sizeProto(a address, s *step) int {
	if a.word() == (address{}) {
		return 0
	}
	return int(s.typ.Elem().Size()) + 2*proto.Size(message(s.typ, a))
}
