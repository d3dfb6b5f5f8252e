package recordbatch_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// compressedBatch makes a batch of count records from bytes that are compressed already.
func compressedBatch(t *testing.T, codec recordbatch.Codec, count int, src []byte) []byte {
	t.Helper()
	b := encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, count)})[:61:61]
	b = append(b, src...)
	b[22] = byte(codec)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	recordbatchtest.Seal(b)
	return b
}

// TestCutCompression cuts compressed records at every byte: with a right CRC around it that is never a
// shorter batch but an error.
func TestCutCompression(t *testing.T) {
	const count = 40
	plain := encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, count)})[61:]
	it := recordbatch.NewIterator(nil)
	for _, codec := range codecs[1:] {
		for _, frame := range recordbatchtest.Frames(codec) {
			src, err := recordbatchtest.Compress(codec, frame, plain)
			if err != nil {
				t.Fatal(err)
			}
			for n := range len(src) + 1 {
				it.Reset(compressedBatch(t, codec, count, src[:n]), all)
				got := drain(t, it)
				if whole := n == len(src); whole != (it.Err() == nil) || whole != (got == count) {
					t.Fatalf("%v frame %d cut at %d of %d: %d records, error %v", codec, frame, n, len(src), got, it.Err())
				}
			}
		}
	}
}

func TestBadCompression(t *testing.T) {
	const (
		lz4Magic  = "\x04\x22\x4d\x18"
		lz4Sized  = lz4Magic + "\x68\x40" // then 8 bytes of size and a checksum
		lz4Linked = lz4Magic + "\x40\x40\x00"
		javaMagic = "\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
	)
	for _, tt := range []struct {
		name  string
		codec recordbatch.Codec
		src   string
		text  string
	}{
		{"gzip", recordbatch.Gzip, "no gzip at all", "gzip"},
		{"snappy", recordbatch.Snappy, "\x05\xf0abc", "corrupt"},
		{"snappy length", recordbatch.Snappy, "\xff\xff\xff\xff\xff\xff", "corrupt"},
		{"snappy frame is only a magic", recordbatch.Snappy, "\x82SNAPPY\x00\x00", "too early"},
		{"snappy block beyond the frame", recordbatch.Snappy, javaMagic + "\x00\x00\x00\x09abc", "too early"},
		{"snappy block in a frame", recordbatch.Snappy, javaMagic + "\x00\x00\x00\x05\x05\xf0abc", "corrupt"},
		{"lz4 magic", recordbatch.LZ4, "abcdefghijk", "not a frame"},
		{"lz4 version 2", recordbatch.LZ4, lz4Magic + "\x80\x40\x00\x00\x00\x00\x00", "header"},
		{"lz4 reserved bit", recordbatch.LZ4, lz4Magic + "\x62\x40\x00\x00\x00\x00\x00", "header"},
		{"lz4 block size 3", recordbatch.LZ4, lz4Magic + "\x60\x30\x00\x00\x00\x00\x00", "header"},
		{"lz4 dictionary", recordbatch.LZ4, lz4Magic + "\x61\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00", "dictionary"},
		{"lz4 size too large for any entry", recordbatch.LZ4,
			lz4Sized + "\x00\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00",
			"not as long"},
		{"lz4 size too small", recordbatch.LZ4,
			lz4Sized + "\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x80ab\x00\x00\x00\x00",
			"not as long"},
		{"lz4 size too large", recordbatch.LZ4,
			lz4Sized + "\x03\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x80ab\x00\x00\x00\x00", "not as long"},
		{"lz4 block too large", recordbatch.LZ4, lz4Magic + "\x60\x40\x00\x01\x00\x01\x80" + strings.Repeat("a", 1<<16+1) +
			"\x00\x00\x00\x00", "larger than its frame"},
		{"lz4 block", recordbatch.LZ4, lz4Magic + "\x60\x40\x00\x03\x00\x00\x00\x0f\xff\xff\x00\x00\x00\x00", "lz4"},
		{"lz4 match before the frame", recordbatch.LZ4, lz4Linked + "\x05\x00\x00\x00\x10a\x09\x00\x00\x00\x00\x00\x00",
			"lz4"},
		{"zstd magic", recordbatch.Zstd, "no zstd at all", "magic"},
		{"zstd size too large for its blocks", recordbatch.Zstd,
			"\x28\xb5\x2f\xfd\xa0\x00\x00\x00\x70\x01\x00\x00", "more than"},
		{"zstd skips beyond the end", recordbatch.Zstd, "\x50\x2a\x4d\x18\x09\x00\x00\x00abc", "too early"},
		{"zstd header cut", recordbatch.Zstd, "\x28\xb5\x2f\xfd", "EOF"},
		{"zstd reserved block", recordbatch.Zstd, "\x28\xb5\x2f\xfd\x20\x01\x0f\x00\x00a", "block"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := recordbatch.NewIterator(nil)
			it.Reset(compressedBatch(t, tt.codec, 1, []byte(tt.src)), all)
			n := drain(t, it)
			var e *recordbatch.Error
			if n != 0 || !errors.As(it.Err(), &e) || e.Kind != recordbatch.BadCompression || errors.Unwrap(e) == nil {
				t.Fatalf("%d records, error %v, want bad compression with its cause", n, it.Err())
			}
			if !strings.Contains(e.Error(), tt.text) || !strings.Contains(errors.Unwrap(e).Error(), tt.text) {
				t.Errorf("error %q, want something with %q in its cause", e, tt.text)
			}
		})
	}
}

// TestSkippableFrame has a frame that zstd's readers must pass over, before and after the content.
func TestSkippableFrame(t *testing.T) {
	const skippable = "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	plain := encode(t, recordbatchtest.Entry{Magic: 2, Records: plainRecords(0, 9)})[61:]
	for _, frame := range recordbatchtest.Frames(recordbatch.Zstd) {
		src, err := recordbatchtest.Compress(recordbatch.Zstd, frame, plain)
		if err != nil {
			t.Fatal(err)
		}
		src = append(append([]byte(skippable), src...), skippable...)
		it := recordbatch.NewIterator(nil)
		it.Reset(compressedBatch(t, recordbatch.Zstd, 9, src), all)
		if n := drain(t, it); n != 9 || it.Err() != nil {
			t.Errorf("frame %d: %d records, %v", frame, n, it.Err())
		}
	}
}

// TestManyBlocks has content of more than one block of each kind, compressible and not.
func TestManyBlocks(t *testing.T) {
	value := make([]byte, 4<<20+100)
	x := uint32(1)
	for i := range value {
		if i&0x1ffff < 0x10000 { // every other 64 KiB is noise
			x = x*1664525 + 1013904223
			value[i] = byte(x >> 24)
		}
	}
	for _, codec := range codecs[1:] {
		for _, frame := range recordbatchtest.Frames(codec) {
			e := recordbatchtest.Entry{Magic: 2, Codec: codec, Frame: frame,
				Records: []recordbatchtest.Record{{Offset: 1, Value: value[:1<<20]}, {Offset: 2, Value: value}}}
			same(t, readAll(t, encode(t, e), all), expect(e))
		}
	}
}

// TestShared has goroutines share decoders.
func TestShared(t *testing.T) {
	dec := recordbatch.NewDecompressors(0)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			it := recordbatch.NewIterator(dec)
			for i := range 40 {
				e := recordbatchtest.Entry{Magic: 2, Codec: codecs[(g+i)%len(codecs)], Frame: recordbatchtest.Java,
					Records: plainRecords(int64(g*1000+i), 30)}
				set, err := recordbatchtest.Encode(e)
				if err != nil {
					t.Error(err)
					return
				}
				it.Reset(set, all)
				for _, want := range e.Records {
					if !it.Next() || string(it.Record().Value) != string(want.Value) {
						t.Errorf("goroutine %d, offset %d: %v, %v", g, want.Offset, it.Record(), it.Err())
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestBubbles decompresses in two bubbles, one after the other: a decoder that outlived the first in a
// variable of the package would die in the second.
func TestBubbles(t *testing.T) {
	for i := range 2 {
		synctest.Test(t, func(t *testing.T) {
			it := recordbatch.NewIterator(recordbatch.NewDecompressors(0))
			for _, codec := range codecs {
				e := recordbatchtest.Entry{Magic: 2, Codec: codec, Records: plainRecords(int64(i), 10)}
				it.Reset(encode(t, e), all)
				if n := drain(t, it); n != 10 || it.Err() != nil {
					t.Fatalf("bubble %d, %v: %d records, %v", i, codec, n, it.Err())
				}
			}
		})
	}
}

func ExampleIterator() {
	set, err := recordbatchtest.Encode(recordbatchtest.Entry{Magic: 2, Codec: recordbatch.LZ4,
		Records: []recordbatchtest.Record{{Offset: 7, Value: []byte("a")}, {Offset: 9, Key: []byte("k")}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	it := recordbatch.NewIterator(recordbatch.NewDecompressors(0))
	it.Reset(set, recordbatch.Want{From: 7, Until: 100})
	for it.Next() {
		r := it.Record()
		fmt.Printf("%d key %q null %v value %q null %v\n", r.Offset, r.Key, r.Key == nil, r.Value, r.Value == nil)
	}
	fmt.Println(it.Err(), it.NextOffset())
	// Output:
	// 7 key "" null true value "a" null false
	// 9 key "k" null false value "" null true
	// <nil> 10
}
