package kafka

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"unsafe"
)

// A Serializer turns a T into the bytes of a record's key or value. Nil data is a null: as a value a
// tombstone, as a key no key. Empty bytes are a slice of length 0 that is not nil.
//
// The data may alias v, and the caller only reads it, until the record is acknowledged. A serializer
// is called by several tasks at once. An error fails the task before anything of the record is sent,
// with the topic named by the caller.
type Serializer[T any] func(m SerializeMeta, v T) (data []byte, err error)

// SerializeMeta says which record's bytes a Serializer makes. Partition and offset are not known yet.
type SerializeMeta struct {
	Topic string
	// IsKey tells a key from a value.
	IsKey bool
	// Headers of the record, in order; they are not to be changed.
	Headers []Header
}

// StringSerializer is Kafka's: the string's bytes. It never gives a null; NullableSerializer does.
// The data alias the string.
func StringSerializer(_ SerializeMeta, v string) ([]byte, error) {
	if v == "" {
		return []byte{}, nil
	}
	// Strings may not be written to and neither may a serializer's data, so no copy is needed.
	return unsafe.Slice(unsafe.StringData(v), len(v)), nil
}

// BytesSerializer is Kafka's ByteArraySerializer: the bytes themselves, nil being a null.
func BytesSerializer(_ SerializeMeta, v []byte) ([]byte, error) {
	return v, nil
}

// BoolSerializer is Kafka's BooleanSerializer: one byte, 1 for true and 0 for false.
func BoolSerializer(_ SerializeMeta, v bool) ([]byte, error) {
	if v {
		return []byte{1}, nil
	}
	return []byte{0}, nil
}

// Int16Serializer is Kafka's ShortSerializer: 2 bytes, big-endian.
func Int16Serializer(_ SerializeMeta, v int16) ([]byte, error) {
	return binary.BigEndian.AppendUint16(nil, uint16(v)), nil
}

// Int32Serializer is Kafka's IntegerSerializer: 4 bytes, big-endian.
func Int32Serializer(_ SerializeMeta, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, uint32(v)), nil
}

// Int64Serializer is Kafka's LongSerializer: 8 bytes, big-endian.
func Int64Serializer(_ SerializeMeta, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, uint64(v)), nil
}

// Float32Serializer is Kafka's FloatSerializer: 4 bytes, IEEE 754, big-endian.
func Float32Serializer(_ SerializeMeta, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(nil, math.Float32bits(v)), nil
}

// Float64Serializer is Kafka's DoubleSerializer: 8 bytes, IEEE 754, big-endian.
func Float64Serializer(_ SerializeMeta, v float64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(v)), nil
}

// UUIDSerializer is Kafka's: the UUID's text in lower case, 36 bytes.
func UUIDSerializer(_ SerializeMeta, v UUIDValue) ([]byte, error) {
	return []byte(v.String()), nil
}

// VoidSerializer is Kafka's: a null, always.
func VoidSerializer(SerializeMeta, struct{}) ([]byte, error) {
	return nil, nil
}

// JSONSerializer encodes with encoding/json. A nil pointer, map, slice or interface is written as
// the JSON literal null, which is not Kafka's null; NullableSerializer makes a tombstone of it. What
// encoding/json cannot encode (a channel, a NaN) is an error.
func JSONSerializer[T any](_ SerializeMeta, v T) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("kafka.JSONSerializer[%s]: %w", reflect.TypeFor[T](), err)
	}
	return data, nil
}

// NullableSerializer turns a serializer of T into one of *T that writes a null for nil, and is how a
// tombstone of a type without one is written:
//
//	kafka.NullableSerializer(kafka.StringSerializer)
func NullableSerializer[T any](s Serializer[T]) Serializer[*T] {
	return func(m SerializeMeta, v *T) ([]byte, error) {
		if v == nil {
			return nil, nil
		}
		return s(m, *v)
	}
}
