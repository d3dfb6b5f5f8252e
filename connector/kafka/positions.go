package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// A view is the cluster as one refresh of the metadata showed it, for a strategy and for what follows from its
// choice.
type view struct {
	c      *client.Client
	topics map[string]client.Topic
	hosts  map[int32]client.Broker
}

func (v *view) ask(ctx context.Context, topics []string) (map[string]client.Topic, error) {
	md, err := v.c.Metadata(ctx, topics)
	if err != nil {
		return nil, err
	}
	if v.topics == nil {
		v.topics = map[string]client.Topic{}
	}
	maps.Copy(v.topics, md.Topics)
	v.hosts = md.Brokers
	return md.Topics, nil
}

// Topics implements Cluster.
func (v *view) Topics(ctx context.Context) ([]string, error) {
	topics, err := v.ask(ctx, nil)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(topics)), nil
}

// Partitions implements Cluster.
func (v *view) Partitions(ctx context.Context, topics ...string) (map[string]int32, error) {
	counts := make(map[string]int32, len(topics))
	if len(topics) == 0 {
		return counts, nil
	}
	got, err := v.ask(ctx, topics)
	if err != nil {
		return nil, err
	}
	for _, name := range topics {
		t := got[name]
		if t.Err != nil && client.KindOf(t.Err) != client.NoTopic {
			return nil, t.Err
		}
		counts[name] = int32(len(t.Partitions))
	}
	return counts, nil
}

// choose asks the strategy for its partitions and takes over who leads them.
func (s *source[K, V]) choose(ctx context.Context) (map[TopicPartition]client.Topic, error) {
	v := &view{c: s.c}
	tps, err := s.strategy.Select(ctx, v)
	if err != nil {
		return nil, err
	}
	chosen := make(map[TopicPartition]client.Topic, len(tps))
	brokers := make(map[TopicPartition]string, len(tps))
	for _, tp := range tps {
		topic := v.topics[tp.Topic]
		chosen[tp] = topic
		for _, p := range topic.Partitions {
			if p.ID == tp.Partition {
				brokers[tp] = v.hosts[p.Leader].Host
			}
		}
	}
	s.f.leaders.learn(v.topics)
	s.watch.refreshed, s.watch.brokers = time.Now(), brokers
	return chosen, nil
}

// startPositions finds where each partition begins at a first start.
func (s *source[K, V]) startPositions(ctx context.Context, chosen map[TopicPartition]client.Topic) ([]partitionRange, error) {
	explicit := s.strategy.Offsets()
	for tp := range explicit {
		if _, ok := chosen[tp]; !ok {
			return nil, fmt.Errorf("a first offset is given for %s, which %v does not choose", tp, s.strategy)
		}
	}
	at := make(map[TopicPartition]int64, len(chosen))
	var open []client.TopicPartition
	for tp := range chosen {
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
	if err := s.byReset(ctx, open, at); err != nil {
		return nil, err
	}
	if err := s.checkStart(ctx, at); err != nil {
		return nil, err
	}
	out := make([]partitionRange, 0, len(chosen))
	for tp, topic := range chosen {
		out = append(out, partitionRange{Topic: tp.Topic, ID: topic.ID, Partition: tp.Partition, From: at[tp], Until: at[tp], Epoch: -1})
	}
	return out, nil
}

// committed fills in what the group has committed and gives the partitions that are still open.
func (s *source[K, V]) committed(ctx context.Context, open []client.TopicPartition, at map[TopicPartition]int64) ([]client.TopicPartition, error) {
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
		return fmt.Errorf("group %q has committed no offset for %s, and auto.offset.reset=none: "+
			"commit one (weir offsets), give offsets to the strategy, or set auto.offset.reset", s.cfg.GroupID, open[0])
	}
	offsets, err := s.list(ctx, open, spec)
	if err != nil {
		return err
	}
	for tp, o := range offsets {
		at[tp] = o
	}
	return nil
}

// list asks for one end of partitions. A time after the last record means the end.
func (s *source[K, V]) list(ctx context.Context, tps []client.TopicPartition, spec client.OffsetSpec) (map[TopicPartition]int64, error) {
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(tps))
	for _, tp := range tps {
		specs[tp] = spec
	}
	got, err := s.c.ListOffsets(ctx, specs, s.cfg.Isolation)
	if err != nil {
		return nil, err
	}
	out := make(map[TopicPartition]int64, len(tps))
	var late []client.TopicPartition
	for _, tp := range tps {
		switch o := got[tp]; {
		case o.Err != nil:
			return nil, o.Err
		case o.Offset < 0 && spec >= 0:
			late = append(late, tp)
		default:
			out[TopicPartition(tp)] = o.Offset
		}
	}
	if len(late) > 0 {
		ends, err := s.list(ctx, late, client.Latest)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, ends)
	}
	return out, nil
}

// checkStart compares the positions with what the partitions hold. A position before the first offset means that
// records were lost since it was committed.
func (s *source[K, V]) checkStart(ctx context.Context, at map[TopicPartition]int64) error {
	tps := make([]client.TopicPartition, 0, len(at))
	for tp := range at {
		tps = append(tps, client.TopicPartition(tp))
	}
	if len(tps) == 0 {
		return nil
	}
	earliest, err := s.list(ctx, tps, client.Earliest)
	if err != nil {
		return err
	}
	latest, err := s.list(ctx, tps, client.Latest)
	if err != nil {
		return err
	}
	var errs []error
	for tp, offset := range at {
		switch {
		case offset < earliest[tp]:
			if errs = append(errs, s.loss(tp, offset, earliest[tp], "retention deleted them before they were read")); errs[len(errs)-1] == nil {
				at[tp] = earliest[tp]
			}
		case offset > latest[tp]:
			errs = append(errs, s.beyond(tp, offset, latest[tp]))
			at[tp] = latest[tp]
		}
	}
	return errors.Join(errs...)
}

// loss is what becomes of records that are gone: an error, or a warning if the job is to go on.
func (s *source[K, V]) loss(tp TopicPartition, from, until int64, why string) error {
	if s.f.opts.dataLoss {
		return &DataLossError{TopicPartition: tp, From: from, Until: until, Why: why}
	}
	s.lost(tp, from, until)
	return nil
}

// beyond is what becomes of a position behind the end of its partition.
func (s *source[K, V]) beyond(tp TopicPartition, offset, end int64) error {
	if s.f.opts.dataLoss {
		return fmt.Errorf("%s: the position is offset %d, but the partition ends at %d: was the topic deleted and created "+
			"again, or its log truncated? Reset the group's offsets (weir offsets), or set weir.kafka.failOnDataLoss=false "+
			"to go on from the end", tp, offset, end)
	}
	s.ssc.Warn("the position is behind the end of the partition; going on from the end", nil,
		"partition", tp.String(), "position", offset, "end", end)
	return nil
}

// discovery is how often topics and partitions are looked for if metadata.max.age.ms does not say.
const discovery = 10 * time.Second

// follow gives the empty range that begins where prev ended, with the partitions that have appeared, which begin
// at their beginning, and without those that are gone.
func (s *source[K, V]) follow(ctx context.Context, prev *batchRange) (*batchRange, error) {
	next := &batchRange{ReadCommitted: prev.ReadCommitted, Partitions: slices.Clone(prev.Partitions)}
	for i := range next.Partitions {
		next.Partitions[i].From = next.Partitions[i].Until
	}
	if time.Since(s.watch.refreshed) < s.opts.discovery {
		return next, nil
	}
	chosen, err := s.choose(ctx)
	if err != nil {
		return nil, s.gone(err, next)
	}
	if err := s.retire(chosen, next); err != nil {
		return nil, err
	}
	var fresh []client.TopicPartition
	for _, p := range next.Partitions {
		delete(chosen, p.tp())
	}
	for tp := range chosen {
		fresh = append(fresh, client.TopicPartition(tp))
	}
	if len(fresh) == 0 {
		return next, nil
	}
	begin, err := s.list(ctx, fresh, client.Earliest)
	if err != nil {
		return nil, err
	}
	for tp, topic := range chosen {
		next.Partitions = append(next.Partitions, partitionRange{Topic: tp.Topic, ID: topic.ID, Partition: tp.Partition,
			From: begin[tp], Until: begin[tp], Epoch: -1})
		s.ssc.Logger().Info("a partition has appeared and is read from its beginning", "partition", tp.String(), "offset", begin[tp])
	}
	next.order()
	return next, nil
}

// gone says of a missing topic that it was there before.
func (s *source[K, V]) gone(err error, r *batchRange) error {
	var missing *MissingTopicError
	if !errors.As(err, &missing) || !slices.ContainsFunc(r.Partitions, func(p partitionRange) bool { return p.Topic == missing.Topic }) {
		return err
	}
	return dstream.Transient(fmt.Errorf("topic %q, which was being read, has been deleted, or the right to describe it "+
		"was taken away: %w", missing.Topic, err))
}

// retire compares the partitions that are read with those that are there now. A topic with another id was deleted
// and created again: what was left of the old one is lost, and the new one is read from its beginning.
func (s *source[K, V]) retire(chosen map[TopicPartition]client.Topic, next *batchRange) error {
	var errs []error
	next.Partitions = slices.DeleteFunc(next.Partitions, func(p partitionRange) bool {
		topic, there := chosen[p.tp()]
		if there && (topic.ID == p.ID || topic.ID == [16]byte{} || p.ID == [16]byte{}) {
			return false
		}
		why := "the topic was deleted"
		if there {
			why = "the topic was deleted and created again"
		}
		if s.f.opts.dataLoss {
			errs = append(errs, fmt.Errorf("%s at offset %d: %s; what it held after that offset is lost: start the job "+
				"with a new group or reset its offsets (weir offsets), or set weir.kafka.failOnDataLoss=false to go on with what is there",
				p.tp(), p.From, why))
			return false
		}
		s.ssc.Warn(why+"; going on with what is there (weir.kafka.failOnDataLoss=false)", nil,
			"partition", p.tp().String(), "position", p.From)
		return true
	})
	return errors.Join(errs...)
}

// ends gives the end of each partition of r. An end before the position comes from a leader that lags behind or
// from a topic that was created again; the metadata are refreshed then, and the loop asks again.
func (s *source[K, V]) ends(ctx context.Context, r *batchRange) ([]int64, error) {
	tps := make([]client.TopicPartition, len(r.Partitions))
	for i, p := range r.Partitions {
		tps[i] = client.TopicPartition(p.tp())
	}
	if len(tps) == 0 {
		return nil, nil
	}
	specs := make(map[client.TopicPartition]client.OffsetSpec, len(tps))
	for _, tp := range tps {
		specs[tp] = client.Latest
	}
	got, err := s.c.ListOffsets(ctx, specs, s.cfg.Isolation)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(tps))
	for i, tp := range tps {
		o, p := got[tp], &r.Partitions[i]
		if o.Err != nil {
			s.watch.refreshed = time.Time{}
			return nil, o.Err
		}
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

// shrinkProofs is how often a log must be seen to end before the position until that is believed.
const shrinkProofs = 5

// shrunk is for a partition whose end lies before our position.
func (s *source[K, V]) shrunk(p *partitionRange, end int64) error {
	s.watch.refreshed = time.Time{}
	if s.watch.shrunk == nil {
		s.watch.shrunk = map[TopicPartition]int{}
	}
	s.watch.shrunk[p.tp()]++
	if s.watch.shrunk[p.tp()] < shrinkProofs {
		return dstream.Transient(fmt.Errorf("%s ends at offset %d, before our position %d: its leader lags behind, or its log was truncated",
			p.tp(), end, p.From))
	}
	if err := s.beyond(p.tp(), p.From, end); err != nil {
		return err
	}
	delete(s.watch.shrunk, p.tp())
	p.From, p.Until = end, end
	return nil
}
