package kafka

import (
	"context"
	"sync"
	"time"
)

// A pacer spaces fetches so that, together, they stay within a number of bytes a second. A fetch takes its turn for
// what it asks, when the time of those before it is over, and gives back the time of what it did not get.
type pacer struct {
	rate float64 // bytes a second; 0 or less for no limit

	mu    sync.Mutex
	free  time.Time     // when the next turn begins
	given chan struct{} // closed when time was given back; nil if nobody waits
}

// wait waits for a turn for n bytes.
func (p *pacer) wait(ctx context.Context, n int32) error {
	for p.rate > 0 {
		left, given := p.turn(n)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-given:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
	return nil
}

// turn takes the turn if it has come, and else says how long it is until then, and what may make it sooner.
func (p *pacer) turn(n int32) (left time.Duration, given <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if left = p.free.Sub(now); left > 0 {
		if p.given == nil {
			p.given = make(chan struct{})
		}
		return left, p.given
	}
	p.free = now.Add(p.time(int64(n)))
	return 0, nil
}

// correct ends a turn that was taken for n bytes and brought got of them.
func (p *pacer) correct(n int32, got int) {
	if p.rate <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = p.free.Add(p.time(int64(got) - int64(n)))
	if p.given != nil {
		close(p.given)
		p.given = nil
	}
}

func (p *pacer) time(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}
