package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/internal/exec"
)

// An answer without records does not say that there are none: a broker that gets them from remote storage, and not
// in time, answers so, too. It must do so at least so often in a row; and where it cannot say that it reads from its
// own log, so often over so long a time, in which it is given more and more time.
const (
	emptyProofs       = 3
	emptyProofsRemote = 5
	emptyTime         = 5 * time.Second
)

// wait is for a leader that has nothing at next although the range was planned from what was there. If it gives
// records up to the end of the range, and has proven that it has none there, then the rest of the range is empty, for
// compaction has taken what was in it. Else it lags behind, or waits for remote storage, and is given time.
func (w *walk) wait(ctx context.Context, c *chunk) error {
	if w.empty == 0 {
		w.since = time.Now()
	}
	w.empty++
	if c.low <= w.next && c.high >= w.p.Until {
		if w.f.gaps.holds(w.p, w.next) || w.barren(ctx) {
			w.f.gaps.note(w.p, w.next, c.high)
			w.next, w.empty = w.p.Until, 0
			return nil
		}
	}
	waited := time.Since(w.since)
	if waited > w.f.opts.patience {
		return w.giveUp(ctx, c)
	}
	w.told = w.f.tellWait(w.p, w.next, waited, w.told, &shortLogError{c.low, c.high, w.next})
	w.f.leaders.forget(w.p.tp(), c.from)
	return pause(ctx, w.f.opts.backoff(w.empty))
}

// barren tells whether it is proven that the leader's log has nothing from next up to the end of the range: it lies in
// the leader's own log, which a fetch reads at once.
func (w *walk) barren(ctx context.Context) bool {
	if w.empty < emptyProofs {
		return false
	}
	local, err := w.f.listed(ctx, w.p.tp(), client.EarliestLocal)
	switch {
	case err == nil && local >= 0:
		return w.next >= local
	case err != nil && temporary(err):
		return false
	}
	return w.empty >= emptyProofsRemote && time.Since(w.since) >= emptyTime
}

// giveUp ends a range at which the leader has had nothing for all of the patience. Whether it is lost the leader's
// ListOffsets tells.
func (w *walk) giveUp(ctx context.Context, c *chunk) error {
	begin, end, err := w.f.bounds(ctx, w.p.tp())
	if err == nil && end >= w.p.Until {
		why := "it gives none from remote storage in time (raise remote.fetch.max.wait.ms on the brokers)"
		if c.high < w.p.Until {
			why = fmt.Sprintf("it gives records only up to offset %d: a transaction is open, or replicas are missing",
				c.high)
		}
		return exec.Permanent(fmt.Errorf("%s at offset %d: for %v the leader has answered without records, although "+
			"its log ends at %d: %s, or raise spark.streaming.kafka.consumer.poll.ms",
			w.p.tp(), w.next, w.f.opts.patience, end, why))
	}
	if err == nil {
		err = &shortLogError{begin, end, w.next}
	}
	gone, err := w.f.giveUp(w.p, w.next, err)
	w.next = gone.low
	return err
}

// gaps remembers of each partition the last stretch that was proven to hold nothing, so that the many small ranges
// which a limit makes of it need not each prove it again.
type gaps struct {
	mu sync.Mutex
	at map[incarnation]gap
}

type gap struct {
	epoch       int32
	from, until int64
}

// note keeps a gap of a planned range; one of a range that was just given has no incarnation to go by.
func (g *gaps) note(p piece, from, until int64) {
	if p.Epoch < 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.at == nil {
		g.at = map[incarnation]gap{}
	}
	g.at[p.incarnation()] = gap{p.Epoch, from, until}
}

// holds tells whether the piece from an offset on lies in the gap.
func (g *gaps) holds(p piece, from int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ok := g.at[p.incarnation()]
	return ok && at.epoch == p.Epoch && at.from <= from && p.Until <= at.until
}

func (g *gaps) forget(key incarnation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.at, key)
}
