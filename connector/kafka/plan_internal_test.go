package kafka

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// planner is a source that reads t-0 to t-3 of a Kafka in memory, without a job.
func planner(t *testing.T) *source[string, string] {
	t.Helper()
	f := fakeFetcher(t)
	ssc, err := dstream.NewContext(nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssc.Stop(context.Background()) })
	s := &source[string, string]{ssc: ssc, strategy: Subscribe("t"), cfg: f.c.Config(), c: f.c, f: f, watch: newWatch()}
	none := func(TopicPartition) float64 { return 0 }
	s.shares = shares{carry: map[TopicPartition]float64{}, maxRate: none, minRate: none}
	return s
}

// rangeOf is a range of whole partitions up to an offset.
func rangeOf(until int64, partitions ...int32) *batchRange {
	r := &batchRange{}
	for _, p := range partitions {
		r.Partitions = append(r.Partitions, pieceOf(p, 0, until).partitionRange)
	}
	return r
}

// next plans the range after r.
func next(t *testing.T, s *source[string, string], r *batchRange) *batchRange {
	t.Helper()
	rng, err := r.encode()
	if err != nil {
		t.Fatal(err)
	}
	if rng, _, err = s.Plan(t.Context(), rng, dstream.Unlimited(1)); err != nil {
		t.Fatal(err)
	}
	out, err := decodeRange(rng)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The isolation level and the topic's id of a range hold for its re-runs; the range after it has those of now.
func TestRangeAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planner(t)
		cfg := *s.cfg
		s.cfg = &cfg
		for _, level := range []client.Isolation{client.ReadCommitted, client.ReadUncommitted} {
			s.cfg.Isolation = level
			r := rangeOf(2, 0, 1, 2, 3)
			r.ReadCommitted = level != client.ReadCommitted
			got := next(t, s, r)
			if got.ReadCommitted == r.ReadCommitted {
				t.Errorf("level %v: read_committed is %v", level, got.ReadCommitted)
			}
			for _, p := range got.Partitions {
				if p.ID == [16]byte{} || p.From != 2 || p.Until != 10 {
					t.Errorf("level %v: %+v", level, p)
				}
			}
			s.watch.refreshed = time.Time{}
		}
	})
}

// What is remembered of partitions does not grow with those that come and go, and where one was left is remembered
// until a range has it again.
func TestWatchPrunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatch()
		here, away := pieceOf(0, 0, 1).partitionRange, pieceOf(1, 0, 1).partitionRange
		other := here
		other.ID = [16]byte{1}
		for _, p := range []partitionRange{here, away, other} {
			w.proven(p.incarnation())
			w.suspect(p)
			w.shrunk[p.tp()] = time.Now()
			w.retired[p.incarnation()] = left{5, time.Now()}
		}
		sizes := func() string { return fmt.Sprint(len(w.missing), len(w.suspects), len(w.shrunk), len(w.retired)) }
		w.prune(rangeOf(1, 0))
		if got := sizes(); got != "1 1 1 2" {
			t.Errorf("it remembers %s, with one that is in doubt", got)
		}
		clear(w.missing)
		w.prune(rangeOf(1, 0))
		if got := sizes(); got != "0 1 1 1" {
			t.Errorf("it remembers %s, with one that is read again", got)
		}
		<-time.After(retiredKept + time.Second)
		w.prune(rangeOf(1))
		if got := sizes(); got != "0 0 0 0" {
			t.Errorf("it remembers %s of none", got)
		}
	})
}

// A topic that the strategy names may be missing for as long as it likes.
func TestNamedTopicMayMiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planner(t)
		s.strategy = Subscribe("t", "u")
		gone := incarnation{TopicPartition{"u", 0}, [16]byte{1}}
		s.watch.retired[gone] = left{5, time.Now()}
		for range 3 {
			<-time.After(retiredKept / 2)
			next(t, s, rangeOf(10, 0, 1, 2, 3))
		}
		if s.watch.retired[gone].offset != 5 {
			t.Error("where it was left is forgotten")
		}
	})
}

// What is owed to a partition, and how long its end stands still, is forgotten with it.
func TestPlannerForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planner(t)
		s.shares.maxRate = func(TopicPartition) float64 { return 0.5 }
		limit := dstream.Unlimited(1)
		for p := range int32(4) {
			s.shares.deal([]lag{{TopicPartition{"t", p}, 10}}, limit)
			s.stable.stands(pieceOf(p, 0, 1).incarnation(), 1)
			s.stable.keep(rangeOf(1, p))
		}
		if len(s.shares.carry) != 1 || len(s.stable.still) != 1 {
			t.Errorf("%d shares and %d ends are kept", len(s.shares.carry), len(s.stable.still))
		}
	})
}

// What was fetched ahead of a partition goes when a range is released that has it no more, and what was handed out of
// one life of a topic is not taken for that of another.
func TestReleasedPartitionGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := planner(t)
		s.f.spoil = &spoiler{}
		for _, p := range []int32{0, 1} {
			s.f.ahead.keep(pieceOf(p, 0, 5), &chunk{set: make([]byte, 100)})
			s.f.spoil.lend(lent{incarnation: life(p), until: 5})
		}
		again := life(1)
		again.id = [16]byte{1}
		s.f.spoil.lend(lent{incarnation: again, until: 2}) // Of a batch that runs.
		for i, r := range []*batchRange{rangeOf(4, 0, 1), rangeOf(5, 0, 1), rangeOf(6, 0)} {
			rng, err := r.encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Released(t.Context(), rng); err != nil {
				t.Fatal(err)
			}
			want := []string{"200 3", "200 1", "0 1"}[i]
			if got := fmt.Sprint(s.f.ahead.bytes, " ", len(s.f.spoil.held)); got != want {
				t.Errorf("after %d: held are %s, want %s", i, got, want)
			}
		}
	})
}
