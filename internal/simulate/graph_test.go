package simulate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirstream/weir/rdd"
)

// A Graph is a random program, the batches for its inputs, and the settings with which it runs twice.
type Graph struct {
	Seed     uint64
	Interval time.Duration
	// Batches is for how many intervals the program runs.
	Batches int
	// Parallelism is spark.default.parallelism, of which order depends; so it is the same in both runs.
	Parallelism int
	// Remember, in intervals, is given to the context if it is not 0.
	Remember int
	Steps    []*Step
	Outputs  []Output
	Runs     [2]Settings
	// Lives are those of a durable graph, which has no Runs.
	Lives []Life
	// Again has a second job of the same program begin when the first is over.
	Again bool
	// Skips has batches that fail be given up.
	Skips bool

	ops []*operator // of which steps are made
}

// An Output reads a step. Its body fails at first, or holds up the program, in one of the batches.
type Output struct {
	Step int
	How  how
	// Action names that of a chain of RDDs, "" being to collect; Seed varies it.
	Action string
	Seed   int
	// Fails is how often the body fails in batch At; Stall is for how many intervals it sleeps there.
	Fails, Stall, At int
	// Takes is for how many thirds of an interval each transaction is on its way.
	Takes int
}

// A how is the way in which an output gets at its elements.
type how int

const (
	collected   how = iota // foreachRDD with collect
	twice                  // foreachRDD that reads the batch with several actions
	partitioned            // foreachPartition
	sunk                   // writeTo a sink
	hows
	transacted how = hows // writeTo a sink of transactions, in durable programs
)

// String gives the way's name.
func (h how) String() string {
	return [...]string{"collect", "collect twice", "foreachPartition", "writeTo", "writeTo by transactions"}[h]
}

// Settings are those that change nothing in the answer, nor in its order.
type Settings struct {
	Cores, ConcurrentJobs int
	Honest                bool
	// Budget is weir.memory.budget in bytes, 0 for the default.
	Budget int
	// Faults varies which tasks of a chain fail.
	Faults int
}

// String shows the graph as it would be told.
func (g *Graph) String() string {
	var b strings.Builder
	if g.Skips {
		b.WriteString("failed batches are given up; ")
	}
	fmt.Fprintf(&b, "seed %d: interval %v, %d batches, parallelism %d, remember %d\n", g.Seed, g.Interval, g.Batches,
		g.Parallelism, g.Remember)
	for i, s := range g.Steps {
		fmt.Fprintf(&b, "\ts%d = %v\t[slide %d, order %v, defined %v]\n", i, s, s.slide, s.order, s.defined)
	}
	for i, o := range g.Outputs {
		fmt.Fprintf(&b, "\toutput %d: %v of s%d", i, o.How, o.Step)
		if o.Action != "" {
			fmt.Fprintf(&b, ", and %s seed %d", o.Action, o.Seed)
		}
		if o.Fails > 0 || o.Stall > 0 {
			fmt.Fprintf(&b, ", in batch %d fails %d times and sleeps %d intervals", o.At, o.Fails, o.Stall)
		}
		if o.Takes > 0 {
			fmt.Fprintf(&b, ", transactions take %d thirds of an interval", o.Takes)
		}
		b.WriteByte('\n')
	}
	for i, l := range g.Lives {
		fmt.Fprintf(&b, "\tlife %d: %v\n", i, l)
	}
	for i, s := range g.Runs {
		if g.Lives != nil {
			break
		}
		fmt.Fprintf(&b, "\trun %d: %+v\n", i, s)
	}
	return b.String()
}

// settle finds what follows from the steps for each of them; false says that the graph makes no sense.
func (g *Graph) settle() bool {
	for _, s := range g.Steps {
		if s.op == nil {
			s.slide, s.order, s.defined = 1, list, true
			continue
		}
		s.defined = true
		var orders []order
		for _, i := range s.In {
			p := g.Steps[i]
			if p.slide != g.Steps[s.In[0]].slide {
				return false
			}
			orders = append(orders, p.order)
			s.defined = s.defined && p.defined && p.order >= s.op.needs[s.Variant]
			s.slide = p.slide
		}
		s.order = s.op.gives(orders)
		if s.op.windowed && (s.Length < s.slide || s.Length%s.slide != 0 || s.Slide%s.slide != 0) {
			return false
		}
		if s.op.windowed && s.Slide != 0 {
			s.slide = s.Slide
		}
	}
	return true
}

// timed tells whether a batch is run for each time, also for those that were missed.
func (g *Graph) timed() bool {
	return slices.ContainsFunc(g.Steps, func(s *Step) bool { return s.op != nil && (s.op.windowed || s.op.timed) })
}

// stalls tells whether an output holds up the program.
func (g *Graph) stalls() bool {
	return slices.ContainsFunc(g.Outputs, func(o Output) bool { return o.Stall > 0 })
}

// kind is the type of a step's elements.
func (s *Step) kind() kind {
	if s.op == nil {
		return s.input.kind
	}
	return s.op.out
}

// clone copies what shrinking changes.
func (g *Graph) clone() *Graph {
	c := *g
	c.Steps = slices.Clone(g.Steps)
	for i, s := range c.Steps {
		n := *s
		n.In = slices.Clone(s.In)
		if s.input != nil {
			in := *s.input
			in.entries = slices.Clone(in.entries)
			n.input = &in
		}
		c.Steps[i] = &n
	}
	c.Outputs = slices.Clone(g.Outputs)
	return &c
}

// An input is a step without operator: what each batch takes from it.
type input struct {
	kind    kind
	how     inputHow
	entries []entry
	make    func(x *execution, in *input) any
}

// An entry is a batch's rows, in so many partitions; nil rows are no partition at all.
type entry struct {
	rows       any
	partitions int
}

type inputHow int

const (
	queue      inputHow = iota // a queue of elements
	rddQueue                   // a queue of RDDs
	wholeQueue                 // a queue of which the first batch takes all
	source                     // a source of one's own
	constant                   // the first entry in each batch
	inputHows
)

// String gives the way's name.
func (h inputHow) String() string {
	return [...]string{"queue", "queue of RDDs", "queue all at once", "source", "constant"}[h]
}

// String shows what an input has for each batch.
func (in *input) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v by %v:", in.kind, in.how)
	for _, e := range in.entries {
		if e.rows == nil {
			b.WriteString(" none")
			continue
		}
		texts := in.kind.texts(e.rows)
		if n := len(texts); n > 30 {
			texts = append(texts[:30:30], fmt.Sprintf("... %d elements", n))
		}
		fmt.Fprintf(&b, " %d:%q", e.partitions, texts)
	}
	return b.String()
}

// levels are those at which a stream may be persisted; most are not.
var levels = []rdd.StorageLevel{
	rdd.MemoryOnly, rdd.MemoryOnlySer, rdd.MemoryAndDisk, rdd.MemoryAndDiskSer, rdd.DiskOnly,
}
