package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// listedEnds are the leaders' answers.
type listedEnds map[client.TopicPartition]client.ListedOffset

func (l listedEnds) of(p partitionRange) client.ListedOffset { return l[client.TopicPartition(p.tp())] }

// A verdict is a loss that is proven, and where reading goes on after it.
type verdict struct {
	loss *DataLossError
	at   int64
}

// ends gives the end of each partition of r: the high watermark, or under read_committed the last stable offset. An
// end before the position comes from a leader that lags behind, from a log that was truncated, or from a topic that
// was created again; the metadata are refreshed then, and the loop asks again until there is proof. Nothing is told
// and no position is changed before all partitions are decided on.
func (s *source[K, V]) ends(ctx context.Context, r *batchRange) ([]int64, error) {
	if len(r.Partitions) == 0 {
		return nil, nil
	}
	got, err := s.latest(ctx, r)
	if err != nil {
		return nil, err
	}
	if r.ReadCommitted {
		if err := s.holdBack(ctx, r, got); err != nil {
			return nil, err
		}
	}
	verdicts := map[TopicPartition]verdict{}
	if err := s.checkIdentities(ctx, r, got, verdicts); err != nil {
		return nil, err
	}
	ahead, err := s.checkEpochs(ctx, r, got, verdicts)
	if err != nil {
		return nil, err
	}
	if err := s.checkEnds(r, got, ahead, verdicts); err != nil {
		return nil, err
	}
	var errs []error
	out := make([]int64, len(r.Partitions))
	for i := range r.Partitions {
		p := &r.Partitions[i]
		o := got.of(*p)
		if v, lost := verdicts[p.tp()]; lost {
			errs = append(errs, s.loss(v.loss))
			p.From, p.Until = v.at, v.at
			if v.loss.Until < 0 {
				s.f.forget(p.incarnation())
			}
		}
		delete(s.watch.shrunk, p.tp())
		delete(s.watch.suspects, p.tp())
		out[i], p.Epoch = max(o.Offset, p.From), o.LeaderEpoch
	}
	return out, errors.Join(errs...)
}

// latest asks the leaders for the ends.
func (s *source[K, V]) latest(ctx context.Context, r *batchRange) (listedEnds, error) {
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(r.Partitions))
	for _, p := range r.Partitions {
		specs[client.TopicPartition(p.tp())] = client.Latest
	}
	level := client.ReadUncommitted
	if r.ReadCommitted {
		level = client.ReadCommitted
	}
	got, err := s.c.ListOffsets(ctx, specs, level)
	if err != nil {
		return nil, err
	}
	for _, p := range r.Partitions {
		if e := listedEnds(got).of(p).Err; e != nil {
			s.watch.refreshed = time.Time{}
			if client.KindOf(e) == client.NoTopic {
				s.watch.suspect(p)
			}
			err = e
		}
	}
	return got, err
}

// checkIdentities looks for topics that were deleted and created again where brokers give no ids: one that was
// missing and is back, one whose log ends before our position, or one whose leaders' epochs have begun anew. What was
// read of it tells whether it is the same; if that says nothing, it is another one if it was missing, or if its epoch
// stays lower, which a former leader's does not.
func (s *source[K, V]) checkIdentities(
	ctx context.Context,
	r *batchRange,
	got listedEnds,
	verdicts map[TopicPartition]verdict,
) error {
	for _, p := range r.Partitions {
		o := got.of(p)
		older := p.Epoch >= 0 && o.LeaderEpoch >= 0 && o.LeaderEpoch < p.Epoch
		was, suspected := s.watch.suspects[p.tp()]
		if p.ID != [16]byte{} || !older && !suspected && o.Offset >= p.From {
			continue
		}
		if !suspected || older != was.older {
			was = suspicion{since: time.Now(), missing: was.missing, older: older}
			s.watch.suspects[p.tp()] = was
		}
		id, err := s.f.identify(ctx, p)
		if err != nil {
			return err
		}
		switch {
		case id == anotherTopic, id == unknownTopic && was.missing,
			id == unknownTopic && older && time.Since(was.since) >= goneProof:
			v, err := s.another(ctx, p)
			if err != nil {
				return err
			}
			if v.at != p.From { // Else nothing of either was read yet.
				verdicts[p.tp()] = v
			}
		case older:
			s.watch.refreshed = time.Time{}
			return fmt.Errorf("%s has a leader of epoch %d after one of epoch %d: it is a former one, "+
				"or the topic was deleted and created again", p.tp(), o.LeaderEpoch, p.Epoch)
		}
	}
	return nil
}

// another is the verdict on a topic that was deleted and created again: the new one is read from its beginning.
func (s *source[K, V]) another(ctx context.Context, p partitionRange) (verdict, error) {
	begin, err := s.f.listed(ctx, p.tp(), client.Earliest)
	return verdict{&DataLossError{p.tp(), p.From, -1, createdAgain, keepTopic}, begin}, err
}

// checkEpochs looks at the partitions that have had a new leader since the range before, or whose log seems to end
// before our position. If the epoch that we have read under ends before our position in the leader's log, then what
// was read after that end is no more, and other records may stand in its place. If it reaches up to our position, then
// the leader has all that was read, and does not give it out yet: it is among those returned.
func (s *source[K, V]) checkEpochs(
	ctx context.Context,
	r *batchRange,
	got listedEnds,
	verdicts map[TopicPartition]verdict,
) (ahead map[TopicPartition]bool, err error) {
	epochs := map[client.TopicPartition]int32{}
	for _, p := range r.Partitions {
		o := got.of(p)
		_, decided := verdicts[p.tp()]
		if p.Epoch >= 0 && !decided && (o.LeaderEpoch > p.Epoch || o.LeaderEpoch == p.Epoch && o.Offset < p.From) {
			epochs[client.TopicPartition(p.tp())] = p.Epoch
		}
	}
	if len(epochs) == 0 {
		return nil, nil
	}
	ends, err := s.c.OffsetForLeaderEpoch(ctx, epochs)
	if err != nil {
		return nil, err
	}
	ahead = map[TopicPartition]bool{}
	for _, p := range r.Partitions {
		end, asked := ends[client.TopicPartition(p.tp())]
		switch {
		case !asked || client.KindOf(end.Err) == client.TooOld:
		case end.Err != nil:
			return nil, end.Err
		case end.EndOffset >= p.From:
			ahead[p.tp()] = true
		case got.of(p).LeaderEpoch == p.Epoch:
			// A leader does not shorten its log. This is another topic, which its id shows, if there are ids.
			if p.ID == [16]byte{} && end.EndOffset >= 0 {
				if verdicts[p.tp()], err = s.another(ctx, p); err != nil {
					return nil, err
				}
			}
		case end.EndOffset >= 0:
			why := fmt.Sprintf("they were read, and then a leader without them was elected: "+
				"the log was truncated to %d", end.EndOffset)
			verdicts[p.tp()] = verdict{&DataLossError{p.tp(), end.EndOffset, p.From, why, keepCopies}, end.EndOffset}
		}
	}
	return ahead, nil
}

// shrinkProof is for how long a log must be seen to end before the position, where no epoch tells why, until that is
// believed. On brokers before 2.2 a new leader gives its old high watermark until those that do not follow it are out
// of the replicas in sync, which takes replica.lag.time.max.ms.
const shrinkProof = 45 * time.Second

// checkEnds is for partitions whose end lies before our position, of which nothing else tells why.
func (s *source[K, V]) checkEnds(
	r *batchRange,
	got listedEnds,
	ahead map[TopicPartition]bool,
	verdicts map[TopicPartition]verdict,
) error {
	var errs []error
	for _, p := range r.Partitions {
		end := got.of(p).Offset
		if _, decided := verdicts[p.tp()]; decided {
			continue
		}
		if end >= p.From || ahead[p.tp()] {
			delete(s.watch.shrunk, p.tp())
		}
		if end >= p.From {
			continue
		}
		since, seen := s.watch.shrunk[p.tp()]
		if !seen && !ahead[p.tp()] {
			since = time.Now()
			s.watch.shrunk[p.tp()] = since
		}
		if !ahead[p.tp()] && time.Since(since) >= shrinkProof {
			const why = "they were read, and now the log ends before: it was truncated, or the topic was deleted and " +
				"created again"
			verdicts[p.tp()] = verdict{&DataLossError{p.tp(), end, p.From, why, keepCopies}, end}
			continue
		}
		errs = append(errs, fmt.Errorf("%s ends at offset %d, before our position %d: its leader lags behind, "+
			"or its log was truncated", p.tp(), end, p.From))
	}
	if len(errs) > 0 {
		s.watch.refreshed = time.Time{}
	}
	return errors.Join(errs...)
}
