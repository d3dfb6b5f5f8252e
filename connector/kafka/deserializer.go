package kafka

// A Deserializer turns the bytes of a record's key or value into a T. It is called with null=true in
// Meta for a null (a tombstone's value, an absent key); data is then nil. An error fails the task, with
// topic, partition and offset named by the caller. data aliases the fetch buffer, which is never
// re-used: a string or slice that points into it may be kept, but must not be written to.
type Deserializer[T any] func(m Meta, data []byte) (T, error)

// Meta says which record's bytes a Deserializer is given.
type Meta struct {
	Topic     string
	Partition int32
	Offset    int64
	// IsKey tells a key from a value.
	IsKey bool
	// Null tells a null from empty bytes.
	Null bool
	// Headers of the record, in order.
	Headers []Header
}

// A Header is a key with a value that a producer attached to a record. A nil Value is a null.
type Header struct {
	Key   string
	Value []byte
}
