package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/rdd"
)

// The bounds of a graph. A step with a batch of more than a weight, which is about as many elements, is left out: joins
// and windows of windows multiply. Most graphs are light, for bugs show with few elements; some are heavy, so that
// tables grow, or bulky, so that the least budget is not enough.
const (
	stepsMax    = 10
	batchesMax  = 14
	lightWeight = 400
	heavyWeight = 4000
	bulkyRows   = 150
	lengthMax   = 9
	slideMax    = 6
)

// intervals are the batch intervals; all slides are aligned to the clock, not to the start.
var intervals = []time.Duration{time.Second, 100 * time.Millisecond, 250 * time.Millisecond, 3 * time.Second}

// New makes the graph of a seed.
func New(seed uint64) *Graph {
	r := rand.New(rand.NewPCG(seed, 1))
	g := &Graph{Seed: seed, Interval: pick(r, intervals), Batches: 2 + r.IntN(batchesMax-1), Parallelism: 1 + r.IntN(5),
		ops: operators()}
	if r.IntN(8) == 0 {
		g.Remember = 1 + r.IntN(4)
	}
	weightMax, rows := bounds(r)
	for range 1 + r.IntN(3) {
		g.Steps = append(g.Steps, newInput(r, g, rows))
	}
	g.growAll(r, weightMax)
	for range 1 + r.IntN(3) {
		g.Outputs = append(g.Outputs, newOutput(r, g))
	}
	for i := range g.Runs {
		g.Runs[i] = newSettings(r)
	}
	g.prune()
	return g
}

// bounds are how heavy a graph's batches may be, and how many rows its inputs have at most.
func bounds(r *rand.Rand) (weightMax, rowsMax int) {
	switch r.IntN(50) {
	case 0:
		return heavyWeight, 500
	case 1, 2:
		return heavyWeight, bulkyRows
	}
	return lightWeight, pick(r, []int{3, 10, 30})
}

// growAll adds steps to the inputs.
func (g *Graph) growAll(r *rand.Rand, weightMax int) {
	g.settle()
	a := g.answer(g.nominal())
	for range 2 + r.IntN(stepsMax-1) {
		g.grow(r, a, weightMax)
	}
}

func pick[T any](r *rand.Rand, vs []T) T { return vs[r.IntN(len(vs))] }

// grow adds a step, unless those that are tried have too much to do.
func (g *Graph) grow(r *rand.Rand, a *answers, weightMax int) {
	for range 20 {
		s := g.newStep(r)
		if s == nil {
			continue
		}
		g.Steps = append(g.Steps, s)
		if g.settle() && a.weight(len(g.Steps)-1) <= weightMax {
			return
		}
		g.Steps = g.Steps[:len(g.Steps)-1]
		a.forget(len(g.Steps))
	}
}

// newStep tries to add an operator to the steps there are, mostly to the last ones.
func (g *Graph) newStep(r *rand.Rand) *Step {
	at := len(g.Steps) - 1 - min(r.IntN(len(g.Steps)), r.IntN(len(g.Steps)))
	var fitting []*operator
	weights := 0
	for _, o := range g.ops {
		if o.in[0] == g.Steps[at].kind() {
			fitting, weights = append(fitting, o), weights+o.weight
		}
	}
	w, s := r.IntN(weights), &Step{In: []int{at}, Seed: r.IntN(6)}
	for _, o := range fitting {
		if w -= o.weight; w < 0 {
			s.op = o
			break
		}
	}
	if len(s.op.in) == 2 {
		var others []int
		for i, p := range g.Steps {
			if p.kind() == s.op.in[1] && p.slide == g.Steps[at].slide {
				others = append(others, i)
			}
		}
		if len(others) == 0 {
			return nil
		}
		s.In = append(s.In, pick(r, others))
	}
	s.Variant = r.IntN(len(s.op.variants))
	for range 2 { // Most answers should be defined.
		if s.op.needs[s.Variant] > g.Steps[at].order {
			s.Variant = r.IntN(len(s.op.variants))
		}
	}
	if s.op.shuffles && r.IntN(2) == 0 {
		s.Deal = r.IntN(9) - 3
	}
	if s.op.windowed {
		own := g.Steps[at].slide
		s.Length = own * (1 + r.IntN(max(lengthMax/own, 1)))
		s.Slide = own * r.IntN(max(slideMax/own, 1)+1)
	}
	if r.IntN(6) == 0 {
		s.Level = pick(r, levels)
	}
	return s
}

// newOutput reads a step that nothing else reads as long as there is one, so that little of the graph is in vain.
func newOutput(r *rand.Rand, g *Graph) Output {
	unread := []int{}
	for i := range g.Steps {
		read := slices.ContainsFunc(g.Steps, func(s *Step) bool { return slices.Contains(s.In, i) }) ||
			slices.ContainsFunc(g.Outputs, func(o Output) bool { return o.Step == i })
		if !read {
			unread = append(unread, i)
		}
	}
	o := Output{Step: r.IntN(len(g.Steps)), How: how(r.IntN(int(hows))), At: r.IntN(g.Batches)}
	if len(unread) > 0 {
		o.Step = pick(r, unread)
	}
	switch r.IntN(12) {
	case 0:
		o.Fails = 1 + r.IntN(2)
	case 1:
		o.Stall = 1 + r.IntN(5)
	}
	return o
}

// budgets are as little as may be set: of memory granted in steps of 64 kB, one task at a time has any, or two.
var budgets = []int{64 << 10, 100 << 10, 130 << 10}

func newSettings(r *rand.Rand) Settings {
	s := Settings{Cores: pick(r, []int{1, 2, 4}), ConcurrentJobs: 1 + r.IntN(2), Honest: r.IntN(3) == 0}
	if r.IntN(3) == 0 {
		s.Budget = pick(r, budgets)
	}
	return s
}

// prune drops the steps that no output reads.
func (g *Graph) prune() {
	used := make([]bool, len(g.Steps))
	for _, o := range g.Outputs {
		used[o.Step] = true
	}
	for i := len(g.Steps) - 1; i >= 0; i-- {
		for _, p := range g.Steps[i].In {
			used[p] = used[p] || used[i]
		}
	}
	renamed, steps := make([]int, len(g.Steps)), []*Step{}
	for i, s := range g.Steps {
		if !used[i] {
			continue
		}
		renamed[i] = len(steps)
		for j, p := range s.In {
			s.In[j] = renamed[p]
		}
		steps = append(steps, s)
	}
	for i := range g.Outputs {
		g.Outputs[i].Step = renamed[g.Outputs[i].Step]
	}
	g.Steps = steps
	g.settle()
}

// words are keys of few values, of many with a long beginning in common, and odd ones.
var words = []func(r *rand.Rand) string{
	func(r *rand.Rand) string { return string(rune('a' + r.IntN(3))) },
	func(r *rand.Rand) string { return fmt.Sprintf("word-%04d", r.IntN(5000)) },
	func(r *rand.Rand) string { return strings.Repeat("é", r.IntN(4)) },
}

// newInput makes an input of any kind: also of lists, which reductions may write to, and must not find in the input.
func newInput(r *rand.Rand, g *Graph, rowsMax int) *Step {
	word := pick(r, words)
	texts := func() string { return word(r) }
	if rowsMax == bulkyRows {
		long := strings.Repeat("0123456789", 60)
		texts = func() string { return long + word(r) }
	}
	numbers := func() int { return r.IntN(1 << (4 + 20*r.IntN(2))) }
	few := func() int { return r.IntN(5) }
	switch r.IntN(12) {
	case 0:
		return inputOf(r, g, rowsMax, numbers)
	case 1:
		return inputOf(r, g, rowsMax, texts)
	case 2, 3, 4:
		return inputOf(r, g, rowsMax, func() pair[int, string] { return rdd.KV(few(), texts()) })
	case 5:
		return inputOf(r, g, rowsMax, func() pair[int, []string] { return rdd.KV(few(), several(r, texts)) })
	case 6:
		return inputOf(r, g, rowsMax, func() pair[string, []int] { return rdd.KV(texts(), several(r, numbers)) })
	}
	return inputOf(r, g, rowsMax, func() pair[string, int] { return rdd.KV(texts(), numbers()) })
}

// several are up to three elements, with room behind them.
func several[V any](r *rand.Rand, element func() V) []V {
	vs := make([]V, r.IntN(4), 8)
	for i := range vs {
		vs[i] = element()
	}
	return vs
}

func inputOf[T any](r *rand.Rand, g *Graph, rowsMax int, element func() T) *Step {
	in := &input{kind: kindOf[T]{}, how: inputHow(r.IntN(int(inputHows))), make: makeInput[T]}
	for range r.IntN(g.Batches+2) + 1 {
		e := entry{partitions: 1 + r.IntN(5)}
		if in.how != source && in.how != constant || r.IntN(6) > 0 {
			rows := make([]T, max(r.IntN(rowsMax+3)-2, 0))
			for i := range rows {
				rows[i] = element()
			}
			e.rows = rows
		}
		in.entries = append(in.entries, e)
	}
	return &Step{input: in}
}
