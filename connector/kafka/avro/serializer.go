package avro

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	twmb "github.com/twmb/avro"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/registry"
)

// A SerializerOption changes how RegistrySerializer writes.
type SerializerOption func(*serializerOptions)

type serializerOptions struct{ writer string }

// Writer gives the schema that values are written with, in Avro's JSON form, in place of the one that
// follows from T's fields: to give the record a namespace, say, or a field a type that Go lacks.
func Writer(schema string) SerializerOption {
	return func(o *serializerOptions) { o.writer = schema }
}

// RegistrySerializer writes values as Confluent's KafkaAvroSerializer does: a magic byte, the schema's
// id, and the value in Avro's binary encoding. The schema is the one that follows from T's fields, or
// Writer's; under which subject, and whether it is registered or looked up, say the client's settings
// (auto.register.schemas, value.subject.name.strategy and their kin). With use.latest.version, values
// are written with the subject's latest schema, which must have all of T's fields.
//
// A nil pointer, map or interface is written as a null. Errors are a *registry.Error, or name what
// does not fit. Something wrong with T or the options is the error of every call.
func RegistrySerializer[T any](r *registry.Client, opts ...SerializerOption) kafka.Serializer[T] {
	var o serializerOptions
	for _, opt := range opts {
		opt(&o)
	}
	e, err := newEncoder[T]("RegistrySerializer", o.writer)
	if err == nil && r == nil {
		err = fmt.Errorf("%s: the registry's client is nil: make it with registry.New", e.name)
	}
	if err != nil {
		return func(kafka.SerializeMeta, T) ([]byte, error) { return nil, err }
	}
	definition := registry.Definition{Type: registry.Avro, Text: e.schema.String(), Record: fullName(e.schema.Root())}
	writer := r.Writer(definition)
	latest := registry.NewCompiled(r, func(ctx context.Context, s registry.Schema) (*encoder, error) {
		return e.with(ctx, r, s)
	})
	e.bare = bareBytes(e.schema)
	return func(m kafka.SerializeMeta, v T) ([]byte, error) {
		if e.null(v) {
			return nil, nil
		}
		s, err := writer.Schema(context.Background(), m.Topic, m.IsKey)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		with := e
		if s.Text != definition.Text {
			if with, err = latest.Get(context.Background(), registry.Ref{ID: s.ID}); err != nil {
				return nil, err
			}
		}
		return with.encode(registry.AppendID(nil, s.ID), v)
	}
}

// SchemaSerializer writes values with one schema, given in Avro's JSON form, and without a registry:
// Avro's binary encoding and nothing else. If schema is empty, the one that follows from T's fields is
// taken. A nil pointer, map or interface is written as a null. Something wrong with T or the schema is
// the error of every call.
func SchemaSerializer[T any](schema string) kafka.Serializer[T] {
	e, err := newEncoder[T]("SchemaSerializer", schema)
	if err != nil {
		return func(kafka.SerializeMeta, T) ([]byte, error) { return nil, err }
	}
	return func(_ kafka.SerializeMeta, v T) ([]byte, error) {
		if e.null(v) {
			return nil, nil
		}
		return e.encode([]byte{}, v)
	}
}

// An encoder writes values of one Go type with one schema.
type encoder struct {
	name     string // of the serializer, with T
	schema   *twmb.Schema
	label    string // of the schema, for errors
	fields   *twmb.SchemaNode
	nillable bool
	bare     bool // write bytes without their length
}

func newEncoder[T any](name, schema string) (*encoder, error) {
	t := reflect.TypeFor[T]()
	e := &encoder{name: fmt.Sprintf("avro.%s[%s]", name, t)}
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Interface:
		e.nillable = true
	}
	var err error
	e.fields, err = infer[T]()
	switch {
	case schema != "":
		if e.schema, err = parse(schema); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	case err != nil:
		return nil, fmt.Errorf("%s: %w: give one", e.name, err)
	case e.fields == nil:
		return nil, fmt.Errorf("%s: no Avro schema follows from %s, which takes anything: give one", e.name, t)
	default:
		// A pointer is for the record as a whole, whose null is Kafka's.
		if e.schema, err = notNull(e.fields, nil).Schema(); err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
	}
	e.label = "schema " + named(e.schema)
	return e, e.covered()
}

// covered makes sure that no field of the Go type would be lost.
func (e *encoder) covered() error {
	if missing := uncovered(e.schema, e.fields, true); len(missing) > 0 {
		return fmt.Errorf("%s: %s lacks %s, whose values would be lost: add it to the schema, or take it out of the "+
			"type (avro:\"-\")", e.name, e.label, strings.Join(missing, ", "))
	}
	return nil
}

// with is the encoder for a schema that the registry has instead of ours.
func (e *encoder) with(ctx context.Context, r *registry.Client, s registry.Schema) (*encoder, error) {
	schema, err := writerSchema(ctx, r, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	other := *e
	other.schema, other.label, other.bare = schema, label(s, schema), bareBytes(schema)
	return &other, other.covered()
}

// null says whether v is to be written as Kafka's null.
func (e *encoder) null(v any) bool {
	if !e.nillable {
		return false
	}
	value := reflect.ValueOf(v)
	switch value.Kind() {
	case reflect.Invalid: // a nil interface
		return true
	case reflect.Pointer, reflect.Map:
		return value.IsNil()
	}
	return false
}

// encode appends a value to dst.
func (e *encoder) encode(dst []byte, v any) ([]byte, error) {
	if !e.bare {
		out, err := e.schema.AppendEncode(dst, v)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", e.name, e.label, err)
		}
		return out, nil
	}
	out, err := e.schema.Encode(v)
	if err == nil {
		out, err = withoutLength(out)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", e.name, e.label, err)
	}
	return append(dst, out...), nil
}
