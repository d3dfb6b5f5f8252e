package kafka

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A mirror commits to the group what the batches have committed: one commit at a time, in their order. One that takes
// long, because the group's coordinator is away, goes on beside the next batches, which must not wait for it; of those
// that come meanwhile only the newest is sent, since it says all that they say.
type mirror struct {
	mu   sync.Mutex
	busy *mirrored
	next *mirrored
}

// mirrored is one commit.
type mirrored struct {
	r *batchRange
	// batch is the sequence of the newest batch that it covers.
	batch int64
	// tell are the program's callbacks, also of commits that this one replaced. They give what went wrong in them.
	tell []func(err error) error
	done chan struct{}
	err  error
	// Guarded by the mirror's mutex: either it is over, and err is for who waits, or nobody waits any more.
	over, late bool
}

const (
	// commitPatience is how long a batch waits for its commit: many times what one takes.
	commitPatience = time.Second
	// commitDeadline bounds a commit.
	commitDeadline = 15 * time.Second
)

// submit sends a commit, or keeps it for when the one that is under way is over. wait tells whether it is sent now.
// An error that nobody waits for goes to unheard.
func (m *mirror) submit(c *mirrored, send, unheard func(*mirrored)) (wait bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy == nil {
		m.busy = c
		go m.run(send, unheard)
		return true
	}
	if m.next != nil {
		c.tell = append(m.next.tell, c.tell...)
		close(m.next.done)
	}
	c.late, m.next = true, c
	return false
}

// run sends one commit after the other until there is none.
func (m *mirror) run(send, unheard func(*mirrored)) {
	for {
		m.mu.Lock()
		c := m.busy
		m.mu.Unlock()
		send(c)
		m.mu.Lock()
		c.over = true
		late := c.late
		m.mu.Unlock()
		if late && c.err != nil {
			unheard(c)
		}
		// Only now, so that flush waits for what there is to tell, too.
		m.mu.Lock()
		m.busy, m.next = m.next, nil
		more := m.busy != nil
		m.mu.Unlock()
		close(c.done)
		if !more {
			return
		}
	}
}

// await waits for a commit as long as a batch may, and gives its error if it is over by then.
func (m *mirror) await(ctx context.Context, c *mirrored) error {
	patience := time.NewTimer(commitPatience)
	defer patience.Stop()
	select {
	case <-c.done:
		return c.err
	case <-patience.C:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.over {
		return c.err
	}
	c.late = true
	return nil
}

// flush waits until everything is sent.
func (m *mirror) flush(ctx context.Context) error {
	for {
		m.mu.Lock()
		c := m.next
		if c == nil {
			c = m.busy
		}
		m.mu.Unlock()
		if c == nil {
			return nil
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return errors.New("the last commit to the group was not answered in time")
		}
	}
}
