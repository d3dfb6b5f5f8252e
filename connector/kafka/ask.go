package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A broker may wait for records, and meanwhile answers nothing else that is fetched from it. The ranges that are
// fetched exist already, so the time passes only where the leader lags behind, or gets records from remote storage:
// then it must be given more.
const (
	fetchWait    = 250 * time.Millisecond
	fetchWaitMax = 5 * time.Second
)

// An abandonedError is the end of a fetch whose request was sent: its bytes may come all the same.
type abandonedError struct{ cause error }

func (e *abandonedError) Error() string { return e.cause.Error() }
func (e *abandonedError) Unwrap() error { return e.cause }

// A namedFetch is a fetch request that names its topic. From version 13 on a request has the topic's id in place of the
// name; a broker whose inter.broker.protocol.version is below 2.8 offers that version and gives no ids.
type namedFetch struct{ *kmsg.FetchRequest }

// MaxVersion implements kmsg.Request.
func (namedFetch) MaxVersion() int16 { return 12 }

// Timeout tells franz-go how long the broker may take.
func (r namedFetch) Timeout() int32 { return r.MaxWaitMillis }

// ask sends one fetch request to the leader, which answers after wait at the latest, with nothing if need be. A leader
// that answers with an error is not believed to lead any more.
func (f *fetcher) ask(ctx context.Context, p piece, offset int64, bytes int32, wait time.Duration) (chunk, error) {
	l, err := f.leaders.of(ctx, p.partitionRange)
	if err != nil {
		return chunk{}, err
	}
	answer, err := f.c.AskBroker(ctx, l.node, fetchRequest(l, p, offset, bytes, wait))
	if err != nil && ctx.Err() != nil {
		return chunk{}, &abandonedError{context.Cause(ctx)}
	}
	var c chunk
	if err == nil {
		c, err = p.answered(answer.(*kmsg.FetchResponse))
	}
	if err != nil && !errors.Is(err, kerr.ThrottlingQuotaExceeded) {
		f.leaders.forget(p.tp(), l)
	}
	c.from = l
	return c, err
}

func fetchRequest(l leader, p piece, offset int64, bytes int32, wait time.Duration) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = int32(wait.Milliseconds())
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
	if l.id == [16]byte{} {
		return namedFetch{req}
	}
	return req
}

// answered takes what a response says about the one partition that it was asked for.
func (p piece) answered(resp *kmsg.FetchResponse) (chunk, error) {
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		return chunk{}, err
	}
	if len(resp.Topics) == 0 && resp.ThrottleMillis > 0 {
		return chunk{}, kerr.ThrottlingQuotaExceeded // So answers a broker whose quota is used up.
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 ||
		resp.Topics[0].Partitions[0].Partition != p.Partition {
		return chunk{}, errors.New("the broker's answer is not about the one partition that was asked for")
	}
	got := &resp.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return chunk{}, err
	}
	return newChunk(got, p.committed), nil
}
