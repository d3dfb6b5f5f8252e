package avro

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	twmb "github.com/twmb/avro"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/registry"
)

// An Option changes how Registry and Schema read.
type Option func(*options)

type options struct{ reader string }

// Reader gives the schema that values are read as, in Avro's JSON form, in place of the one that
// follows from T's fields. Avro's schema resolution then holds to the letter, the names of records
// included.
func Reader(schema string) Option {
	return func(o *options) { o.reader = schema }
}

// Registry reads values that Confluent's KafkaAvroSerializer, or another serializer for a schema
// registry, wrote: it finds each record's schema by the id in front of the data or in a header, and
// decodes into T by the rules in the package's comment. Each schema is asked for once.
//
// A null gives the zero T, which is nil for a pointer. Errors are a *registry.Error, or name the
// schema and the field that does not fit. Something wrong with T or the options is the error of every
// call, of one for a null too.
func Registry[T any](r *registry.Client, opts ...Option) kafka.Deserializer[T] {
	t, err := targetOf[T]("Registry", opts)
	if err == nil && r == nil {
		err = fmt.Errorf("%s: the registry's client is nil: make it with registry.New", t.name)
	}
	if err != nil {
		return broken[T](err)
	}
	plans := registry.NewCompiled(r, func(ctx context.Context, s registry.Schema) (*plan, error) {
		writer, err := writerSchema(ctx, r, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		p, err := t.plan(writer, label(s, writer))
		if err == nil {
			p.bare = bareBytes(writer)
		}
		return p, err
	})
	return func(m kafka.Meta, data []byte) (T, error) {
		var zero T
		if m.Null {
			return zero, nil
		}
		frame, err := registry.Unframe(m, data)
		if err != nil {
			return zero, fmt.Errorf("%s: %w", t.name, err)
		}
		p, err := plans.Get(context.Background(), frame.Ref)
		if err != nil {
			return zero, err
		}
		return decode[T](t, p, frame.Payload)
	}
}

// Schema reads values that were written with one schema, given in Avro's JSON form, and without a
// registry: Avro's binary encoding and nothing else. With Reader they are read as another schema.
//
// A null gives the zero T. Errors name the field that does not fit. Something wrong with the schema, T
// or the options is the error of every call, of one for a null too.
func Schema[T any](schema string, opts ...Option) kafka.Deserializer[T] {
	t, err := targetOf[T]("Schema", opts)
	if err != nil {
		return broken[T](err)
	}
	writer, err := parse(schema)
	if err != nil {
		return broken[T](fmt.Errorf("%s: %w", t.name, err))
	}
	p, err := t.plan(writer, "schema "+named(writer))
	if err != nil {
		return broken[T](err)
	}
	return func(m kafka.Meta, data []byte) (T, error) {
		if m.Null {
			var zero T
			return zero, nil
		}
		v, err := decode[T](t, p, data)
		if err != nil && len(data) > 5 && data[0] == 0 {
			err = fmt.Errorf("%w: the first byte is 0, as with a schema registry's serializer: use avro.Registry", err)
		}
		return v, err
	}
}

func targetOf[T any](name string, opts []Option) (*target, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return newTarget[T](name, o)
}

// broken answers every call with what was wrong when it was made.
func broken[T any](err error) kafka.Deserializer[T] {
	return func(kafka.Meta, []byte) (T, error) {
		var zero T
		return zero, err
	}
}

// writerSchema parses a registry's schema, behind those that it refers to.
func writerSchema(ctx context.Context, r *registry.Client, s registry.Schema) (*twmb.Schema, error) {
	if s.Type != registry.Avro {
		instead := "kafka.Bytes and a decoder of your own"
		if s.Type == registry.Protobuf {
			instead = "protobuf.Registry"
		}
		return nil, fmt.Errorf("schema id %d is %s, not Avro: read the topic with %s", s.ID, s.Type, instead)
	}
	if len(s.References) == 0 {
		writer, err := parse(s.Text)
		return writer, withID(s, err)
	}
	deps, err := r.Dependencies(ctx, s)
	if err != nil {
		return nil, err
	}
	var cache twmb.SchemaCache
	for _, dep := range deps {
		if _, err := cache.Parse(dep.Text, lax); err != nil {
			return nil, withID(s, fmt.Errorf("subject %s version %d: %w", dep.Subject, dep.Version, err))
		}
	}
	writer, err := cache.Parse(s.Text, lax)
	return writer, withID(s, err)
}

func withID(s registry.Schema, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("schema id %d: %w", s.ID, err)
}

// label names a registry's schema in errors.
func label(s registry.Schema, writer *twmb.Schema) string {
	if s.ID == 0 {
		return "schema " + named(writer) // found by GUID
	}
	return fmt.Sprintf("schema id %d (%s)", s.ID, named(writer))
}

// bareBytes says whether a schema is "bytes" and nothing around it. Confluent's serializer writes such
// a value as it is, without the length that Avro puts in front.
func bareBytes(s *twmb.Schema) bool { return s.Root().Type == "bytes" }

// withLength puts the length in front of a bare value.
func withLength(data []byte) []byte {
	out := make([]byte, 0, binary.MaxVarintLen64+len(data))
	return append(binary.AppendVarint(out, int64(len(data))), data...)
}

// withoutLength undoes withLength.
func withoutLength(data []byte) ([]byte, error) {
	n, width := binary.Varint(data)
	if width <= 0 || n != int64(len(data)-width) {
		return nil, errors.New("the encoder wrote no length in front of bytes")
	}
	return data[width:], nil
}
