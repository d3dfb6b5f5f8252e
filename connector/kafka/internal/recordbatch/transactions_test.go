package recordbatch_test

import (
	"errors"
	"math"
	"testing"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch/recordbatchtest"
)

// txnBatch is a batch of a transaction.
func txnBatch(producer, from int64, n int) recordbatchtest.Entry {
	return recordbatchtest.Entry{Magic: 2, ProducerID: producer, Transactional: true, Records: plainRecords(from, n)}
}

func TestTransactions(t *testing.T) {
	type aborted = recordbatch.AbortedTransaction
	plain := func(from int64, n int) recordbatchtest.Entry {
		return recordbatchtest.Entry{Magic: 2, Records: plainRecords(from, n)}
	}
	emptyMarker := recordbatchtest.Marker(12, 1, false)
	emptyMarker.Records, emptyMarker.Base, emptyMarker.Last = nil, 12, 12
	idempotent := txnBatch(1, 12, 2)
	idempotent.Transactional = false
	tests := []struct {
		name    string
		entries []recordbatchtest.Entry
		aborted []aborted
		from    int64
		want    []int64 // under read_committed
		all     []int64 // under read_uncommitted
	}{
		{"committed", []recordbatchtest.Entry{txnBatch(1, 10, 2), recordbatchtest.Marker(12, 1, true), plain(13, 1)},
			nil, 10, []int64{10, 11, 13}, []int64{10, 11, 13}},
		{"aborted", []recordbatchtest.Entry{txnBatch(1, 10, 2), recordbatchtest.Marker(12, 1, false), plain(13, 1)},
			[]aborted{{1, 10}}, 10, []int64{13}, []int64{10, 11, 13}},
		{"the next transaction of the same producer commits", []recordbatchtest.Entry{txnBatch(1, 10, 1),
			recordbatchtest.Marker(11, 1, false), txnBatch(1, 12, 1), recordbatchtest.Marker(13, 1, true)},
			[]aborted{{1, 10}}, 10, []int64{12}, []int64{10, 12}},
		{"aborted twice, the list in the wrong order", []recordbatchtest.Entry{txnBatch(1, 10, 1),
			recordbatchtest.Marker(11, 1, false), txnBatch(1, 12, 1), txnBatch(2, 13, 1),
			recordbatchtest.Marker(14, 1, false), txnBatch(1, 15, 1)},
			[]aborted{{1, 12}, {1, 10}}, 10, []int64{13, 15}, []int64{10, 12, 13, 15}},
		{"interleaved producers", []recordbatchtest.Entry{txnBatch(1, 10, 1), txnBatch(2, 11, 1), txnBatch(1, 12, 1),
			recordbatchtest.Marker(13, 1, false), txnBatch(2, 14, 1), recordbatchtest.Marker(15, 2, true)},
			[]aborted{{1, 10}}, 10, []int64{11, 14}, []int64{10, 11, 12, 14}},
		{"began before the response", []recordbatchtest.Entry{txnBatch(1, 10, 2), recordbatchtest.Marker(12, 1, false)},
			[]aborted{{1, 3}}, 10, nil, []int64{10, 11}},
		{"the marker lies before the range", []recordbatchtest.Entry{txnBatch(1, 10, 1),
			recordbatchtest.Marker(11, 1, false), txnBatch(1, 12, 2)},
			[]aborted{{1, 10}}, 12, []int64{12, 13}, []int64{12, 13}},
		{"begins after what is read", []recordbatchtest.Entry{txnBatch(1, 10, 1), recordbatchtest.Marker(11, 1, true),
			txnBatch(1, 12, 1)}, []aborted{{1, 12}}, 10, []int64{10}, []int64{10, 12}},
		{"a marker that was emptied ends nothing", []recordbatchtest.Entry{txnBatch(1, 10, 2), emptyMarker,
			txnBatch(1, 13, 1)}, []aborted{{1, 10}}, 10, nil, []int64{10, 11, 13}},
		{"idempotent records of the same producer are in no transaction", []recordbatchtest.Entry{txnBatch(1, 10, 2),
			idempotent}, []aborted{{1, 10}}, 10, []int64{12, 13}, []int64{10, 11, 12, 13}},
	}
	it := recordbatch.NewIterator(nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set := encode(t, tt.entries...)
			for _, committed := range []bool{true, false} {
				it.Reset(set, recordbatch.Want{From: tt.from, Until: math.MaxInt64, ReadCommitted: committed,
					Aborted: tt.aborted})
				got := collect(t, it)
				if it.Err() != nil {
					t.Fatal(it.Err())
				}
				want := tt.all
				if committed {
					want = tt.want
				}
				if len(got) != len(want) {
					t.Fatalf("committed %v: %v, want offsets %v", committed, got, want)
				}
				for i := range got {
					if got[i].Offset != want[i] {
						t.Fatalf("committed %v: record %d has offset %d, want %d", committed, i, got[i].Offset, want[i])
					}
				}
			}
		})
	}
}

// TestTransactionsEnd shows that a range which ends in an aborted transaction ends by position.
func TestTransactionsEnd(t *testing.T) {
	it := recordbatch.NewIterator(nil)
	it.Reset(encode(t, txnBatch(1, 10, 5), recordbatchtest.Marker(15, 1, false)), recordbatch.Want{From: 10, Until: 16,
		ReadCommitted: true, Aborted: []recordbatch.AbortedTransaction{{ProducerID: 1, FirstOffset: 10}}})
	same(t, collect(t, it), nil)
	if it.Err() != nil || it.NextOffset() != 16 {
		t.Fatalf("error %v, next %d, want 16", it.Err(), it.NextOffset())
	}
}

// TestBadMarker has markers that cannot be read while a transaction is open.
func TestBadMarker(t *testing.T) {
	short := recordbatchtest.Marker(12, 1, false)
	short.Records[0].Key = []byte{0, 0, 0}
	null := recordbatchtest.Marker(12, 1, false)
	null.Records[0].Key = nil
	cut := encode(t, recordbatchtest.Marker(12, 1, false))
	cut[61] = 0x7e
	recordbatchtest.Seal(cut)
	garbled := encode(t, recordbatchtest.Marker(12, 1, false))
	garbled[22] |= byte(recordbatch.Zstd)
	recordbatchtest.Seal(garbled)
	for _, tt := range []struct {
		name   string
		marker []byte
		kind   recordbatch.Kind
	}{
		{"short key", encode(t, short), recordbatch.BadRecord},
		{"null key", encode(t, null), recordbatch.BadRecord},
		{"record beyond the batch", cut, recordbatch.BadRecord},
		{"not what its codec says", garbled, recordbatch.BadCompression},
	} {
		t.Run(tt.name, func(t *testing.T) {
			it := recordbatch.NewIterator(nil)
			it.Reset(append(encode(t, txnBatch(1, 10, 2)), tt.marker...), recordbatch.Want{From: 10, Until: 16,
				ReadCommitted: true, Aborted: []recordbatch.AbortedTransaction{{ProducerID: 1, FirstOffset: 10}}})
			same(t, collect(t, it), nil)
			var e *recordbatch.Error
			if !errors.As(it.Err(), &e) || e.Kind != tt.kind || e.BaseOffset != 12 || it.NextOffset() != 12 {
				t.Fatalf("error %v, next %d, want %v at offset 12", it.Err(), it.NextOffset(), tt.kind)
			}
		})
	}
}
