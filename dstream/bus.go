package dstream

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/weirstream/weir/internal/exec"
)

// insideListener is what the goroutine of the bus is inside of.
const insideListener = "a listener"

// A bus carries events to listeners on a goroutine of its own, in order. It never makes the engine wait: when
// listeners fall behind by a whole queue, events are dropped and counted.
type bus struct {
	mu        sync.Mutex
	listeners []*listener
	count     atomic.Int32
	queue     chan Event
	dropped   atomic.Int64
	quit      chan struct{}
	ended     chan struct{}
}

type listener struct{ f func(Event) }

const busQueue = 16384

func newBus() *bus {
	return &bus{queue: make(chan Event, busQueue), quit: make(chan struct{}), ended: make(chan struct{})}
}

func (b *bus) add(f func(Event)) (remove func()) {
	l := &listener{f}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners = append(b.listeners, l)
	b.count.Add(1)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for i, x := range b.listeners {
			if x == l {
				b.listeners = append(b.listeners[:i:i], b.listeners[i+1:]...)
				b.count.Add(-1)
			}
		}
	}
}

// emit hands an event on; after close nobody hears it.
func (b *bus) emit(e Event) {
	if b.count.Load() == 0 {
		return
	}
	select {
	case b.queue <- e:
	default:
		b.dropped.Add(1)
	}
}

// run delivers events until close. behind is told once, as soon as a listener has returned, that events were dropped.
func (b *bus) run(inside *exec.Goroutines, warn func(v any), behind func(dropped int64)) {
	defer close(b.ended)
	defer inside.Enter(insideListener)()
	for told := false; ; {
		if n := b.dropped.Load(); n > 0 && !told {
			told = true
			behind(n)
		}
		select {
		case e := <-b.queue:
			b.deliver(e, warn)
			continue
		default:
		}
		select {
		case e := <-b.queue:
			b.deliver(e, warn)
		case <-b.quit:
			if len(b.queue) == 0 {
				return
			}
		}
	}
}

func (b *bus) deliver(e Event, warn func(v any)) {
	b.mu.Lock()
	ls := b.listeners
	b.mu.Unlock()
	for _, l := range ls {
		l.deliver(e, warn)
	}
}

// deliver keeps a panicking listener from ending the process.
func (l *listener) deliver(e Event, warn func(v any)) {
	defer func() {
		if v := recover(); v != nil {
			warn(v)
		}
	}()
	l.f(e)
}

// close delivers what is queued and ends the goroutine, or gives up when ctx ends, which false tells.
func (b *bus) close(ctx context.Context) bool {
	close(b.quit)
	select {
	case <-b.ended:
		return true
	case <-ctx.Done():
		return false
	}
}
