package kafka

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A chunk is the record set of one fetch response.
type chunk struct {
	set     []byte
	aborted []recordbatch.AbortedTransaction
	// low is the offset at which the leader's log begins, high the one up to which it gives records: the high
	// watermark, or with read_committed the last stable offset. They are -1 if it does not say.
	low, high int64
}

func newChunk(got *kmsg.FetchResponseTopicPartition, committed bool) chunk {
	c := chunk{set: got.RecordBatches, low: got.LogStartOffset, high: got.HighWatermark}
	if committed && got.LastStableOffset >= 0 {
		c.high = min(c.high, got.LastStableOffset)
	}
	for _, a := range got.AbortedTransactions {
		c.aborted = append(
			c.aborted,
			recordbatch.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset},
		)
	}
	return c
}

// Layout of an entry as far as it matters here: what all formats have in common, and where format 2 says how far
// its offsets reach.
const (
	entryLength    = 8  // int32, the bytes after it
	entryPrefix    = 12 // up to and with the length
	entryMagic     = 16 // int8
	entryLastDelta = 23 // int32, format 2
	entryHeader    = 61 // format 2
)

// whole gives the offset after the last entry that lies whole in the chunk, -1 if there is none, which is where the
// fetch after this one begins; the size of such entries; and the first offset of them, 0 if it cannot be told. It looks
// at the entries' headers only.
func (c *chunk) whole() (begin, end int64, size int) {
	end = -1
	for b := c.set; len(b) > entryMagic; b = c.set[size:] {
		n := entryPrefix + int64(int32(binary.BigEndian.Uint32(b[entryLength:])))
		if n <= entryMagic || n > int64(len(b)) {
			break
		}
		last := int64(binary.BigEndian.Uint64(b)) // of a message or a wrapper: its last offset
		if b[entryMagic] >= 2 && n >= entryHeader {
			if size == 0 {
				begin = last
			}
			last += int64(int32(binary.BigEndian.Uint32(b[entryLastDelta:])))
		}
		end = max(end, last+1)
		size += int(n)
	}
	return begin, end, size
}
