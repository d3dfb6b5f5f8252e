package kafka

import (
	"context"
	"sync"
)

// producing counts records that are sent and not acknowledged yet, and keeps the first error.
type producing struct {
	mu   sync.Mutex
	left int
	err  error
	idle chan struct{} // closed when left becomes 0; nil if nobody waits
}

func (w *producing) add() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left++
}

func (w *producing) finish(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	if w.left--; w.left == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

// wait waits until nothing is left and gives the first error since the last wait. Every record is acknowledged or
// fails: delivery.timeout.ms bounds it.
func (w *producing) wait(ctx context.Context) error {
	for {
		w.mu.Lock()
		if w.left == 0 {
			err := w.err
			w.err = nil
			w.mu.Unlock()
			return err
		}
		if w.idle == nil {
			w.idle = make(chan struct{})
		}
		idle := w.idle
		w.mu.Unlock()
		select {
		case <-idle:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
