package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A fetcher reads ranges of offsets straight from the partitions' leaders, in requests that name the offset and
// the size: no consumer, no group, no object per record.
type fetcher struct {
	c    *client.Client
	dec  *recordbatch.Decompressors
	opts fetchOptions

	leaders leaders
	ahead   ahead
	records atomic.Int64 // read so far, with bytes: for the size of a record
	bytes   atomic.Int64
}

// fetchOptions bound a fetcher.
type fetchOptions struct {
	bytes    int32         // asked of a partition at a time
	patience time.Duration // how long a range may make no progress
	pause    time.Duration // between attempts
	checkCRC bool
	prefetch bool
	dataLoss bool // fail on it
	lost     func(tp TopicPartition, from, until int64)
}

func newFetcher(c *client.Client, opts fetchOptions) *fetcher {
	f := &fetcher{c: c, dec: recordbatch.NewDecompressors(0), opts: opts}
	f.leaders.c = c
	f.ahead.max = aheadMax
	return f
}

// A chunk is the record set of one fetch response.
type chunk struct {
	set     []byte
	aborted []recordbatch.AbortedTransaction
	// low and high are the offsets between which the leader holds records, -1 if it does not say.
	low, high int64
}

// end is the offset after the last entry that lies whole in the chunk, -1 if there is none: where the fetch
// after this one begins. It looks at the entries' headers only.
func (c *chunk) end() int64 {
	end := int64(-1)
	for b := c.set; len(b) >= 17; {
		size := int(int32(binary.BigEndian.Uint32(b[8:])))
		if size < 5 || size > len(b)-12 {
			break
		}
		last := int64(binary.BigEndian.Uint64(b)) // of a message or a wrapper: its last offset
		if b[16] >= 2 && size >= 49 {
			last += int64(int32(binary.BigEndian.Uint32(b[23:])))
		}
		end = last + 1
		b = b[12+size:]
	}
	return end
}

// A piece is what is asked of a partition.
type piece struct {
	partitionRange
	committed bool // read_committed
}

// pending is a fetch under way.
type pending struct {
	offset int64
	done   chan struct{}
	chunk  chunk
	err    error
	cancel context.CancelFunc
}

// begin fetches from offset in the background.
func (f *fetcher) begin(ctx context.Context, p piece, offset int64, bytes int32) *pending {
	ctx, cancel := context.WithCancel(ctx)
	fetch := &pending{offset: offset, done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(fetch.done)
		fetch.chunk, fetch.err = f.fetch(ctx, p, offset, bytes)
	}()
	return fetch
}

func (p *pending) wait(ctx context.Context) (*chunk, error) {
	select {
	case <-p.done:
		return &p.chunk, p.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fetch asks the leader until it answers, for as long as the options have patience.
func (f *fetcher) fetch(ctx context.Context, p piece, offset int64, bytes int32) (chunk, error) {
	for since := time.Now(); ; {
		c, err := f.ask(ctx, p, offset, bytes)
		if errors.Is(err, kerr.OffsetOutOfRange) {
			c, err = f.outOfRange(ctx, p, offset)
		}
		switch {
		case err == nil:
			return c, nil
		case ctx.Err() != nil:
			return c, context.Cause(ctx)
		case !temporary(err):
			return c, fmt.Errorf("%s at offset %d: %w", p.tp(), offset, err)
		case time.Since(since) > f.opts.patience:
			return c, fmt.Errorf("%s at offset %d: %w (tried for %v, spark.streaming.kafka.consumer.poll.ms)",
				p.tp(), offset, err, f.opts.patience)
		}
		f.leaders.forget(p.tp())
		if err := pause(ctx, f.opts.pause); err != nil {
			return c, err
		}
	}
}

// pause waits, or gives the reason why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// temporary tells errors that time may mend from those that it does not.
func temporary(err error) bool {
	switch client.KindOf(err) {
	case client.Unavailable, client.TimedOut, client.Unreachable, client.AdvertisedUnreachable:
		return true
	case client.Other:
	default:
		return false
	}
	var ke *kerr.Error
	if errors.As(err, &ke) {
		return ke.Retriable || errors.Is(err, kerr.UnknownTopicOrPartition) || errors.Is(err, kerr.UnknownTopicID)
	}
	var loss *DataLossError
	return !errors.As(err, &loss)
}

// fetchWait is how long a broker may wait for records: the ranges that are fetched exist already, so the time
// passes only when the leader lags behind.
const fetchWait = 250 * time.Millisecond

// ask sends one fetch request to the leader.
func (f *fetcher) ask(ctx context.Context, p piece, offset int64, bytes int32) (chunk, error) {
	l, err := f.leaders.of(ctx, p.tp())
	if err != nil {
		return chunk{}, err
	}
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(fetchWait.Milliseconds())
	req.MinBytes, req.MaxBytes = 1, bytes
	if p.committed {
		req.IsolationLevel = 1
	}
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = p.Partition, offset, bytes
	part.CurrentLeaderEpoch = l.epoch
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID, topic.Partitions = p.Topic, l.id, []kmsg.FetchRequestTopicPartition{part}
	req.Topics = []kmsg.FetchRequestTopic{topic}
	answer, err := f.c.Kgo().Broker(int(l.node)).Request(ctx, req)
	if err != nil {
		return chunk{}, err
	}
	resp := answer.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return chunk{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return chunk{}, fmt.Errorf("the broker answered for %d topics instead of one", len(resp.Topics))
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return chunk{}, err
	}
	c := chunk{set: got.RecordBatches, low: got.LogStartOffset, high: got.HighWatermark}
	for _, a := range got.AbortedTransactions {
		c.aborted = append(c.aborted, recordbatch.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	return c, nil
}

// outOfRange finds out from the current leader why it has no such offset: what lies before its first one is
// lost; an end before the offset may be a leader that lags behind, and time will tell.
func (f *fetcher) outOfRange(ctx context.Context, p piece, offset int64) (chunk, error) {
	ctp := client.TopicPartition(p.tp())
	at := func(spec client.OffsetSpec) (int64, error) {
		got, err := f.c.ListOffsets(ctx, map[client.TopicPartition]client.OffsetSpec{ctp: spec}, client.ReadUncommitted)
		if err != nil {
			return 0, err
		}
		return got[ctp].Offset, got[ctp].Err
	}
	first, err := at(client.Earliest)
	if err != nil {
		return chunk{}, err
	}
	end, err := at(client.Latest)
	if err != nil {
		return chunk{}, err
	}
	if offset >= first {
		return chunk{}, fmt.Errorf("the leader holds offsets %d to %d, not %d: %w", first, end, offset, kerr.LeaderNotAvailable)
	}
	until := min(first, p.Until)
	if f.opts.dataLoss {
		return chunk{}, &DataLossError{TopicPartition: p.tp(), From: offset, Until: until, Why: "retention deleted them before they were read"}
	}
	f.opts.lost(p.tp(), offset, until)
	return chunk{low: first, high: end}, nil
}

// A DataLossError says which records are gone before they could be read.
type DataLossError struct {
	TopicPartition
	// From and Until are the lost offsets, Until being the first that is not lost.
	From, Until int64
	Why         string
}

// Error implements error.
func (e *DataLossError) Error() string {
	return fmt.Sprintf("%s: offsets %d to %d are lost: %s; raise the topic's retention, start the job elsewhere "+
		"(weir offsets), or set weir.kafka.failOnDataLoss=false to go on without them",
		e.TopicPartition, e.From, e.Until-1, e.Why)
}
