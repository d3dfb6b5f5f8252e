// Package recordbatchtest writes record sets in all formats and codecs, good ones and strange ones, as
// inputs for tests. It shares no constant with the reader, so that the two cannot be wrong together.
package recordbatchtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A Record is what is written of one record. A nil Key or Value is a null.
type Record struct {
	Offset    int64 // absolute
	Timestamp int64 // milliseconds; not in format 0
	Key       []byte
	Value     []byte
	Headers   []recordbatch.Header // format 2 only
}

// An Entry is what becomes one record batch (format 2), one wrapper message (formats 0 and 1 with a
// codec), or as many single messages as there are records.
type Entry struct {
	Magic   int8
	Codec   recordbatch.Codec
	Frame   Frame
	Records []Record

	// Base and Last are the first and last offset of a batch that compaction has shortened; zero
	// means those of the first and last record.
	Base, Last int64
	// LogAppendTime makes MaxTimestamp the timestamp of all records, for the reader to find.
	LogAppendTime bool
	// MaxTimestamp is the largest one of the records if it is zero.
	MaxTimestamp int64

	// The rest is for format 2 only, but for Absolute, which is for format 1.
	LeaderEpoch   int32
	ProducerID    int64 // 0 stands for -1, none
	Transactional bool
	Control       bool
	// Absolute leaves the offsets inside a wrapper of format 1 absolute.
	Absolute bool
}

// Marker is the control batch that ends a transaction.
func Marker(offset, producer int64, commit bool) Entry {
	key := []byte{0, 0, 0, 0}
	if commit {
		key[3] = 1
	}
	return Entry{Magic: 2, ProducerID: producer, Transactional: true, Control: true,
		Records: []Record{{Offset: offset, Key: key, Value: []byte{0, 0, 0, 0, 0, 0}}}}
}

// Encode writes a record set of the entries.
func Encode(entries ...Entry) ([]byte, error) {
	var set []byte
	for i, e := range entries {
		var err error
		if set, err = e.appendTo(set); err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return set, nil
}

func (e Entry) appendTo(dst []byte) ([]byte, error) {
	if len(e.Records) == 0 && (e.Magic != 2 || e.Last == 0) {
		return nil, errors.New("an entry without records can be of format 2 only, and needs Last")
	}
	if n := len(e.Records); n > 0 {
		if e.Base == 0 {
			e.Base = e.Records[0].Offset
		}
		if e.Last == 0 {
			e.Last = e.Records[n-1].Offset
		}
		if e.MaxTimestamp == 0 {
			e.MaxTimestamp = e.Records[0].Timestamp
			for _, r := range e.Records {
				e.MaxTimestamp = max(e.MaxTimestamp, r.Timestamp)
			}
		}
	}
	switch e.Magic {
	case 0, 1:
		return e.appendMessages(dst)
	case 2:
		return e.appendBatch(dst)
	}
	return nil, fmt.Errorf("no format %d", e.Magic)
}

func (e Entry) appendBatch(dst []byte) ([]byte, error) {
	var body []byte
	var first int64
	for i, r := range e.Records {
		if i == 0 {
			first = r.Timestamp
		}
		body = appendRecord(body, r, e.Base, first)
	}
	body, err := Compress(e.Codec, e.Frame, body)
	if err != nil {
		return nil, err
	}
	attributes := int16(e.Codec)
	for bit, on := range map[int16]bool{8: e.LogAppendTime, 16: e.Transactional, 32: e.Control} {
		if on {
			attributes |= bit
		}
	}
	producer := e.ProducerID
	if producer == 0 {
		producer = -1
	}
	start := len(dst)
	be := binary.BigEndian
	dst = be.AppendUint64(dst, uint64(e.Base))
	dst = be.AppendUint32(dst, uint32(49+len(body)))
	dst = be.AppendUint32(dst, uint32(e.LeaderEpoch))
	dst = append(dst, 2, 0, 0, 0, 0)
	dst = be.AppendUint16(dst, uint16(attributes))
	dst = be.AppendUint32(dst, uint32(e.Last-e.Base))
	dst = be.AppendUint64(dst, uint64(first))
	dst = be.AppendUint64(dst, uint64(e.MaxTimestamp))
	dst = be.AppendUint64(dst, uint64(producer))
	dst = be.AppendUint16(dst, 0)
	dst = be.AppendUint32(dst, 0)
	dst = be.AppendUint32(dst, uint32(len(e.Records)))
	dst = append(dst, body...)
	Seal(dst[start:])
	return dst, nil
}

// appendRecord writes a record of format 2.
func appendRecord(dst []byte, r Record, base, firstTimestamp int64) []byte {
	b := []byte{0}
	b = binary.AppendVarint(b, r.Timestamp-firstTimestamp)
	b = binary.AppendVarint(b, r.Offset-base)
	b = appendVarBytes(b, r.Key)
	b = appendVarBytes(b, r.Value)
	b = binary.AppendVarint(b, int64(len(r.Headers)))
	for _, h := range r.Headers {
		b = appendVarBytes(b, append([]byte{}, h.Key...))
		b = appendVarBytes(b, h.Value)
	}
	return append(binary.AppendVarint(dst, int64(len(b))), b...)
}

func appendVarBytes(dst, v []byte) []byte {
	if v == nil {
		return binary.AppendVarint(dst, -1)
	}
	return append(binary.AppendVarint(dst, int64(len(v))), v...)
}

func (e Entry) appendMessages(dst []byte) ([]byte, error) {
	if e.Codec == recordbatch.None {
		for _, r := range e.Records {
			dst = e.appendMessage(dst, r, r.Offset, 0)
		}
		return dst, nil
	}
	inner := e
	inner.LogAppendTime = false
	var set []byte
	for _, r := range e.Records {
		offset := r.Offset
		if e.Magic == 1 && !e.Absolute {
			offset -= e.Base
		}
		set = inner.appendMessage(set, r, offset, 0)
	}
	set, err := Compress(e.Codec, e.Frame, set)
	if err != nil {
		return nil, err
	}
	return e.appendMessage(dst, Record{Timestamp: e.MaxTimestamp, Value: set}, e.Last, e.Codec), nil
}

// appendMessage writes a message of format 0 or 1 with this in its offset field.
func (e Entry) appendMessage(dst []byte, r Record, offset int64, c recordbatch.Codec) []byte {
	start := len(dst)
	be := binary.BigEndian
	attributes := byte(c)
	timestamp := r.Timestamp
	if e.LogAppendTime && e.Magic == 1 {
		attributes |= 8
		timestamp = e.MaxTimestamp
	}
	dst = be.AppendUint64(dst, uint64(offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(e.Magic), attributes)
	if e.Magic == 1 {
		dst = be.AppendUint64(dst, uint64(timestamp))
	}
	dst = appendBytes(appendBytes(dst, r.Key), r.Value)
	be.PutUint32(dst[start+8:], uint32(len(dst)-start-12))
	Seal(dst[start:])
	return dst
}

func appendBytes(dst, v []byte) []byte {
	if v == nil {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(v))), v...)
}

// Seal writes the right CRC into an entry, for tests that have damaged it on purpose.
func Seal(entry []byte) {
	if entry[16] == 2 {
		sum := crc32.Checksum(entry[21:], crc32.MakeTable(crc32.Castagnoli))
		binary.BigEndian.PutUint32(entry[17:], sum)
		return
	}
	binary.BigEndian.PutUint32(entry[12:], crc32.ChecksumIEEE(entry[16:]))
}
