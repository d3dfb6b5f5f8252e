// Package codec turns typed records into bytes and back: for shuffles that leave memory, state,
// window panes, the _SER and DISK storage levels, and results that come from a cluster. Records that
// stay in memory never meet it.
//
// A [Codec] is made once per type by [For], when the graph is built. It compiles the type into a
// plan: a flat list of steps, one for each thing to write, with its offset in memory. One plan
// serves encoding, decoding, sizing and cloning, so they cannot disagree. It looks at kinds, not at
// names, so a `type Word string` is as fast as a string. Nothing is registered and nothing is
// generated; a type that cannot be encoded whole is refused by name, path and remedy:
//
//   - bool, all integers, floats and complex numbers, string, arrays, slices, maps, pointers and
//     structs are written by the plan; nil and empty slices and maps stay apart;
//   - time.Time keeps its instant and zone offset; netip.Addr, AddrPort and Prefix are values;
//   - a type with MarshalBinary and UnmarshalBinary (or AppendBinary, or GobEncode and GobDecode)
//     is written by its own methods; a pointer to a protobuf message by protobuf;
//   - a struct with an unexported field and no methods of its own is refused, for half a record is
//     worse than none. A type that consists of its fields and nothing else can say so: [Fielder];
//   - interfaces, functions, channels and unsafe pointers are refused.
//
// What several pointers share is written once for each, so shared values come back as copies. A
// value that contains itself is an error, found by depth.
//
// A [KeyCodec], made by [ForKey], does the same for keys, with one promise more: two keys have equal
// bytes if and only if they are ==. Its hash, dealt to partitions by [Partition], is the same in every
// process and every release. docs/FORMAT.md fixes all bytes and numbers; tests read them from there.
//
// Codecs and plans are immutable and may be used by any number of goroutines.
package codec
