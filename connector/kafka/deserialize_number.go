package kafka

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Bool is Kafka's BooleanDeserializer: one byte, 1 for true and 0 for false. A null gives false. Any
// other byte and any other length is an error.
func Bool(m Meta, data []byte) (bool, error) {
	if len(data) != 1 {
		return false, numberError(m, data, "Bool", "BooleanSerializer", 1)
	}
	if data[0] > 1 {
		return false, fmt.Errorf("kafka.Bool: byte 0x%02x where a producer with BooleanSerializer writes 0 or 1: "+
			"read it with kafka.String if it is text, or kafka.Bytes", data[0])
	}
	return data[0] == 1, nil
}

// Int16 is Kafka's ShortDeserializer: 2 bytes, big-endian. A null gives 0. Any other length is an
// error.
func Int16(m Meta, data []byte) (int16, error) {
	if len(data) == 2 {
		return int16(binary.BigEndian.Uint16(data)), nil
	}
	return 0, numberError(m, data, "Int16", "ShortSerializer", 2)
}

// Int32 is Kafka's IntegerDeserializer: 4 bytes, big-endian. A null gives 0. Any other length is an
// error.
func Int32(m Meta, data []byte) (int32, error) {
	if len(data) == 4 {
		return int32(binary.BigEndian.Uint32(data)), nil
	}
	return 0, numberError(m, data, "Int32", "IntegerSerializer", 4)
}

// Int64 is Kafka's LongDeserializer: 8 bytes, big-endian. A null gives 0. Any other length is an
// error.
func Int64(m Meta, data []byte) (int64, error) {
	if len(data) == 8 {
		return int64(binary.BigEndian.Uint64(data)), nil
	}
	return 0, numberError(m, data, "Int64", "LongSerializer", 8)
}

// Float32 is Kafka's FloatDeserializer: 4 bytes, IEEE 754, big-endian. A null gives 0. Any other
// length is an error.
func Float32(m Meta, data []byte) (float32, error) {
	if len(data) == 4 {
		return math.Float32frombits(binary.BigEndian.Uint32(data)), nil
	}
	return 0, numberError(m, data, "Float32", "FloatSerializer", 4)
}

// Float64 is Kafka's DoubleDeserializer: 8 bytes, IEEE 754, big-endian. A null gives 0. Any other
// length is an error.
func Float64(m Meta, data []byte) (float64, error) {
	if len(data) == 8 {
		return math.Float64frombits(binary.BigEndian.Uint64(data)), nil
	}
	return 0, numberError(m, data, "Float64", "DoubleSerializer", 8)
}

// numberError is nil for a null, which every number reads as 0, and else says which deserializer
// would take bytes of this length: a wrong length nearly always means that the producer writes
// another type, most often text.
func numberError(m Meta, data []byte, name, java string, want int) error {
	if m.Null {
		return nil
	}
	fits := "kafka.String if they are text, or kafka.Bytes"
	switch len(data) {
	case 2:
		fits = "kafka.Int16, or kafka.String if they are text"
	case 4:
		fits = "kafka.Int32 or kafka.Float32, or kafka.String if they are text"
	case 8:
		fits = "kafka.Int64 or kafka.Float64, or kafka.String if they are text"
	}
	return fmt.Errorf("kafka.%s: %d bytes where a producer with %s writes %d: read them with %s",
		name, len(data), java, want, fits)
}
