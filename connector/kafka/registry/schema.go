package registry

import (
	"fmt"

	"github.com/weirstream/weir/connector/kafka"
)

// A Type is the language that a schema is written in.
type Type string

// The types that registries know.
const (
	Avro     Type = "AVRO"
	Protobuf Type = "PROTOBUF"
	JSON     Type = "JSON"
)

// A Ref is how a record names its schema: by the number that the registry gave it or, if ID is 0 and
// GUID is not, by the GUID in a record's header. It is comparable.
type Ref struct {
	ID   int
	GUID kafka.UUIDValue
}

// String is "schema id 7" or "schema GUID f81d4fae-...".
func (r Ref) String() string {
	if r.GUID != (kafka.UUIDValue{}) {
		return "schema GUID " + r.GUID.String()
	}
	return fmt.Sprintf("schema id %d", r.ID)
}

// A Schema is one version of a subject, as a registry has it. A schema never changes under its id.
type Schema struct {
	// ID is the registry's number; 0 for one that was asked for by GUID of a registry that does not
	// say it.
	ID int
	// Subject and Version say where the schema stands. They are empty for one found by its id, for
	// several subjects may share it.
	Subject string
	Version int
	Type    Type
	// Text is the schema itself: JSON for Avro, a .proto file for Protobuf.
	Text string
	// References are the schemas that Text uses by name, in the order of their registration.
	References []Reference
}

// A Reference is a name that a schema uses, such as an Avro type or a Protobuf import, and the
// subject and version in which it is defined.
type Reference struct {
	Name    string
	Subject string
	Version int
}

// A Definition is a schema on its way into a registry.
type Definition struct {
	Type Type
	Text string
	// Record is the full name of the record or message, from which RecordNameStrategy and
	// TopicRecordNameStrategy make the subject. A schema without one can be written with
	// TopicNameStrategy only.
	Record string
	// Imports are the definitions that Text uses. Each is registered, or looked up, before Text is.
	Imports []Import
}

// An Import is a definition and the path under which another one imports it. The path is its subject,
// which is what Confluent's serializers do.
type Import struct {
	Path       string
	Definition Definition
}
