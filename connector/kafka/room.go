package kafka

import (
	"context"
	"slices"
	"sync"
)

// room is what buffer.memory leaves for records that are not acknowledged yet. Who finds too little of it waits in
// turn, until its own context ends: franz-go would wait with the context in which the record is delivered, which
// lasts for minutes.
type room struct {
	size int64

	mu    sync.Mutex
	taken int64
	queue []*claim
}

// A claim waits for room.
type claim struct {
	n       int64
	granted chan struct{} // closed when the room is taken for it
}

// recordCost is what a record holds beside its bytes, so that very small ones fill the buffer, too.
const recordCost = 512

// take takes room for n bytes, all there is if that is less. full is called before a wait.
func (r *room) take(ctx context.Context, n int64, full func()) error {
	n = min(n, r.size)
	c := r.claim(n)
	if c == nil {
		return nil
	}
	full()
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
		if r.withdraw(c) {
			return context.Cause(ctx)
		}
		return nil // It was granted at the same moment.
	}
}

// try takes room for n bytes if there is as much. Unless it may go ahead, it comes after those that wait.
func (r *room) try(n int64, ahead bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.has(min(n, r.size), ahead)
}

// has takes room if there is as much. r.mu is held.
func (r *room) has(n int64, ahead bool) bool {
	free := (ahead || len(r.queue) == 0) && r.taken+n <= r.size
	if free {
		r.taken += n
	}
	return free
}

// claim takes room, or else gives the claim to wait for.
func (r *room) claim(n int64) *claim {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.has(n, false) {
		return nil
	}
	c := &claim{n: n, granted: make(chan struct{})}
	r.queue = append(r.queue, c)
	return c
}

// withdraw takes a claim back, unless it is granted. Those behind it may need less.
func (r *room) withdraw(c *claim) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.queue, c)
	if i < 0 {
		return false
	}
	r.queue = slices.Delete(r.queue, i, i+1)
	r.grant()
	return true
}

// give gives back what was taken for n bytes.
func (r *room) give(n int64) {
	r.leave(n)
	r.serve()
}

// leave gives back what was taken for n bytes, and does not serve those that wait yet.
func (r *room) leave(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= min(n, r.size)
}

// serve serves those that wait.
func (r *room) serve() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.grant()
}

// grant serves the claims that there is room for. r.mu is held.
func (r *room) grant() {
	for len(r.queue) > 0 && r.taken+r.queue[0].n <= r.size {
		r.taken += r.queue[0].n
		close(r.queue[0].granted)
		r.queue = slices.Delete(r.queue, 0, 1)
	}
}
