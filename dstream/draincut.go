package dstream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weirstream/weir/conf"
)

// ErrDrainCut is wrapped by the error of a graceful stop whose deadline passed before all was processed. The error says
// what was left.
var ErrDrainCut = errors.New("the deadline cut the drain")

// drainCut is the error of a program whose drain was cut.
func drainCut(left string) error {
	return fmt.Errorf("%w: %s; more time gives %s, the deadline of Stop's context or weir stop --timeout", ErrDrainCut,
		left, conf.GracefulStopTimeout.Name())
}

// ErrLeftOpen is wrapped by the error of [Context.LeftOpen].
var ErrLeftOpen = errors.New("the program was stopped at once")

// LeftOpen says what an immediate stop has left that was planned and not committed, or received and not planned: by an
// error that wraps [ErrLeftOpen]. Stop and AwaitTermination give none for that, which is what they were asked for. It
// is nil if nothing was left, if the program failed or a drain was cut, and until the context has stopped.
func (ssc *Context) LeftOpen() error {
	ssc.mu.Lock()
	defer ssc.mu.Unlock()
	return ssc.leftOpen
}

// leaveOpen keeps and logs what an immediate stop leaves.
func (ssc *Context) leaveOpen(what string) {
	ssc.mu.Lock()
	ssc.leftOpen = fmt.Errorf("%w: %s", ErrLeftOpen, what)
	ssc.mu.Unlock()
	ssc.logger.Info(ErrLeftOpen.Error(), "left", what)
}

// left says what a stop has left undone, "" for nothing. Nothing of the loop runs any more.
func (l *loop) left() string {
	var texts []string
	if text, runs := openBatches(int(l.next-l.committed), l.committed, l.next-1); text != "" {
		if l.ssc.durable.opened {
			text += againBy(runs)
		}
		texts = append(texts, text)
	}
	var held, logged int64
	for _, in := range l.ssc.inputs {
		if in.logs() {
			logged += in.pending()
		} else {
			held += in.pending()
		}
	}
	if held > 0 {
		texts = append(texts, fmt.Sprintf("records lost, which inputs hold and no batch has taken: %d", held))
	}
	if logged > 0 {
		texts = append(texts, fmt.Sprintf("records of write ahead logs that are left for the next start: %d", logged))
	}
	return strings.Join(texts, "; ")
}
