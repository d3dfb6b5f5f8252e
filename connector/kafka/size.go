package kafka

import (
	"math"
	"sync"
)

// An average is how many bytes an offset takes in fetch responses, compressed as they are there. Newer responses
// count more than older ones.
type average struct {
	mu             sync.Mutex
	bytes, offsets float64
}

// averageSpan is the number of offsets after which what was seen before counts half.
const averageSpan = 1 << 20

func (a *average) observe(bytes int, offsets int64) {
	if bytes <= 0 || offsets <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes += float64(bytes)
	a.offsets += float64(offsets)
	if a.offsets > averageSpan {
		a.bytes, a.offsets = a.bytes/2, a.offsets/2
	}
}

// per gives the bytes of an offset, and false while nothing is known.
func (a *average) per() (float64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.bytes / a.offsets, a.offsets > 0
}

// fetchFloor is the least that is asked for: a request costs as much as the transfer of some ten kilobytes.
const fetchFloor = 64 << 10

// guess is how many bytes to ask for n offsets: about what they take and a quarter more, so that a small range does
// not fetch megabytes that the next one fetches again.
func (f *fetcher) guess(n int64) int32 {
	most := f.opts.bytes
	if f.opts.rate > 0 {
		most = int32(min(int64(most), max(f.opts.rate, 1<<10)))
	}
	per, known := f.size.per()
	if !known {
		return most
	}
	want := math.Ceil(per * float64(n) * 1.25)
	return int32(min(max(want, min(fetchFloor, float64(most))), float64(most)))
}
