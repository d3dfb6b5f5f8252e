package client

import "strings"

// decoders are weir's decoders by the name of the Java class that reads the same bytes. Classes are
// known by their last part, because many programs carry copies in packages of their own.
var decoders = map[string]string{
	"StringDeserializer":          "String",
	"ByteArrayDeserializer":       "Bytes",
	"ByteBufferDeserializer":      "Bytes",
	"BytesDeserializer":           "Bytes",
	"ShortDeserializer":           "Int16",
	"IntegerDeserializer":         "Int32",
	"LongDeserializer":            "Int64",
	"FloatDeserializer":           "Float32",
	"DoubleDeserializer":          "Float64",
	"BooleanDeserializer":         "Bool",
	"UUIDDeserializer":            "UUID",
	"VoidDeserializer":            "Void",
	"JsonDeserializer":            "JSON",
	"KafkaJsonDeserializer":       "JSON",
	"KafkaJsonSchemaDeserializer": "JSON",
	"KafkaAvroDeserializer":       "Avro",
	"SpecificAvroDeserializer":    "Avro",
	"GenericAvroDeserializer":     "Avro",
	"ReflectionAvroDeserializer":  "Avro",
	"KafkaProtobufDeserializer":   "Protobuf",
	"StringDecoder":               "String", // Scala's, of 0.8
	"DefaultDecoder":              "Bytes",
	"LongDecoder":                 "Int64",
	"IntegerDecoder":              "Int32",
	"StringSerializer":            "String",
	"ByteArraySerializer":         "Bytes",
	"ByteBufferSerializer":        "Bytes",
	"BytesSerializer":             "Bytes",
	"ShortSerializer":             "Int16",
	"IntegerSerializer":           "Int32",
	"LongSerializer":              "Int64",
	"FloatSerializer":             "Float32",
	"DoubleSerializer":            "Float64",
	"BooleanSerializer":           "Bool",
	"UUIDSerializer":              "UUID",
	"VoidSerializer":              "Void",
	"JsonSerializer":              "JSON",
	"KafkaJsonSerializer":         "JSON",
	"KafkaJsonSchemaSerializer":   "JSON",
	"KafkaAvroSerializer":         "Avro",
	"SpecificAvroSerializer":      "Avro",
	"GenericAvroSerializer":       "Avro",
	"ReflectionAvroSerializer":    "Avro",
	"KafkaProtobufSerializer":     "Protobuf",
	"StringEncoder":               "String",
	"DefaultEncoder":              "Bytes",
	"LongEncoder":                 "Int64",
	"IntegerEncoder":              "Int32",
}

// Decoder returns the name of weir's decoder (for a serializer's class, of the encoder) that does what
// a Java class does: String, Bytes, Int16, Int32, Int64, Float32, Float64, Bool, UUID, Void, JSON, Avro
// or Protobuf. ok is false for a class it does not know, such as a user's own, about which nothing
// can be said.
func Decoder(class string) (name string, ok bool) {
	class = strings.TrimPrefix(strings.TrimSpace(class), "class ")
	name, ok = decoders[class[strings.LastIndexByte(class, '.')+1:]]
	return name, ok
}
