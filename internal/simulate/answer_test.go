package simulate

import (
	"slices"
	"time"

	"github.com/weirstream/weir/dstream"
)

// A batch is what the engine says of one: its time, and its place in the order.
type batch struct {
	time     dstream.Time
	sequence int64
}

// nominal are the batches of a program that nothing holds up, begun when a bubble's clock begins.
func (g *Graph) nominal() []batch {
	begin := dstream.Time(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()).Floor(g.Interval)
	batches := make([]batch, g.Batches)
	for i := range batches {
		batches[i] = batch{begin.Add(time.Duration(i+1) * g.Interval), int64(i)}
	}
	return batches
}

// answers is the naive evaluator of a graph: each step of each batch, computed from its definition when it is asked
// for.
type answers struct {
	g       *Graph
	batches []batch
	made    map[[2]int]any
	// taken, if it is not nil, is what a batch took from an input.
	taken func(s *Step, batch int) any
}

func (g *Graph) answer(batches []batch) *answers {
	return &answers{g: g, batches: batches, made: map[[2]int]any{}}
}

// number counts intervals since 1970, to which slides are aligned.
func (a *answers) number(batch int) int {
	return int(a.batches[batch].time) / int(a.g.Interval.Milliseconds())
}

// due tells whether the slide of a step has come. The log does not say the time of an idle batch, and the one that it
// is given is a multiple of nothing, for no slide had come.
func (a *answers) due(s *Step, batch int) bool {
	return s.slide == 1 || a.batches[batch].time.IsMultipleOf(time.Duration(s.slide)*a.g.Interval)
}

// at gives the rows of a step in a batch, nil if it has none because its slide has not come.
func (a *answers) at(step, batch int) any {
	rows, ok := a.made[[2]int{step, batch}]
	if !ok {
		if s := a.g.Steps[step]; a.due(s, batch) {
			rows = a.compute(s, batch)
		}
		a.made[[2]int{step, batch}] = rows
	}
	return rows
}

func (a *answers) compute(s *Step, batch int) any {
	if s.op == nil && a.taken != nil {
		return a.taken(s, batch)
	}
	if s.op == nil {
		return s.input.of(a.batches[batch].sequence)
	}
	in := make([]any, len(s.In))
	for i, p := range s.In {
		switch in[i] = a.at(p, batch); {
		case s.op.windowed:
			in[i] = a.over(p, batch, s.Length)
		case s.op.remembers:
			in[i] = a.until(p, batch)
		}
	}
	return s.op.definition(s, in)
}

// weight is that of a step's heaviest batch.
func (a *answers) weight(step int) (heaviest int) {
	for i := range a.batches {
		weight := 0
		if rows := a.at(step, i); rows != nil {
			for _, t := range a.g.Steps[step].kind().texts(rows) {
				weight += 1 + len(t)/32
			}
		}
		heaviest = max(heaviest, weight)
	}
	return heaviest
}

// forget drops what was computed of a step that is taken out of the graph.
func (a *answers) forget(step int) {
	for i := range a.batches {
		delete(a.made, [2]int{step, i})
	}
}

// over gives all rows that a step had within the last length.
func (a *answers) over(step, batch, length int) any {
	var parts []any
	for b := range batch + 1 {
		if a.number(b) > a.number(batch)-length {
			if rows := a.at(step, b); rows != nil {
				parts = append(parts, rows)
			}
		}
	}
	return a.g.Steps[step].kind().concat(parts)
}

// of is what the batch takes from the input.
func (in *input) of(sequence int64) any {
	var parts []any
	for i, e := range in.entries {
		taken := int64(i) == sequence
		switch in.how {
		case wholeQueue:
			taken = sequence == 0
		case constant:
			taken = i == 0
		}
		if e.rows != nil && taken {
			parts = append(parts, e.rows)
		}
	}
	return in.kind.concat(parts)
}

// texts are the rows of a step in a batch, sorted unless their order is defined; due tells whether it has any.
func (a *answers) texts(step, batch int) (texts []string, due bool) {
	rows := a.at(step, batch)
	if rows == nil {
		return nil, false
	}
	texts = a.g.Steps[step].kind().texts(rows)
	if a.g.Steps[step].order != list {
		slices.Sort(texts)
	}
	return texts, true
}
