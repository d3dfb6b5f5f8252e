// Package protobuf reads and writes keys and values that are Protobuf messages, bare (Message,
// MessageSerializer) or in the wire format of a schema registry (Registry, RegistrySerializer).
//
//	bare := protobuf.Message[*pb.Order]            // a kafka.Deserializer[*pb.Order]
//	framed := protobuf.Registry[*pb.Order](reg)    // another
//
// The type argument is a pointer to a message that protoc-gen-go generated. Protobuf carries its own
// rules of evolution in its field numbers, so a message is always decoded by its Go type; what a
// registry is asked for is whether a record is that message at all.
//
// A null gives a nil message, whose getters return zero values. Nothing in a message points into the
// fetch buffer.
package protobuf
