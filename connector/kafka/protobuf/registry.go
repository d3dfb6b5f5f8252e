package protobuf

import (
	"context"
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/registry"
)

// Registry reads messages that Confluent's KafkaProtobufSerializer, or another serializer for a schema
// registry, wrote. The schema's id and the message's place in the schema, which stand in front of the
// message or in a header, say which message a record is; one that is not M is an error that names
// both. Each schema is asked for once.
//
// A null gives nil. Errors are a *registry.Error, or name the schema and the message. Something wrong
// with M or r is the error of every call, of one for a null too.
func Registry[M proto.Message](r *registry.Client) kafka.Deserializer[M] {
	label := fmt.Sprintf("protobuf.Registry[%s]", reflect.TypeFor[M]())
	kind, err := typeOf[M]()
	if err == nil && r == nil {
		err = fmt.Errorf("%s: the registry's client is nil: make it with registry.New", label)
	}
	if err != nil {
		return func(kafka.Meta, []byte) (none M, _ error) { return none, err }
	}
	name := kind.Descriptor().FullName()
	layouts := registry.NewCompiled(r, func(_ context.Context, s registry.Schema) (*layout, error) {
		l, err := newLayout(s, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		return l, nil
	})
	return func(m kafka.Meta, data []byte) (none M, _ error) {
		if m.Null {
			return none, nil
		}
		frame, err := registry.Unframe(m, data)
		if err != nil {
			return none, fmt.Errorf("%s: %w", label, err)
		}
		l, err := layouts.Get(context.Background(), frame.Ref)
		if err != nil {
			return none, err
		}
		var few [8]int // no message in earnest is nested deeper, and so nothing is allocated
		path, message, err := frame.MessagePath(few[:0])
		if err == nil {
			err = l.check(path, name)
		}
		if err != nil {
			return none, fmt.Errorf("%s: %w", label, err)
		}
		v, err := unmarshal[M](kind, message)
		if err != nil {
			return none, fmt.Errorf("%s: %s of schema id %d, %d bytes: %w", label, name, l.id, len(message), err)
		}
		return v, nil
	}
}
