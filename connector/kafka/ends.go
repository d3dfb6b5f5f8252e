package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// ends gives the end of each partition of r: the high watermark, or under read_committed the last stable offset. An
// end before the position comes from a leader that lags behind, from a log that was truncated, or from a topic that
// was created again; the metadata are refreshed then, and the loop asks again.
func (s *source[K, V]) ends(ctx context.Context, r *batchRange) ([]int64, error) {
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(r.Partitions))
	for _, p := range r.Partitions {
		specs[client.TopicPartition(p.tp())] = client.Latest
	}
	if len(specs) == 0 {
		return nil, nil
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
		if err := got[client.TopicPartition(p.tp())].Err; err != nil {
			s.watch.refreshed = time.Time{}
			return nil, err
		}
	}
	if err := s.checkEpochs(ctx, r, got); err != nil {
		return nil, err
	}
	if r.ReadCommitted {
		if err := s.holdBack(ctx, r, got); err != nil {
			return nil, err
		}
	}
	out := make([]int64, len(r.Partitions))
	for i := range r.Partitions {
		p := &r.Partitions[i]
		o := got[client.TopicPartition(p.tp())]
		if o.Offset < p.From {
			if err := s.shrunk(p, o.Offset); err != nil {
				return nil, err
			}
		} else {
			delete(s.watch.shrunk, p.tp())
		}
		out[i], p.Epoch = o.Offset, o.LeaderEpoch
	}
	return out, nil
}

// checkEpochs looks at the partitions that have had a new leader since the range before. If the old leader's epoch
// ends before our position in the new one's log, then what was read after that end is no more, and other records
// may stand in its place.
func (s *source[K, V]) checkEpochs(
	ctx context.Context,
	r *batchRange,
	got map[client.TopicPartition]client.ListedOffset,
) error {
	epochs := map[client.TopicPartition]int32{}
	for _, p := range r.Partitions {
		tp := client.TopicPartition(p.tp())
		if p.Epoch >= 0 && got[tp].LeaderEpoch > p.Epoch {
			epochs[tp] = p.Epoch
		}
	}
	if len(epochs) == 0 {
		return nil
	}
	ends, err := s.c.OffsetForLeaderEpoch(ctx, epochs)
	if err != nil {
		return err
	}
	var errs []error
	for i := range r.Partitions {
		p := &r.Partitions[i]
		end, asked := ends[client.TopicPartition(p.tp())]
		switch {
		case !asked || client.KindOf(end.Err) == client.TooOld:
		case end.Err != nil:
			return end.Err
		case end.EndOffset >= 0 && end.EndOffset < p.From:
			errs = append(errs, s.loss(&DataLossError{
				p.tp(),
				end.EndOffset,
				p.From,
				fmt.Sprintf(
					"they were read, and then a leader without them was elected: the log was truncated to %d",
					end.EndOffset,
				),
			}))
			p.From, p.Until = end.EndOffset, end.EndOffset
		}
	}
	return errors.Join(errs...)
}

// shrinkProofs is how often in a row a log must be seen to end before the position until that is believed.
const shrinkProofs = 5

// shrunk is for a partition whose end lies before our position, of which no epoch tells why.
func (s *source[K, V]) shrunk(p *partitionRange, end int64) error {
	s.watch.refreshed = time.Time{}
	if s.watch.shrunk == nil {
		s.watch.shrunk = map[TopicPartition]int{}
	}
	s.watch.shrunk[p.tp()]++
	if s.watch.shrunk[p.tp()] < shrinkProofs {
		return fmt.Errorf(
			"%s ends at offset %d, before our position %d: its leader lags behind, or its log was truncated",
			p.tp(),
			end,
			p.From,
		)
	}
	delete(s.watch.shrunk, p.tp())
	err := s.loss(&DataLossError{p.tp(), end, p.From,
		"they were read, and now the log ends before: it was truncated, or the topic was deleted and created again"})
	p.From, p.Until = end, end
	return err
}
