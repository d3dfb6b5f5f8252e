package recordbatch_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// wrapper makes a compressed message of formats 0 and 1 around a set of any messages.
func wrapper(t *testing.T, magic int8, offset, timestamp int64, attributes byte, inner []byte) []byte {
	t.Helper()
	value, err := recordbatchtest.Compress(recordbatch.Gzip, recordbatchtest.Plain, inner)
	if err != nil {
		t.Fatal(err)
	}
	b := encode(t, recordbatchtest.Entry{Magic: magic,
		Records: []recordbatchtest.Record{{Offset: offset, Timestamp: timestamp, Value: value}}})
	b[17] = byte(recordbatch.Gzip) | attributes
	recordbatchtest.Seal(b)
	return b
}

// TestWrapperOffsets has all that the offset fields inside a wrapper may be.
func TestWrapperOffsets(t *testing.T) {
	gaps := append(plainRecords(105, 2), plainRecords(109, 1)...)
	single := func(magic int8, offsets ...int64) []byte {
		var set []byte
		for _, o := range offsets {
			set = append(set, encode(t, recordbatchtest.Entry{Magic: magic, Records: plainRecords(o, 1)})...)
		}
		return set
	}
	for _, tt := range []struct {
		name string
		set  []byte
		want []int64
		next int64
	}{
		{"relative", encode(t, recordbatchtest.Entry{Magic: 1, Codec: 1, Records: gaps}), []int64{105, 106, 109}, 110},
		{"relative, the first ones compacted", encode(t, recordbatchtest.Entry{Magic: 1, Codec: 1, Base: 100,
			Records: gaps}), []int64{105, 106, 109}, 110},
		{"absolute in format 1", encode(t, recordbatchtest.Entry{Magic: 1, Codec: 1, Absolute: true, Records: gaps}),
			[]int64{105, 106, 109}, 110},
		{"format 0", encode(t, recordbatchtest.Entry{Magic: 0, Codec: 1, Records: gaps}), []int64{105, 106, 109}, 110},
		{"format 0, wrapper reaches further", wrapper(t, 0, 120, 0, 0, single(0, 105, 106)), []int64{105, 106}, 121},
		{"format 0 inside format 1", wrapper(t, 1, 106, 0, 0, single(0, 0, 1)), []int64{105, 106}, 107},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := recordbatch.NewIterator(nil)
			it.Reset(tt.set, recordbatch.Want{From: 90, Until: math.MaxInt64})
			got := collect(t, it)
			if it.Err() != nil || it.NextOffset() != tt.next || len(got) != len(tt.want) {
				t.Fatalf("error %v, next %d, want %d; records %v", it.Err(), it.NextOffset(), tt.next, got)
			}
			for i, r := range got {
				if r.Offset != tt.want[i] {
					t.Errorf("record %d has offset %d, want %d", i, r.Offset, tt.want[i])
				}
			}
		})
	}
}

// TestWrapperTimestamps has messages of both formats in one wrapper, with and without log append time.
func TestWrapperTimestamps(t *testing.T) {
	inner := append(encode(t, recordbatchtest.Entry{Magic: 1, Records: plainRecords(0, 1)}),
		encode(t, recordbatchtest.Entry{Magic: 0, Records: plainRecords(1, 1)})...)
	inner = append(inner, encode(t, recordbatchtest.Entry{Magic: 1, Records: plainRecords(2, 1)})...)
	for _, tt := range []struct {
		attributes byte
		timestamps [3]int64
		types      [3]int8
	}{
		{0, [3]int64{1000, -1, 1002}, [3]int8{0, -1, 0}},
		{8, [3]int64{5555, -1, 5555}, [3]int8{1, -1, 1}},
	} {
		got := readAll(t, wrapper(t, 1, 9, 5555, tt.attributes, inner), all)
		if len(got) != 3 {
			t.Fatalf("%d records, want 3", len(got))
		}
		for i, r := range got {
			if r.Timestamp != tt.timestamps[i] || r.TimestampType != tt.types[i] {
				t.Errorf("attributes %d, record %d: timestamp %d of type %d, want %d of type %d", tt.attributes, i,
					r.Timestamp, r.TimestampType, tt.timestamps[i], tt.types[i])
			}
		}
	}
}

// TestOldLZ4 reads the frame that clients before Kafka 0.10 wrote, in every format.
func TestOldLZ4(t *testing.T) {
	for magic := range int8(3) {
		e := recordbatchtest.Entry{Magic: magic, Codec: recordbatch.LZ4, Frame: recordbatchtest.Old,
			Records: plainRecords(1, 3)}
		same(t, readAll(t, encode(t, e), all), expect(e))
	}
}

// TestSkipCRC reads what has a wrong CRC, outside and inside, when told to.
func TestSkipCRC(t *testing.T) {
	inner := encode(t, recordbatchtest.Entry{Magic: 1, Records: plainRecords(0, 1)})
	binary.BigEndian.PutUint32(inner[12:], 1)
	for name, set := range map[string][]byte{
		"message": inner, "inside": wrapper(t, 1, 0, 0, 0, inner),
		"batch": encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, 1)}),
	} {
		if name == "batch" {
			set[17] ^= 1
		}
		it := recordbatch.NewIterator(nil)
		it.Reset(set, all)
		if n := drain(t, it); n != 0 || it.Err() == nil {
			t.Errorf("%s: %d records, error %v, want a bad CRC", name, n, it.Err())
		}
		it.Reset(set, recordbatch.Want{Until: math.MaxInt64, SkipCRC: true})
		if n := drain(t, it); n != 1 || it.Err() != nil {
			t.Errorf("%s without the CRC: %d records, error %v", name, n, it.Err())
		}
	}
}
