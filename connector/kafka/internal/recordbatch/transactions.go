package recordbatch

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// An AbortedTransaction is what a fetch response says of a transaction that was aborted: the
// producer, and the offset of the first record that the transaction wrote to the partition.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// Control records have a key of two int16: a version, and what they mark.
const (
	controlKeySize = 4
	controlAbort   = 0
)

// transactions tells which batches belong to aborted transactions. The response's list says where each
// one begins; its abort marker, a control batch of the same producer, is where it ends.
type transactions struct {
	list    []AbortedTransaction // sorted by FirstOffset
	pending int                  // list[pending:] begin after the batches seen so far
	aborted map[int64]struct{}   // producers inside an aborted transaction
}

func (t *transactions) reset(want Want) {
	t.list, t.pending = t.list[:0], 0
	clear(t.aborted)
	if !want.ReadCommitted {
		return
	}
	t.list = append(t.list, want.Aborted...)
	// Brokers list by the index of the log segment, which is ordered by last offset.
	slices.SortFunc(t.list, func(a, b AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	if t.aborted == nil && len(t.list) > 0 {
		t.aborted = make(map[int64]struct{})
	}
}

// advance notes the transactions that begin at or before the last offset of the batch at hand.
func (t *transactions) advance(last int64) {
	for t.pending < len(t.list) && t.list[t.pending].FirstOffset <= last {
		t.aborted[t.list[t.pending].ProducerID] = struct{}{}
		t.pending++
	}
}

// decideBatch keeps the account of aborted transactions for a batch of format 2 whose records end
// before it.after, and tells whether the batch belongs to one of them. ok is false on an error.
func (it *Iterator) decideBatch(entry []byte, attributes uint16, count int) (aborted, ok bool) {
	producer := int64(binary.BigEndian.Uint64(entry[offsetProducerID:]))
	// Records without a producer id are in no transaction, and say nothing about where others begin
	// that a later batch of theirs would not say.
	if producer < 0 {
		return false, true
	}
	it.txn.advance(it.after - 1)
	// Without an aborted transaction underway markers need not be read, which is nearly always.
	if len(it.txn.aborted) == 0 {
		return false, true
	}
	if attributes&maskControl == 0 {
		_, aborted = it.txn.aborted[producer]
		return aborted && attributes&maskTransactional != 0, true
	}
	abort, ok := it.abortMarker(entry, attributes, count)
	if abort {
		delete(it.txn.aborted, producer)
	}
	return false, ok
}

// abortMarker tells whether a control batch marks the end of an aborted transaction. Compaction may
// have emptied it: it marks nothing then.
func (it *Iterator) abortMarker(entry []byte, attributes uint16, count int) (abort, ok bool) {
	if count == 0 {
		return false, true
	}
	body, ok := it.batchBody(entry, attributes)
	if !ok {
		return false, false
	}
	// Length, attributes and two deltas come before the key.
	size, at := varint(body, 0)
	if size < minRecordSize || size > int64(len(body)-at) {
		return false, it.fail(BadRecord, "the record of the control batch does not fit its %d bytes", len(body))
	}
	b := body[at : at+int(size)]
	_, p := varint(b, 1)
	_, p = varint(b, p)
	key, _, ok := field(b, p)
	if !ok || len(key) < controlKeySize {
		return false, it.fail(BadRecord, "the key of the control batch has %d bytes of %d", len(key), controlKeySize)
	}
	return binary.BigEndian.Uint16(key[2:]) == controlAbort, true
}
