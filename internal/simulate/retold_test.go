package simulate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// What a log planned is told once more: its plan records, and nothing else of it, are written into the log of another
// checkpoint, and programs finish what is planned there. They go through other lives, with other cores, memory, hash
// seeds of tables and faults, and write to another world, which must hold the same rows in the same order: what a batch
// does is a function of its plan record. Receivers bring nothing then: what they brought lies in the log that they
// left.

// A chapter is plans that wait together for a program: of one split, and without an idle batch between them.
type chapter struct {
	entries []checkpoint.Entry
	split   *checkpoint.Split // nil before the first plan
}

// chaptersMax is how many chapters of a log are told again: some logs have thousands of batches.
const chaptersMax = 6

// chapters cuts what a log planned into chapters, some shorter than they need be, and tells how many batches they have.
func (c *chronicle) chapters(r *rand.Rand) (cut []chapter, batches int) {
	cut = []chapter{{}}
	for _, e := range c.script {
		last := &cut[len(cut)-1]
		if p, ok := e.(checkpoint.Plan); ok {
			if last.split != nil && (p.Idle > 0 || !reflect.DeepEqual(last.split, p.Split) || r.IntN(4) == 0) {
				if len(cut) == chaptersMax {
					break
				}
				cut = append(cut, chapter{})
				last = &cut[len(cut)-1]
			}
			last.split, batches = p.Split, int(p.Sequence)+1
		}
		last.entries = append(last.entries, e)
	}
	return cut, batches
}

// until is what the log said of its first batches.
func (c *chronicle) until(batches int) chronicle {
	first := chronicle{plans: c.plans[:batches], committed: int64(batches), skipped: maps.Clone(c.skipped)}
	maps.DeleteFunc(first.skipped, func(sequence int64, _ checkpoint.Skip) bool { return sequence >= int64(batches) })
	return first
}

// lives are those through which a chapter goes. The last one has no trouble.
func (c chapter) lives(r *rand.Rand, g *Graph) (lives []Life) {
	for range r.IntN(3) {
		l := newLife(r, g, 1)
		l.End = pick(r, []ending{killed, powerless})
		l.At = 1 + r.IntN(60)
		if g.Skips {
			l.Troubles = nil // A batch may be given up for them.
		}
		lives = append(lives, l)
	}
	lives = append(lives, lastLife(newLife(r, g, 1)))
	for i := range lives {
		// As the log has it: 0 where no setting says it, and then the plans say the width.
		lives[i].Parallelism = c.split.Partitions["default (shuffles)"]
	}
	return lives
}

// retell tells what a job of the graph planned once more, and says in what the worlds differ.
func (g *Graph) retell(t *testing.T, dir string, first *saga, c chronicle) error {
	job := first.job
	r := rand.New(rand.NewPCG(g.Seed, uint64(job)+7))
	chapters, batches := c.chapters(r)
	again := *g
	again.Lives = nil
	s := &saga{g: &again, job: job, dir: dir, disk: vfs.NewDisk("disk"), ledger: ledger{}, clean: true, finishes: true,
		world: newWorld(), archive: first.archive}
	var err error
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		for epoch := int64(0); epoch < s.archive.epoch() && err == nil; epoch++ { // What follows is newer than that.
			err = s.write(t.Context(), chapter{})
		}
		for _, ch := range chapters {
			if err == nil {
				err = s.write(t.Context(), ch)
			}
			number := len(again.Lives)
			again.Lives = append(again.Lives, ch.lives(r, g)...)
			for ; err == nil && number < len(again.Lives); number++ {
				if err = s.live(t.Context(), number, begin); err != nil {
					err = fmt.Errorf("life %d: %w", number, err)
				}
			}
		}
		time.Sleep(time.Minute) // As between lives that are told first.
	})
	if err == nil {
		err = s.ledger.read(s.disk)
	}
	if err == nil {
		err = leftover(dir)
	}
	if err == nil {
		err = s.compareTold(first.world, c.until(batches))
	}
	if err != nil {
		for i, l := range again.Lives {
			err = fmt.Errorf("%w\n\ttold again, life %d: %v", err, i, l)
		}
	}
	return err
}

// write puts the entries of a chapter into the log, as an owner that dies then.
func (s *saga) write(ctx context.Context, c chapter) error {
	if err := s.restore(ctx, c.received()); err != nil {
		return err
	}
	log, _, err := checkpoint.Open(ctx, s.disk.Mount(nil), "disk:/ck", checkpoint.Owner{Host: "teller"},
		checkpoint.Options{})
	if err != nil {
		return err
	}
	if len(c.entries) > 0 {
		err = log.Append(ctx, c.entries...)
	}
	return errors.Join(err, log.Close(ctx))
}

// received tells up to which frame the chapter needs the logs of receivers, by folder.
func (c chapter) received() map[string]int64 {
	until := map[string]int64{}
	for _, e := range c.entries {
		if p, ok := e.(checkpoint.Plan); ok {
			for _, rng := range p.Ranges {
				if l, _, ok := loggedRange(rng.Data); ok {
					until[l.Series] = int64(l.Until)
				}
			}
		}
	}
	return until
}

// compareTold tells where what was told again is something else than what was told first.
func (s *saga) compareTold(first *world, c chronicle) error {
	again, err := s.ledger.chronicle()
	if err == nil {
		err = errors.Join(s.world.errs...)
	}
	if err != nil {
		return err
	}
	if len(again.plans) != len(c.plans) || again.committed != c.committed {
		return fmt.Errorf("%d batches were planned and %d committed, and told again %d and %d", len(c.plans), c.committed,
			len(again.plans), again.committed)
	}
	given := func(c chronicle) []int64 { return slices.Sorted(maps.Keys(c.skipped)) }
	if !slices.Equal(given(c), given(again)) {
		if s.g.Skips { // Whether a batch is given up follows from all that befalls it.
			befell.add(otherwise, 1)
			return nil
		}
		return fmt.Errorf("the batches %v were given up, and told again %v", given(c), given(again))
	}
	effects := first.effects(s.job, c)
	for _, rows := range effects {
		befell.add(retold, min(len(rows), 1))
	}
	return differ(effects, s.world.effects(s.job, c))
}

// A place is where an effect lies.
type place struct {
	output    int
	sequence  int64
	partition int
}

// effects are what a job has done in batches that were not given up.
func (w *world) effects(job int, c chronicle) map[place][]string {
	all := map[place][]string{}
	for _, s := range w.rows {
		_, skipped := c.skipped[s.sequence]
		if !skipped && s.output/jobOutputs == job && s.sequence < c.committed {
			all[place{s.output, s.sequence, s.partition}] = s.rows
		}
	}
	return all
}

// differ tells in what effects differ.
func differ(first, again map[place][]string) error {
	for p, rows := range first {
		if told, ok := again[p]; !ok || !slices.Equal(rows, told) {
			return fmt.Errorf("output %d, batch %d, partition %d: the same plan gave another effect when it ran again:\n"+
				"first %q\nagain %q (there: %v)", p.output, p.sequence, p.partition, rows, told, ok)
		}
	}
	for p, rows := range again {
		if _, ok := first[p]; !ok {
			return fmt.Errorf("output %d, batch %d, partition %d: the same plan gave an effect only when it ran again: %q",
				p.output, p.sequence, p.partition, rows)
		}
	}
	return nil
}
