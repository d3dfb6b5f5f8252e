package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// startPositions finds where each partition begins at a first start.
func (s *source[K, V]) startPositions(
	ctx context.Context,
	chosen map[TopicPartition]client.Topic,
) ([]partitionRange, error) {
	explicit := s.strategy.Offsets()
	for _, tp := range slices.SortedFunc(maps.Keys(explicit), byPartition) {
		if _, ok := chosen[tp]; !ok {
			return nil, fmt.Errorf("a first offset is given for %s, which %v does not choose", tp, s.strategy)
		}
		if explicit[tp] < 0 {
			return nil, fmt.Errorf(
				"the first offset of %s is %d: it must be at least 0; for an end of the partition leave "+
					"it out and set auto.offset.reset",
				tp,
				explicit[tp],
			)
		}
	}
	at := make(map[TopicPartition]int64, len(chosen))
	var open []client.TopicPartition
	for _, tp := range slices.SortedFunc(maps.Keys(chosen), byPartition) {
		if offset, ok := explicit[tp]; ok {
			at[tp] = offset
		} else {
			open = append(open, client.TopicPartition(tp))
		}
	}
	open, err := s.committed(ctx, open, at)
	if err != nil {
		return nil, err
	}
	if err := s.checkStart(ctx, at, explicit); err != nil {
		return nil, err
	}
	if err := s.byReset(ctx, open, at); err != nil {
		return nil, err
	}
	out := make([]partitionRange, 0, len(chosen))
	for tp, topic := range chosen {
		out = append(
			out,
			partitionRange{
				Topic:     tp.Topic,
				ID:        topic.ID,
				Partition: tp.Partition,
				From:      at[tp],
				Until:     at[tp],
				Epoch:     -1,
			},
		)
	}
	return out, nil
}

// committed fills in what the group has committed and gives the partitions that are still open.
func (s *source[K, V]) committed(
	ctx context.Context,
	open []client.TopicPartition,
	at map[TopicPartition]int64,
) ([]client.TopicPartition, error) {
	if s.cfg.GroupID == "" || len(open) == 0 {
		return open, nil
	}
	got, err := s.c.FetchOffsets(ctx, s.cfg.GroupID, open, false)
	if err != nil {
		return nil, err
	}
	var left []client.TopicPartition
	for _, tp := range open {
		switch o := got[tp]; {
		case o.Err != nil:
			return nil, o.Err
		case o.Offset >= 0:
			at[TopicPartition(tp)] = o.Offset
		default:
			left = append(left, tp)
		}
	}
	return left, nil
}

// byReset fills in what auto.offset.reset says.
func (s *source[K, V]) byReset(ctx context.Context, open []client.TopicPartition, at map[TopicPartition]int64) error {
	if len(open) == 0 {
		return nil
	}
	var spec client.OffsetSpec
	switch s.cfg.Reset.Kind {
	case client.ResetEarliest:
		spec = client.Earliest
	case client.ResetLatest:
		spec = client.Latest
	case client.ResetByDuration:
		spec = client.AtTime(time.Now().Add(-s.cfg.Reset.Back))
	case client.ResetNone:
		return s.noPosition(open)
	}
	offsets, err := s.list(ctx, open, spec, s.cfg.Isolation)
	if err != nil {
		return err
	}
	maps.Copy(at, offsets)
	return nil
}

// noPosition is the error of partitions without a position under auto.offset.reset=none.
func (s *source[K, V]) noPosition(open []client.TopicPartition) error {
	first := TopicPartition(open[0])
	which := first.String()
	if len(open) > 1 {
		which += fmt.Sprintf(", one of %d such partitions,", len(open))
	}
	if s.cfg.GroupID == "" {
		return fmt.Errorf(
			"%s has no first offset: no group.id is set that could have committed one, and auto.offset.reset=none: "+
				"give offsets to the strategy, or set group.id or auto.offset.reset",
			which,
		)
	}
	return fmt.Errorf("%s has no first offset: group %q has committed none, and auto.offset.reset=none: "+
		"commit one (weir offsets reset %[2]s --new --topic %[3]s --partition %[4]d --to earliest), give offsets to "+
		"the strategy, or set auto.offset.reset", which, s.cfg.GroupID, first.Topic, first.Partition)
}

// list asks for one end of partitions. A time after the last record means the end.
func (s *source[K, V]) list(
	ctx context.Context,
	tps []client.TopicPartition,
	spec client.OffsetSpec,
	level client.Isolation,
) (
	map[TopicPartition]int64, error,
) {
	out := make(map[TopicPartition]int64, len(tps))
	if len(tps) == 0 {
		return out, nil
	}
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(tps))
	for _, tp := range tps {
		specs[tp] = spec
	}
	got, err := s.c.ListOffsetsOrEnd(ctx, specs, level)
	if err != nil {
		return nil, err
	}
	for _, tp := range tps {
		if err := got[tp].Err; err != nil {
			return nil, err
		}
		out[TopicPartition(tp)] = got[tp].Offset
	}
	return out, nil
}

// checkStart compares the positions that were given or committed with what the partitions hold. One before the
// first offset means that records were lost since. The end is that of all records, for a position may lie beyond
// the last stable offset.
func (s *source[K, V]) checkStart(ctx context.Context, at, explicit map[TopicPartition]int64) error {
	order := slices.SortedFunc(maps.Keys(at), byPartition)
	tps := make([]client.TopicPartition, len(order))
	for i, tp := range order {
		tps[i] = client.TopicPartition(tp)
	}
	begin, err := s.list(ctx, tps, client.Earliest, client.ReadUncommitted)
	if err != nil {
		return err
	}
	end, err := s.list(ctx, tps, client.Latest, client.ReadUncommitted)
	if err != nil {
		return err
	}
	var errs []error
	for _, tp := range order {
		what := fmt.Sprintf("group %q has committed offset %d", s.cfg.GroupID, at[tp])
		if _, ok := explicit[tp]; ok {
			what = fmt.Sprintf("the first offset is given as %d", at[tp])
		}
		switch offset := at[tp]; {
		case offset < begin[tp]:
			why := what + ", and retention has deleted records since"
			errs = append(errs, s.loss(&DataLossError{tp, offset, begin[tp], why, keepLonger}))
			at[tp] = begin[tp]
		case offset > end[tp]:
			errs = append(errs, s.beyond(tp, what, end[tp]))
			at[tp] = end[tp]
		}
	}
	return errors.Join(errs...)
}

// loss is what becomes of records that are gone: an error, or a warning if the job is to go on.
func (s *source[K, V]) loss(loss *DataLossError) error {
	if s.f.opts.dataLoss {
		return loss
	}
	s.lost(loss)
	return nil
}

// beyond is what becomes of a first position behind the end of its partition.
func (s *source[K, V]) beyond(tp TopicPartition, what string, end int64) error {
	if s.f.opts.dataLoss {
		return fmt.Errorf(
			"%s ends at offset %d, but %s: was the topic deleted and created again, or its log truncated? "+
				"Reset the group's offsets (weir offsets reset), give other ones to the strategy, or set "+
				"weir.kafka.failOnDataLoss=false "+
				"to begin at the end",
			tp,
			end,
			what,
		)
	}
	s.ssc.Warn(
		"the first position is behind the end of the partition; beginning at the end (weir.kafka.failOnDataLoss=false)",
		fmt.Errorf("%s ends at offset %d, but %s", tp, end, what),
		"partition",
		tp.String(),
		"end",
		end,
	)
	return nil
}
