package kafka

import (
	"context"
	"sync"
	"time"
)

// A pacer spaces fetches so that, together, they stay within a number of bytes a second. Each takes its turn for
// what it asks, and gives back what it did not get.
type pacer struct {
	rate float64 // bytes a second; 0 or less for no limit

	mu   sync.Mutex
	free time.Time // when the next turn begins
}

// wait takes a turn for n bytes and waits until it begins.
func (p *pacer) wait(ctx context.Context, n int32) error {
	if p.rate <= 0 {
		return nil
	}
	now := time.Now()
	p.mu.Lock()
	turn := p.free
	if turn.Before(now) {
		turn = now
	}
	p.free = turn.Add(p.time(int64(n)))
	p.mu.Unlock()
	if !turn.After(now) {
		return nil
	}
	err := pause(ctx, turn.Sub(now))
	if err != nil {
		p.move(-int64(n))
	}
	return err
}

// correct ends a turn that was taken for n bytes and brought got of them.
func (p *pacer) correct(n int32, got int) {
	if p.rate > 0 {
		p.move(int64(got) - int64(n))
	}
}

func (p *pacer) move(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = p.free.Add(p.time(n))
}

func (p *pacer) time(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}
