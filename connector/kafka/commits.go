package kafka

import "sync"

// commits are the requests to commit that the program made in batches which are not committed yet.
type commits struct {
	mu    sync.Mutex
	asked map[int64]commitRequest
}

func (c *commits) ask(sequence int64, r commitRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil {
		c.asked = map[int64]commitRequest{}
	}
	before := c.asked[sequence]
	before.callbacks = append(before.callbacks, r.callbacks...)
	c.asked[sequence] = before
}

// take gives what was asked for in a batch.
func (c *commits) take(sequence int64) (commitRequest, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.asked[sequence]
	delete(c.asked, sequence)
	return r, ok
}
