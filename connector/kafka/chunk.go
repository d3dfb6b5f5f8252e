package kafka

import (
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
	from      leader
	// lost tells that what lies before low is gone, and that this was told as the options say. A leader's own low is no
	// proof of that.
	lost bool
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

// whole gives what lies whole in the chunk, by the headers of its entries only.
func (c *chunk) whole() recordbatch.Span { return recordbatch.Whole(c.set) }
