package simulate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestFaults runs the durable graphs of successive seeds through their lives. The seed fixes the program, its input and
// what befalls it; which goroutine comes first at one moment is the scheduler's, so that some seeds want -count.
func TestFaults(t *testing.T) {
	runSeeds(t, "durable graphs", 1_000, func(t *testing.T, seed uint64, dir string) error {
		g := NewDurable(seed)
		err := g.survive(t, dir)
		if err != nil && !*firstOnly {
			whole := g
			g, err = shrink(g, err, func(g *Graph) error { return g.survive(t, dir) })
			err = fmt.Errorf("%w\n%v\nshrunk from\n%v", err, g, whole)
		}
		return err
	})
	t.Logf("what befell them: %v", &befell)
	if *seed == 0 && *count == 0 && !testing.Short() && !t.Failed() {
		befell.covers(t)
	}
}

// A saga is the lives of a durable program, the disk and the world that outlive them, and the time.
type saga struct {
	g     *Graph
	job   int
	dir   string
	disk  *vfs.Disk
	world *world

	mu      sync.Mutex
	ledger  ledger
	archive archive

	clock        time.Duration // since the time at which a bubble begins: when the next life does
	parallelisms []int         // of the lives so far
	clean        bool          // it stopped gracefully
	zombies      []*program
	finishes     bool // its programs plan nothing
	haunted      bool // there has been a zombie: it may have begun to own what a clean stop had let go, and died of it
}

// A program is a life, its mount and its context.
type program struct {
	*living
	mount    *vfs.Mount
	ssc      *dstream.Context
	finishes bool
	// started has the answer of Start.
	started chan error
}

// survive runs the graph through its lives and says what is wrong. Some graphs begin anew then, with another checkpoint
// in the same world: it is another job, whatever its name.
func (g *Graph) survive(t *testing.T, dir string) error {
	w := newWorld()
	if err := g.tell(t, dir, w, 0, g.Lives); err != nil || !g.Again {
		return err
	}
	if err := g.tell(t, dir, w, 1, g.Lives[len(g.Lives)-1:]); err != nil {
		return fmt.Errorf("the second job: %w", err)
	}
	return nil
}

// tell runs a job of the graph through some lives.
func (g *Graph) tell(t *testing.T, dir string, w *world, job int, lives []Life) error {
	c := *g
	g, c.Lives = &c, lives
	s := &saga{g: g, job: job, dir: dir, disk: vfs.NewDisk("disk"), ledger: ledger{}, archive: archive{},
		parallelisms: []int{g.Parallelism}, clean: true, world: w}
	for i := 0; i < len(g.Lives); {
		var err error
		// Each bubble begins at the same time: so a clock can be set back from one life to the next. A zombie and who
		// comes after it have one clock.
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			for more := true; more && err == nil && i < len(g.Lives); i++ {
				before := s.clock
				if len(s.zombies) == 0 {
					s.clock = max(s.clock+g.Lives[i].Pause, 0)
				}
				time.Sleep(time.Until(begin.Add(s.clock)))
				if time.Since(begin) < before {
					befell.add(setBack, 1)
				}
				if err = s.live(t.Context(), i, begin); err != nil {
					err = fmt.Errorf("life %d: %w", i, err)
				}
				// A zombie may find nobody there when it wakes up, and own the log: the last life comes after that.
				more = g.Lives[i].End == zombie && i+2 < len(g.Lives)
			}
			s.bury(t.Context(), false)
			time.Sleep(time.Minute) // The engine gives up calls that go on for a while.
		})
		if err == nil {
			err = s.ledger.read(s.disk)
		}
		if err == nil {
			err = leftover(dir)
		}
		if err != nil {
			return err
		}
	}
	for name, data := range s.disk.Files() {
		s.archive.add(name, data)
	}
	chronicled, err := s.ledger.chronicle()
	if err != nil {
		return err
	}
	befell.add(skipped, len(chronicled.skipped))
	if err := g.compareWorld(s.world, job, chronicled); err != nil {
		return err
	}
	if err := g.retell(t, dir, s, chronicled); err != nil {
		return fmt.Errorf("the plans of %d batches, told again: %w", len(chronicled.plans), err)
	}
	return nil
}

// live runs a life to its end.
func (s *saga) live(ctx context.Context, number int, begin time.Time) error {
	p, err := s.start(ctx, number)
	if p == nil {
		return err
	}
	p.meets(begun)
	if err == nil {
		err = p.run(ctx, s.g.Interval)
	}
	s.clock = time.Since(begin)
	s.clean = err == nil && p.End == stopped
	if err != nil && len(p.Troubles) == 0 && !p.over() {
		p.die(ctx)
		return err
	}
	switch {
	case err == nil && p.End == stopped:
	case err == nil && p.End == zombie:
		p.end()
		s.zombies, s.haunted = append(s.zombies, p), true
	default:
		p.die(ctx)
	}
	if p.End == powerless {
		s.bury(ctx, true)
		s.disk = s.disk.Crash(s.g.Seed + uint64(number))
	}
	return nil
}

// start begins a life. A program that would split a planned batch differently is refused: the old one goes on.
func (s *saga) start(ctx context.Context, number int) (*program, error) {
	parallelism, earlier := s.g.Lives[number].Parallelism, slices.Clone(s.parallelisms)
	s.parallelisms = append(s.parallelisms, parallelism)
	for {
		p, err := s.program(number, parallelism)
		if err != nil {
			return nil, err
		}
		go func() { p.started <- p.begin(ctx) }()
		select {
		case err = <-p.started:
			p.started <- err
		case <-p.gone:
			return p, nil
		}
		var held *dstream.HeldError
		switch last := len(earlier) - 1; {
		case err == nil:
			return p, nil
		case errors.Is(err, dstream.ErrUnfit) && (!s.clean || s.haunted) && !s.finishes && last >= 0:
			befell.add(refused, 1)
			parallelism, earlier = earlier[last], earlier[:last]
		case errors.As(err, &held) && len(s.zombies) > 0: // It has woken up before it was taken for dead.
			s.bury(ctx, false)
		default:
			return p, err
		}
	}
}

// program makes the program of a life.
func (s *saga) program(number, parallelism int) (*program, error) {
	l := s.g.Lives[number]
	p := &program{finishes: s.finishes, started: make(chan error, 1), living: &living{Life: l, number: number,
		told: s.finishes, gone: make(chan struct{}), random: rand.New(rand.NewPCG(s.g.Seed, uint64(number)+10))}}
	disk := s.disk
	p.mount = disk.Mount(func(step vfs.Step) vfs.Fault {
		switch name := slotThatGoes(step); {
		case name != "":
			s.keepSlot(disk, name)
		case step.Op == "remove" && isSegment(step.Name) && !s.finishes:
			s.keepSegment(disk, step.Name)
		}
		return p.event()
	})
	c := l.Settings.conf(s.g, s.dir, parallelism).Set("spark.streaming.receiver.writeAheadLog.enable", "true")
	if s.g.Skips {
		c.Set("weir.streaming.failedBatch", "skipWithState").Set("weir.streaming.failedBatch.maxRetries", "1").
			Set("weir.streaming.failedBatch.backoff", "100ms")
	}
	ssc, err := dstream.NewContext(c, s.g.Interval, rdd.WithFileSystem(p.mount))
	if err != nil {
		return nil, err
	}
	p.ssc = ssc
	ssc.Checkpoint("disk:/ck")
	x := &execution{g: s.g, ssc: ssc, interval: s.g.Interval, outputs: make([]observed, len(s.g.Outputs)),
		life: p.living, world: s.world, job: s.job}
	x.build()
	return p, nil
}

// slotThatGoes gives the slot that a step takes away: one that is removed, replaced by a grave, or hidden to be used
// again, under a name that is made of its own.
func slotThatGoes(step vfs.Step) string {
	switch hidden := vfs.Base(step.Name); {
	case step.Op != "remove" && step.Op != "rename":
		return ""
	case isSlot(step.Name):
		return step.Name
	case step.Op == "rename" && strings.HasPrefix(hidden, "."):
		if name, _, ok := strings.Cut(hidden[1:], ".slot."); ok {
			return vfs.Join(vfs.Dir(step.Name), name+".slot")
		}
	}
	return ""
}

// keepSlot keeps what a slot holds that is about to go, or to become a grave.
func (s *saga) keepSlot(disk *vfs.Disk, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if data, ok := disk.Files()[name]; ok {
		_, _ = s.ledger.add(name, data) // Whoever reads the slot next tells the error.
	}
}

// begin starts the program.
func (p *program) begin(ctx context.Context) error {
	if p.finishes {
		return p.ssc.Finish(ctx)
	}
	return p.ssc.Start(ctx)
}

// keepSegment keeps what a segment of a receiver's log holds that is about to go.
func (s *saga) keepSegment(disk *vfs.Disk, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.archive.add(name, disk.Files()[name])
}

// run lets the program live until its time is over, and stops it if that is how it ends. One that finishes what is
// planned ends by itself.
func (p *program) run(ctx context.Context, interval time.Duration) error {
	over := time.After(time.Duration(p.Intervals)*interval + interval/2)
	if p.finishes {
		over = nil
	}
	select {
	case <-over:
	case <-p.gone:
		return nil
	case <-ended(ctx, p.ssc):
		if p.finishes {
			return p.ssc.AwaitTermination(ctx)
		}
		if p.over() && p.End == zombie {
			return nil
		}
		return errors.Join(errors.New("the program ended before its time"), p.ssc.AwaitTermination(ctx))
	}
	if p.End != stopped {
		return nil
	}
	return errors.Join(p.ssc.Stop(ctx, dstream.Graceful()), p.ssc.AwaitTermination(ctx))
}

// die ends the program as kill -9 does.
func (p *program) die(ctx context.Context) {
	p.end()
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	p.mount.Kill()
	pause(time.Until(p.awakening()))
	_ = p.ssc.Stop(ctx) // Whatever it has to say, it is dead.
	<-p.started
}

// bury waits until the zombies have woken up, lets them try to go on unless they have no power, and kills them.
func (s *saga) bury(ctx context.Context, powerless bool) {
	for _, p := range s.zombies {
		if !powerless {
			pause(time.Until(p.awakening()) + s.g.Interval)
		}
		p.die(ctx)
	}
	s.zombies = nil
}
