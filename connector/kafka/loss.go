package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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
	// remedy is what keeps such a loss from coming again.
	remedy string
}

// The remedies, by kind of loss.
const (
	keepLonger = "raise the topic's retention"
	keepTopic  = "see to it that nobody deletes the topic, or takes the right to it away, while the job reads it"
	keepCopies = "see to it that no leader is elected that lacks what was written " +
		"(unclean.leader.election.enable=false, min.insync.replicas)"
)

// Error implements error.
func (e *DataLossError) Error() string {
	return e.what() + "; " + cmp.Or(e.remedy, keepLonger) + ", start the job elsewhere (weir offsets reset), or set " +
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
	return e.loss.what() + "; if they are needed, " + cmp.Or(e.loss.remedy, keepLonger) + ", and set " +
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

// losses remembers which offsets of a partition were told to be lost: a range that is read twice, or fetched ahead and
// then again, has lost its records once. The ranges of a batch may be told of after those of the next one, which is
// fetched ahead.
type losses struct {
	mu   sync.Mutex
	told map[incarnation][]span // in order, with something between them
}

// A span is the offsets from From up to, but without, Until.
type span struct{ from, until int64 }

// An incarnation is a partition of one life of its topic.
type incarnation struct {
	TopicPartition
	id [16]byte
}

// compare is by topic, its id and partition.
func (i incarnation) compare(o incarnation) int {
	return cmp.Or(strings.Compare(i.Topic, o.Topic), bytes.Compare(i.id[:], o.id[:]),
		cmp.Compare(i.Partition, o.Partition))
}

func (p partitionRange) incarnation() incarnation { return incarnation{p.tp(), p.ID} }

func (l *losses) forget(key incarnation) { l.release(map[incarnation]int64{key: math.MaxInt64}) }

// release forgets what lies before the given offsets, which nobody reads again.
func (l *losses) release(upTo map[incarnation]int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, told := range l.told {
		at, ok := upTo[key]
		if !ok {
			continue
		}
		if l.told[key] = slices.DeleteFunc(told, func(s span) bool { return s.until <= at }); len(l.told[key]) == 0 {
			delete(l.told, key)
		}
	}
}

// count gives the parts of a loss that are news.
func (l *losses) count(p partitionRange, from, until int64) (news []span) {
	if from >= until {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told == nil {
		l.told = map[incarnation][]span{}
	}
	key := p.incarnation()
	told, all := l.told[key], span{from, until}
	first := 0
	for ; first < len(told) && told[first].until < from; first++ {
	}
	last := first
	for ; last < len(told) && told[last].from <= until; last++ {
		at := told[last]
		if from < at.from {
			news = append(news, span{from, at.from})
		}
		from = max(from, at.until)
		all = span{min(all.from, at.from), max(all.until, at.until)}
	}
	if from < until {
		news = append(news, span{from, until})
	}
	l.told[key] = slices.Replace(told, first, last, all)
	return news
}

// lose is for offsets that are gone: an error, or, if the job is to go on, a chunk that says so.
func (f *fetcher) lose(p piece, from, until int64, why, remedy string) (chunk, error) {
	if f.opts.dataLoss {
		loss := &DataLossError{TopicPartition: p.tp(), From: from, Until: until, Why: why, remedy: remedy}
		return chunk{}, exec.Permanent(loss)
	}
	for _, s := range f.losses.count(p.partitionRange, from, until) {
		f.opts.lost(&DataLossError{TopicPartition: p.tp(), From: s.from, Until: s.until, Why: why, remedy: remedy})
	}
	return chunk{lost: true, low: until, high: until}, nil
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
	return f.lose(p, offset, min(begin, p.Until), "retention deleted them before they were read", keepLonger)
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
		return f.lose(p, offset, p.Until, gone.why, keepTopic)
	case f.opts.planned:
		return f.lose(p, offset, p.Until, "the topic was deleted", keepTopic)
	case ok:
		return chunk{}, exec.Permanent(fmt.Errorf("%s at offset %d: %w", p.tp(), offset, err))
	}
	return chunk{}, exec.Permanent(&MissingTopicError{Topic: p.Topic})
}
