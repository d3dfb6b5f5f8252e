package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka/internal/client"
)

// stability watches, under read_committed, how long a last stable offset stands still.
type stability struct{ still map[incarnation]standing }

// A standing is since when an end has been where it is.
type standing struct {
	end   int64
	since time.Time // or since it was last looked at
	// blocked tells that records lay behind it then: an end stands still on an idle topic, too, and a transaction that
	// happens to be open at that moment need not have been open before.
	blocked bool
	told    bool
}

// hangs is after what time a transaction that holds records back is told of: Kafka's clients end theirs within a
// minute unless they are told otherwise.
const hangs = time.Minute

// holdBack looks at the partitions whose last stable offset lies before our position or does not move. The former
// have nothing to read; of the latter it is told who holds them back.
func (s *source[K, V]) holdBack(
	ctx context.Context,
	r *batchRange,
	got map[client.TopicPartition]client.ListedOffset,
) error {
	var behind, still []client.TopicPartition
	for _, p := range r.Partitions {
		tp := client.TopicPartition(p.tp())
		end := got[tp].Offset
		if end < p.From {
			behind = append(behind, tp)
		}
		if s.stable.stands(p.incarnation(), end) {
			still = append(still, tp)
		}
	}
	s.stable.keep(r)
	tops, err := s.list(ctx, append(behind, still...), client.Latest, client.ReadUncommitted)
	if err != nil {
		return err
	}
	for _, p := range r.Partitions {
		tp := client.TopicPartition(p.tp())
		top, asked := tops[p.tp()]
		if o := got[tp]; asked && o.Offset < p.From && top >= p.From {
			o.Offset = p.From // The position is good; an open transaction began before it.
			got[tp] = o
		}
	}
	for _, p := range r.Partitions {
		at := s.stable.still[p.incarnation()]
		if !slices.Contains(still, client.TopicPartition(p.tp())) {
			continue
		}
		was := at.blocked
		at.blocked = tops[p.tp()] > at.end
		s.stable.still[p.incarnation()] = at
		if was && at.blocked {
			s.tellHanging(ctx, p, at, tops[p.tp()])
		}
	}
	return nil
}

// keep forgets the partitions that are not read any more.
func (s *stability) keep(r *batchRange) {
	if len(s.still) > len(r.Partitions) {
		maps.DeleteFunc(s.still, func(key incarnation, _ standing) bool {
			return !slices.ContainsFunc(r.Partitions, func(p partitionRange) bool { return p.incarnation() == key })
		})
	}
}

// stands notes an end and tells whether it has stood still for long, once in that time.
func (s *stability) stands(tp incarnation, end int64) bool {
	if s.still == nil {
		s.still = map[incarnation]standing{}
	}
	at, known := s.still[tp]
	if !known || at.end != end {
		s.still[tp] = standing{end: end, since: time.Now()}
		return false
	}
	if time.Since(at.since) < hangs {
		return false
	}
	at.since = time.Now()
	s.still[tp] = at
	return true
}

// tellHanging warns of the transaction that holds a partition back, once.
func (s *source[K, V]) tellHanging(ctx context.Context, p partitionRange, at standing, end int64) {
	if at.told {
		return
	}
	at.told = true
	s.stable.still[p.incarnation()] = at
	who := "its producer is not known"
	if id, epoch, ok := s.openProducer(ctx, p, at.end); ok {
		who = fmt.Sprintf("producer id %d, epoch %d", id, epoch)
	}
	s.ssc.Warn(
		"an open transaction holds records back from a read_committed stream",
		fmt.Errorf(
			"%s: offsets %d to %d wait for a transaction that has been open for more than %v (%s): end its producer, "+
				"or abort it (kafka-transactions.sh abort)",
			p.tp(),
			at.end,
			end-1,
			hangs,
			who,
		),
		"partition",
		p.tp().String(),
	)
}

// openProducer asks the leader who has the transaction open that begins at an offset.
func (s *source[K, V]) openProducer(
	ctx context.Context,
	p partitionRange,
	at int64,
) (id int64, epoch int32, ok bool) {
	if !s.c.Version().Supports(kmsg.DescribeProducers, 0) {
		return 0, 0, false
	}
	l, err := s.f.leaders.of(ctx, p)
	if err != nil {
		return 0, 0, false
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	topic := kmsg.NewDescribeProducersRequestTopic()
	topic.Topic, topic.Partitions = p.Topic, []int32{p.Partition}
	req.Topics = append(req.Topics, topic)
	answer, err := s.c.Kgo().Broker(int(l.node)).Request(ctx, req)
	if err != nil {
		return 0, 0, false
	}
	for _, t := range answer.(*kmsg.DescribeProducersResponse).Topics {
		for _, p := range t.Partitions {
			if kerr.ErrorForCode(p.ErrorCode) != nil {
				continue
			}
			for _, a := range p.ActiveProducers {
				if a.CurrentTxnStartOffset == at {
					return a.ProducerID, a.ProducerEpoch, true
				}
			}
		}
	}
	return 0, 0, false
}
