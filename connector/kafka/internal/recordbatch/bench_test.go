package recordbatch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// benchSet is a fetch response of about 8 MiB: batches of 1,000 records with values of 100 bytes. The
// values are words of a small vocabulary, so that codecs find what they find in log lines.
func benchSet(b *testing.B, magic int8, codec recordbatch.Codec, frame recordbatchtest.Frame) (set []byte, n int) {
	b.Helper()
	const batches, perBatch = 72, 1000
	random := rand.New(rand.NewPCG(1, 2))
	var entries []recordbatchtest.Entry
	for batch := range batches {
		e := recordbatchtest.Entry{Magic: magic, Codec: codec, Frame: frame}
		for i := range perBatch {
			var value []byte
			for len(value) < 100 {
				value = fmt.Appendf(value, "word%d ", random.IntN(500))
			}
			e.Records = append(e.Records, recordbatchtest.Record{Offset: int64(batch*perBatch + i),
				Timestamp: 1_700_000_000_000 + int64(i), Value: value[:100]})
		}
		entries = append(entries, e)
	}
	set, err := recordbatchtest.Encode(entries...)
	if err != nil {
		b.Fatal(err)
	}
	return set, batches * perBatch
}

// BenchmarkCount is what counting the records of a fetch response costs one core.
func BenchmarkCount(b *testing.B) {
	all := recordbatch.Want{Until: math.MaxInt64}
	for _, tt := range []struct {
		name  string
		magic int8
		codec recordbatch.Codec
		frame recordbatchtest.Frame
	}{
		{"none", 2, recordbatch.None, recordbatchtest.Plain},
		{"lz4", 2, recordbatch.LZ4, recordbatchtest.Plain},
		{"lz4java", 2, recordbatch.LZ4, recordbatchtest.Java},
		{"zstd", 2, recordbatch.Zstd, recordbatchtest.Plain},
		{"zstdjava", 2, recordbatch.Zstd, recordbatchtest.Java},
		{"snappy", 2, recordbatch.Snappy, recordbatchtest.Plain},
		{"gzip", 2, recordbatch.Gzip, recordbatchtest.Plain},
		{"v1", 1, recordbatch.None, recordbatchtest.Plain},
	} {
		b.Run(tt.name, func(b *testing.B) {
			set, records := benchSet(b, tt.magic, tt.codec, tt.frame)
			it := recordbatch.NewIterator(nil)
			b.ReportAllocs()
			for b.Loop() {
				it.Reset(set, all)
				n := 0
				for it.Next() {
					n += min(len(it.Record().Value), 1)
				}
				if n != records || it.Err() != nil {
					b.Fatalf("%d records of %d, %v", n, records, it.Err())
				}
			}
			report(b, records)
		})
	}
	b.Run("none/skipcrc", func(b *testing.B) {
		set, records := benchSet(b, 2, recordbatch.None, recordbatchtest.Plain)
		it := recordbatch.NewIterator(nil)
		trusting := all
		trusting.SkipCRC = true
		for b.Loop() {
			it.Reset(set, trusting)
			n := 0
			for it.Next() {
				n += min(len(it.Record().Value), 1)
			}
			if n != records {
				b.Fatalf("%d records of %d", n, records)
			}
		}
		report(b, records)
	})
}

func report(b *testing.B, records int) {
	b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrec/s")
}
