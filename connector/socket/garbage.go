package socket

import (
	"fmt"
	"sync"
	"time"
)

// garbage reports the garbled lines of a connection: the first one at once, and then how many more there were, for a
// peer that sends binary data garbles every line.
type garbage struct {
	report func(error)

	mu      sync.Mutex
	found   bool
	more    int // lines that no report has counted
	line    int // the last one of them
	waiting *time.Timer
}

// garbageInterval is the time between counts: short enough for who looks on, long enough for a log.
const garbageInterval = 5 * time.Second

func (g *garbage) add(e *GarbledError) {
	if g.count(e.Line) {
		g.report(e)
	}
}

// count tells whether the line is the first one; others are reported when the time has come.
func (g *garbage) count(line int) (first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	first, g.found = !g.found, true
	if !first {
		g.more++
		g.line = line
	}
	if g.waiting == nil {
		g.waiting = time.AfterFunc(garbageInterval, g.tell)
	}
	return first
}

// tell reports what was counted since the last time. The next line has it called again.
func (g *garbage) tell() {
	g.mu.Lock()
	more, line := g.more, g.line
	g.more, g.waiting = 0, nil
	g.mu.Unlock()
	if more > 0 {
		g.report(fmt.Errorf("%d more lines up to line %d are not UTF-8; what is not was replaced by U+FFFD: "+
			"is the sender's encoding another one, or is it sending binary data?", more, line))
	}
}

// end reports what is left.
func (g *garbage) end() {
	g.mu.Lock()
	if g.waiting != nil {
		g.waiting.Stop()
	}
	g.mu.Unlock()
	g.tell()
}
