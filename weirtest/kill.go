package weirtest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// Kills has Run, Op and Op2 run a program in the face of death, too: on a checkpoint in memory, once for each step that
// its process takes there. The process dies before the step, as by kill -9, and another one, for which build is called
// again, goes on with what the checkpoint holds. Streams must give what is wanted all the same, and in a batch that
// both processes run both must give the same. So it shows functions that remember something beside a state, such as a
// counter in a variable, or that ask for the time or for random numbers.
//
// The row runs in its usual modes before that. Between two processes some time passes, for the second one must be sure
// that the first is dead: batches may be later than at i+1 intervals, and what depends on time itself, such as the
// time-out of a state, may come at another batch. Kills is not for a bubble of the caller's, where what is beside the
// program is there only once, and does not go together with Fails.
func Kills() Option { return func(c *config) { c.kills = true } }

// killsMax bounds the steps before which a process dies: a row of a few batches takes some dozens.
const killsMax = 2000

// failedKillsMax is after how many failures no more processes are killed.
const failedKillsMax = 3

var (
	errKillsHere = errors.New("Kills is for Op and Run: not with Fails, and not in a bubble of the caller's, where " +
		"what is beside the program is there only once")
	errKilled   = errors.New("the process is dead")
	errOutlived = errors.New("the program ended before the step at which it was to die")
)

// inKills runs a row for each step, until it ends before that step, and adds to the report what is wrong.
func inKills(t *testing.T, c *config, r *report, run func(t testing.TB, m mode) error) {
	m, failed := c.modes(true)[0], 0
	m.own = true
	for m.kill = 1; m.kill <= killsMax && failed < failedKillsMax; m.kill++ {
		var err error
		synctest.Test(t, func(t *testing.T) { err = run(t, m) })
		if errors.Is(err, errOutlived) {
			return
		}
		r.add(m, err)
		if err != nil {
			failed++
		}
	}
}

// runKilled runs a program until its process dies, and then another process of it on the same disk.
func runKilled(t testing.TB, c *config, m mode, answers []answer, build func(*dstream.Context) error) error {
	disk := vfs.NewDisk("weirtest")
	onDisk := func(ssc *dstream.Context) error {
		ssc.Checkpoint("weirtest:/checkpoint")
		return build(ssc)
	}
	gone := make(chan struct{})
	die := sync.OnceFunc(func() { close(gone) })
	mount := disk.Mount(func(s vfs.Step) vfs.Fault {
		if s.Number < m.kill {
			return vfs.None
		}
		die()
		return vfs.Die
	})
	p, err := prepare(t, c, m, answers, onDisk, rdd.WithFileSystem(mount),
		rdd.WithLogger(slog.New(slog.DiscardHandler))) // Nobody wants to know what a dead process complains of.
	if err != nil {
		return c.judge(err, answers, c.batches)
	}
	p.gone = gone
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = p.whole()
	}()
	select {
	case <-ended:
	case <-gone:
		mount.Kill()
		_ = p.ssc.Stop(context.Background()) // Whatever it has to say, it is dead.
		<-ended
	}
	if mount.Steps() < m.kill {
		return cmp.Or(err, errOutlived)
	}
	next, err := prepare(t, c, m, answers, onDisk, rdd.WithFileSystem(disk.Mount(nil)))
	if err == nil {
		err = next.whole()
	}
	return c.judge(err, answers, c.batches)
}

// whole runs the program from its start to its end.
func (p *Program) whole() error {
	err := p.ssc.Start(p.t.Context())
	if err == nil {
		err = p.advance(max(p.c.batches, 1))
	}
	return p.finish(err)
}
