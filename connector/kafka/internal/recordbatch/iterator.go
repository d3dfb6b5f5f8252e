package recordbatch

import (
	"encoding/binary"
	"fmt"
)

// Layout of what all formats have in common at the start of an entry.
const (
	offsetLength = 8  // int32: bytes of the entry after this field
	offsetMagic  = 16 // int8: the message format
	prefixSize   = 12 // bytes up to and with the length
)

// Want says which records of a set are wanted.
type Want struct {
	// From is the first wanted offset. A fetch response may start before it.
	From int64
	// Until is the offset after the last wanted one; math.MaxInt64 means all.
	Until int64
	// ReadCommitted leaves out the records of aborted transactions. The set must come from a fetch
	// with that isolation level, for a broker lists aborted transactions only then.
	ReadCommitted bool
	// Aborted are the aborted transactions that the response lists for the partition, in any order.
	// The slice is copied. It is ignored without ReadCommitted.
	Aborted []AbortedTransaction
	// SkipCRC trusts the bytes, as Kafka's check.crcs=false does.
	SkipCRC bool
}

// An Iterator walks the records of a record set. Its zero value is not ready: use [NewIterator]. One
// goroutine at a time may use it; it can be reset and used again for any number of sets.
type Iterator struct {
	rec Record

	// The entry being read. A single message is an entry of one record, its body the message itself.
	body    []byte
	pos     int   // of the next record in body
	left    int   // records to come in body
	legacy  bool  // body holds messages of format 0 or 1
	stamped bool  // the wrapper's timestamp is that of all messages in it
	base    int64 // what the records' relative offsets are relative to
	prev    int64 // relative offset of the record before, or -1; format 2 only
	last    int64 // relative offset that no record exceeds; format 2 only
	after   int64 // offset after the entry
	floor   int64 // first offset to give
	stamp   int64 // base timestamp; that of all records with LogAppendTime

	// The set.
	set       []byte
	start     int // of the entry being read
	end       int // of the entry being read, start of the next one
	want      Want
	next      int64
	need      int
	truncated bool
	err       *Error
	inflated  int

	dec *Decompressors
	txn transactions
}

// NewIterator makes an Iterator that decompresses with dec, which it may share with others. With nil
// it makes its own, with the default limit.
func NewIterator(dec *Decompressors) *Iterator {
	if dec == nil {
		dec = NewDecompressors(0)
	}
	return &Iterator{dec: dec}
}

// Reset starts over with another set: the record set bytes of one partition in one fetch response.
func (it *Iterator) Reset(set []byte, want Want) {
	*it = Iterator{set: set, want: want, next: want.From, after: want.From, dec: it.dec, txn: it.txn}
	it.want.Aborted = nil
	it.txn.reset(want)
}

// Next goes to the next wanted record and tells whether there is one. It returns false at the end of
// the range, at the end of the set, at an entry that is cut by the end of the set, and at an error.
// Offsets given between two resets strictly increase.
func (it *Iterator) Next() bool {
	for {
		if it.left > 0 {
			if it.legacy && it.nextMessage() || !it.legacy && it.nextRecord() {
				return true
			}
			continue // the entry is used up, or the iteration is over and open says so
		}
		if !it.open() {
			return false
		}
	}
}

// Record is the record that Next went to. It is valid until the next call of Next or Reset.
func (it *Iterator) Record() *Record { return &it.rec }

// Err is what ended the iteration, or nil: an [*Error]. Records that were given before it are good.
func (it *Iterator) Err() error {
	if it.err == nil {
		return nil
	}
	return it.err
}

// NextOffset is the offset after the last entry that was read whole, but never less than Want.From nor
// more than Want.Until: where the next fetch for the range has to begin. It counts when Next has
// returned false; the range is done when it equals Want.Until, whether or not there were records. After
// an error it is the offset after the entry before the bad one.
func (it *Iterator) NextOffset() int64 {
	return min(it.next, max(it.want.Until, it.want.From))
}

// Truncated reports that the set ended in a cut entry and nothing whole was before it that leads beyond
// Want.From: the same fetch would come to the same end, so fetch with more bytes.
func (it *Iterator) Truncated() bool { return it.truncated }

// NeedBytes is how many bytes the cut entry at the end of the set has in all: a fetch of so many bytes
// that begins with it gets it whole. It is 0 if no entry was cut, or if not even the length is there.
// The number is as the entry says it and under no CRC: bound it.
func (it *Iterator) NeedBytes() int { return it.need }

// DecompressedBytes is the size of all buffers that were decompressed since Reset. They live as long as
// an alias into them does.
func (it *Iterator) DecompressedBytes() int { return it.inflated }

// open goes to the next entry. It returns false when there is none to read, with the reason set.
func (it *Iterator) open() bool {
	if it.set == nil {
		return false // over
	}
	it.next = max(it.next, it.after)
	if it.next >= it.want.Until || it.end == len(it.set) {
		return it.finish()
	}
	it.start = it.end
	rest := it.set[it.start:]
	if len(rest) <= offsetMagic {
		return it.cut(rest)
	}
	size := int64(int32(binary.BigEndian.Uint32(rest[offsetLength:])))
	minimum, known := minimumSize(rest[offsetMagic])
	if size < minimum {
		return it.fail(BadLength, "it declares %d bytes, its format has %d at least", size, minimum)
	}
	if size > int64(len(rest)-prefixSize) {
		return it.cut(rest)
	}
	if !known {
		return it.fail(UnknownMagic, "format %d; formats 0, 1 and 2 are known", int8(rest[offsetMagic]))
	}
	it.end = it.start + prefixSize + int(size)
	it.floor = it.next
	entry := rest[: prefixSize+size : prefixSize+size]
	if rest[offsetMagic] == 2 {
		return it.openBatch(entry)
	}
	return it.openMessage(entry)
}

// minimumSize is the least value of the length field for a format. An unknown one has all that is
// known of entries: it reaches over the format byte.
func minimumSize(magic byte) (size int64, known bool) {
	switch magic {
	case 0:
		return messageSizeV0 - prefixSize, true
	case 1:
		return messageSizeV1 - prefixSize, true
	case 2:
		return headerSize - prefixSize, true
	}
	return offsetMagic + 1 - prefixSize, false
}

// cut ends the iteration at an entry that the end of the set cuts.
func (it *Iterator) cut(rest []byte) bool {
	it.truncated = it.next <= it.want.From
	if len(rest) >= prefixSize {
		size := int(int32(binary.BigEndian.Uint32(rest[offsetLength:])))
		it.need = max(prefixSize+size, offsetMagic+1) // a length that cannot be shows with the format byte
	}
	return it.finish()
}

// reached ends the iteration because everything that follows lies after the range.
func (it *Iterator) reached() bool {
	it.next = max(it.next, it.want.Until)
	return it.finish()
}

// finish ends the iteration and lets go of the buffers, so that an idle Iterator keeps none alive.
func (it *Iterator) finish() bool {
	it.set, it.body, it.left, it.rec = nil, nil, 0, Record{}
	return false
}

// fail ends the iteration with an error about the entry that begins at it.start.
func (it *Iterator) fail(kind Kind, format string, args ...any) bool {
	var base int64
	if entry := it.set[it.start:]; len(entry) >= offsetLength {
		base = int64(binary.BigEndian.Uint64(entry))
	}
	it.err = &Error{Kind: kind, BaseOffset: base, Position: it.start, Detail: fmt.Sprintf(format, args...)}
	return it.finish()
}

// decompress gives the records of a compressed entry, in a buffer of their own.
func (it *Iterator) decompress(c Codec, src []byte) (body []byte, ok bool) {
	body, err := it.dec.decompress(c, src)
	if err == nil {
		it.inflated += len(body)
		return body, true
	}
	switch {
	case err == errUnknownCodec:
		return nil, it.fail(UnknownCodec, "codec %d; codecs 0 to 4 are known", c)
	case isTooLarge(err):
		return nil, it.fail(TooLarge, "%d bytes of %v give more than the limit of %d bytes",
			len(src), c, it.dec.max)
	}
	it.fail(BadCompression, "%d bytes of %v", len(src), c)
	it.err.Err = err
	return nil, false
}
