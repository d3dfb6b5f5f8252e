package kafka

import "fmt"

// Void is Kafka's VoidDeserializer: it takes nulls only, and every byte is an error. Use Ignore for
// a key or value that may be there but is of no interest.
func Void(m Meta, data []byte) (struct{}, error) {
	if m.Null {
		return struct{}{}, nil
	}
	return struct{}{}, fmt.Errorf("kafka.Void: %d bytes where only nulls are expected: "+
		"use kafka.Ignore to skip them, or the deserializer of their type", len(data))
}

// Ignore skips a key or value without looking at it, which is the cheapest way to read a topic of
// which only the other half matters. It returns no error.
func Ignore(Meta, []byte) (struct{}, error) {
	return struct{}{}, nil
}
