package kafka

import "unsafe"

// String is Kafka's StringDeserializer. A null gives "", and Record.Null tells it from an empty
// string. Bytes that are no UTF-8 are kept as they are, where Java would put U+FFFD in their place.
//
// The string points into the fetch buffer: nothing is copied, and a short string that is kept for
// long keeps its whole buffer alive. strings.Clone cuts it loose.
func String(_ Meta, data []byte) (string, error) {
	// The one place where a decoder aliases by unsafe. It is sound because a fetch buffer is never
	// written again once a record was handed out, and because Bytes, the only other way to the same
	// memory, is read-only by contract. unsafe.SliceData of no bytes may be nil, which is allowed
	// for a length of 0.
	return unsafe.String(unsafe.SliceData(data), len(data)), nil
}

// Bytes is Kafka's ByteArrayDeserializer. A null gives nil and an empty value an empty slice that is
// not nil.
//
// The slice points into the fetch buffer and has no capacity beyond its length: append copies it, but
// writing to its elements changes what others see. slices.Clone gives a copy that may be written.
func Bytes(m Meta, data []byte) ([]byte, error) {
	if m.Null {
		return nil, nil
	}
	if data == nil {
		return []byte{}, nil
	}
	return data[:len(data):len(data)], nil
}
