package recordbatch_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// FuzzIterator reads arbitrary bytes: no panic, no endless loop, and no more memory than the limit asks
// for. Most of its inputs get nowhere with the CRC checked, so it is mostly not.
func FuzzIterator(f *testing.F) {
	const limit = 64 << 10
	records := witnessRecords(3)[:12]
	for magic := range int8(3) {
		for _, codec := range codecs {
			for _, frame := range recordbatchtest.Frames(codec) {
				e := recordbatchtest.Entry{Magic: magic, Codec: codec, Frame: frame, Records: records}
				f.Add(encode(f, e), int64(0), int64(1<<40), byte(5))
				next := recordbatchtest.Entry{Magic: 2, Records: plainRecords(15, 2)}
				f.Add(encode(f, e, next), int64(4), int64(16), byte(1))
			}
		}
	}
	aborted := encode(f, txnBatch(1, 3, 2), recordbatchtest.Marker(5, 1, false), txnBatch(1, 6, 2))
	f.Add(aborted, int64(0), int64(9), byte(2))
	dec := recordbatch.NewDecompressors(limit)
	f.Fuzz(func(t *testing.T, set []byte, from, until int64, flags byte) {
		if flags&4 != 0 && len(set) >= 12 {
			// Else most mutations end in an entry that is cut.
			set = slices.Clone(set)
			binary.BigEndian.PutUint32(set[8:], uint32(len(set)-12))
		}
		it := recordbatch.NewIterator(dec)
		want := recordbatch.Want{From: from, Until: until, SkipCRC: flags&1 != 0, ReadCommitted: flags&2 != 0,
			Aborted: []recordbatch.AbortedTransaction{{ProducerID: 1, FirstOffset: 6}, {ProducerID: 1, FirstOffset: 3}}}
		n := 0
		used := allocated(func() {
			it.Reset(set, want)
			n = walk(t, it, want)
		})
		// The smallest record has 7 bytes with its length.
		if n > (len(set)+it.DecompressedBytes())/7 {
			t.Fatalf("%d records from %d bytes and %d decompressed ones", n, len(set), it.DecompressedBytes())
		}
		// An entry has 26 bytes at least. Beside its own buffer it may grow the scratch, make decoders,
		// and fill them; nothing of that is more than some MiB.
		entries := uint64(len(set)/26 + 1)
		if bound := 8<<20 + entries*(limit+1<<20); used > bound {
			t.Fatalf("%d bytes allocated for a set of %d bytes, the bound is %d", used, len(set), bound)
		}
	})
}

// walk reads a set to its end and checks what holds of every one.
func walk(t *testing.T, it *recordbatch.Iterator, want recordbatch.Want) (n int) {
	t.Helper()
	last := want.From - 1
	var headers []recordbatch.Header
	for it.Next() {
		r := it.Record()
		if r.Offset <= last && n > 0 || r.Offset < want.From || r.Offset >= want.Until {
			t.Fatalf("offset %d after %d, want [%d, %d)", r.Offset, last, want.From, want.Until)
		}
		if cap(r.Key) != len(r.Key) || cap(r.Value) != len(r.Value) {
			t.Fatalf("offset %d: key or value can be appended to", r.Offset)
		}
		last = r.Offset
		var err error
		headers, err = r.Headers(headers[:0])
		if err == nil && len(headers) != r.HeaderCount() {
			t.Fatalf("offset %d: %d headers of %d", r.Offset, len(headers), r.HeaderCount())
		}
		n++
	}
	next := it.NextOffset()
	if next < want.From || next > max(want.From, want.Until) || it.Err() == nil && n > 0 && next <= last {
		t.Fatalf("next offset %d after %d, want [%d, %d)", next, last, want.From, want.Until)
	}
	var e *recordbatch.Error
	if it.Err() != nil && (!errors.As(it.Err(), &e) || e.Kind == 0 || e.Detail == "" || it.Truncated()) {
		t.Fatalf("error %v, truncated %v", it.Err(), it.Truncated())
	}
	return n
}
