package kafka

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pacer spaces fetches so that, together, they stay within a number of bytes a second. A fetch takes its turn for
// what it asks, when the time of those before it is over, and gives back the time of what it did not get. Those that
// a task waits for come first, and else who came first.
type pacer struct {
	rate float64 // bytes a second; 0 or less for no limit

	mu    sync.Mutex
	free  time.Time     // when the next turn begins
	queue []*turn       // those that wait, the next one first
	moved chan struct{} // closed when queue or free changes; nil if nobody waits
}

// A turn is a place in the queue.
type turn struct{ wanted bool }

// line gives a place in the queue.
func (p *pacer) line(wanted bool) *turn {
	t := &turn{wanted}
	if p.rate <= 0 {
		return t
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.insert(t)
	return t
}

// insert puts a turn behind those that are as urgent.
func (p *pacer) insert(t *turn) {
	at := len(p.queue)
	if t.wanted {
		if at = slices.IndexFunc(p.queue, func(o *turn) bool { return !o.wanted }); at < 0 {
			at = len(p.queue)
		}
	}
	p.queue = slices.Insert(p.queue, at, t)
}

// prefer moves a turn before those that no task waits for.
func (p *pacer) prefer(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, t); i >= 0 && !t.wanted {
		t.wanted = true
		p.queue = slices.Delete(p.queue, i, i+1)
		p.insert(t)
		p.move()
	}
}

// wait waits until the turn has come and takes it for n bytes.
func (p *pacer) wait(ctx context.Context, t *turn, n int32) error {
	if p.rate <= 0 {
		return nil
	}
	defer p.leave(t)
	for {
		left, moved := p.take(t, n)
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-moved:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}

// notNext is how long a turn waits that is not the next one, unless the queue moves, which it does.
const notNext = time.Minute

// take takes the turn if it has come, and else says how long it is until then, and what may change that.
func (p *pacer) take(t *turn, n int32) (left time.Duration, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved == nil {
		p.moved = make(chan struct{})
	}
	if p.queue[0] != t {
		return notNext, p.moved
	}
	now := time.Now()
	if left = p.free.Sub(now); left > 0 {
		return left, p.moved
	}
	p.free = now.Add(p.time(int64(n)))
	return 0, nil
}

// leave gives up the place in the queue.
func (p *pacer) leave(t *turn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.queue, t); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
		p.move()
	}
}

// correct ends a turn that was taken for n bytes and brought got of them.
func (p *pacer) correct(n int32, got int) {
	if p.rate <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = p.free.Add(p.time(int64(got) - int64(n)))
	p.move()
}

// move has those that wait look again.
func (p *pacer) move() {
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}

func (p *pacer) time(n int64) time.Duration {
	return time.Duration(float64(n) / p.rate * float64(time.Second))
}
