package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A walk reads one range, chunk by chunk; while a chunk is iterated the one after it is fetched.
type walk struct {
	f     *fetcher
	p     piece
	it    *recordbatch.Iterator
	next  int64 // offset to go on from
	bytes int32 // asked for at a time; grows for a batch that is larger
	fetch *pending
	// stalled is since when, and how often, the leader has had nothing at next.
	since time.Time
	empty int
}

// each calls yield with the records of the range until it returns false. The end of the range is known by
// position: offsets without a record are no error, wherever they lie. The record given to yield is
// overwritten by the next one; the bytes it points to never are.
func (f *fetcher) each(ctx context.Context, p piece, yield func(*recordbatch.Record) bool) error {
	w := walk{f: f, p: p, it: recordbatch.NewIterator(f.dec), next: p.From, bytes: f.opts.bytes}
	if p.From < p.Until {
		w.fetch = f.ahead.take(p.tp(), p.From)
	}
	defer w.drop()
	for w.next < p.Until {
		c, err := w.chunk(ctx)
		if err != nil {
			return err
		}
		w.follow(ctx, c)
		more, err := w.iterate(c, yield)
		if err != nil || !more {
			return err
		}
		if err := w.advance(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// chunk waits for the fetch at next, which it begins if it is not under way.
func (w *walk) chunk(ctx context.Context) (*chunk, error) {
	if w.fetch == nil || w.fetch.offset != w.next {
		w.drop()
		w.fetch = w.f.begin(ctx, w.p, w.next, w.bytes)
	}
	c, err := w.fetch.wait(ctx)
	w.drop()
	return c, err
}

func (w *walk) drop() {
	if w.fetch != nil {
		w.fetch.cancel()
		w.fetch = nil
	}
}

// follow begins the fetch of what comes after the chunk.
func (w *walk) follow(ctx context.Context, c *chunk) {
	if end := c.end(); end > w.next && end < w.p.Until {
		w.fetch = w.f.begin(ctx, w.p, end, w.bytes)
	}
}

// iterate yields the chunk's records and tells whether the reader wants more.
func (w *walk) iterate(c *chunk, yield func(*recordbatch.Record) bool) (more bool, err error) {
	w.it.Reset(c.set, recordbatch.Want{From: w.next, Until: w.p.Until, ReadCommitted: w.p.committed,
		Aborted: c.aborted, SkipCRC: !w.f.opts.checkCRC})
	n := int64(0)
	for w.it.Next() {
		n++
		if !yield(w.it.Record()) {
			return false, nil
		}
	}
	w.f.records.Add(n)
	w.f.bytes.Add(int64(len(c.set)))
	if err := w.it.Err(); err != nil {
		return false, fmt.Errorf("%s: %w: the batch is corrupt on the broker, or was damaged on its way", w.p.tp(), err)
	}
	return true, nil
}

// advance goes on to the offset after what was read, or finds out why nothing was.
func (w *walk) advance(ctx context.Context, c *chunk) error {
	switch at := w.it.NextOffset(); {
	case at > w.next:
		w.next, w.empty = at, 0
		return nil
	case c.low > w.next && len(c.set) == 0:
		w.next, w.empty = min(c.low, w.p.Until), 0 // Lost, and told as the options say.
		return nil
	case w.it.Truncated():
		return w.enlarge()
	}
	return w.wait(ctx, c)
}

// maxFetchBytes is the largest piece that is asked for: a batch's length is an int32.
const maxFetchBytes = 1 << 30

// enlarge asks for more bytes the next time: the entry at next does not fit.
func (w *walk) enlarge() error {
	if w.bytes >= maxFetchBytes {
		return fmt.Errorf("%s at offset %d: a batch of more than %d bytes", w.p.tp(), w.next, maxFetchBytes)
	}
	w.bytes = int32(min(max(2*int64(w.bytes), int64(w.it.NeedBytes())), maxFetchBytes))
	return nil
}

// wait is for a leader that has nothing at next although the range was planned from what was there. If it says,
// again and again, that it holds offsets beyond the range, then the rest of the range has no records, for
// compaction or transaction markers took them. Else it lags behind, and is given time.
func (w *walk) wait(ctx context.Context, c *chunk) error {
	if w.empty == 0 {
		w.since = time.Now()
	}
	w.empty++
	if w.empty >= 3 && c.high >= w.p.Until {
		w.next = w.p.Until
		return nil
	}
	if time.Since(w.since) > w.f.opts.patience {
		return fmt.Errorf("%s: the leader has had nothing at offset %d for %v, though the batch was planned up to %d; "+
			"its log ends at %d: the log was truncated, or the leader does not catch up",
			w.p.tp(), w.next, w.f.opts.patience, w.p.Until, c.high)
	}
	w.f.leaders.forget(w.p.tp())
	return pause(ctx, w.f.opts.pause)
}
