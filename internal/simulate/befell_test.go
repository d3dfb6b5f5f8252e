package simulate

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
)

// befell counts what befell the lives of durable graphs, for a test that breaks nothing shows nothing.
var befell tally

// A tally counts events by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (a *tally) add(what string, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts = map[string]int{}
	}
	a.counts[what] += n
}

// What befalls lives, but for endings and faults of the disk, which have names.
const (
	begun       = "lives"
	setBack     = "clock set back"
	refused     = "refused as unfit"
	skipped     = "batches given up"
	shared      = "batches that shared a transaction"
	settled     = "effects of batches given up that are known"
	retold      = "effects told again"
	otherwise   = "given up otherwise when told again"
	onceMore    = "told again: "
	atEvent     = " at an event"
	disturbance = "events: "
)

// least is how much of each a thousand graphs must meet, about half of what they do.
var least = []struct {
	what string
	n    int
}{
	{begun, 2400},
	{killed.String() + atEvent, 250},
	{powerless.String() + atEvent, 250},
	{zombie.String() + atEvent, 250},
	{disturbance + faultName(vfs.None), 300},
	{disturbance + faultName(vfs.Fail), 300},
	{disturbance + faultName(vfs.Lose), 300},
	{disturbance + faultName(vfs.Tear), 250},
	{disturbance + faultName(vfs.Full), 2000},
	{setBack, 340},
	{refused, 60},
	{skipped, 60},
	{shared, 100},
	{settled, 30},
	{onceMore + begun, 4000},
	{onceMore + killed.String() + atEvent, 1000},
	{onceMore + powerless.String() + atEvent, 1000},
	{onceMore + disturbance + faultName(vfs.Fail), 150},
	{onceMore + disturbance + faultName(vfs.Full), 500},
	{retold, 7000},
	{otherwise, 0}, // They are not compared.
}

// covers tells what the lives met too seldom.
func (a *tally) covers(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, l := range least {
		if a.counts[l.what] < l.n {
			t.Errorf("%s: %d, want %d at least: make more of it in lives_test.go", l.what, a.counts[l.what], l.n)
		}
	}
}

// String tells the counts.
func (a *tally) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var texts []string
	for _, l := range least {
		texts = append(texts, fmt.Sprint(l.what, " ", a.counts[l.what]))
	}
	return strings.Join(texts, ", ")
}
