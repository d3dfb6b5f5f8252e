// Package avro reads and writes keys and values in Avro, with a schema registry (Registry,
// RegistrySerializer) or with a schema that is known (Schema, SchemaSerializer).
//
//	type Order struct {
//		ID    int64     `avro:"id"`
//		Note  *string   `avro:"note"`              // null, and nil where a writer has no such field
//		Shop  string    `avro:"shop,default=main"` // "main" where a writer has no such field
//		Total *big.Rat  `avro:"total,decimal(10,2)"`
//		At    time.Time `avro:"at"`
//	}
//
//	orders := avro.Registry[Order](reg) // a kafka.Deserializer[Order]
//
// # What a Go type reads
//
// Fields go by the name in the tag avro, or by the Go name. The writer's schema says what the bytes
// mean, so that T need not repeat it: an enum is read into a string, a timestamp-micros into a
// time.Time, a union with null into a pointer or, with null as the zero value, into the plain type.
// T may also be map[string]any or any, and then everything is read.
//
// # Evolution
//
// Writers change their schemas while old records stay, and Avro has rules for it. They hold here, T
// being the reader:
//
//   - a field that T lacks is skipped;
//   - a field that only T has gets its default: that of the tag, nil for a pointer, slice or map. If
//     it has none, the schema does not fit, which is an error that names the field;
//   - a field that was renamed is found by the tag's alias: avro:"name,alias=old_name";
//   - a number is read into a wider one, and into a narrower one if the value fits.
//
// The names of records do not matter. Where Avro's rules are wanted to the letter, for enum defaults,
// aliases of types, or to read values as another schema has them, Reader gives the schema to read as.
//
// # Memory
//
// Strings and byte slices point into the fetch buffer; nothing is copied. They may be kept, which
// keeps the buffer, and must not be written to.
//
// The codec is github.com/twmb/avro, which decodes into structs and resolves schemas. It writes the
// entries of a map in no particular order, so that two attempts at the same record may differ in bytes.
package avro
