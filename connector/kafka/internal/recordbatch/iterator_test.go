package recordbatch_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// read is a record as the iterator gave it, with everything that the next step overwrites.
type read struct {
	Offset, Timestamp int64
	Key, Value        []byte
	Headers           []recordbatch.Header
	LeaderEpoch       int32
	TimestampType     int8
}

var codecs = []recordbatch.Codec{recordbatch.None, recordbatch.Gzip, recordbatch.Snappy, recordbatch.LZ4,
	recordbatch.Zstd}

// all wants every record.
var all = recordbatch.Want{Until: math.MaxInt64}

func encode(tb testing.TB, entries ...recordbatchtest.Entry) []byte {
	tb.Helper()
	set, err := recordbatchtest.Encode(entries...)
	if err != nil {
		tb.Fatal(err)
	}
	return set
}

// collect gives what is left in the iterator.
func collect(tb testing.TB, it *recordbatch.Iterator) []read {
	tb.Helper()
	var out []read
	for it.Next() {
		r := it.Record()
		headers, err := r.Headers(nil)
		if err != nil {
			tb.Fatalf("headers of offset %d: %v", r.Offset, err)
		}
		if len(headers) != r.HeaderCount() {
			tb.Fatalf("offset %d has %d headers and says %d", r.Offset, len(headers), r.HeaderCount())
		}
		out = append(out, read{r.Offset, r.Timestamp, r.Key, r.Value, headers, r.LeaderEpoch, r.TimestampType})
	}
	if it.Next() {
		tb.Fatal("Next is true after it was false")
	}
	return out
}

// readAll reads a set that must be good.
func readAll(tb testing.TB, set []byte, want recordbatch.Want) []read {
	tb.Helper()
	it := recordbatch.NewIterator(nil)
	it.Reset(set, want)
	out := collect(tb, it)
	if it.Err() != nil {
		tb.Fatal(it.Err())
	}
	return out
}

// expect is what must be read of an entry.
func expect(e recordbatchtest.Entry) []read {
	maxTimestamp := e.MaxTimestamp
	if maxTimestamp == 0 && len(e.Records) > 0 {
		maxTimestamp = e.Records[0].Timestamp
		for _, r := range e.Records {
			maxTimestamp = max(maxTimestamp, r.Timestamp)
		}
	}
	var out []read
	for _, r := range e.Records {
		one := read{r.Offset, r.Timestamp, r.Key, r.Value, r.Headers, e.LeaderEpoch, recordbatch.CreateTime}
		if e.Magic < 2 {
			one.Headers, one.LeaderEpoch = nil, -1
		}
		if e.LogAppendTime {
			one.Timestamp, one.TimestampType = maxTimestamp, recordbatch.LogAppendTime
		}
		if e.Magic == 0 {
			one.Timestamp, one.TimestampType = -1, recordbatch.NoTimestamp
		}
		out = append(out, one)
	}
	return out
}

// same compares records; null and empty are different.
func same(tb testing.TB, got, want []read) {
	tb.Helper()
	if len(got) != len(want) {
		tb.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			tb.Fatalf("record %d: got %.200v, want %.200v", i, fmt.Sprintf("%#v", got[i]), fmt.Sprintf("%#v", want[i]))
		}
	}
}

// plainRecords are n records from an offset on, of a kind that shows what is mixed up.
func plainRecords(from int64, n int) []recordbatchtest.Record {
	var out []recordbatchtest.Record
	for i := range int64(n) {
		out = append(out, recordbatchtest.Record{Offset: from + i, Timestamp: 1000 + from + i,
			Key: fmt.Appendf(nil, "k%d", from+i), Value: fmt.Appendf(nil, "value %d", from+i)})
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	noise := make([]byte, 70<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	text := bytes.Repeat([]byte("the same words again, "), 7<<10)
	shapes := []struct {
		name    string
		records []recordbatchtest.Record
	}{
		{"one", plainRecords(5, 1)},
		{"many", plainRecords(1<<40, 300)},
		{"null and empty", []recordbatchtest.Record{
			{Offset: 1}, {Offset: 2, Key: []byte{}}, {Offset: 3, Value: []byte{}},
			{Offset: 4, Key: []byte{}, Value: []byte{}}, {Offset: 5, Key: []byte("k")}, {Offset: 6, Value: []byte("v")}}},
		{"gaps", []recordbatchtest.Record{{Offset: 7, Value: []byte("a")}, {Offset: 900, Value: []byte("b")},
			{Offset: 1_000_000, Value: []byte("c")}}},
		{"time runs back", []recordbatchtest.Record{{Offset: 1, Timestamp: 1 << 42}, {Offset: 2, Timestamp: 5},
			{Offset: 3, Timestamp: -1}, {Offset: 4, Timestamp: 1<<42 - 1}}},
		{"headers", []recordbatchtest.Record{
			{Offset: 1, Value: []byte("v"), Headers: []recordbatch.Header{{Key: "a", Value: []byte("1")},
				{Key: "a", Value: nil}, {Key: "", Value: []byte{}}, {Key: string(text[:9000]), Value: text[:9000]}}},
			{Offset: 2}, {Offset: 3, Headers: []recordbatch.Header{{Key: "z", Value: []byte("9")}}}}},
		{"large", []recordbatchtest.Record{{Offset: 1, Key: noise, Value: text}, {Offset: 2, Value: noise},
			{Offset: 3, Key: text[:64], Value: text[:8192]}}},
	}
	for _, shape := range shapes {
		for magic := range int8(3) {
			for _, codec := range codecs {
				for _, frame := range recordbatchtest.Frames(codec) {
					e := recordbatchtest.Entry{Magic: magic, Codec: codec, Frame: frame, Records: shape.records,
						LeaderEpoch: 3}
					t.Run(fmt.Sprintf("%s/v%d/%v/%d", shape.name, magic, codec, frame), func(t *testing.T) {
						same(t, readAll(t, encode(t, e), all), expect(e))
					})
				}
			}
		}
	}
}

// TestLargeValue has the largest message that hosted Kafka admits, incompressible and compressible.
func TestLargeValue(t *testing.T) {
	noise := make([]byte, 12<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	zeros := make([]byte, 12<<20)
	for _, tt := range []struct {
		magic int8
		codec recordbatch.Codec
		frame recordbatchtest.Frame
		value []byte
	}{
		{0, recordbatch.None, recordbatchtest.Plain, noise},
		{1, recordbatch.None, recordbatchtest.Plain, noise},
		{1, recordbatch.LZ4, recordbatchtest.Old, zeros},
		{2, recordbatch.None, recordbatchtest.Plain, noise},
		{2, recordbatch.Gzip, recordbatchtest.Plain, zeros},
		{2, recordbatch.Snappy, recordbatchtest.Plain, noise},
		{2, recordbatch.Snappy, recordbatchtest.Java, zeros},
		{2, recordbatch.LZ4, recordbatchtest.Plain, noise},
		{2, recordbatch.LZ4, recordbatchtest.Java, zeros},
		{2, recordbatch.Zstd, recordbatchtest.Plain, noise},
		{2, recordbatch.Zstd, recordbatchtest.Java, zeros},
	} {
		e := recordbatchtest.Entry{Magic: tt.magic, Codec: tt.codec, Frame: tt.frame,
			Records: []recordbatchtest.Record{{Offset: 9, Value: tt.value}}}
		got := readAll(t, encode(t, e), all)
		if len(got) != 1 || !bytes.Equal(got[0].Value, tt.value) {
			t.Fatalf("v%d %v: the value did not come back", tt.magic, tt.codec)
		}
	}
}

func TestTimestampTypes(t *testing.T) {
	for magic := range int8(3) {
		for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.LZ4} {
			for _, appendTime := range []bool{false, true} {
				e := recordbatchtest.Entry{Magic: magic, Codec: codec, LogAppendTime: appendTime,
					MaxTimestamp: 77_777, Records: plainRecords(3, 4)}
				same(t, readAll(t, encode(t, e), all), expect(e))
			}
		}
	}
}

// TestRanges reads every range of a set with gaps inside, between and after its entries.
func TestRanges(t *testing.T) {
	for magic := range int8(3) {
		for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.Snappy} {
			entries := []recordbatchtest.Entry{
				{Magic: magic, Codec: codec, Records: plainRecords(10, 3)},
				{Magic: magic, Codec: codec, Records: append(plainRecords(15, 2), plainRecords(20, 1)...)},
				{Magic: magic, Codec: codec, Records: plainRecords(21, 2)},
			}
			if magic == 2 {
				entries[1].Last = 22 // compacted: the batch reached further once
				entries[2].Records = plainRecords(25, 2)
			}
			set := encode(t, entries...)
			full := readAll(t, set, all)
			end := full[len(full)-1].Offset + 1
			it := recordbatch.NewIterator(nil)
			for from := int64(8); from < 30; from++ {
				for until := from; until < 32; until++ {
					it.Reset(set, recordbatch.Want{From: from, Until: until})
					var want []read
					for _, r := range full {
						if r.Offset >= from && r.Offset < until {
							want = append(want, r)
						}
					}
					same(t, collect(t, it), want)
					next := max(from, min(until, end))
					if it.Err() != nil || it.NextOffset() != next || it.Truncated() || it.NeedBytes() != 0 {
						t.Fatalf("v%d %v [%d, %d): error %v, next %d, want %d, truncated %v, need %d", magic, codec,
							from, until, it.Err(), it.NextOffset(), next, it.Truncated(), it.NeedBytes())
					}
				}
			}
		}
	}
}

// TestNextOffsetOfNoRecords has batches of which nothing can be given but their end.
func TestNextOffsetOfNoRecords(t *testing.T) {
	for _, tt := range []struct {
		name  string
		entry recordbatchtest.Entry
		next  int64
	}{
		{"marker", recordbatchtest.Marker(40, 7, true), 41},
		{"emptied by compaction", recordbatchtest.Entry{Magic: 2, Base: 40, Last: 49}, 50},
		{"last records compacted", recordbatchtest.Entry{Magic: 2, Last: 60, Records: plainRecords(30, 2)}, 61},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := recordbatch.NewIterator(nil)
			it.Reset(encode(t, tt.entry), recordbatch.Want{From: 35, Until: 100})
			same(t, collect(t, it), nil)
			if it.Err() != nil || it.NextOffset() != tt.next {
				t.Fatalf("error %v, next %d, want %d", it.Err(), it.NextOffset(), tt.next)
			}
		})
	}
}

// TestCut cuts a set of two entries at every byte.
func TestCut(t *testing.T) {
	for magic := range int8(3) {
		for _, codec := range []recordbatch.Codec{recordbatch.None, recordbatch.Gzip} {
			first := recordbatchtest.Entry{Magic: magic, Codec: codec, Records: plainRecords(10, 1)}
			second := recordbatchtest.Entry{Magic: magic, Codec: codec, Records: plainRecords(11, 1)}
			size := len(encode(t, first))
			set := encode(t, first, second)
			it := recordbatch.NewIterator(nil)
			for n := range len(set) + 1 {
				it.Reset(set[:n:n], recordbatch.Want{From: 10, Until: 100})
				var want []read
				next, need := int64(10), 0
				if n >= size {
					want, next = expect(first), 11
				}
				if n == len(set) {
					want, next = append(want, expect(second)...), 12
				}
				if n >= 12 && n < size {
					need = size
				}
				if n >= size+12 && n < len(set) {
					need = len(set) - size
				}
				same(t, collect(t, it), want)
				truncated := n > 0 && n < size
				if it.Err() != nil || it.NextOffset() != next || it.Truncated() != truncated || it.NeedBytes() != need {
					t.Fatalf("v%d %v cut at %d: error %v, next %d (want %d), truncated %v (%v), need %d (%d)", magic,
						codec, n, it.Err(), it.NextOffset(), next, it.Truncated(), truncated, it.NeedBytes(), need)
				}
			}
		}
	}
}

// TestTruncatedBehindOldEntry has a whole entry before the range and a cut one in it: the same fetch
// would end there again.
func TestTruncatedBehindOldEntry(t *testing.T) {
	old := recordbatchtest.Entry{Magic: 2, Records: plainRecords(1, 3)}
	set := encode(t, old, recordbatchtest.Entry{Magic: 2, Records: plainRecords(4, 3)})
	it := recordbatch.NewIterator(nil)
	it.Reset(set[:len(set)-1], recordbatch.Want{From: 4, Until: 7})
	same(t, collect(t, it), nil)
	if !it.Truncated() || it.NextOffset() != 4 || it.NeedBytes() != len(set)-len(encode(t, old)) {
		t.Fatalf("truncated %v, next %d, need %d", it.Truncated(), it.NextOffset(), it.NeedBytes())
	}
}

// TestMixedFormats is a log that was upgraded twice.
func TestMixedFormats(t *testing.T) {
	var entries []recordbatchtest.Entry
	var want []read
	offset := int64(0)
	for magic := range int8(3) {
		for _, codec := range codecs {
			e := recordbatchtest.Entry{Magic: magic, Codec: codec, Records: plainRecords(offset, 3), LeaderEpoch: 2}
			entries = append(entries, e)
			want = append(want, expect(e)...)
			offset += 3
		}
	}
	same(t, readAll(t, encode(t, entries...), all), want)
}

// TestAliases shows that records outlive the iterator, keep out of each other's way on append, and take
// no memory of their own.
func TestAliases(t *testing.T) {
	for _, codec := range codecs {
		e := recordbatchtest.Entry{Magic: 2, Codec: codec, Records: plainRecords(0, 50)}
		set := encode(t, e)
		it := recordbatch.NewIterator(nil)
		it.Reset(set, all)
		got := collect(t, it)
		for i := range got {
			_ = append(got[i].Key, "over what comes next"...)
			_ = append(got[i].Value, "over what comes next"...)
		}
		other := encode(t, recordbatchtest.Entry{Magic: 2, Codec: codec, Records: plainRecords(7000, 50)})
		it.Reset(other, all)
		collect(t, it)
		same(t, got, expect(e))
	}
}

func TestNoAllocation(t *testing.T) {
	for magic := range int8(3) {
		set := encode(t, recordbatchtest.Entry{Magic: magic, Records: plainRecords(0, 100)},
			recordbatchtest.Entry{Magic: magic, Records: plainRecords(100, 100)})
		it := recordbatch.NewIterator(nil)
		allocs := testing.AllocsPerRun(10, func() {
			it.Reset(set, all)
			for it.Next() {
			}
		})
		if allocs != 0 {
			t.Errorf("v%d: %v allocations a set", magic, allocs)
		}
	}
}

func TestDecompressedBytes(t *testing.T) {
	it := recordbatch.NewIterator(nil)
	e := recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, 100)}
	it.Reset(encode(t, e), all)
	collect(t, it)
	if n := it.DecompressedBytes(); n != 0 {
		t.Fatalf("%d bytes decompressed of an uncompressed set", n)
	}
	plain := len(encode(t, e)) - 61
	e.Codec = recordbatch.Zstd
	second := e
	second.Base, second.Last = 100, 199
	second.Records = plainRecords(100, 100)
	it.Reset(encode(t, e, second), all)
	collect(t, it)
	second.Codec = recordbatch.None
	if n, want := it.DecompressedBytes(), plain+len(encode(t, second))-61; n != want {
		t.Fatalf("%d bytes decompressed, want %d", n, want)
	}
}
