package recordbatch_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// flips are what a byte is changed by: single bits, and all of them.
var flips = []byte{1, 2, 4, 8, 16, 32, 64, 128, 255}

// TestFlip changes each byte of an entry that has a good one before it. What lies outside the CRC is
// base offset, length and, in format 2, leader epoch and the format itself; all else must be an error.
func TestFlip(t *testing.T) {
	it := recordbatch.NewIterator(nil)
	for magic := range int8(3) {
		for _, codec := range codecs {
			t.Run(fmt.Sprintf("v%d/%v", magic, codec), func(t *testing.T) {
				first := recordbatchtest.Entry{Magic: magic, Codec: codec, Records: plainRecords(0, 1)}
				// An offset with ones in its middle, so that flips go up as well as down.
				second := recordbatchtest.Entry{Magic: magic, Codec: codec, Records: plainRecords(0x0f0f0f0f0f, 1)}
				start := len(encode(t, first))
				set := encode(t, first, second)
				for at := start; at < len(set); at++ {
					for _, flip := range flips {
						set[at] ^= flip
						checkFlip(t, it, set, start, at-start, expect(first)[0], expect(second)[0])
						set[at] ^= flip
					}
				}
			})
		}
	}
}

// checkFlip reads a set whose second entry, at start, has a damaged byte at this place in it.
func checkFlip(t *testing.T, it *recordbatch.Iterator, set []byte, start, at int, first, second read) {
	t.Helper()
	it.Reset(set, all)
	got := collect(t, it)
	var e *recordbatch.Error
	failed := errors.As(it.Err(), &e)
	if len(got) == 0 || !reflect.DeepEqual(got[0], first) {
		t.Fatalf("byte %d: the record before the damage is lost", at)
	}
	got = got[1:]
	if failed && len(got) > 0 {
		t.Fatalf("byte %d: error %v after a record of the damaged entry", at, e)
	}
	switch {
	case failed && e.Position != start:
		t.Fatalf("byte %d: the error names byte %d, the entry begins at %d: %v", at, e.Position, start, e)
	case at < 8: // the offset: another one, or one that cannot be
		if failed && e.Kind == recordbatch.BadOffset || !failed && len(got) == 0 && it.NextOffset() == 1 {
			return
		}
		if len(got) == 1 {
			second.Offset = got[0].Offset
		}
	case at < 12: // the length: an entry that is cut, unless it is an error
		if failed || len(got) == 0 && it.NeedBytes() > 0 {
			return
		}
	case at < 16 && len(got) == 1 && got[0].LeaderEpoch != -1: // the epoch of format 2
		second.LeaderEpoch = got[0].LeaderEpoch
	case at == 16:
		kinds := []recordbatch.Kind{recordbatch.BadCRC, recordbatch.UnknownMagic, recordbatch.BadLength}
		if failed && slices.Contains(kinds, e.Kind) {
			return
		}
	default:
		if failed && e.Kind == recordbatch.BadCRC {
			return
		}
	}
	if failed || len(got) != 1 || !reflect.DeepEqual(got[0], second) {
		t.Fatalf("byte %d: error %v, %d records: %v", at, it.Err(), len(got), got)
	}
}

// TestFlipSealed changes each byte and puts the right CRC in: whatever comes, it must come to an end,
// in order, and the two ways to not check the CRC must agree.
func TestFlipSealed(t *testing.T) {
	records := []recordbatchtest.Record{{Offset: 10, Timestamp: 9}, {Offset: 12, Key: []byte("k"), Value: []byte("v"),
		Headers: []recordbatch.Header{{Key: "h", Value: []byte("x")}}}, {Offset: 13, Value: make([]byte, 80)}}
	small := recordbatch.NewDecompressors(1 << 20)
	checking, trusting := recordbatch.NewIterator(small), recordbatch.NewIterator(small)
	for magic := range int8(3) {
		for _, codec := range codecs {
			if magic < 2 && codec == recordbatch.None {
				records = records[1:2] // a set would be several entries
			}
			set := encode(t, recordbatchtest.Entry{Magic: magic, Codec: codec, Records: records})
			for at := range set {
				for _, flip := range flips {
					set[at] ^= flip
					trusting.Reset(set, recordbatch.Want{Until: math.MaxInt64, SkipCRC: true})
					want := drain(t, trusting)
					if at != 16 && at >= 12 { // a format or length that does not fit cannot be sealed
						recordbatchtest.Seal(set)
						checking.Reset(set, all)
						if got := drain(t, checking); magic == 2 && got != want {
							t.Fatalf("v%d %v byte %d: %d records with the CRC, %d without", magic, codec, at, got, want)
						}
					}
					set[at] ^= flip
					recordbatchtest.Seal(set)
				}
			}
		}
	}
}

// drain reads to the end and gives the number of records; their offsets must increase.
func drain(t *testing.T, it *recordbatch.Iterator) (n int) {
	t.Helper()
	last := int64(-1)
	var headers []recordbatch.Header
	for it.Next() {
		r := it.Record()
		if r.Offset <= last {
			t.Fatalf("offset %d after %d", r.Offset, last)
		}
		last = r.Offset
		headers, _ = r.Headers(headers[:0])
		n++
	}
	return n
}

// These make damaged entries with a right CRC.

// batch is a batch of offsets 0, 1 and 2.
func batch(t *testing.T) []byte {
	return encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, 3)})
}

// message is a message with this offset.
func message(t *testing.T, magic int8, offset int64) []byte {
	return encode(t, recordbatchtest.Entry{Magic: magic, Records: plainRecords(offset, 1)})
}

// put8, put16 and put32 write a number into an entry.
func put8(b []byte, at int, v uint8) []byte {
	b[at] = v
	return sealed(b)
}

func put16(b []byte, at int, v uint16) []byte {
	binary.BigEndian.PutUint16(b[at:], v)
	return sealed(b)
}

func put32(b []byte, at int, v uint32) []byte {
	binary.BigEndian.PutUint32(b[at:], v)
	return sealed(b)
}

func sealed(b []byte) []byte {
	recordbatchtest.Seal(b)
	return b
}

// body is a batch whose only record is made of these bytes.
func body(t *testing.T, s string) []byte {
	b := append(batch(t)[:61:61], s...)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	return put32(b, 57, 1)
}

func TestBatchErrors(t *testing.T) {
	damaged := batch(t)
	damaged[60] ^= 1
	for _, tt := range []errorTest{
		{"length 0", put32(batch(t), 8, 0), recordbatch.BadLength, "declares 0 bytes"},
		{"length negative", put32(batch(t), 8, 1<<31), recordbatch.BadLength, "declares -2147483648 bytes"},
		{"length less than a header", put32(batch(t), 8, 48), recordbatch.BadLength, "has 49 at least"},
		{"format 3", put8(batch(t), 16, 3), recordbatch.UnknownMagic, "format 3"},
		{"CRC", damaged, recordbatch.BadCRC, "the header says"},
		{"codec 5", put16(batch(t), 21, 5), recordbatch.UnknownCodec, "codec 5"},
		{"base offset negative", put32(batch(t), 0, 1<<31), recordbatch.BadOffset, "cannot be"},
		{"last offset negative", put32(batch(t), 23, 1<<31), recordbatch.BadOffset, "cannot be"},
		{"last offset overflows", put32(put32(batch(t), 0, math.MaxInt32), 4, math.MaxUint32), recordbatch.BadOffset,
			"cannot be"},
		{"count negative", put32(batch(t), 57, 1<<31), recordbatch.BadLength, "records"},
		{"count beyond the offsets", put32(batch(t), 57, 4), recordbatch.BadLength, "4 records cannot"},
		{"count too small", put32(batch(t), 57, 2), recordbatch.BadLength, "are left after the last"},
		{"record beyond the batch", body(t, "\x7e\x00\x00\x00\x01\x01\x00"), recordbatch.BadRecord, "length"},
		{"record too short", body(t, "\x0a\x00\x00\x00\x01\x01"), recordbatch.BadRecord, "length"},
		{"record length cut", body(t, "\xff"), recordbatch.BadRecord, "length"},
		{"no records", body(t, ""), recordbatch.BadRecord, "length"},
		{"offset too far", body(t, "\x0c\x00\x00\x06\x01\x01\x00"), recordbatch.BadOffset, "relative offset 3"},
		{"offset negative", body(t, "\x0c\x00\x00\x01\x01\x01\x00"), recordbatch.BadOffset, "relative offset -1"},
		{"timestamp cut", body(t, "\x0c\x00\xff\xff\xff\xff\xff"), recordbatch.BadRecord, "is cut"},
		{"key too long", body(t, "\x0c\x00\x00\x00\x10\x01\x00"), recordbatch.BadRecord, "key"},
		{"key length -2", body(t, "\x0c\x00\x00\x00\x03\x01\x00"), recordbatch.BadRecord, "key"},
		{"value too long", body(t, "\x0c\x00\x00\x00\x01\x10\x00"), recordbatch.BadRecord, "value"},
		{"value length -2", body(t, "\x0c\x00\x00\x00\x01\x03\x00"), recordbatch.BadRecord, "value"},
		{"headers negative", body(t, "\x0c\x00\x00\x00\x01\x01\x01"), recordbatch.BadRecord, "-1 headers"},
		{"headers too many", body(t, "\x10\x00\x00\x00\x01\x01\x04\x00\x00"), recordbatch.BadRecord, "2 headers"},
		{"bytes after no headers", body(t, "\x0e\x00\x00\x00\x01\x01\x00\x00"), recordbatch.BadRecord, "0 headers"},
	} {
		t.Run(tt.name, tt.run)
	}
}

func TestMessageErrors(t *testing.T) {
	null := encode(t, recordbatchtest.Entry{Magic: 1, Records: []recordbatchtest.Record{{Offset: 1}}})
	damaged := message(t, 1, 0)
	damaged[20] ^= 1
	// wrap has the offset that its last message has as a rule.
	wrap := func(magic int8, inner ...[]byte) []byte { return wrapper(t, magic, 5, 0, 0, slices.Concat(inner...)) }
	for _, tt := range []errorTest{
		{"length less than its fields", put32(message(t, 1, 3), 8, 21), recordbatch.BadLength, "has 22 at least"},
		{"codec 7", put8(message(t, 0, 1), 17, 7), recordbatch.UnknownCodec, "codec 7"},
		{"offset negative", put32(message(t, 1, 0), 0, 1<<31), recordbatch.BadOffset, "cannot have"},
		{"key too long", put32(message(t, 0, 0), 18, 100), recordbatch.BadRecord, "fill"},
		{"value too long", put32(message(t, 1, 0), 26, math.MaxUint32), recordbatch.BadRecord, "fill"},
		{"wrapper is null", put8(null, 17, 1), recordbatch.BadRecord, "no value"},
		{"wrapper is empty", wrap(1), recordbatch.BadLength, "none inside"},
		{"wrapper has half a message", wrap(1, message(t, 1, 0)[:30]), recordbatch.BadLength, "message 0 inside"},
		{"wrapper has a rest", wrap(0, message(t, 0, 0), []byte{1, 2}), recordbatch.BadLength, "2 bytes are left"},
		{"wrapper offsets run back", wrap(1, message(t, 1, 1), message(t, 1, 0)), recordbatch.BadOffset,
			"offset 0 after 1"},
		{"wrapper offset too small", wrap(1, message(t, 1, 6)), recordbatch.BadOffset, "offset field 6"},
		{"wrapper in wrapper", wrap(1, wrap(1, message(t, 1, 5))), recordbatch.BadRecord, "compressed inside"},
		{"batch in wrapper", wrap(1, batch(t)), recordbatch.BadCRC, "message with offset field 0"},
		{"damaged in wrapper", wrap(1, damaged), recordbatch.BadCRC, "message with offset field 0"},
		{"format 5 in wrapper", wrap(1, put8(message(t, 1, 0), 16, 5)), recordbatch.UnknownMagic, "format 5"},
	} {
		t.Run(tt.name, tt.run)
	}
}

// An errorTest has an entry that cannot be read, why, and what the error must say.
type errorTest struct {
	name string
	set  []byte
	kind recordbatch.Kind
	text string
}

func (tt errorTest) run(t *testing.T) {
	it := recordbatch.NewIterator(nil)
	it.Reset(tt.set, all)
	drain(t, it)
	var e *recordbatch.Error
	if !errors.As(it.Err(), &e) {
		t.Fatalf("error %v, want one", it.Err())
	}
	base := int64(binary.BigEndian.Uint64(tt.set))
	if e.Kind != tt.kind || e.Position != 0 || e.BaseOffset != base {
		t.Fatalf("error %#v, want kind %v at byte 0, offset %d", e, tt.kind, base)
	}
	if !strings.Contains(e.Error(), tt.text) {
		t.Fatalf("error %q does not say %q", e, tt.text)
	}
	if it.Truncated() {
		t.Fatal("truncated as well as an error")
	}
}

func TestBadHeaders(t *testing.T) {
	for _, tail := range []string{"\x02\x03\x00", "\x02\x00\x03", "\x02\x04\x00", "\x02\x00\x04", "\x02\x00\x00\x00"} {
		b := encode(t, recordbatchtest.Entry{Magic: 2, Records: []recordbatchtest.Record{{Offset: 8}}})[:61]
		record := "\x00\x00\x00\x01\x01" + tail
		b = append(append(b, byte(2*len(record))), record...)
		binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
		recordbatchtest.Seal(b)
		it := recordbatch.NewIterator(nil)
		it.Reset(b, all)
		if !it.Next() {
			t.Fatal(it.Err())
		}
		_, err := it.Record().Headers(nil)
		var e *recordbatch.Error
		if !errors.As(err, &e) || e.Kind != recordbatch.BadRecord || e.BaseOffset != 8 {
			t.Errorf("% x: error %v, want a bad record at offset 8", tail, err)
		}
	}
}

// TestLimit has entries that are larger than the limit, that are as large, and that say that they are
// much larger than they are; none may take much more memory than the limit.
func TestLimit(t *testing.T) {
	const limit = 1 << 20
	zeros := recordbatchtest.Record{Value: make([]byte, limit)} // the record around it is above the limit
	fits := recordbatchtest.Record{Value: make([]byte, limit-32)}
	for _, codec := range codecs[1:] {
		for _, frame := range recordbatchtest.Frames(codec) {
			it := recordbatch.NewIterator(recordbatch.NewDecompressors(limit))
			set := encode(t, recordbatchtest.Entry{Magic: 2, Codec: codec, Frame: frame,
				Records: []recordbatchtest.Record{fits}})
			it.Reset(set, all)
			if n := drain(t, it); n != 1 || it.Err() != nil {
				t.Fatalf("%v frame %d: %d records, %v", codec, frame, n, it.Err())
			}
			set = encode(t, recordbatchtest.Entry{Magic: 2, Codec: codec, Frame: frame,
				Records: []recordbatchtest.Record{zeros}})
			it.Reset(set, all)
			used := allocated(func() { drain(t, it) })
			var e *recordbatch.Error
			if !errors.As(it.Err(), &e) || e.Kind != recordbatch.TooLarge {
				t.Errorf("%v frame %d: error %v, want too large", codec, frame, it.Err())
			}
			if used > 4*limit {
				t.Errorf("%v frame %d: %d bytes allocated to refuse more than %d", codec, frame, used, limit)
			}
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestForgedSizes has a few bytes that declare much.
func TestForgedSizes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		codec recordbatch.Codec
		src   string
	}{
		{"snappy block", recordbatch.Snappy, "\x80\x80\x80\x20\x00a"},
		{"snappy frame", recordbatch.Snappy,
			"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x06\x80\x80\x80\x20\x00a"},
		{"lz4", recordbatch.LZ4, "\x04\x22\x4d\x18\x68\x40\x00\x00\x00\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, 1)})[:61]
			b = append(b, tt.src...)
			b[22] = byte(tt.codec)
			binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
			recordbatchtest.Seal(b)
			it := recordbatch.NewIterator(nil)
			used := allocated(func() { it.Reset(b, all); drain(t, it) })
			var e *recordbatch.Error
			if !errors.As(it.Err(), &e) || e.Kind != recordbatch.BadCompression || errors.Unwrap(e) == nil {
				t.Errorf("error %v, want bad compression with a cause", it.Err())
			}
			if used > 1<<20 {
				t.Errorf("%d bytes allocated for %d", used, len(tt.src))
			}
		})
	}
}

func TestKindString(t *testing.T) {
	for k := recordbatch.BadCRC; k <= recordbatch.TooLarge; k++ {
		if s := k.String(); s == "" || strings.HasPrefix(s, "kind") {
			t.Errorf("kind %d is called %q", k, s)
		}
	}
	if s := recordbatch.Kind(99).String(); s != "kind 99" {
		t.Errorf("kind 99 is called %q", s)
	}
}
