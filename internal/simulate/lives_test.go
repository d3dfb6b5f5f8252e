package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A Life is one process of a durable program: how it begins, what it meets, and how it ends.
type Life struct {
	Settings
	// Parallelism is spark.default.parallelism, with which the batches that this life plans are split; 0 if it is not
	// set, and the cores decide.
	Parallelism int
	// Pause is the time since the life before ended, by the clock of the machine: negative if that was set back.
	Pause time.Duration
	// Intervals is how long the life lasts if nothing ends it.
	Intervals int
	End       ending
	// At is the event at which it ends unless its time is over before. An event is a step of the disk or a write to
	// the world.
	At int
	// Asleep is how long a zombie sleeps.
	Asleep   time.Duration
	Troubles []Trouble
}

// An ending is how a life ends.
type ending int

const (
	stopped   ending = iota // a graceful stop
	killed                  // kill -9
	powerless               // a power failure, which takes from the disk what was not synced
	zombie                  // the process is taken for dead, sleeps, and wakes up in the next life
	endings
)

// String gives the ending's name.
func (e ending) String() string { return [...]string{"stop", "kill", "power failure", "zombie"}[e] }

// Trouble is what becomes of some events of a life.
type Trouble struct {
	From, Events int
	Fault        vfs.Fault
	Slow         time.Duration
}

// NewDurable makes the graph of a seed with the lives through which it goes.
func NewDurable(seed uint64) *Graph {
	r := rand.New(rand.NewPCG(seed, 3))
	g := &Graph{Seed: seed, Batches: 5 + r.IntN(batchesMax), Parallelism: 1 + r.IntN(5), ops: operators()}
	g.Interval = pick(r, []time.Duration{time.Second, 3 * time.Second, 10 * time.Second})
	if r.IntN(8) == 0 {
		g.Remember = 1 + r.IntN(4)
	}
	for range 1 + r.IntN(3) {
		g.Steps = append(g.Steps, newInput(r, g, pick(r, []int{3, 10})))
	}
	g.growAll(r, lightWeight)
	for range 1 + r.IntN(3) {
		g.Outputs = append(g.Outputs, newOutput(r, g))
	}
	g.prune()
	more := rand.New(rand.NewPCG(seed, 4)) // Its own, so that seeds keep their programs.
	g.Again = more.IntN(4) == 0
	for i, o := range g.Outputs {
		if o.How == sunk && more.IntN(3) > 0 {
			g.Outputs[i].How = transacted
		}
	}
	slow := rand.New(rand.NewPCG(seed, 5))
	for i, o := range g.Outputs {
		if o.How == transacted && slow.IntN(2) == 0 {
			g.Outputs[i].Takes = 1 + slow.IntN(6)
		}
	}
	g.doom(rand.New(rand.NewPCG(seed, 6)))
	if !g.timed() && r.IntN(3) == 0 {
		g.Interval = 20 * time.Millisecond // Commits and plans share slots.
	}
	for i := range 2 + r.IntN(4) {
		g.Lives = append(g.Lives, newLife(r, g, i))
	}
	g.Lives = append(g.Lives, lastLife(newLife(r, g, 1)))
	for i := range g.Lives {
		if more.IntN(5) == 0 {
			g.Lives[i].Parallelism = 0
		}
	}
	return g
}

// doom has a body of some graphs fail in a batch for ever, so that it is given up.
func (g *Graph) doom(r *rand.Rand) {
	if r.IntN(4) > 0 {
		return
	}
	for i, o := range g.Outputs {
		if o.How == collected || o.How == twice {
			g.Skips, g.Outputs[i].At, g.Outputs[i].Fails = true, r.IntN(g.Batches), math.MaxInt
			return
		}
	}
}

// lastLife has no trouble, so that all that was planned is committed in the end.
func lastLife(l Life) Life {
	l.End, l.At, l.Troubles = stopped, 0, nil
	l.Intervals = 2
	return l
}

func newLife(r *rand.Rand, g *Graph, number int) Life {
	l := Life{Settings: newSettings(r), Parallelism: g.Parallelism, Intervals: 1 + r.IntN(5),
		End: ending(r.IntN(int(endings)))}
	if r.IntN(3) == 0 {
		l.Parallelism = 1 + r.IntN(5)
	}
	if number > 0 {
		l.Pause = newPause(r, g)
	}
	// Most lives have some dozens of events; half of them end early, where all begins.
	if l.End != stopped && r.IntN(4) > 0 {
		l.At = 1 + r.IntN(pick(r, []int{40, 150}))
	}
	if l.End == zombie {
		l.Asleep = pick(r, []time.Duration{7 * time.Second, 9 * time.Second, time.Minute})
		if g.timed() && g.Interval < 10*time.Second {
			l.Asleep = min(l.Asleep, 9*time.Second) // Each time that is missed has a batch.
		}
	}
	for range r.IntN(4) - 1 {
		t := Trouble{From: 1 + r.IntN(100), Events: 1 + r.IntN(3), Fault: pick(r, faultsOfDisk)}
		switch {
		case t.Fault == vfs.Full:
			t.Events = 1 + r.IntN(40)
		case t.Fault == vfs.None:
			t.Slow = time.Duration(1+r.IntN(4000)) * time.Millisecond
		}
		l.Troubles = append(l.Troubles, t)
	}
	return l
}

var faultsOfDisk = []vfs.Fault{vfs.None, vfs.Fail, vfs.Lose, vfs.Tear, vfs.Full}

// newPause lets time pass, or sets the clock back.
func newPause(r *rand.Rand, g *Graph) time.Duration {
	n := time.Duration(r.IntN(4)) * g.Interval / 2
	switch {
	case r.IntN(4) == 0:
		return -n - time.Duration(r.IntN(3000))*time.Millisecond
	case r.IntN(6) == 0 && !g.timed():
		return time.Hour
	}
	return n
}

// fewerLives takes away lives, and what they meet.
func (g *Graph) fewerLives(yield func(*Graph) bool) bool {
	for i := range max(len(g.Lives)-1, 0) {
		if !g.with(yield, func(c *Graph) { c.Lives = slices.Delete(slices.Clone(c.Lives), i, i+1) }) {
			return false
		}
	}
	for i, l := range g.Lives {
		changed := func(change func(l *Life)) bool {
			return g.with(yield, func(c *Graph) {
				c.Lives = slices.Clone(c.Lives)
				change(&c.Lives[i])
			})
		}
		for j := range l.Troubles {
			if !changed(func(l *Life) { l.Troubles = slices.Delete(slices.Clone(l.Troubles), j, j+1) }) {
				return false
			}
		}
		simple := Settings{Cores: 1, ConcurrentJobs: 1}
		if l.Settings != simple && !changed(func(l *Life) { l.Settings = simple }) ||
			l.Parallelism != g.Parallelism && !changed(func(l *Life) { l.Parallelism = g.Parallelism }) ||
			l.Pause != 0 && !changed(func(l *Life) { l.Pause = 0 }) ||
			l.Intervals > 1 && i < len(g.Lives)-1 && !changed(func(l *Life) { l.Intervals-- }) {
			return false
		}
	}
	return true
}

// String shows the life as it would be told.
func (l Life) String() string {
	text := fmt.Sprintf("%+v, parallelism %d, after %v, for %d intervals, then %v", l.Settings, l.Parallelism, l.Pause,
		l.Intervals, l.End)
	if l.At > 0 {
		text += fmt.Sprintf(" at event %d", l.At)
	}
	if l.End == zombie {
		text += fmt.Sprintf(" that sleeps for %v", l.Asleep)
	}
	for _, t := range l.Troubles {
		text += fmt.Sprintf("; events %d to %d: %s %v", t.From, t.From+t.Events-1, faultName(t.Fault), t.Slow)
	}
	return text
}

// faultName says what becomes of a troubled event.
func faultName(f vfs.Fault) string {
	return [...]string{"slow", "fail", "lose", "tear", "full", "die"}[f]
}

// A living is a life that is being lived.
type living struct {
	Life
	number int
	told   bool          // once more: receivers bring nothing
	gone   chan struct{} // closed when it ends before its time

	mu     sync.Mutex
	events int
	ended  bool
	dead   bool      // also a zombie dies in the end
	wakes  time.Time // of a zombie
	random *rand.Rand
}

// event says what becomes of a step of the disk, or of a write to the world, and waits where that takes time.
func (l *living) event() vfs.Fault {
	l.mu.Lock()
	l.events++
	n := l.events
	l.mu.Unlock()
	if n == l.At && l.end() {
		l.meets(l.End.String() + atEvent)
	}
	pause(time.Until(l.awakening()))
	if l.isDead() {
		return vfs.Die
	}
	for _, t := range l.Troubles {
		if n >= t.From && n < t.From+t.Events {
			l.meets(disturbance + faultName(t.Fault))
			pause(t.Slow)
			return t.Fault
		}
	}
	return vfs.None
}

// meets counts what befalls the life.
func (l *living) meets(what string) {
	if l.told {
		what = onceMore + what
	}
	befell.add(what, 1)
}

func (l *living) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead || l.ended && l.End != zombie
}

// pause is for who runs in a bubble. There a channel's timer that is due is run by who receives from it, beside those
// that the bubble runs, and the race detector then crashes now and then: https://github.com/golang/go/issues/78156
func pause(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// end has the process die, or fall asleep, and tells whether it had not yet.
func (l *living) end() (now bool) {
	l.mu.Lock()
	again := l.ended
	l.ended = true
	if l.End == zombie && !again {
		l.wakes = time.Now().Add(l.Asleep)
	}
	l.mu.Unlock()
	if !again {
		close(l.gone)
	}
	return !again
}

// over tells whether the life has ended before its time.
func (l *living) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}

// awakening is when a zombie wakes up.
func (l *living) awakening() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wakes
}

// draw gives a number below n, another one in each life.
func (l *living) draw(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.IntN(n)
}
