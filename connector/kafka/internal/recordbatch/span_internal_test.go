package recordbatch

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// batchOf is a record batch of format 2 with empty records, without a checksum.
func batchOf(base int64, n int32) []byte {
	var body []byte
	for i := range n {
		r := kmsg.Record{OffsetDelta: i}
		raw := r.AppendTo(nil)[1:]
		body = append(append(body, byte(2*len(raw))), raw...)
	}
	b := kmsg.RecordBatch{
		FirstOffset:     base,
		Length:          int32(headerSize - prefixSize + len(body)),
		Magic:           2,
		LastOffsetDelta: n - 1,
		ProducerID:      -1,
		NumRecords:      n,
		Records:         body,
	}
	return b.AppendTo(nil)
}

// messageOf is a message of format 0 or 1 with neither key nor value, without a checksum.
func messageOf(offset int64, magic byte) []byte {
	size := 4 + 1 + 1 + 8*int(magic) + 4 + 4
	b := binary.BigEndian.AppendUint64(nil, uint64(offset))
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, 0, 0, 0, 0, magic, 0)
	b = append(b, make([]byte, 8*int(magic))...)
	return append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
}

// nextOffset is where the iterator says that the next fetch begins.
func nextOffset(set []byte) (int64, error) {
	it := NewIterator(nil)
	it.Reset(set, Want{Until: math.MaxInt64, SkipCRC: true})
	for it.Next() {
	}
	return it.NextOffset(), it.Err()
}

func TestWhole(t *testing.T) {
	for _, row := range []struct {
		name       string
		set        []byte
		begin, end int64
		cut        int // bytes that are left behind
	}{
		{"nothing", nil, -1, -1, 0},
		{"a batch", batchOf(5, 3), 5, 8, 0},
		{"two batches with a gap", slices.Concat(batchOf(5, 3), batchOf(20, 1)), 5, 21, 0},
		{"a batch that begins at 0", batchOf(0, 3), 0, 3, 0},
		{"a cut batch", slices.Concat(batchOf(5, 3), batchOf(8, 3)[:40]), 5, 8, 40},
		{"nothing but a cut one", batchOf(5, 3)[:70], -1, -1, 70},
		{"less than a prefix", batchOf(5, 3)[:10], -1, -1, 10},
		{"old messages", slices.Concat(messageOf(3, 0), messageOf(9, 1)), -1, 10, 0},
		{"old and new", slices.Concat(messageOf(3, 1), batchOf(4, 2)), -1, 6, 0},
		{"out of order", slices.Concat(batchOf(20, 1), batchOf(5, 3)), 20, 21, 0},
		{"a length of nothing", make([]byte, 100), -1, -1, 100},
	} {
		if got, want := Whole(row.set), (Span{row.begin, row.end, len(row.set) - row.cut}); got != want {
			t.Errorf("%s: %+v, want %+v", row.name, got, want)
		}
		if next, err := nextOffset(row.set); err == nil && next != max(row.end, 0) {
			t.Errorf("%s: the iterator goes on at %d", row.name, next)
		}
	}
}

// FuzzWhole: a fetch that is begun by the headers alone begins where the iterator, which reads everything, says, for
// every set that can be read at all.
func FuzzWhole(f *testing.F) {
	f.Add([]byte{})
	f.Add(slices.Concat(batchOf(5, 3), batchOf(20, 1), batchOf(21, 2)[:30]))
	f.Add(slices.Concat(messageOf(3, 0), messageOf(9, 1), batchOf(10, 1)))
	f.Fuzz(func(t *testing.T, set []byte) {
		s := Whole(set)
		if s.Size < 0 || s.Size > len(set) {
			t.Fatalf("%d bytes of %d", s.Size, len(set))
		}
		if next, err := nextOffset(set); err == nil && next != max(s.End, 0) {
			t.Fatalf("the headers end at %d, the iterator at %d", s.End, next)
		}
	})
}
