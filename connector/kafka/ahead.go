package kafka

import (
	"context"
	"math"
	"sync"
)

// aheadMax bounds the bytes that are asked for, or held, before their batch runs.
const aheadMax = 64 << 20

// ahead holds the first fetches of batches that are planned and do not run yet, so that a batch begins with
// its data at hand; and what the last fetch of a batch brought beyond it, so that the next batch need not fetch that
// again.
type ahead struct {
	max int64

	mu    sync.Mutex
	bytes int64 // of all that are held
	under map[aheadKey]*held
}

// held is a fetch with the bytes that it counts for: those it asks for, and once it is over those it has. A broker
// sends a whole batch at least, whatever is asked for.
type held struct {
	*pending
	bytes int64
}

// An aheadKey says from where what is held is to be read. What an earlier leader has sent is not taken for what a later
// one has.
type aheadKey struct {
	incarnation
	offset int64
	epoch  int32
}

func (p piece) aheadKey(offset int64) aheadKey {
	return aheadKey{p.incarnation(), offset, p.Epoch}
}

// start begins the fetches of the ranges that are not empty, as far as the memory goes.
func (a *ahead) start(ctx context.Context, f *fetcher, pieces []piece) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range pieces {
		key, size := p.aheadKey(p.From), f.guess(p.Until-p.From)
		if p.From < p.Until && a.fits(key, int64(size)) {
			ended := func(fetch *pending) { a.settle(key, fetch) }
			fetch := f.begin(ctx, order{piece: p, offset: p.From, bytes: size, wait: fetchWait, ended: ended})
			a.hold(key, fetch, int64(size))
		}
	}
}

// fits tells whether something may be held; nothing is held twice.
func (a *ahead) fits(key aheadKey, size int64) bool {
	return a.under[key] == nil && a.bytes+size <= a.max
}

func (a *ahead) hold(key aheadKey, fetch *pending, size int64) {
	if a.under == nil {
		a.under = map[aheadKey]*held{}
	}
	a.under[key] = &held{fetch, size}
	a.bytes += size
}

// settle counts what a fetch has brought, and lets go of it if that is too much.
func (a *ahead) settle(key aheadKey, fetch *pending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	h := a.under[key]
	if h == nil || h.pending != fetch {
		return
	}
	size := int64(len(fetch.got.set))
	a.bytes += size - h.bytes
	if h.bytes = size; a.bytes > a.max {
		a.drop(key)
	}
}

// keep holds a chunk of which a piece has read only what lies before its end.
func (a *ahead) keep(p piece, c *chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, size := p.aheadKey(p.Until), int64(len(c.set))
	if !a.fits(key, size) {
		return
	}
	done := make(chan struct{})
	close(done)
	a.hold(key, &pending{order: order{piece: p, offset: p.Until, bytes: int32(size)}, done: done, got: *c,
		cancel: func() {}, turn: &turn{}}, size)
}

// take gives the fetch that was begun for the piece, nil if there is none. Its memory is the taker's then.
func (a *ahead) take(p piece) *pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := p.aheadKey(p.From)
	h := a.under[key]
	if h == nil {
		return nil
	}
	a.drop(key)
	return h.pending
}

func (a *ahead) drop(key aheadKey) {
	a.bytes -= a.under[key].bytes
	delete(a.under, key)
}

// release ends the fetches that no task took: those before the given offsets.
func (a *ahead) release(upTo map[incarnation]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, fetch := range a.under {
		if until, ok := upTo[key.incarnation]; ok && key.offset < until {
			fetch.cancel()
			a.drop(key)
		}
	}
}

// forget ends what is held of a partition that is not read any more.
func (a *ahead) forget(key incarnation) { a.release(map[incarnation]int64{key: math.MaxInt64}) }
