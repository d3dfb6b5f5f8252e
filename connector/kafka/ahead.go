package kafka

import (
	"context"
	"sync"
)

// aheadMax bounds the bytes that are asked for before their batch runs.
const aheadMax = 64 << 20

// ahead holds the first fetches of batches that are planned and do not run yet, so that a batch begins with
// its data at hand; and what the last fetch of a batch brought beyond it, so that the next batch need not fetch that
// again.
type ahead struct {
	max int64

	mu    sync.Mutex
	bytes int64 // asked for by all that are held
	under map[aheadKey]*pending
}

// An aheadKey says from where what is held is to be read. What an earlier leader has sent is not taken for what a later
// one has.
type aheadKey struct {
	incarnation
	offset int64
	epoch  int32
}

func (p piece) aheadKey(offset int64) aheadKey {
	return aheadKey{incarnation{p.tp(), p.ID}, offset, p.Epoch}
}

// start begins the fetches of the ranges that are not empty, as far as the memory goes.
func (a *ahead) start(ctx context.Context, f *fetcher, pieces []piece) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range pieces {
		key, size := p.aheadKey(p.From), f.guess(p.Until-p.From)
		if p.From < p.Until && a.fits(key, size) {
			a.under[key] = f.begin(ctx, p, p.From, size)
			a.bytes += int64(size)
		}
	}
}

// fits tells whether something may be held; nothing is held twice.
func (a *ahead) fits(key aheadKey, size int32) bool {
	if a.under == nil {
		a.under = map[aheadKey]*pending{}
	}
	return a.under[key] == nil && a.bytes+int64(size) <= a.max
}

// keep holds a chunk of which a piece has read only what lies before its end.
func (a *ahead) keep(p piece, c *chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	key, size := p.aheadKey(p.Until), int32(len(c.set))
	if !a.fits(key, size) {
		return
	}
	done := make(chan struct{})
	close(done)
	a.under[key] = &pending{offset: p.Until, asked: size, done: done, chunk: *c, cancel: func() {}}
	a.bytes += int64(size)
}

// take gives the fetch that was begun for the piece, nil if there is none. Its memory is the taker's then.
func (a *ahead) take(p piece) *pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := p.aheadKey(p.From)
	fetch := a.under[key]
	if fetch != nil {
		a.drop(key)
	}
	return fetch
}

func (a *ahead) drop(key aheadKey) {
	a.bytes -= int64(a.under[key].asked)
	delete(a.under, key)
}

// release ends the fetches that no task took: those before the given offsets.
func (a *ahead) release(upTo map[TopicPartition]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, fetch := range a.under {
		if until, ok := upTo[key.TopicPartition]; ok && key.offset < until {
			fetch.cancel()
			a.drop(key)
		}
	}
}
