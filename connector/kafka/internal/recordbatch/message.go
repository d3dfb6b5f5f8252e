package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Layout of a message, formats 0 and 1, from the start of the entry. Offset and length are outside the
// CRC. Format 1 has a timestamp; then come key and value, each with its length (int32, -1 is a null).
const (
	offsetMessageCRC        = 12 // uint32, CRC-32 IEEE
	offsetMessageAttributes = 17 // int8, the bits of a batch's attributes that it has room for
	offsetMessageTimestamp  = 18 // int64, format 1 only
	messageFieldsV0         = 18 // where the key begins
	messageFieldsV1         = 26
	messageSizeV0           = messageFieldsV0 + 8
	messageSizeV1           = messageFieldsV1 + 8
)

// openMessage goes to a whole message: a single one is an entry with one record; the value of a
// compressed one is a set of messages. It returns false if the iteration is over.
func (it *Iterator) openMessage(entry []byte) bool {
	offset := int64(binary.BigEndian.Uint64(entry))
	if offset < 0 || offset == math.MaxInt64 {
		return it.fail(BadOffset, "a message cannot have offset %d", offset)
	}
	it.after = offset + 1
	it.legacy, it.stamped, it.base = true, false, 0
	it.rec = Record{LeaderEpoch: -1}
	codec := Codec(entry[offsetMessageAttributes] & maskCodec)
	if codec != None {
		return it.openWrapper(entry, codec)
	}
	if offset >= it.want.Until {
		return it.reached()
	}
	it.body, it.pos, it.left = entry, 0, 1
	return true
}

// openWrapper goes to the messages inside a compressed one. The wrapper has the offset of its last
// message, so a wrapper that lies before the range need not be opened.
func (it *Iterator) openWrapper(entry []byte, codec Codec) bool {
	// The CRC of a wrapper covers the compressed bytes; that of each message inside is checked with it.
	_, value, ok := it.openFields(entry)
	if !ok {
		return false
	}
	if it.after <= it.floor {
		return true
	}
	if value == nil {
		return it.fail(BadRecord, "a compressed message has no value")
	}
	body, ok := it.decompress(codec, value)
	if !ok {
		return false
	}
	count, last, ok := it.measure(body)
	if !ok {
		return false
	}
	wrapper := it.after - 1
	// A broker gives the wrapper the offset of its last message, or leaves it behind that when it
	// compacts. The other way round the position would run past records not yet given.
	if last > wrapper {
		return it.fail(BadOffset, "the last message inside has offset field %d", last)
	}
	it.body, it.pos, it.left = body, 0, count
	if entry[offsetMagic] == 0 {
		return true // offsets inside are those of the log
	}
	// Offsets inside are relative to the first message that the producer sent together, which
	// compaction may have removed; but the last one is the wrapper's. Absolute offsets inside, which
	// some writers leave, come out right too: the base is 0 then.
	it.base = wrapper - last
	if entry[offsetMessageAttributes]&maskLogAppendTime != 0 {
		it.stamped = true
		it.stamp = int64(binary.BigEndian.Uint64(entry[offsetMessageTimestamp:]))
	}
	return true
}

// measure walks the set inside a wrapper without looking into its messages. It gives their number and
// the offset of the last one; it fails unless they fill the set.
func (it *Iterator) measure(body []byte) (count int, last int64, ok bool) {
	last = -1
	for p := 0; p < len(body); count++ {
		rest := body[p:]
		if len(rest) < messageSizeV0 {
			return 0, 0, it.fail(BadLength, "%d bytes are left after message %d inside", len(rest), count)
		}
		size := int64(int32(binary.BigEndian.Uint32(rest[offsetLength:])))
		if size < messageSizeV0-prefixSize || size > int64(len(rest)-prefixSize) {
			return 0, 0, it.fail(BadLength, "message %d inside has %d bytes of %d", count, size, len(rest)-prefixSize)
		}
		offset := int64(binary.BigEndian.Uint64(rest))
		if offset <= last || offset == math.MaxInt64 {
			return 0, 0, it.fail(BadOffset, "message %d inside has offset %d after %d", count, offset, last)
		}
		last = offset
		p += prefixSize + int(size)
	}
	if count == 0 {
		return 0, 0, it.fail(BadLength, "a compressed message has none inside")
	}
	return count, last, true
}

// nextMessage goes to the next message of the entry that is wanted. It returns false when there is
// none: then the entry is used up or the iteration is over. The body's lengths have been checked.
func (it *Iterator) nextMessage() bool {
	for it.left > 0 {
		b := it.body[it.pos:]
		end := prefixSize + int(binary.BigEndian.Uint32(b[offsetLength:]))
		b = b[:end:end]
		it.pos, it.left = it.pos+end, it.left-1
		offset := it.base + int64(binary.BigEndian.Uint64(b))
		if offset < it.floor {
			continue
		}
		if offset >= it.want.Until {
			return it.reached()
		}
		key, value, ok := it.openFields(b)
		if !ok {
			return false
		}
		// No client writes this and the Java client refuses it. It would also be a way to make a bomb
		// of a bomb.
		if b[offsetMessageAttributes]&maskCodec != 0 {
			return it.fail(BadRecord, "the message at offset %d is compressed inside a compressed one", offset)
		}
		it.rec.Offset, it.rec.Key, it.rec.Value = offset, key, value
		it.setTimestamp(b)
		return true
	}
	return false
}

// setTimestamp gives the current record the timestamp of message b, or its wrapper's.
func (it *Iterator) setTimestamp(b []byte) {
	switch {
	case b[offsetMagic] == 0:
		// This may stand beside messages of format 1 in the same wrapper.
		it.rec.Timestamp, it.rec.TimestampType = -1, NoTimestamp
	case it.stamped:
		it.rec.Timestamp, it.rec.TimestampType = it.stamp, LogAppendTime
	default:
		it.rec.Timestamp = int64(binary.BigEndian.Uint64(b[offsetMessageTimestamp:]))
		it.rec.TimestampType = CreateTime
		if b[offsetMessageAttributes]&maskLogAppendTime != 0 {
			it.rec.TimestampType = LogAppendTime
		}
	}
}

// openFields checks a message and gives its key and value.
func (it *Iterator) openFields(b []byte) (key, value []byte, ok bool) {
	if !it.want.SkipCRC {
		sum := crc32.ChecksumIEEE(b[offsetMagic:])
		if want := binary.BigEndian.Uint32(b[offsetMessageCRC:]); sum != want {
			return nil, nil, it.fail(BadCRC, "the CRC-32 of the message with offset field %d is %08x, it says %08x",
				int64(binary.BigEndian.Uint64(b)), sum, want)
		}
	}
	p := messageFieldsV0
	switch b[offsetMagic] {
	case 0:
	case 1:
		p = messageFieldsV1
	default:
		return nil, nil, it.fail(UnknownMagic, "format %d inside a message; 0 and 1 can be", int8(b[offsetMagic]))
	}
	key, p, ok = legacyField(b, p)
	if ok {
		value, p, ok = legacyField(b, p)
	}
	if !ok || p != len(b) {
		return nil, nil, it.fail(BadRecord, "key and value do not fill the %d bytes of a message", len(b))
	}
	return key, value, true
}

// legacyField reads bytes with an int32 length before them: -1 is a null.
func legacyField(b []byte, i int) (v []byte, next int, ok bool) {
	if len(b)-i < 4 {
		return nil, i, false
	}
	n := int64(int32(binary.BigEndian.Uint32(b[i:])))
	i += 4
	if n < 0 {
		return nil, i, n == -1
	}
	if n > int64(len(b)-i) {
		return nil, i, false
	}
	end := i + int(n)
	return b[i:end:end], end, true
}
