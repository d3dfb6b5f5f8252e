package kafka

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/internal/exec"
)

// A DataLossError says which records are gone before they could be read.
type DataLossError struct {
	TopicPartition
	// From and Until are the lost offsets, Until being the first that is not lost, or -1 if nobody knows: the topic is
	// gone.
	From, Until int64
	Why         string
}

// Error implements error.
func (e *DataLossError) Error() string {
	return e.what() + "; raise the topic's retention, start the job elsewhere (weir offsets reset), or set " +
		"weir.kafka.failOnDataLoss=false to go on without them"
}

// Count is how many offsets are lost, -1 if nobody knows.
func (e *DataLossError) Count() int64 {
	if e.Until < e.From {
		return -1
	}
	return e.Until - e.From
}

func (e *DataLossError) what() string {
	which := fmt.Sprintf("offsets %d to %d are lost", e.From, e.Until-1)
	switch e.Until {
	case e.From + 1:
		which = fmt.Sprintf("offset %d is lost", e.From)
	case -1:
		which = fmt.Sprintf("what it held from offset %d on is lost", e.From)
	}
	return fmt.Sprintf("%s: %s: %s", e.TopicPartition, which, e.Why)
}

// An acceptedLoss is a loss that the job goes on behind. Listeners find the *DataLossError in the warning.
type acceptedLoss struct{ loss *DataLossError }

func (e *acceptedLoss) Error() string {
	return e.loss.what() + "; if they are needed, raise the topic's retention, and set " +
		"weir.kafka.failOnDataLoss=true to stop at the next loss"
}

func (e *acceptedLoss) Unwrap() error { return e.loss }

// A lossCount tells of losses that a job goes on behind, and counts the offsets that were lost.
type lossCount struct{ total atomic.Int64 }

func (n *lossCount) tell(warn func(message string, err error, attrs ...any), loss *DataLossError) {
	attrs := []any{"partition", loss.TopicPartition.String(), "from", loss.From}
	total := n.total.Load()
	if count := loss.Count(); count >= 0 {
		total = n.total.Add(count)
		attrs = append(attrs, "until", loss.Until, "count", count)
	}
	warn("records were lost before they could be read; going on without them (weir.kafka.failOnDataLoss=false)",
		&acceptedLoss{loss}, append(attrs, "total", total)...)
}

// losses remembers up to where the loss of a partition was told: a range that is read twice, or fetched ahead and
// then again, has lost its records once.
type losses struct {
	mu   sync.Mutex
	told map[incarnation]int64
}

// An incarnation is a partition of one life of its topic.
type incarnation struct {
	TopicPartition
	id [16]byte
}

func (p partitionRange) incarnation() incarnation { return incarnation{p.tp(), p.ID} }

func (l *losses) forget(key incarnation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.told, key)
}

// count gives the part of a loss that is news.
func (l *losses) count(p partitionRange, from, until int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = map[incarnation]int64{}
	}
	key := p.incarnation()
	from = max(from, l.told[key])
	if from >= until {
		return 0, false
	}
	l.told[key] = until
	return from, true
}

// lose is for offsets that are gone: an error, or, if the job is to go on, a chunk without records that the leader's
// log begins after.
func (f *fetcher) lose(p piece, from, until int64, why string) (chunk, error) {
	if f.opts.dataLoss {
		loss := &DataLossError{TopicPartition: p.tp(), From: from, Until: until, Why: why}
		return chunk{}, exec.Permanent(loss)
	}
	if from, news := f.losses.count(p.partitionRange, from, until); news {
		f.opts.lost(&DataLossError{TopicPartition: p.tp(), From: from, Until: until, Why: why})
	}
	return chunk{low: until, high: until}, nil
}

// A shortLogError is a leader's answer that it does not have an offset and that its log ends before. It may lag
// behind, and time will tell.
type shortLogError struct{ begin, end, offset int64 }

func (e *shortLogError) Error() string {
	if e.begin <= e.offset && e.offset < e.end {
		return fmt.Sprintf("the leader gives no records, although its log ends at %d", e.end)
	}
	if e.begin < 0 { // An answer to an old request does not tell.
		return fmt.Sprintf("the leader's log ends at %d", e.end)
	}
	if e.begin >= e.end {
		return fmt.Sprintf("the leader holds no records, and its log ends at %d", e.end)
	}
	return fmt.Sprintf("the leader holds offsets %d to %d only", e.begin, e.end-1)
}

// outOfRange finds out from the current leader why it has no such offset: what lies before its first one is
// lost.
func (f *fetcher) outOfRange(ctx context.Context, p piece, offset int64) (chunk, error) {
	begin, end, err := f.bounds(ctx, p.tp())
	if err != nil {
		return chunk{}, err
	}
	if offset >= begin {
		return chunk{}, &shortLogError{begin, end, offset}
	}
	return f.lose(p, offset, min(begin, p.Until), "retention deleted them before they were read")
}

// bounds asks the leader where its log begins and ends.
func (f *fetcher) bounds(ctx context.Context, tp TopicPartition) (begin, end int64, err error) {
	if begin, err = f.listed(ctx, tp, client.Earliest); err == nil {
		end, err = f.listed(ctx, tp, client.Latest)
	}
	return begin, end, err
}

// listed asks the leader for one offset.
func (f *fetcher) listed(ctx context.Context, tp TopicPartition, spec client.OffsetSpec) (int64, error) {
	ctp := client.TopicPartition(tp)
	got, err := f.c.ListOffsets(ctx, map[client.TopicPartition]client.OffsetSpec{ctp: spec}, client.ReadUncommitted)
	if err != nil {
		return 0, err
	}
	return got[ctp].Offset, got[ctp].Err
}

// A goneError says that a partition is not there, or not any more.
type goneError struct{ why string }

func (e *goneError) Error() string { return e.why }

// isGone tells errors that say that there is no such topic or partition.
func isGone(err error) bool {
	_, gone := errors.AsType[*goneError](err)
	return gone || client.KindOf(err) == client.NoTopic || errors.Is(err, kerr.UnknownTopicOrPartition) ||
		errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID)
}

// vanished is for a piece whose topic or partition is not there, after some proof of that.
func (f *fetcher) vanished(p piece, offset int64, err error) (chunk, error) {
	gone, ok := errors.AsType[*goneError](err)
	switch {
	case f.opts.planned && ok:
		return f.lose(p, offset, p.Until, gone.why)
	case f.opts.planned:
		return f.lose(p, offset, p.Until, "the topic was deleted")
	case ok:
		return chunk{}, exec.Permanent(fmt.Errorf("%s at offset %d: %w", p.tp(), offset, err))
	}
	return chunk{}, exec.Permanent(&MissingTopicError{Topic: p.Topic})
}
