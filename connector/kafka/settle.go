package kafka

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// Coordinators before 2.5 cannot be asked to wait for the offsets of a transaction whose end is written already: they
// take them over in a thread of their own, after the transactional id was given to the next one, and behind whatever
// offsets it is just loading.
const (
	// settlePause is the time between two questions.
	settlePause = 500 * time.Millisecond
	// settleTime is for how long an identity that may be about to change must not have changed.
	settleTime = 10 * time.Second
)

// identity reads the batch that was stored last by a transaction that the caller has the turn of, -1 for none.
func (s *ProducerSink[K, V]) identity(ctx context.Context, t *transaction, id dstream.Effect) (int64, error) {
	last, stable, err := s.read(ctx, t)
	if err == nil && !stable && s.doubts(t, id, last) {
		s.p.logger.Info("the brokers do not tell whether the last batch is in; waiting until that is settled",
			"topic", s.p.topic, "group", t.name, "holds", last)
		last, err = s.settle(ctx, t, id, last)
	}
	if err != nil {
		return 0, fmt.Errorf("read the identity of the last batch in topic %q: %w", s.p.topic, err)
	}
	return last, nil
}

// read asks for the identity once, stable telling whether it will change no more.
func (s *ProducerSink[K, V]) read(ctx context.Context, t *transaction) (last int64, stable bool, err error) {
	c := s.p.c.Load()
	if c == nil {
		return 0, false, errClosed
	}
	at := client.TopicPartition{Topic: s.p.topic}
	got, err := c.FetchOffsets(ctx, t.name, []client.TopicPartition{at}, true)
	if err != nil {
		return 0, false, err
	}
	return got[at].Offset, got[at].Stable, got[at].Err
}

// doubts tells whether an identity is another one than it may yet become. What this process has committed last, or
// tried to, is what it becomes if anything; before that it is what the log knows.
func (s *ProducerSink[K, V]) doubts(t *transaction, id dstream.Effect, last int64) bool {
	if t.known {
		return last != t.last
	}
	newest := int64(math.MaxInt64)
	if s.newest != nil {
		newest = s.newest(id.Output, id.Name, t.name)
	}
	return last < newest
}

// settle asks again until there is no doubt, or the answer has been the same for settleTime, or what the program has
// set.
func (s *ProducerSink[K, V]) settle(ctx context.Context, t *transaction, id dstream.Effect, last int64) (int64, error) {
	enough := cmp.Or(s.p.opts.settle, settleTime)
	for since := time.Now(); time.Since(since) < enough; {
		select {
		case <-time.After(settlePause):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		now, stable, err := s.read(ctx, t)
		if err != nil || stable || !s.doubts(t, id, now) {
			return now, err
		}
		if now != last {
			last, since = now, time.Now()
		}
	}
	return last, nil
}
