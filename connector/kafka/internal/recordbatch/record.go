package recordbatch

import (
	"fmt"
	"unsafe"
)

// Timestamp types, as [Record.TimestampType] has them.
const (
	// NoTimestamp: format 0 has none.
	NoTimestamp int8 = -1
	// CreateTime: the producer set it.
	CreateTime int8 = 0
	// LogAppendTime: the broker set it, one for all records of an entry.
	LogAppendTime int8 = 1
)

// A Record is one record of a record set. Its slices alias the set or what was decompressed from it:
// they may be kept but not written to. The Record itself belongs to its Iterator and is overwritten by
// the next step; copy it to keep it.
type Record struct {
	Offset int64
	// Timestamp is in milliseconds since 1970; -1 if there is none, which format 2 may say as well.
	Timestamp int64
	// Key and Value are nil for a null and not nil when they are there and empty.
	Key, Value []byte

	headers     []byte // the encoded headers, not yet checked
	headerCount int32

	// LeaderEpoch of the batch; -1 in formats 0 and 1.
	LeaderEpoch int32
	// TimestampType is NoTimestamp, CreateTime or LogAppendTime.
	TimestampType int8
}

// A Header is a key with a value that a producer attached to a record. A nil Value is a null.
type Header struct {
	Key   string
	Value []byte
}

// HeaderCount is the number of headers, as the record declares it.
func (r *Record) HeaderCount() int { return int(r.headerCount) }

// Headers appends the record's headers to dst, in their order, and returns it. Keys and values alias
// the record set. The headers are decoded here and not before, since few readers ask for them: the
// error is of kind BadRecord and names the record's offset; the caller who has the Iterator's errors
// wrapped with topic and partition wraps this one too.
func (r *Record) Headers(dst []Header) ([]Header, error) {
	b, p := r.headers, 0
	for i := range int(r.headerCount) {
		n, at := varint(b, p)
		if n < 0 || n > int64(len(b)-at) {
			return dst, r.badHeader(i, "key")
		}
		key := b[at : at+int(n)]
		value, next, ok := field(b, at+int(n))
		if !ok {
			return dst, r.badHeader(i, "value")
		}
		// The bytes are never written to again, by the contract of Record.
		dst = append(dst, Header{Key: unsafe.String(unsafe.SliceData(key), len(key)), Value: value})
		p = next
	}
	if p != len(b) {
		return dst, &Error{Kind: BadRecord, BaseOffset: r.Offset,
			Detail: fmt.Sprintf("%d bytes are left after the record's %d headers", len(b)-p, r.headerCount)}
	}
	return dst, nil
}

func (r *Record) badHeader(i int, part string) error {
	return &Error{Kind: BadRecord, BaseOffset: r.Offset,
		Detail: fmt.Sprintf("the %s of header %d of %d does not fit the record", part, i, r.headerCount)}
}
