package dstream

import (
	"context"
	"sync"
)

// A line is who waits for room, first come, first served: else what needs much room would wait for as long as others
// come that need little.
type line struct {
	head    chan struct{} // held by who is the first
	waiting int           // guarded by the mutex that guards the room
}

func newLine() line { return line{head: make(chan struct{}, 1)} }

// wait waits until enter, which is called with mu held, takes its room, unless ctx, which is that of the receiver's
// run, has ended by then. Where there is none yet, enter gives what is closed when there is more.
func (l *line) wait(ctx context.Context, mu *sync.Mutex, enter func() (in bool, more <-chan struct{})) error {
	mu.Lock()
	if l.waiting == 0 && ctx.Err() == nil {
		if in, _ := enter(); in {
			mu.Unlock()
			return nil
		}
	}
	l.waiting++
	mu.Unlock()
	defer func() {
		mu.Lock()
		l.waiting--
		mu.Unlock()
	}()
	select {
	case l.head <- struct{}{}:
		defer func() { <-l.head }()
	case <-ctx.Done():
		return errReceiverStopped
	}
	for {
		mu.Lock()
		if ctx.Err() != nil {
			mu.Unlock()
			return errReceiverStopped
		}
		in, more := enter()
		mu.Unlock()
		if in {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return errReceiverStopped
		}
	}
}
