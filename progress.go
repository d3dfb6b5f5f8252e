package weir

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// A progress shows how far a long stage is, on one line of a terminal that is written over and in the end
// cleared: "[Stage 0:=====>      (3 + 2) / 10]", tasks done, running, all. Stages that are over within half a
// second are not shown.
type progress struct {
	console *console

	mu      sync.Mutex
	tick    *time.Timer // draws again while a stage runs, for its tasks may all be long
	info    dstream.TaskInfo
	started time.Time
	tasks   int
	running int
	done    int
}

const progressAfter = 500 * time.Millisecond

func newProgress(w io.Writer) *progress { return &progress{console: newConsole(w)} }

// event is a listener.
func (p *progress) event(e dstream.Event) {
	p.take(e)
	p.console.show(p.line)
}

// take keeps what an event says.
func (p *progress) take(e dstream.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case dstream.StageStarted:
		p.info, p.started, p.tasks, p.running, p.done = e.TaskInfo, time.Now(), e.Tasks, 0, 0
		p.stopTick()
		p.tick = time.AfterFunc(progressAfter, p.again)
	case dstream.TaskStarted:
		p.running++
	case dstream.TaskEnded:
		p.running = max(p.running-1, 0)
		if e.Err == nil {
			p.done++
		}
	case dstream.StageEnded, dstream.BatchCompleted, dstream.StreamingStopped:
		p.over()
	}
}

// again draws twice a second as long as the stage runs.
func (p *progress) again() {
	p.mu.Lock()
	if p.tasks > 0 {
		p.tick.Reset(progressAfter)
	}
	p.mu.Unlock()
	p.console.show(p.line)
}

// over forgets the stage; mu is held.
func (p *progress) over() {
	p.tasks = 0
	p.stopTick()
}

func (p *progress) stopTick() {
	if p.tick != nil {
		p.tick.Stop()
	}
}

// line is what is shown of a stage that has run long enough, else "".
func (p *progress) line(width int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tasks == 0 || p.done >= p.tasks || time.Since(p.started) < progressAfter {
		return ""
	}
	head := fmt.Sprintf("[Stage %d:", p.info.Stage)
	tail := fmt.Sprintf("(%d + %d) / %d]", p.done, p.running, p.tasks)
	room := width - len(head) - len(tail) - 1
	if room < 1 {
		return (head + tail)[:min(width, len(head)+len(tail))]
	}
	full := room * p.done / p.tasks
	return head + strings.Repeat("=", full) + ">" + strings.Repeat(" ", room-full) + tail
}

// clear ends the showing.
func (p *progress) clear() {
	p.mu.Lock()
	p.over()
	p.mu.Unlock()
	p.console.show(p.line)
}
