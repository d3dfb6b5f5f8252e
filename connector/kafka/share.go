package kafka

import (
	"math"

	"github.com/weirstream/weir/dstream"
)

// shares deals the records that a batch may hold to partitions in proportion to their lags. What a share is
// short of a whole record is carried over to the next batch, so that no partition starves and none is
// rounded to "no limit".
type shares struct {
	carry map[TopicPartition]float64
	// maxRate and minRate are the bounds per partition: records per second, and records per batch.
	maxRate func(TopicPartition) float64
	minRate func(TopicPartition) int64
}

// lag is a partition with records that no batch has taken.
type lag struct {
	tp      TopicPartition
	records int64
}

// deal gives, for each of lags, how many records the batch takes of it: never more than the lag, than the
// partition's maximum rate, nor together more than the limit, but for the floor that spark.streaming.kafka.
// minRatePerPartition sets while a rate is in force.
func (s *shares) deal(lags []lag, l dstream.Limit) []int64 {
	var total float64
	for _, g := range lags {
		total += float64(g.records)
	}
	out := make([]int64, len(lags))
	for i, g := range lags {
		if g.records <= 0 {
			continue
		}
		want, limited := math.Inf(1), false
		if l.Records != math.MaxInt64 {
			want, limited = float64(l.Records)*float64(g.records)/total, true
		}
		if r := s.maxRate(g.tp); r > 0 {
			want, limited = min(want, r*l.Interval), true
		}
		if !limited {
			out[i] = g.records
			continue
		}
		out[i] = s.whole(g, want, l)
	}
	return out
}

// whole makes records of a share.
func (s *shares) whole(g lag, want float64, l dstream.Limit) int64 {
	want += s.carry[g.tp]
	n := math.Floor(want)
	if want >= float64(g.records) {
		delete(s.carry, g.tp) // The partition is caught up; nothing is owed to it.
		n = float64(g.records)
	} else {
		s.carry[g.tp] = want - n
	}
	if l.Measured || s.maxRate(g.tp) > 0 {
		n = max(n, float64(s.minRate(g.tp)))
	}
	return min(int64(n), g.records)
}
