package protobuf

import (
	"context"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/registry"
)

// RegistrySerializer writes messages as Confluent's KafkaProtobufSerializer does: a magic byte, the
// schema's id, the message's place in the schema, and the message, maps in the order of their keys.
//
// The schema is the file that defines M, and those it imports but for Google's and Confluent's own,
// each under its path. It goes to the registry as a file descriptor in base64, which Confluent's
// registry takes and shows as text. Under which subject, and whether it is registered or looked up,
// say the client's settings; with auto.register.schemas=false and use.latest.version=true nothing is
// sent, and the subject's latest schema has to define M.
//
// A nil message is written as a null. Errors are a *registry.Error, or name the schema and the
// message. Something wrong with M or r is the error of every call.
func RegistrySerializer[M proto.Message](r *registry.Client) kafka.Serializer[M] {
	label := fmt.Sprintf("protobuf.RegistrySerializer[%s]", reflect.TypeFor[M]())
	var definition registry.Definition
	kind, err := typeOf[M]()
	if err == nil && r == nil {
		err = fmt.Errorf("%s: the registry's client is nil: make it with registry.New", label)
	}
	if err == nil {
		if definition, err = define(kind.Descriptor().ParentFile()); err != nil {
			err = fmt.Errorf("%s: %w", label, err)
		}
	}
	if err != nil {
		return func(kafka.SerializeMeta, M) ([]byte, error) { return nil, err }
	}
	name := kind.Descriptor().FullName()
	definition.Record = string(name)
	writer, own := r.Writer(definition), place(kind.Descriptor())
	latest := registry.NewCompiled(r, func(_ context.Context, s registry.Schema) (*layout, error) {
		return newLayout(s, name)
	})
	return func(m kafka.SerializeMeta, v M) ([]byte, error) {
		if isNil(v) {
			return nil, nil
		}
		s, err := writer.Schema(context.Background(), m.Topic, m.IsKey)
		path := own
		if err == nil && s.Text != definition.Text {
			path, err = placeIn(latest, s, name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		data, err := marshaling.MarshalAppend(registry.AppendMessagePath(registry.AppendID(nil, s.ID), path), v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		return data, nil
	}
}

// placeIn is where a registry's schema, that is not our own, defines a message.
func placeIn(layouts *registry.Compiled[*layout], s registry.Schema, name protoreflect.FullName) ([]int, error) {
	l, err := layouts.Get(context.Background(), registry.Ref{ID: s.ID})
	if err != nil {
		return nil, err
	}
	if len(l.paths) == 0 {
		return nil, fmt.Errorf("schema id %d, the latest of subject %s, defines no message %s, but %s: register the "+
			"file that does, or check the subject name strategy", s.ID, s.Subject, name, l.names())
	}
	return l.paths[0], nil
}

// define makes of a file what a registry takes.
func define(file protoreflect.FileDescriptor) (registry.Definition, error) {
	binary, err := marshaling.Marshal(protodesc.ToFileDescriptorProto(file))
	if err != nil {
		return registry.Definition{}, fmt.Errorf("file %s: %w", file.Path(), err)
	}
	d := registry.Definition{Type: registry.Protobuf, Text: base64.StdEncoding.EncodeToString(binary)}
	imports := file.Imports()
	for i := range imports.Len() {
		imported := imports.Get(i)
		if wellKnown(imported.Path()) {
			continue
		}
		if !imported.Syntax().IsValid() { // only the path is known
			return d, fmt.Errorf("file %s imports %s, whose Go package is not linked into the program: import it",
				file.Path(), imported.Path())
		}
		inner, err := define(imported.FileDescriptor)
		if err != nil {
			return d, err
		}
		d.Imports = append(d.Imports, registry.Import{Path: imported.Path(), Definition: inner})
	}
	return d, nil
}

// wellKnown says whether a file is built into registries.
func wellKnown(path string) bool {
	return slices.ContainsFunc([]string{"google/protobuf/", "google/type/", "confluent/"}, func(prefix string) bool {
		return strings.HasPrefix(path, prefix)
	})
}

// place counts to a message within its file as Java does, which passes over the messages that protoc
// makes for map fields.
func place(m protoreflect.MessageDescriptor) []int {
	var path []int
	for {
		siblings := m.Parent().(interface {
			Messages() protoreflect.MessageDescriptors
		}).Messages()
		index := 0
		for i := range m.Index() {
			if !siblings.Get(i).IsMapEntry() {
				index++
			}
		}
		path = append(path, index)
		outer, nested := m.Parent().(protoreflect.MessageDescriptor)
		if !nested {
			slices.Reverse(path)
			return path
		}
		m = outer
	}
}
