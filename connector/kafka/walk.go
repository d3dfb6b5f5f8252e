package kafka

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
	"github.com/weirstream/weir/internal/exec"
)

// A walk reads one range, chunk by chunk; while a chunk is iterated the one after it is fetched.
type walk struct {
	f     *fetcher
	p     piece
	it    *recordbatch.Iterator
	next  int64 // offset to go on from
	fetch *pending
	asked int32 // bytes, the last time
	floor int32 // the least to ask for: more for a batch that did not fit
	// empty is how often in a row, since when, the leader has had nothing at next.
	empty int
	since time.Time
	told  time.Time // when last that the range waits
}

// each calls yield with the records of the range until it returns false. The end of the range is known by
// position: offsets without a record are no error, wherever they lie. The record given to yield is
// overwritten by the next one; the bytes it points to never are.
func (f *fetcher) each(ctx context.Context, p piece, yield func(*recordbatch.Record) bool) error {
	w := walk{f: f, p: p, it: recordbatch.NewIterator(f.dec), next: p.From}
	if p.From < p.Until {
		w.fetch = f.ahead.take(p)
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
		if c.whole().End > p.Until && f.opts.prefetch {
			f.ahead.keep(p, c)
		}
	}
	return nil
}

// chunk waits for the fetch at next, which it begins if it is not under way. One that has failed before anybody wanted
// it says nothing about how things are now.
func (w *walk) chunk(ctx context.Context) (*chunk, error) {
	if w.fetch == nil || w.fetch.offset != w.next || w.fetch.failed() {
		w.drop()
		w.begin(ctx, w.next)
	}
	w.f.want(w.fetch)
	w.asked = w.fetch.bytes
	c, err := w.fetch.await(ctx)
	w.drop()
	return c, err
}

func (w *walk) begin(ctx context.Context, offset int64) {
	bytes := max(w.floor, w.f.guess(w.p.Until-offset))
	w.fetch = w.f.begin(ctx, order{piece: w.p, offset: offset, bytes: bytes, wait: w.patience(), wanted: true})
}

// patience is how long the leader may wait for records: the longer, the more often it had none.
func (w *walk) patience() time.Duration {
	if w.empty == 0 {
		return fetchWait
	}
	left := w.f.opts.patience - time.Since(w.since)
	return max(min(fetchWait<<min(w.empty, 10), fetchWaitMax, left), fetchWait)
}

func (w *walk) drop() {
	if w.fetch != nil {
		w.fetch.cancel()
		w.fetch = nil
	}
}

// follow begins the fetch of what comes after the chunk.
func (w *walk) follow(ctx context.Context, c *chunk) {
	s := c.whole()
	begin := s.Begin
	if begin < 0 {
		begin = w.next
	}
	w.f.size.observe(s.Size, s.End-begin)
	if s.End > w.next && s.End < w.p.Until {
		w.begin(ctx, s.End)
	}
}

// iterate yields the chunk's records and tells whether the reader wants more.
func (w *walk) iterate(c *chunk, yield func(*recordbatch.Record) bool) (more bool, err error) {
	w.it.Reset(c.set, recordbatch.Want{From: w.next, Until: w.p.Until, ReadCommitted: w.p.committed,
		Aborted: c.aborted, SkipCRC: !w.f.opts.checkCRC})
	for first := true; w.it.Next(); first = false {
		if first && w.f.opts.planned {
			w.f.marks.note(w.p.partitionRange, w.it.Record())
		}
		if !yield(w.it.Record()) {
			return false, nil
		}
	}
	if err := w.it.Err(); err != nil {
		return false, fmt.Errorf("%s: %w", w.p.tp(), err)
	}
	return true, nil
}

// advance goes on to the offset after what was read, or finds out why nothing was.
func (w *walk) advance(ctx context.Context, c *chunk) error {
	switch at := w.it.NextOffset(); {
	case at > w.next:
		w.next, w.empty = at, 0
		return nil
	case c.lost:
		w.next, w.empty = max(w.next, c.low), 0
		return nil
	case c.low > w.next && len(c.set) == 0:
		return w.overtaken(ctx, c)
	case w.it.Truncated():
		return w.enlarge()
	}
	return w.wait(ctx, c)
}

// overtaken is for an answer without records from a log that begins behind next, it says: whether that is so, and what
// is lost then, ListOffsets tells.
func (w *walk) overtaken(ctx context.Context, c *chunk) error {
	lost, err := w.f.outOfRange(ctx, w.p, w.next)
	switch {
	case err == nil:
		w.next, w.empty = lost.low, 0
		return nil
	case isLoss(err):
		return err
	}
	return w.wait(ctx, c)
}

// maxFetchBytes is the largest piece that is asked for: a batch's length is an int32.
const maxFetchBytes = 1 << 30

// enlarge asks for more bytes the next time: the entry at next does not fit.
func (w *walk) enlarge() error {
	if w.asked >= maxFetchBytes {
		return exec.Permanent(
			fmt.Errorf("%s at offset %d: a batch of more than %d bytes", w.p.tp(), w.next, maxFetchBytes),
		)
	}
	w.floor = int32(min(max(2*int64(w.asked), int64(w.it.NeedBytes())), maxFetchBytes))
	return nil
}
