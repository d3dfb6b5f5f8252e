package kafka

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/weirstream/weir/dstream"
)

// shares deals the records that a batch may hold to partitions in proportion to their lags. What a share is
// short of a whole record, or over it, is carried to the next batch, so that no partition starves, none is rounded to
// "no limit", and over many batches each has its share to the record.
type shares struct {
	carry map[TopicPartition]float64
	// maxRate and minRate are the bounds per partition in records per second.
	maxRate func(TopicPartition) float64
	minRate func(TopicPartition) float64
}

// lag is a partition with records that no batch has taken.
type lag struct {
	tp      TopicPartition
	records int64
}

// A credit is what a partition may take, with what it was owed.
type credit struct {
	lag   int
	worth float64
	whole int64
}

// rounding is what sums of fractions may be short of a whole record by the way computers add them up.
const rounding = 1e-9

// deal gives, for each of lags, how many records the batch takes of it: never more than the lag, and together never
// more than the limit, but for the floor that spark.streaming.kafka.minRatePerPartition sets while a rate is in
// force. Over any time a partition has no more than its maximum rate, which is above the floor.
func (s *shares) deal(lags []lag, l dstream.Limit) []int64 {
	out := make([]int64, len(lags))
	var all, worth, shared float64
	for _, g := range lags {
		all += float64(max(g.records, 0))
	}
	var credits []credit
	for i, g := range lags {
		share, limited := s.share(g, all, l)
		shared += share
		owed := share + s.carry[g.tp]
		if g.records <= 0 || !limited || owed >= float64(g.records) {
			// The partition is caught up, or about to be: nothing is owed to it.
			delete(s.carry, g.tp)
			out[i] = max(g.records, 0)
			continue
		}
		worth += owed
		credits = append(credits, credit{i, owed, max(0, int64(math.Floor(owed+rounding)))})
	}
	total := int64(math.Floor(worth + rounding))
	if floors := shared > float64(l.Records)*(1+rounding); l.Records != unlimited && !floors {
		// Debts that were forgiven above must not raise a batch over the limit.
		left := l.Records
		for _, n := range out {
			left -= n
		}
		total = min(total, left)
	}
	round(credits, max(total, 0))
	for _, c := range credits {
		out[c.lag] = min(c.whole, lags[c.lag].records)
		s.carry[lags[c.lag].tp] = c.worth - float64(out[c.lag])
	}
	if len(s.carry) > len(lags) { // Some are owed to partitions that are not read any more.
		maps.DeleteFunc(s.carry, func(tp TopicPartition, _ float64) bool {
			return !slices.ContainsFunc(lags, func(g lag) bool { return g.tp == tp })
		})
	}
	return out
}

// share is what a partition may take of a batch, fractions included, and whether anything limits it. all is the sum
// of the lags.
func (s *shares) share(g lag, all float64, l dstream.Limit) (share float64, limited bool) {
	if g.records <= 0 {
		return 0, false
	}
	share = float64(g.records)
	most := s.maxRate(g.tp) * l.Interval
	if l.Records != unlimited {
		share, limited = float64(l.Records)*share/all, true
	}
	if most > 0 {
		share, limited = min(share, most), true
	}
	if l.Measured || most > 0 {
		least := s.minRate(g.tp) * l.Interval
		if most > 0 {
			least = min(least, most)
		}
		share = max(share, least)
	}
	return share, limited
}

// round takes the credits' whole numbers up or down by one until they add up to total: up where most is left, down
// where least is.
func round(credits []credit, total int64) {
	for _, c := range credits {
		total -= c.whole
	}
	left := func(c credit) float64 { return c.worth - float64(c.whole) }
	order := slices.Clone(credits)
	slices.SortStableFunc(order, func(a, b credit) int { return cmp.Compare(left(b), left(a)) })
	index := make(map[int]*credit, len(credits))
	for i := range credits {
		index[credits[i].lag] = &credits[i]
	}
	for _, c := range order {
		if total <= 0 {
			break
		}
		index[c.lag].whole++
		total--
	}
	for _, c := range slices.Backward(order) {
		if total >= 0 {
			break
		}
		if index[c.lag].whole > 0 {
			index[c.lag].whole--
			total++
		}
	}
}
