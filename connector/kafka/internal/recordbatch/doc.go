// Package recordbatch reads the record set of a Kafka fetch response where it lies: entries are
// CRC-checked, decompressed and walked without an object or an allocation per record.
//
// All three message formats are read. Formats 0 and 1 are single messages, or wrapper messages whose
// value is a compressed set of messages; format 2 is the record batch of Kafka 0.11 and later. "Entry"
// below means any of these: what the record set has one length field for.
//
// # Ownership
//
// Keys, values, header keys and header values alias either the record set or a buffer that was
// decompressed from it. Neither is written to or used again by this package, so whoever holds an alias
// may keep it for as long as he likes; he must not write to it. Slices are capped, so that an append
// copies. The caller must not re-use the record set's memory either.
//
// # Position
//
// A range of offsets ends by position, never by counting records: compaction and transaction markers
// leave gaps. [Iterator.NextOffset] tells how far the complete entries of a set reach.
//
//	it := recordbatch.NewIterator(dec)
//	it.Reset(set, recordbatch.Want{From: 100, Until: 200})
//	for it.Next() {
//		r := it.Record()
//		use(r.Offset, r.Value)
//	}
//	if err := it.Err(); err != nil { ... }
//	if it.NextOffset() < 200 { ... } // fetch again from there; with more bytes if it.Truncated()
package recordbatch
