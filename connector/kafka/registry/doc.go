// Package registry reads from and writes to a schema registry that speaks Confluent's REST API:
// Confluent's own, Karapace, Redpanda's, Apicurio's compatible one.
//
// It is a thin layer over github.com/twmb/franz-go/pkg/sr, which speaks HTTP. What it adds is what a
// stream of records needs: settings under their Java names, a deadline on everything, retries, a
// bounded cache that asks once for what many tasks want at the same moment, and errors that name the
// registry, the schema and the remedy.
//
//	reg, err := registry.New(map[string]string{"schema.registry.url": "https://registry:8081"})
//	...
//	kafka.DirectStream(ssc, topics, params, kafka.String, avro.Registry[Order](reg))
//
// The packages avro and protobuf beside it are its users. Another format is added with three of its
// parts: Unframe takes the schema's id off a record, Compiled keeps what is made of each schema, and
// Writer knows the ids to write with.
//
// # The wire format
//
// A record's bytes begin with a magic byte 0 and the schema's id in four bytes, big-endian. Protobuf
// has the path of the message within its schema behind that. Since Confluent Platform 8 a producer
// may instead put a schema's GUID into a record's header, and leave the value bare; both are read.
//
// # Time
//
// New does no network I/O. The Client starts no goroutine and keeps no connection between requests:
// schemas are asked for once each, so there is nothing to close. A Deserializer is given no context;
// what bounds it is schema.registry.request.timeout.ms.
package registry
