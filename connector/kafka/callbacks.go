package kafka

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/weirstream/weir/internal/exec"
)

// callbacks call the functions that a program gives to Producer.Send, one after the other, on a goroutine of their own
// that lasts while there are any. On franz-go's, which acknowledges records, one that waited for another record would
// wait for itself, and one that ended its goroutine would leave all records after it unacknowledged.
type callbacks struct {
	running exec.Goroutines

	mu     sync.Mutex
	queue  []func()
	active bool
}

const insideCallback = "a function given to Producer.Send"

// inside tells whether the calling goroutine runs one of them.
func (c *callbacks) inside() bool { return c.running.Inside() != "" }

// add has f called after those before it.
func (c *callbacks) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, f)
	if !c.active {
		c.active = true
		go c.run()
	}
}

// run calls what is queued until nothing is. A function that ends the goroutine leaves the rest to another one.
func (c *callbacks) run() {
	over := false
	defer func() {
		if !over {
			go c.run()
		}
	}()
	defer c.running.Enter(insideCallback)()
	for {
		batch := c.take()
		if over = batch == nil; over {
			return
		}
		for i, f := range batch {
			c.call(f, batch[i+1:])
		}
	}
}

// take gives what is queued, nil if there is nothing, for then the goroutine ends.
func (c *callbacks) take() []func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.queue
	c.queue = nil
	c.active = batch != nil
	return batch
}

// call puts the rest back if f ends the goroutine.
func (c *callbacks) call(f func(), rest []func()) {
	returned := false
	defer func() {
		if !returned {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.queue = append(rest, c.queue...)
		}
	}()
	f()
	returned = true
}

var errExited = errors.New("it ended its goroutine by runtime.Goexit (t.FailNow in a test does)")

// guarded calls f and gives what went wrong in it. then is called with that also if f ends the goroutine.
func guarded(f func(), then func(err error)) {
	err := errExited
	defer func() {
		if v := recover(); v != nil {
			err = exec.NewPanic(v, debug.Stack())
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", insideCallback, err)
		}
		then(err)
	}()
	f()
	err = nil
}
