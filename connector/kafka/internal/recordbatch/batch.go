package recordbatch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// Layout of a record batch, format 2, from the start of the entry. Base offset, length and leader epoch
// are set by the broker and are outside the CRC; the CRC covers all that is after it.
const (
	offsetEpoch         = 12 // int32
	offsetBatchCRC      = 17 // uint32, CRC-32C
	offsetAttributes    = 21 // int16
	offsetLastDelta     = 23 // int32
	offsetBaseTimestamp = 27 // int64
	offsetMaxTimestamp  = 35 // int64
	offsetProducerID    = 43 // int64, then its epoch (int16) and the base sequence (int32)
	offsetCount         = 57 // int32
	headerSize          = 61
)

// Bits of the attributes. Bit 6 says that the base timestamp is a delete horizon; the records are
// relative to it all the same.
const (
	maskCodec         = 0x07
	maskLogAppendTime = 0x08
	maskTransactional = 0x10
	maskControl       = 0x20
)

// minRecordSize is what a record's length is at least: its attributes, two deltas, two lengths and the
// number of headers take a byte each.
const minRecordSize = 6

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openBatch goes to the first record of a whole record batch, or steps over a batch that holds nothing
// to give. It returns false if the iteration is over.
func (it *Iterator) openBatch(entry []byte) bool {
	base := int64(binary.BigEndian.Uint64(entry))
	last := int64(int32(binary.BigEndian.Uint32(entry[offsetLastDelta:])))
	// The CRC comes before all decisions: a damaged last offset could make the batch seem to lie before
	// the range, and its records would be lost without a word.
	if !it.want.SkipCRC {
		sum := crc32.Checksum(entry[offsetAttributes:], castagnoli)
		if want := binary.BigEndian.Uint32(entry[offsetBatchCRC:]); sum != want {
			return it.fail(BadCRC, "the CRC-32C is %08x, the header says %08x", sum, want)
		}
	}
	if base < 0 || last < 0 || base >= math.MaxInt64-last {
		return it.fail(BadOffset, "offsets from %d to %d more cannot be", base, last)
	}
	it.after = base + last + 1
	attributes := binary.BigEndian.Uint16(entry[offsetAttributes:])
	count := int32(binary.BigEndian.Uint32(entry[offsetCount:]))
	// Each record has an offset of its own. There may be fewer: compaction keeps the offsets.
	if count < 0 || int64(count) > last+1 {
		return it.fail(BadLength, "%d records cannot have %d offsets", count, last+1)
	}
	// Markers count for the transactions even if they lie before the range: a response may begin with
	// a batch of an aborted transaction, and the list of the response goes by the response's start.
	skip := attributes&maskControl != 0
	if it.want.ReadCommitted {
		aborted, ok := it.decideBatch(entry, attributes, int(count))
		if !ok {
			return false
		}
		skip = skip || aborted
	}
	// A batch without records stays in a compacted log for the sake of its producer's sequence.
	if skip || count == 0 || it.after <= it.floor {
		return true
	}
	if base >= it.want.Until {
		return it.reached()
	}
	body, ok := it.batchBody(entry, attributes)
	if !ok {
		return false
	}
	it.body, it.pos, it.left, it.legacy = body, 0, int(count), false
	it.base, it.prev, it.last = base, -1, last
	it.rec = Record{LeaderEpoch: int32(binary.BigEndian.Uint32(entry[offsetEpoch:]))}
	it.stamp = int64(binary.BigEndian.Uint64(entry[offsetBaseTimestamp:]))
	if attributes&maskLogAppendTime != 0 {
		it.rec.TimestampType = LogAppendTime
		it.stamp = int64(binary.BigEndian.Uint64(entry[offsetMaxTimestamp:]))
	}
	return true
}

// batchBody gives the records of a batch, decompressed.
func (it *Iterator) batchBody(entry []byte, attributes uint16) (body []byte, ok bool) {
	body = entry[headerSize:]
	if c := Codec(attributes & maskCodec); c != None {
		return it.decompress(c, body)
	}
	return body, true
}

// nextRecord goes to the next record of a batch that is wanted. It returns false when there is none:
// then the batch is used up or the iteration is over.
func (it *Iterator) nextRecord() bool {
	body := it.body
	for it.left > 0 {
		size, at, stamp, delta, p := head(body, it.pos)
		if size < minRecordSize || size > int64(len(body)-at) {
			return it.badRecord("its length does not fit the %d bytes of the batch", len(body))
		}
		end := at + int(size)
		b := body[:end:end]
		// A record whose offset is that of another one, or outside the batch, would be given twice or
		// never when the range is split elsewhere.
		if delta <= it.prev || delta > it.last {
			return it.badDelta(delta)
		}
		it.prev, it.pos, it.left = delta, end, it.left-1
		if it.left == 0 && end != len(body) {
			return it.fail(BadLength, "%d bytes are left after the last record", len(body)-end)
		}
		offset := it.base + delta
		if offset < it.floor {
			continue
		}
		if offset >= it.want.Until {
			return it.reached()
		}
		r := &it.rec
		var ok bool
		// b ends with the record, so nothing read from it can reach into the next one.
		if r.Key, p, ok = field(b, p); !ok {
			return it.badRecord("its key does not fit its %d bytes", size)
		}
		if r.Value, p, ok = field(b, p); !ok {
			return it.badRecord("its value does not fit its %d bytes", size)
		}
		// Nearly all records have no headers; the count is their last byte then.
		if p != end-1 || b[p] != 0 {
			if ok := it.noteHeaders(b, p); !ok {
				return false
			}
		} else {
			r.headers, r.headerCount = nil, 0
		}
		r.Offset, r.Timestamp = offset, it.stamp
		if r.TimestampType == CreateTime {
			r.Timestamp += stamp
		}
		return true
	}
	return false
}

// noteHeaders keeps the headers of the current record, which begin at b[p] with their number.
func (it *Iterator) noteHeaders(b []byte, p int) bool {
	count, p := varint(b, p)
	// The smallest header has two bytes: the lengths of an empty key and of an empty value.
	if count < 0 || count > int64(len(b)-p)/2 || count == 0 && p != len(b) {
		return it.badRecord("%d headers cannot fill the end of it", count)
	}
	it.rec.headers, it.rec.headerCount = b[p:], int32(count)
	return true
}

// badRecord fails at the record after relative offset it.prev.
func (it *Iterator) badRecord(format string, args ...any) bool {
	it.fail(BadRecord, "the record after relative offset %d: "+format, append([]any{it.prev}, args...)...)
	return false
}

func (it *Iterator) badDelta(delta int64) bool {
	if delta == math.MinInt64 {
		return it.badRecord("its timestamp or offset is cut")
	}
	return it.fail(BadOffset, "relative offset %d comes after %d, the batch ends at %d", delta, it.prev, it.last)
}
