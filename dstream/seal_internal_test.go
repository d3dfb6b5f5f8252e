package dstream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestSealing: the writing of states may take as long as a disk needs, and is cut soon when the program is stopped.
func TestSealing(t *testing.T) {
	for _, tt := range []struct {
		name                string
		writes, stop, after time.Duration // 0 for no stop
		cut                 bool
	}{
		{name: "a large state on a slow disk", writes: 10 * time.Minute, after: 10 * time.Minute},
		{name: "a disk that never ends", writes: time.Hour, after: sealTimeout, cut: true},
		{name: "a stop", writes: time.Hour, stop: time.Minute, after: time.Minute + commitTimeout, cut: true},
		{name: "a stop shortly before the end", writes: time.Minute, stop: 50 * time.Second, after: time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &loop{}
				var kill context.CancelFunc
				l.life, kill = context.WithCancel(t.Context())
				defer kill()
				if tt.stop > 0 {
					time.AfterFunc(tt.stop, kill)
				}
				began := time.Now()
				err := l.sealing(func(ctx context.Context) error {
					select {
					case <-time.After(tt.writes):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				if took := time.Since(began); took != tt.after || (err != nil) != tt.cut {
					t.Errorf("it took %v and gave %v, want %v", took, err, tt.after)
				}
			})
		})
	}
}
