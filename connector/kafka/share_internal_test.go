package kafka

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/weirstream/weir/dstream"
)

func dealer(most, least float64) *shares {
	same := func(r float64) func(TopicPartition) float64 { return func(TopicPartition) float64 { return r } }
	return &shares{carry: map[TopicPartition]float64{}, maxRate: same(most), minRate: same(least)}
}

func backlog(records ...int64) []lag {
	out := make([]lag, len(records))
	for i, n := range records {
		out[i] = lag{TopicPartition{"t", int32(i)}, n}
	}
	return out
}

func TestDeal(t *testing.T) {
	const all = math.MaxInt64
	for _, row := range []struct {
		name     string
		most     float64
		least    float64
		lags     []int64
		limit    int64
		measured bool
		interval float64
		want     []string // batch after batch, of the same backlog
	}{
		{"no limit", 0, 1, []int64{5, 0, 7}, all, false, 1, []string{"[5 0 7]"}},
		{"nothing there", 0, 1, []int64{0, 0}, 10, true, 1, []string{"[0 0]"}},
		{"a leader that lags behind", 0, 1, []int64{-3, 5}, 10, true, 1, []string{"[0 5]"}},
		{"limit above the lag", 0, 0, []int64{5, 7}, 12, true, 1, []string{"[5 7]"}},
		{"in proportion", 0, 0, []int64{100, 300}, 40, true, 1, []string{"[10 30]", "[10 30]"}},
		{"rests go round", 0, 0, []int64{100, 100, 100}, 10, true, 1, []string{"[4 3 3]", "[3 4 3]", "[3 3 4]", "[4 3 3]"}},
		{"one among many", 0, 0, []int64{100, 100, 100}, 1, true, 1, []string{"[1 0 0]", "[0 1 0]", "[0 0 1]"}},
		{"nothing allowed", 0, 0, []int64{100, 100}, 0, true, 1, []string{"[0 0]"}},
		{"ceiling", 10, 0, []int64{100, 5}, all, false, 1, []string{"[10 5]"}},
		{"ceiling of a tenth", 1, 0, []int64{100}, all, false, 0.1,
			[]string{"[0]", "[0]", "[0]", "[0]", "[0]", "[0]", "[0]", "[0]", "[0]", "[1]", "[0]"}},
		{"ceiling and limit", 10, 0, []int64{1000, 1000}, 30, true, 1, []string{"[10 10]"}},
		{"floor", 0, 5, []int64{990, 10}, 10, true, 1, []string{"[9 5]", "[10 5]", "[10 5]"}},
		{"floor of a half", 0, 1, []int64{9990, 10}, 1, true, 0.5, []string{"[1 0]", "[0 1]", "[2 0]", "[0 1]"}},
		{"floor without a rate", 0, 5, []int64{1000, 10}, 10, false, 1, []string{"[10 0]"}},
		{"floor above the ceiling", 2, 5, []int64{1000, 10}, all, false, 1, []string{"[2 2]"}},
		{"numbers without end", 0, 0, []int64{math.MaxInt64 / 2, math.MaxInt64 / 2}, math.MaxInt64 / 4, true, 1,
			[]string{"[1152921504606846976 1152921504606846975]"}},
	} {
		s := dealer(row.most, row.least)
		for i, want := range row.want {
			got := fmt.Sprint(
				s.deal(
					backlog(row.lags...),
					dstream.Limit{Records: row.limit, Interval: row.interval, Measured: row.measured},
				),
			)
			if got != want {
				t.Errorf("%s, batch %d: %s, want %s", row.name, i, got, want)
			}
		}
	}
}

// Over many batches of a random program: no batch is over its limit, no partition over its lag or its ceiling, none
// that has records starves, and what was dealt is what was due.
func TestDealHolds(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		partitions, batches := 1+rng.IntN(12), 400
		interval := []float64{0.01, 0.1, 0.5, 1, 3}[rng.IntN(5)]
		most := []float64{0, 0.5, 1, 7, 100}[rng.IntN(5)]
		least := []float64{0, 0, 1, 3}[rng.IntN(4)]
		limit := []int64{unlimited, 1, 3, 10, 1000}[rng.IntN(5)]
		s := dealer(most, least)
		lags := backlog(make([]int64, partitions)...)
		for i := range lags {
			lags[i].records = rng.Int64N(1_000_000)
		}
		busy := rng.IntN(2) == 0 // whether new records keep coming
		dealt := make([]int64, partitions)
		for b := range batches {
			out := s.deal(lags, dstream.Limit{Records: limit, Interval: interval, Measured: true})
			var sum int64
			for i, n := range out {
				if n < 0 || n > lags[i].records {
					t.Fatalf("seed %d, batch %d: %d records of a lag of %d", seed, b, n, lags[i].records)
				}
				sum += n
				dealt[i] += n
				if lags[i].records -= n; busy && rng.IntN(4) == 0 {
					lags[i].records += rng.Int64N(50)
				}
				if ceiling := most * interval * float64(b+1); most > 0 && float64(dealt[i]) > ceiling+2 {
					t.Fatalf(
						"seed %d, batch %d: partition %d has %d, its ceiling allows %.1f",
						seed,
						b,
						i,
						dealt[i],
						ceiling,
					)
				}
			}
			floors := int64(math.Ceil(least*interval*float64(partitions))) + int64(partitions)
			if limit != unlimited && sum > limit && (least == 0 || sum > limit+floors) {
				t.Fatalf("seed %d, batch %d: %d records of %d", seed, b, sum, limit)
			}
		}
		if !slices.ContainsFunc(dealt, func(n int64) bool { return n > 0 }) && limit*int64(batches) > 0 {
			t.Errorf("seed %d: nothing was dealt", seed)
		}
	}
}

// A partition with one record of a lag of millions has its turn, and each has its share to the record.
func TestDealIsFair(t *testing.T) {
	s := dealer(0, 0)
	lags := backlog(9_000_000, 900_000, 90_000, 10_000)
	var dealt [4]int64
	const batches, limit = 10_000, 7
	for range batches {
		for i, n := range s.deal(lags, dstream.Limit{Records: limit, Interval: 1, Measured: true}) {
			dealt[i] += n
		}
	}
	for i, n := range dealt {
		if want := float64(lags[i].records) / 10_000_000 * batches * limit; math.Abs(float64(n)-want) > 1 {
			t.Errorf("partition %d has %d records, its share is %.1f", i, n, want)
		}
	}
}
