package simulate

import (
	"iter"
	"slices"
	"time"

	"github.com/weirstream/weir/rdd"
)

// shrinkTriesMax bounds the runs of a shrinking graph.
const shrinkTriesMax = 600

// shrink makes a failing graph smaller as long as it fails, whatever it fails of.
func shrink(g *Graph, err error, fails func(*Graph) error) (*Graph, error) {
	tries := 0
	for smaller := true; smaller; {
		smaller = false
		for c := range g.smaller() {
			if tries++; tries > shrinkTriesMax {
				break
			}
			if e := fails(c); e != nil {
				g, err, smaller = c, e, true
				break
			}
		}
	}
	return g, err
}

// smaller yields graphs that are smaller by one thing, what helps most first.
func (g *Graph) smaller() iter.Seq[*Graph] {
	return func(yield func(*Graph) bool) {
		_ = g.fewerLives(yield) && g.fewerOutputs(yield) && g.fewerSteps(yield) &&
			g.fewerBatches(yield) && g.plainer(yield)
	}
}

// with yields a copy of the graph that change has changed, unless it makes no sense.
func (g *Graph) with(yield func(*Graph) bool, change func(c *Graph)) bool {
	c := g.clone()
	change(c)
	c.prune()
	return !c.settle() || yield(c)
}

func (g *Graph) fewerOutputs(yield func(*Graph) bool) bool {
	for i := range g.Outputs {
		if len(g.Outputs) > 1 && !g.with(yield, func(c *Graph) { c.Outputs = slices.Delete(c.Outputs, i, i+1) }) {
			return false
		}
	}
	return true
}

// fewerSteps has those that read a step read one of the step's inputs of the same kind.
func (g *Graph) fewerSteps(yield func(*Graph) bool) bool {
	for i, s := range slices.Backward(g.Steps) {
		for _, p := range s.In {
			if g.Steps[p].kind() == s.kind() && !g.with(yield, func(c *Graph) { c.replace(i, p) }) {
				return false
			}
		}
	}
	for i, o := range g.Outputs { // An output may read anything.
		for _, p := range g.Steps[o.Step].In {
			if !g.with(yield, func(c *Graph) { c.Outputs[i].Step = p }) {
				return false
			}
		}
	}
	return true
}

func (g *Graph) replace(step, by int) {
	for _, s := range g.Steps {
		for i, p := range s.In {
			if p == step {
				s.In[i] = by
			}
		}
	}
	for i := range g.Outputs {
		if g.Outputs[i].Step == step {
			g.Outputs[i].Step = by
		}
	}
}

func (g *Graph) fewerBatches(yield func(*Graph) bool) bool {
	for _, n := range []int{g.Batches / 2, g.Batches - 1} {
		if n > 0 && !g.with(yield, func(c *Graph) { c.Batches = n }) {
			return false
		}
	}
	for i, s := range g.Steps {
		if s.input == nil {
			continue
		}
		if n := len(s.input.entries); n > 0 && !g.with(yield, func(c *Graph) {
			c.Steps[i].input.entries = c.Steps[i].input.entries[:n-1]
		}) {
			return false
		}
		for j, e := range s.input.entries {
			if e.rows == nil || len(s.input.kind.texts(e.rows)) == 0 {
				continue
			}
			for _, rows := range s.input.kind.fewer(e.rows) {
				if !g.with(yield, func(c *Graph) { c.Steps[i].input.entries[j].rows = rows }) {
					return false
				}
			}
		}
	}
	return true
}

// plainer takes away what a step, an output or a run is told besides.
func (g *Graph) plainer(yield func(*Graph) bool) bool {
	for i, s := range g.Steps {
		if s.Level != rdd.NotPersisted && !g.with(yield, func(c *Graph) { c.Steps[i].Level = rdd.NotPersisted }) {
			return false
		}
		if s.Deal != 0 && !g.with(yield, func(c *Graph) { c.Steps[i].Deal = 0 }) {
			return false
		}
	}
	for i, o := range g.Outputs {
		plain := Output{Step: o.Step}
		if o != plain && !g.with(yield, func(c *Graph) { c.Outputs[i] = plain }) {
			return false
		}
	}
	simple := Settings{Cores: 1, ConcurrentJobs: 1}
	for i, s := range g.Runs {
		if g.Lives == nil && s != simple && !g.with(yield, func(c *Graph) { c.Runs[i] = simple }) {
			return false
		}
	}
	calm := g.clone()
	calm.Remember, calm.Interval = 0, time.Second
	return g.Remember == 0 && g.Interval == time.Second || !calm.settle() || yield(calm)
}
