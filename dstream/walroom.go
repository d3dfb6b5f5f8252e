package dstream

import (
	"context"
	"math"

	"github.com/weirstream/weir/internal/checkpoint"
)

// A walRoom is what of a write ahead log no batch has taken yet, in bytes of the log. Senders wait while it is full:
// for the next plan, and never for the memory of a batch that runs. The wal's mu guards it.
type walRoom struct {
	most   int64
	held   int64
	taken  int64         // the frames before have been planned, and are not held
	freed  chan struct{} // closed and renewed when there is more room
	debt   int64         // records that were planned beyond a measured limit, below 0
	passes bool          // what a receiver that is stopped has in hand passes
	line   line
}

func newWalRoom(most int64) walRoom {
	return walRoom{most: max(most, 1), freed: make(chan struct{}), line: newLine()}
}

// free wakes those up who wait for room.
func (r *walRoom) free() {
	close(r.freed)
	r.freed = make(chan struct{})
}

// enter waits until bytes fit, unless run has ended by then, and holds them: first come, first served. What alone is
// larger passes when nothing else is held.
func (w *wal[T]) enter(run context.Context, bytes int64) error {
	return w.room.line.wait(run, &w.mu, func() (bool, <-chan struct{}) {
		fits := w.room.held == 0 || bytes <= w.room.most-w.room.held || w.room.passes
		if fits {
			w.room.held += bytes
		}
		return fits, w.room.freed
	})
}

// leave gives back what was held for a frame that did not get into the log.
func (w *wal[T]) leave(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room.held -= bytes
	w.room.free()
}

// extend implements storage: what a receiver that is stopped has in hand waits for nothing, for it may be a while until
// another batch is planned.
func (w *wal[T]) extend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room.passes = true
	w.room.free()
}

// partsMax is how many parts of the log, or blocks in memory, a batch takes at most. A block is a task, and each part
// of the log has some hundred bytes in the range, which lies in one slot of the checkpoint's log with others.
//
// partsByTime is how many blocks an interval has at most that are cut as time passes: were they more than a batch
// takes, each batch would leave some, and the receiver would fall behind for ever. With half of them a batch has room
// for what the one before has left, and for blocks of their own.
const (
	partsMax    = 10_000
	partsByTime = partsMax / 2
)

// A walParts counts the parts of a range, as walRange.add makes them.
type walParts struct {
	n      int
	begins bool // a block
	last   checkpoint.File
}

// fits takes a frame in, or tells that it would be in a part too many.
func (p *walParts) fits(begins bool, records int64, at checkpoint.File) bool {
	p.begins = p.begins || begins
	if records == 0 {
		return true
	}
	if p.n == 0 || p.begins || p.last.Name != at.Name || p.last.Offset+p.last.Length != at.Offset {
		if p.n == partsMax {
			return false
		}
		p.n++
	}
	p.begins, p.last = false, at
	return true
}

// within tells up to which frame a batch takes that begins with the frame from. It takes whole frames: of those beyond
// a limit one that is the first, and no more than partsMax parts of the log; under a measured rate the one that reaches
// the limit, and what that has too much is owed, so that the rate is kept over several batches. full tells that it is
// the parts that are too many.
func (w *wal[T]) within(from int64, l Limit) (until int64, full bool) {
	if l.Records == math.MaxInt64 {
		l.Measured = false
	}
	allowed, records, bytes, parts := l.Records, int64(0), int64(0), walParts{}
	if l.Measured {
		allowed += w.room.debt
	}
	for until = from; until < w.cutAt; until++ {
		f := &w.list[until-w.first]
		beyond := records+f.records > allowed
		if l.Measured {
			beyond = records >= allowed
		}
		if beyond && (l.Measured || until > from) || until > from && bytes+f.at.Length > w.room.most {
			break
		}
		if full = !parts.fits(f.begins, f.records, f.at); full {
			break
		}
		records, bytes = records+f.records, bytes+f.at.Length
	}
	w.room.debt = 0
	if l.Measured {
		w.room.debt = min(allowed-records, 0)
	}
	return until, full
}

// planned notes that the frames before until belong to batches.
func (w *wal[T]) planned(until int64) {
	for i := max(w.room.taken, w.first); i < until; i++ {
		w.room.held -= w.list[i-w.first].held
	}
	w.room.taken = max(w.room.taken, until)
	w.room.free()
}
