package weir

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/weirstream/weir/dstream"
)

// A progress shows how far a long stage is, on one line of a terminal that is written over and in the end
// cleared: "[Stage 0:=====>      (3 + 2) / 10]", tasks done, running, all. Stages that are over within half a
// second are not shown.
type progress struct {
	w     io.Writer
	width int

	mu      sync.Mutex
	tick    *time.Timer // draws again while a stage runs, for its tasks may all be long
	info    dstream.TaskInfo
	started time.Time
	tasks   int
	running int
	done    int
	shown   bool
}

const progressAfter = 500 * time.Millisecond

func newProgress(w io.Writer) *progress { return &progress{w: w, width: 80} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// event is a listener.
func (p *progress) event(e dstream.Event) {
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
		p.wipe()
		return
	}
	p.draw()
}

// draw shows the line if the stage has run long enough; mu is held.
func (p *progress) draw() {
	if p.tasks > 0 && p.done < p.tasks && time.Since(p.started) >= progressAfter {
		p.shown = true
		fmt.Fprint(p.w, "\r"+p.line())
	}
}

// again draws twice a second as long as the stage runs.
func (p *progress) again() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tasks == 0 {
		return
	}
	p.draw()
	p.tick.Reset(progressAfter)
}

func (p *progress) stopTick() {
	if p.tick != nil {
		p.tick.Stop()
	}
}

func (p *progress) line() string {
	head := fmt.Sprintf("[Stage %d:", p.info.Stage)
	tail := fmt.Sprintf("(%d + %d) / %d]", p.done, p.running, p.tasks)
	room := max(p.width-len(head)-len(tail)-1, 1)
	full := room * p.done / p.tasks
	return head + strings.Repeat("=", full) + ">" + strings.Repeat(" ", room-full) + tail
}

func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

func (p *progress) wipe() {
	if p.shown {
		fmt.Fprint(p.w, "\r"+strings.Repeat(" ", p.width)+"\r")
		p.shown = false
	}
	p.tasks = 0
	p.stopTick()
}
