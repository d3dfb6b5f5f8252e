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
	bytes int64
	under map[aheadKey]*pending
	sizes map[aheadKey]int64
}

type aheadKey struct {
	tp     TopicPartition
	offset int64
}

// start begins the fetches of the ranges that are not empty, as far as the memory goes.
func (a *ahead) start(ctx context.Context, f *fetcher, pieces []piece) {
	for _, p := range pieces {
		if p.From >= p.Until {
			continue
		}
		key, size := aheadKey{p.tp(), p.From}, int64(f.opts.bytes)
		if !a.reserve(key, size) {
			return
		}
		fetch := f.begin(ctx, p, p.From, f.opts.bytes)
		a.mu.Lock()
		a.under[key] = fetch
		a.mu.Unlock()
	}
}

func (a *ahead) reserve(key aheadKey, size int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.under == nil {
		a.under, a.sizes = map[aheadKey]*pending{}, map[aheadKey]int64{}
	}
	if _, twice := a.sizes[key]; twice || a.bytes+size > a.max {
		return false
	}
	a.bytes += size
	a.sizes[key] = size
	return true
}

// take gives the fetch that was begun for the offset, nil if there is none. Its memory is the taker's now.
func (a *ahead) take(tp TopicPartition, offset int64) *pending {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := aheadKey{tp, offset}
	fetch := a.under[key]
	if fetch != nil {
		a.drop(key)
	}
	return fetch
}

func (a *ahead) drop(key aheadKey) {
	a.bytes -= a.sizes[key]
	delete(a.under, key)
	delete(a.sizes, key)
}

// release ends the fetches that no task took: those before the given offsets.
func (a *ahead) release(upTo map[TopicPartition]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, fetch := range a.under {
		if until, ok := upTo[key.tp]; ok && key.offset < until {
			fetch.cancel()
			a.drop(key)
		}
	}
}
