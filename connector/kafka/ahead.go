package kafka

import (
	"context"
	"sync"
)

// aheadMax bounds the bytes that are asked for before their batch runs.
const aheadMax = 64 << 20

// ahead holds the first fetches of batches that are planned and do not run yet, so that a batch begins with
// its data at hand.
type ahead struct {
	max int64

	mu    sync.Mutex
	bytes int64 // asked for by all that are under way
	under map[aheadKey]*pending
}

type aheadKey struct {
	incarnation
	offset int64
}

func (p piece) aheadKey() aheadKey { return aheadKey{incarnation{p.tp(), p.ID}, p.From} }

// start begins the fetches of the ranges that are not empty, as far as the memory goes.
func (a *ahead) start(ctx context.Context, f *fetcher, pieces []piece) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.under == nil {
		a.under = map[aheadKey]*pending{}
	}
	for _, p := range pieces {
		key, size := p.aheadKey(), f.guess(p.Until-p.From)
		if a.under[key] != nil || p.From >= p.Until {
			continue
		}
		if a.bytes+int64(size) > a.max {
			return
		}
		a.under[key] = f.begin(ctx, p, p.From, size)
		a.bytes += int64(size)
	}
}

// take gives the fetch that was begun for the piece, nil if there is none. Its memory is the taker's then.
func (a *ahead) take(p piece) *pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := p.aheadKey()
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
