package recordbatch_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// witnessRecords have what formats agree about, headers apart.
func witnessRecords(from int64) []recordbatchtest.Record {
	records := plainRecords(from, 200)
	records[3].Key, records[4].Value = nil, nil
	records[5].Key, records[6].Value = []byte{}, []byte{}
	records[7].Timestamp = 3
	records[8].Headers = []recordbatch.Header{{Key: "a", Value: []byte("b")}, {Key: "c", Value: nil},
		{Key: "d", Value: []byte{}}}
	return records
}

// TestWitnessKmsg decodes batches field by field with franz-go's generated code.
func TestWitnessKmsg(t *testing.T) {
	e := recordbatchtest.Entry{Magic: 2, LeaderEpoch: 12, Records: witnessRecords(1 << 33)}
	set := encode(t, e)
	var batch kmsg.RecordBatch
	if err := batch.ReadFrom(set); err != nil {
		t.Fatal(err)
	}
	var want []read
	src := batch.Records
	for range batch.NumRecords {
		var r kmsg.Record
		if err := r.ReadFrom(src); err != nil {
			t.Fatal(err)
		}
		one := read{Offset: batch.FirstOffset + int64(r.OffsetDelta), Key: r.Key, Value: r.Value,
			Timestamp: batch.FirstTimestamp + r.TimestampDelta64, LeaderEpoch: batch.PartitionLeaderEpoch}
		for _, h := range r.Headers {
			one.Headers = append(one.Headers, recordbatch.Header{Key: h.Key, Value: h.Value})
		}
		want = append(want, one)
		// The length is a varint of one or two bytes here.
		size := 1
		if r.Length >= 64 {
			size = 2
		}
		src = src[size+int(r.Length):]
	}
	same(t, readAll(t, set, all), want)
}

// TestWitnessKgo has franz-go's consumer decode whole fetch responses. It is not asked about what it does
// otherwise than the Java client or not at all: zstd before format 2, the timestamp of a wrapper with log
// append time, lz4 headers with the old checksum, offsets in wrappers that compaction has thinned out.
func TestWitnessKgo(t *testing.T) {
	for magic := range int8(3) {
		for _, codec := range codecs {
			for _, frame := range recordbatchtest.Frames(codec) {
				for _, appendTime := range []bool{false, true} {
					wrapped := magic == 1 && codec != recordbatch.None
					if magic < 2 && codec == recordbatch.Zstd || wrapped && appendTime || frame == recordbatchtest.Old {
						continue
					}
					e := recordbatchtest.Entry{Magic: magic, Codec: codec, Frame: frame, Records: witnessRecords(50),
						LogAppendTime: appendTime, LeaderEpoch: 4}
					f := e
					f.Records = witnessRecords(250)
					t.Run(fmt.Sprintf("v%d/%v/%d/%v", magic, codec, frame, appendTime), func(t *testing.T) {
						set := encode(t, e, f)
						same(t, readAll(t, set, recordbatch.Want{From: 60, Until: 450}),
							witness(t, set, kgo.ProcessFetchPartitionOpts{Offset: 60}, nil))
					})
				}
			}
		}
	}
}

// TestWitnessTransactions compares what is visible under read_committed.
func TestWitnessTransactions(t *testing.T) {
	var entries []recordbatchtest.Entry
	var listed []kmsg.FetchResponseTopicPartitionAbortedTransaction
	var aborted []recordbatch.AbortedTransaction
	offset := int64(100)
	for i := range 60 {
		producer := int64(1 + i%3)
		if i%7 == 6 {
			commit := i%2 == 0
			entries = append(entries, recordbatchtest.Marker(offset, producer, commit))
			offset++
			continue
		}
		entries = append(entries, txnBatch(producer, offset, 1+i%4))
		offset += int64(1 + i%4)
	}
	// A transaction of a producer reaches from its first batch after a marker of his to the next one.
	begun := map[int64]int64{}
	for _, e := range entries {
		first := e.Records[0].Offset
		if _, ok := begun[e.ProducerID]; !ok {
			begun[e.ProducerID] = first
		}
		if !e.Control {
			continue
		}
		if e.Records[0].Key[3] == 0 && begun[e.ProducerID] < first {
			listed = append(listed, kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: e.ProducerID,
				FirstOffset: begun[e.ProducerID]})
			aborted = append(aborted, recordbatch.AbortedTransaction{ProducerID: e.ProducerID,
				FirstOffset: begun[e.ProducerID]})
		}
		delete(begun, e.ProducerID)
	}
	set := encode(t, entries...)
	want := witness(t, set, kgo.ProcessFetchPartitionOpts{IsolationLevel: kgo.ReadCommitted()}, listed)
	got := readAll(t, set, recordbatch.Want{Until: offset, ReadCommitted: true, Aborted: aborted})
	if len(want) == 0 || len(aborted) < 3 || len(want) == len(readAll(t, set, all)) {
		t.Fatalf("%d records, %d aborted transactions: the test shows nothing", len(want), len(aborted))
	}
	same(t, got, want)
}

// witness reads a set with franz-go.
func witness(t *testing.T, set []byte, o kgo.ProcessFetchPartitionOpts,
	aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction) []read {
	t.Helper()
	rp := kmsg.NewFetchResponseTopicPartition()
	rp.RecordBatches, rp.AbortedTransactions = set, aborted
	fp, _ := kgo.ProcessFetchPartition(o, &rp, kgo.DefaultDecompressor(), nil)
	if fp.Err != nil {
		t.Fatal(fp.Err)
	}
	var out []read
	for _, r := range fp.Records {
		out = append(out, ofKgo(r))
	}
	return out
}

// ofKgo is a record of franz-go in our words.
func ofKgo(r *kgo.Record) read {
	one := read{Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value,
		LeaderEpoch: r.LeaderEpoch, TimestampType: r.Attrs.TimestampType()}
	if one.TimestampType == recordbatch.NoTimestamp {
		one.Timestamp = -1
	}
	for _, h := range r.Headers {
		one.Headers = append(one.Headers, recordbatch.Header{Key: h.Key, Value: h.Value})
	}
	return one
}
