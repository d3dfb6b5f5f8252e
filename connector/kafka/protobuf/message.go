package protobuf

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/weirstream/weir/connector/kafka"
)

// Message reads a bare message: Protobuf's encoding and nothing else. It is handed on with its type,
// as protobuf.Message[*pb.Order]. A null gives nil. Bytes that are no message, and a proto2 message
// without a required field, are errors; fields that the Go type does not know are kept in it.
func Message[M proto.Message](m kafka.Meta, data []byte) (M, error) {
	var none M
	if m.Null {
		return none, nil
	}
	kind, err := typeOf[M]()
	if err != nil {
		return none, err
	}
	v, err := unmarshal[M](kind, data)
	if err != nil {
		hint := ""
		if len(data) > 5 && data[0] == 0 {
			hint = ": the first byte is 0, as with a schema registry's serializer, which protobuf.Registry reads"
		}
		return none, fmt.Errorf("protobuf.Message[%s]: %d bytes: %w%s", reflect.TypeFor[M](), len(data), err, hint)
	}
	return v, nil
}

// MessageSerializer writes a bare message: Protobuf's encoding and nothing else, maps in the order of
// their keys. A nil message is written as a null; an empty one as no bytes, which is not the same.
func MessageSerializer[M proto.Message](_ kafka.SerializeMeta, v M) ([]byte, error) {
	if isNil(v) {
		return nil, nil
	}
	data, err := marshaling.MarshalAppend([]byte{}, v)
	if err != nil {
		return nil, fmt.Errorf("protobuf.MessageSerializer[%s]: %w", reflect.TypeFor[M](), err)
	}
	return data, nil
}

// marshaling writes the same bytes for the same message, so that an attempt that is made again writes
// what the first one wrote.
var marshaling = proto.MarshalOptions{Deterministic: true}

func unmarshal[M proto.Message](kind protoreflect.MessageType, data []byte) (M, error) {
	v := kind.New().Interface().(M)
	if err := proto.Unmarshal(data, v); err != nil {
		var none M // not v: half of it may be filled
		return none, err
	}
	return v, nil
}

// typeOf is the type of the message that M points to.
func typeOf[M proto.Message]() (kind protoreflect.MessageType, err error) {
	// A nil message of a generated type knows its type. Other implementations, such as dynamicpb's,
	// know it by what they hold, and a nil one panics.
	defer func() {
		if recover() != nil {
			kind, err = nil, notGenerated[M]()
		}
	}()
	var none M
	kind = none.ProtoReflect().Type()
	if _, ok := kind.New().Interface().(M); !ok {
		return nil, notGenerated[M]()
	}
	return kind, nil
}

func notGenerated[M proto.Message]() error {
	return fmt.Errorf("protobuf: %s is no generated message: give the type as in protobuf.Message[*pb.Order]",
		reflect.TypeFor[M]())
}

// isNil says whether a message is none. A message that was never made is not valid either.
func isNil[M proto.Message](v M) bool {
	return any(v) == nil || !v.ProtoReflect().IsValid()
}
