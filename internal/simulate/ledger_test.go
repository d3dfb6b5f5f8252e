package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// A ledger is the log of a checkpoint as its files have it, gathered life by life, for old slots are removed.
type ledger map[int64]ledgerSlot

// A ledgerSlot is what a slot says; of those that are no plans, commits or takeovers only that they are there.
type ledgerSlot struct {
	Job     string `json:"job"`
	Number  int64  `json:"slot"`
	Epoch   int64  `json:"epoch"`
	Writer  string `json:"writer"`
	Base    bool   `json:"base"`
	Grave   bool   `json:"grave"`
	entries []map[string]json.RawMessage
}

// isSlot tells the files of slots from others.
func isSlot(name string) bool { return strings.HasSuffix(name, ".slot") }

// read takes in what the disk holds. Slots that were not sure and were lost are forgotten.
func (l ledger) read(disk *vfs.Disk) error {
	last := int64(-1)
	for name, data := range disk.Files() {
		if !isSlot(name) {
			continue
		}
		n, err := l.add(name, data)
		if err != nil {
			return err
		}
		last = max(last, n)
	}
	maps.DeleteFunc(l, func(n int64, _ ledgerSlot) bool { return n > last })
	return nil
}

// add takes in a slot, and gives its number. What is known stays: the grave of a slot says nothing, and neither does
// one that was put by a process which had slept until the slot that had been there was gone with those before it.
func (l ledger) add(name string, data []byte) (int64, error) {
	lines, err := checkpoint.DecodeRecord("slot", name, data)
	if err != nil {
		return 0, err
	}
	var s ledgerSlot
	if err := json.Unmarshal(lines[0], &s); err != nil {
		return 0, err
	}
	if lines = lines[1:]; s.Base {
		lines = lines[1:]
	}
	for _, line := range lines {
		var entry map[string]json.RawMessage
		if err := json.Unmarshal(line, &entry); err != nil {
			return 0, err
		}
		s.entries = append(s.entries, entry)
	}
	if _, known := l[s.Number]; !known {
		l[s.Number] = s
	}
	return s.Number, nil
}

// A chronicle is what a log says happened.
type chronicle struct {
	plans     []checkpoint.Plan  // with those of idle batches, which have no entries
	script    []checkpoint.Entry // where inputs begin, and the plans as they are in force, with their splits
	split     *checkpoint.Split  // of the last one that names one
	idle      map[int64]bool
	skipped   map[int64]checkpoint.Skip // batches that were given up: they count as committed
	committed int64
}

// chronicle goes through the slots and holds what must be true of any log.
func (l ledger) chronicle() (c chronicle, err error) {
	c.idle, c.skipped = map[int64]bool{}, map[int64]checkpoint.Skip{}
	writers := map[int64]string{}
	for i, n := range slices.Sorted(maps.Keys(l)) {
		s, before := l[n], l[n-1]
		switch {
		case n != int64(i):
			return c, fmt.Errorf("slot %d is missing, and slot %d is there", i, n)
		case n > 0 && (s.Job != before.Job || s.Epoch < before.Epoch):
			return c, fmt.Errorf("slot %d is of job %s and epoch %d, after %s and %d", n, s.Job, s.Epoch, before.Job,
				before.Epoch)
		case writers[s.Epoch] != "" && writers[s.Epoch] != s.Writer:
			return c, fmt.Errorf("slot %d: epoch %d has two owners", n, s.Epoch)
		}
		writers[s.Epoch] = s.Writer
		for _, e := range s.entries {
			if err := c.take(e); err != nil {
				return c, fmt.Errorf("slot %d: %w", n, err)
			}
		}
	}
	return c, nil
}

func (c *chronicle) take(entry map[string]json.RawMessage) error {
	if raw, ok := entry["plan"]; ok {
		var p checkpoint.Plan
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		if p.Split == nil {
			p.Split = c.split
		}
		c.split = p.Split
		c.script = append(c.script, p)
		return c.plan(p)
	}
	if raw, ok := entry["replan"]; ok {
		var p checkpoint.Plan
		if err := json.Unmarshal(raw, &p); err != nil {
			return err
		}
		return c.replan(p)
	}
	if raw, ok := entry["start"]; ok {
		var s checkpoint.Start
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		c.script = append(c.script, s)
		return nil
	}
	if raw, ok := entry["skip"]; ok {
		var skip checkpoint.Skip
		if err := json.Unmarshal(raw, &skip); err != nil {
			return err
		}
		c.skipped[skip.Sequence] = skip
		return c.commit(skip.Sequence)
	}
	if raw, ok := entry["burn"]; ok {
		var burn checkpoint.Burn
		if err := json.Unmarshal(raw, &burn); err != nil {
			return err
		}
		skip := c.skipped[burn.Sequence]
		skip.In, skip.Burned, skip.Unknown = burn.In, burn.Burned, burn.Unknown
		c.skipped[burn.Sequence] = skip
		return nil
	}
	if raw, ok := entry["commit"]; ok {
		var m checkpoint.Mark
		if err := json.Unmarshal(raw, &m); err != nil {
			return err
		}
		return c.commit(m.Sequence)
	}
	return nil
}

// replan takes in another split of a plan.
func (c *chronicle) replan(again checkpoint.Plan) error {
	for i, e := range c.script {
		if p, ok := e.(checkpoint.Plan); ok && p.Sequence == again.Sequence {
			if p.Split = again.Split; p.Split == nil {
				p.Split = e.(checkpoint.Plan).Split
			}
			c.script[i], c.split = p, p.Split
			return nil
		}
	}
	return fmt.Errorf("batch %d is planned again, and was not planned", again.Sequence)
}

func (c *chronicle) commit(sequence int64) error {
	if sequence != c.committed || sequence >= int64(len(c.plans)) {
		return fmt.Errorf("a commit of batch %d after %d plans and %d commits", sequence, len(c.plans), c.committed)
	}
	c.committed++
	return nil
}

// plan takes a plan in: sequences are dense, times increase, and the ranges of an input meet.
func (c *chronicle) plan(p checkpoint.Plan) error {
	if p.Sequence != int64(len(c.plans))+p.Idle || p.Idle > 0 && c.committed != int64(len(c.plans)) {
		return fmt.Errorf("a plan of batch %d after %d plans and %d commits, with %d idle batches between", p.Sequence,
			len(c.plans), c.committed, p.Idle)
	}
	for range p.Idle {
		c.pass()
	}
	var before checkpoint.Plan
	if p.Sequence > 0 {
		before = c.plans[p.Sequence-1]
		if p.Time <= before.Time {
			return fmt.Errorf("batch %d is at %v, after %v", p.Sequence, p.Time, before.Time)
		}
	}
	for input, rng := range p.Ranges {
		from, until, err := spanOf(rng.Data)
		last := 0
		if p.Sequence > 0 && err == nil {
			_, last, err = spanOf(before.Ranges[input].Data)
		}
		if err != nil || from != last || until < from {
			return fmt.Errorf("batch %d has the range %q of %s, after %q: %w", p.Sequence, rng.Data, input,
				before.Ranges[input].Data, err)
		}
	}
	c.plans = append(c.plans, p)
	return nil
}

// pass takes an idle batch in, of which the log has the number alone: it took nothing, and nothing was due at its time.
func (c *chronicle) pass() {
	before := c.plans[len(c.plans)-1]
	p := checkpoint.Plan{Sequence: before.Sequence + 1, Time: before.Time + 1, Ranges: map[string]checkpoint.Range{}}
	for input, rng := range before.Ranges {
		p.Ranges[input] = rng
		if _, _, ok := loggedRange(rng.Data); ok {
			continue
		}
		if _, until, err := spanOf(rng.Data); err == nil {
			p.Ranges[input] = checkpoint.Range{Data: fmt.Appendf(nil, "%d-%d", until, until)}
		}
	}
	c.plans = append(c.plans, p)
	c.idle[p.Sequence] = true
	c.committed++
}

// compare tells where the world differs from the definition of the graph, over the ranges that were planned.
func (g *Graph) compareWorld(w *world, job int, c chronicle) error {
	if len(w.errs) > 0 {
		return w.errs[0]
	}
	if c.committed != int64(len(c.plans)) {
		return fmt.Errorf("%d batches were planned and %d committed, though the last life stopped gracefully", len(c.plans),
			c.committed)
	}
	var batches []batch // A batch that was given up is one that never was; the inputs go on behind it.
	for _, p := range c.plans {
		if _, skipped := c.skipped[p.Sequence]; !skipped {
			batches = append(batches, batch{dstream.Time(p.Time), p.Sequence})
		}
	}
	a := g.answer(batches)
	a.taken = func(s *Step, n int) any {
		batch := int(batches[n].sequence)
		for i, other := range g.Steps {
			if rng, ok := c.plans[batch].Ranges[fmt.Sprint("s", i)]; ok && other == s {
				if _, until, ok := loggedRange(rng.Data); ok {
					return s.input.delivered(c.brought(batch-1, i), until)
				}
				from, until, _ := spanOf(rng.Data) // The chronicle has read it.
				return s.input.taken(from, until)
			}
		}
		return s.input.of(int64(batch))
	}
	for key, s := range w.rows {
		if s.output/jobOutputs == job && s.sequence >= int64(len(c.plans)) {
			return fmt.Errorf("%s was written, but no such batch is in the log", key)
		}
	}
	for i, o := range g.Outputs {
		if !g.Steps[o.Step].defined {
			continue
		}
		for n, b := range batches {
			if c.idle[b.sequence] {
				if _, saw := w.of(i+job*jobOutputs, b.sequence); saw {
					return fmt.Errorf("output %d wrote in batch %d, which the log says was idle", i, b.sequence)
				}
				continue
			}
			if err := g.compareEffect(w, a, i, job, n); err != nil {
				return err
			}
		}
	}
	return g.compareSkipped(w, job, c)
}

// compareSkipped tells where the world has an effect of a batch that was given up, and the log says that it will never
// be there, or the other way round. It may say that it does not know where a process died before its sink had burned
// the batch, or could not.
func (g *Graph) compareSkipped(w *world, job int, c chronicle) error {
	for sequence, skip := range c.skipped {
		for i, o := range g.Outputs {
			if o.How != sunk && o.How != transacted {
				continue
			}
			listed := func(list []checkpoint.Effect) bool {
				return slices.ContainsFunc(list, func(e checkpoint.Effect) bool { return e.Output == fmt.Sprint("out", i) })
			}
			rows, saw := w.of(i+job*jobOutputs, sequence)
			in, burned, unknown := listed(skip.In), listed(skip.Burned), listed(skip.Unknown)
			if in || burned {
				befell.add(settled, 1)
			}
			if saw && !in && !unknown || !saw && !burned && !in && !unknown {
				return fmt.Errorf("batch %d was given up, and output %d has %q of it, but the log says %+v", sequence, i,
					rows, skip)
			}
		}
	}
	return nil
}

// brought is how many entries a receiver had brought by the end of a batch.
func (c *chronicle) brought(batch, step int) int {
	if batch < 0 {
		return 0
	}
	_, brought, _ := loggedRange(c.plans[batch].Ranges[fmt.Sprint("s", step)].Data)
	return brought
}

func (g *Graph) compareEffect(w *world, a *answers, output, job, n int) error {
	o := g.Outputs[output]
	want, due := a.texts(o.Step, n)
	b := a.batches[n]
	got, saw := w.of(output+job*jobOutputs, b.sequence)
	if saw != due && !(len(want) == 0 && (o.How == partitioned || o.How == sunk || o.How == transacted)) {
		return fmt.Errorf("output %d, batch %d (%v): due %v, seen %v", output, b.sequence, b.time, due, saw)
	}
	if g.Steps[o.Step].order != list {
		slices.Sort(got)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("output %d, batch %d (%v):\ngot  %q\nwant %q", output, b.sequence, b.time, got, want)
	}
	return nil
}
