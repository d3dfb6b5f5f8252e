package client

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// What cannot be reached is tried after a pause, however soon the caller comes back; what can be is not kept
// waiting, and an attempt that is given up ends at once.
func TestRedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, down := time.Now(), true
		refused := errors.New("connection refused")
		r := &redial{pause: 100 * time.Millisecond,
			dial: func(_ context.Context, _, addr string) (net.Conn, error) {
				if down && addr == "a:1" {
					return nil, refused
				}
				one, _ := net.Pipe()
				return one, nil
			}}
		for _, row := range []struct {
			name  string
			addr  string
			pause time.Duration // of the caller's, before it
			up    bool
			at    time.Duration // when it is answered
		}{
			{name: "the first", addr: "a:1"},
			{name: "at once", addr: "a:1", at: 100 * time.Millisecond},
			{name: "at once again", addr: "a:1", at: 200 * time.Millisecond},
			{name: "another address", addr: "b:1", at: 200 * time.Millisecond},
			{name: "by a caller that has paused", addr: "a:1", pause: time.Second, at: 1200 * time.Millisecond},
			{name: "by one that has paused a little", addr: "a:1", pause: 70 * time.Millisecond, at: 1300 * time.Millisecond},
			{name: "when it is back", addr: "a:1", up: true, at: 1300 * time.Millisecond},
			{name: "the first of the next time", addr: "a:1", at: 1300 * time.Millisecond},
		} {
			<-time.After(row.pause)
			down = !row.up
			conn, err := r.connect(t.Context(), "tcp", row.addr)
			if got := time.Since(begin); got != row.at {
				t.Errorf("%s: answered after %v, want %v", row.name, got, row.at)
			}
			if wants := row.addr == "a:1" && down; wants != errors.Is(err, refused) || wants == (conn != nil) {
				t.Errorf("%s: %v, %v", row.name, conn, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		at := time.Now()
		if _, err := r.connect(ctx, "tcp", "a:1"); !errors.Is(err, refused) || time.Since(at) > 0 {
			t.Errorf("one that is given up: %v after %v", err, time.Since(at))
		}
	})
}
