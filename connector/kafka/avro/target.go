package avro

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	twmb "github.com/twmb/avro"
)

// boxed has T as a field, because a schema can be inferred of a struct only.
type boxed[T any] struct {
	V T `avro:"v"`
}

// infer returns the schema that follows from T, and nil if none does because T is no struct and holds
// values of any type, as map[string]any does.
func infer[T any]() (*twmb.SchemaNode, error) {
	t := reflect.TypeFor[T]()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		s, err := twmb.SchemaFor[T]()
		if err != nil {
			return nil, fmt.Errorf("no Avro schema follows from %s (%s)", t, strings.TrimPrefix(err.Error(), "avro: "))
		}
		return s.Root(), nil
	}
	if s, err := twmb.SchemaFor[boxed[T]](twmb.WithName("boxed")); err == nil {
		return &s.Root().Fields[0].Type, nil
	}
	return nil, nil
}

// A target is what records are decoded into, whatever they were written with.
type target struct {
	name string // of the deserializer, with T
	// fields is the schema of T, nil if T takes anything.
	fields *twmb.SchemaNode
	// reader is the schema that Reader gave, or nil.
	reader *twmb.Schema
}

func newTarget[T any](name string, o options) (*target, error) {
	t := &target{name: fmt.Sprintf("avro.%s[%s]", name, reflect.TypeFor[T]())}
	var err error
	if t.fields, err = infer[T](); err != nil && o.reader == "" {
		return nil, fmt.Errorf("%s: %w: give one with avro.Reader", t.name, err)
	}
	if o.reader == "" {
		return t, nil
	}
	if t.reader, err = parse(o.reader); err != nil {
		return nil, fmt.Errorf("%s: the schema of avro.Reader: %w", t.name, err)
	}
	if missing := uncovered(t.reader, t.fields, false); len(missing) > 0 {
		return nil, fmt.Errorf("%s: the schema of avro.Reader lacks %s, so nothing would ever be read there: "+
			"add it to the schema, or take it out of the type (avro:\"-\")", t.name, strings.Join(missing, ", "))
	}
	return t, nil
}

// A plan decodes what was written with one schema.
type plan struct {
	schema *twmb.Schema
	// label is the schema's name for errors: "schema id 7 (acme.Order)".
	label string
	// bare says that the bytes are the value itself, without Avro's length in front.
	bare bool
}

// plan fits a writer's schema to the target.
func (t *target) plan(writer *twmb.Schema, label string) (*plan, error) {
	p := &plan{schema: writer, label: label}
	if t.reader != nil {
		resolved, err := twmb.Resolve(writer, t.reader)
		if err != nil {
			return nil, fmt.Errorf("%s: %s cannot be read with the schema of avro.Reader: %w: by Avro's rules, a new "+
				"field needs a default and a type may only widen", t.name, label, err)
		}
		p.schema = resolved
		return p, nil
	}
	if t.fields == nil {
		return p, nil
	}
	fitted, missing, err := fit(writer, t.fields)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", t.name, label, err)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: %s lacks %s, which has no default: give it one (avro:\"name,default=...\"), make "+
			"it a pointer, correct its name, or give avro.Reader a schema", t.name, label, strings.Join(missing, ", "))
	}
	p.schema = fitted
	return p, nil
}

// How values are decoded: fields that T lacks are skipped, and strings and bytes are not copied.
// The slice is never changed.
var decoding = []twmb.Opt{twmb.SkipUnknown(), twmb.AliasInput()}

// decode reads one value, which has to take all of the data: bytes left over mean that they were
// written with another schema.
func decode[T any](t *target, p *plan, data []byte) (T, error) {
	var v T
	if p.bare {
		data = withLength(data)
	}
	rest, err := p.schema.Decode(data, &v, decoding...)
	if err == nil && len(rest) == 0 {
		return v, nil
	}
	var zero T // not v: the decoder may have filled half of it
	if err != nil {
		return zero, fmt.Errorf("%s: %s: %w", t.name, p.label, err)
	}
	return zero, fmt.Errorf("%s: %s: the value ends %d bytes before the data do: they were written with another schema",
		t.name, p.label, len(rest))
}

// parse reads a schema's text. Names that Avro's grammar does not allow pass: old registries are full
// of them, and they do no harm.
func parse(text string) (*twmb.Schema, error) {
	return twmb.Parse(text, lax)
}

// lax takes any name that is not empty.
var lax = twmb.WithLaxNames(nil)

// named is the schema's name and, if it has none, its type.
func named(s *twmb.Schema) string {
	root := s.Root()
	if name := fullName(root); name != "" {
		return name
	}
	return root.Type
}

// fullName is a named type's, with its namespace, which a name with dots in it has already.
func fullName(n *twmb.SchemaNode) string {
	if n.Namespace == "" || n.Name == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}
