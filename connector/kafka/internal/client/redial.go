package client

import (
	"context"
	"net"
	"sync"
	"time"
)

// A redial keeps attempts to reach an address that cannot be reached apart, as reconnect.backoff.ms has Java's clients
// do. franz-go pauses before it repeats most requests, but not before it asks a transaction's coordinator again that
// refuses connections: its loop would keep a core busy until delivery.timeout.ms.
type redial struct {
	dial  dialFunc
	pause time.Duration // less than the pauses of those who make some themselves, so that these wait no longer for it

	mu     sync.Mutex           // never held over I/O
	failed map[string]time.Time // when the error of the last attempt at an address came, or will come
}

// connect makes a connection. An error comes no sooner than the pause after the one before.
func (r *redial) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := r.dial(ctx, network, addr)
	if wait := r.note(addr, err); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return conn, err
}

// note remembers how an attempt ended and says how long its error is to wait.
func (r *redial) note(addr string, err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.failed, addr)
		return 0
	}
	if r.failed == nil {
		r.failed = map[string]time.Time{}
	}
	now := time.Now()
	next := r.failed[addr].Add(r.pause)
	switch {
	case !next.After(now):
		next = now
	case next.After(now.Add(r.pause)): // Attempts that fail at the same time wait side by side.
		next = r.failed[addr]
	}
	r.failed[addr] = next
	return next.Sub(now)
}
