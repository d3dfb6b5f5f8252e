package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// deadlines gives the contexts in which records are delivered: each ends delivery.timeout.ms after its record
// was handed
// over, give or take a second, for all records of a second share one. (The client's own delivery timeout
// counts from a
// record's timestamp, which the program may set to any time.)
type deadlines struct {
	parent  context.Context
	timeout time.Duration

	mu     sync.Mutex
	now    context.Context // of the records of this second
	until  time.Time
	cancel []context.CancelFunc
}

// deadlineWindow is for how long records share a deadline.
const deadlineWindow = time.Second

var errDelivery = errors.New("delivery.timeout.ms is over and no broker has acknowledged the record")

// context is that of a record which is handed over now.
func (d *deadlines) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := time.Now(); d.now == nil || now.After(d.until) {
		ctx, cancel := context.WithTimeoutCause(d.parent, d.timeout+deadlineWindow, errDelivery)
		d.now, d.until = ctx, now.Add(deadlineWindow)
		d.cancel = append(d.cancel, cancel)
		if past := len(d.cancel) - int(d.timeout/deadlineWindow) - 3; past > 0 {
			d.cancel[0]() // Its time has been over for a while.
			d.cancel = slices.Delete(d.cancel, 0, 1)
		}
	}
	return d.now
}

// close ends all of them.
func (d *deadlines) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, cancel := range d.cancel {
		cancel()
	}
	d.now, d.cancel = nil, nil
}
