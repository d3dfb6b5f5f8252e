package checkpoint

import (
	"context"
	"sync"
)

// A group lets values that come while a write is under way go together with the next write. The write is made by one of
// those that wait for it.
type group[T any] struct {
	// turn is held by who writes.
	turn chan struct{}
	// write ends within a time of its own, and sets the errors.
	write func(batch []*ticket[T])

	mu    sync.Mutex
	queue []*ticket[T]
}

// A ticket is a value that is to be written. done is closed when that is over; err says how it ended.
type ticket[T any] struct {
	value T
	done  chan struct{}
	err   error
}

func newGroup[T any](write func(batch []*ticket[T])) *group[T] {
	return &group[T]{turn: make(chan struct{}, 1), write: write}
}

// add queues a value. Nothing happens to it before someone settles it, or one behind it.
func (g *group[T]) add(value T) *ticket[T] {
	t := &ticket[T]{value: value, done: make(chan struct{})}
	g.addAll([]*ticket[T]{t})
	return t
}

// addAll queues values that are to be written together.
func (g *group[T]) addAll(ts []*ticket[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.queue = append(g.queue, ts...)
}

func (g *group[T]) take() []*ticket[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	taken := g.queue
	g.queue = nil
	return taken
}

// withdraw takes a value back; false says that it is being written.
func (g *group[T]) withdraw(t *ticket[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, q := range g.queue {
		if q == t {
			g.queue = append(g.queue[:i:i], g.queue[i+1:]...)
			return true
		}
	}
	return false
}

// settle has a value written, with all that are queued. If the context ends first the value is taken back, if it still
// can be; an error of the context says that it was.
func (g *group[T]) settle(ctx context.Context, t *ticket[T]) error {
	select {
	case <-t.done:
		return t.err
	case g.turn <- struct{}{}:
		g.writeAll()
		<-g.turn
	case <-ctx.Done():
		if g.withdraw(t) {
			t.err = context.Cause(ctx)
			close(t.done)
		}
	}
	<-t.done // It was in the queue, and is written now or by who took it.
	return t.err
}

// writeAll is called by who has the turn.
func (g *group[T]) writeAll() {
	batch := g.take()
	if len(batch) == 0 {
		return
	}
	g.write(batch)
	for _, t := range batch {
		close(t.done)
	}
}
