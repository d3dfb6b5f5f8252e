package dstream

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// A Batch is the unit of planning, failure, commit and replay.
type Batch struct {
	// Time strictly increases from batch to batch.
	Time Time
	// Sequence is dense: 0, 1, 2 ... That of a batch that had nothing to do may be given again after a restart.
	Sequence int64

	ssc    *Context
	inputs map[*node]planned
	seed   uint64 // of what draws at random
	// parallelism is that of its plan.
	parallelism rdd.Parallelism
	info        BatchInfo

	graves  []*grave     // those of operators that give records up, in the order of their making
	letters []DeadLetter // what these gave up, complete before the outputs run that read them

	unlogged *unlogged // nil if the plan was in the log before the batch ran

	stepped []bool // steps that have run, by their number; the runner's

	mu      sync.Mutex
	done    []bool       // outputs that have finished, by their number
	outputs []OutputInfo // the last run of each; zero of one that has not run
	effects map[effectName]bool
	wrote   map[effectName]checkpoint.Effect // what effects came to
	tried   map[effectName]int               // how many partitions they have
	doubt   map[effectName]int               // writes that have not said that they are in
	barred  map[int]bool                     // outputs of which Save last gave an error of the sink alone

	deliveries map[int]*delivery // what outputs have put into their outboxes, by their number
}

// planned is what a batch takes from one input.
type planned struct {
	rng     []byte
	records int64
	// absent tells that there is no range: the batch was planned by a program without the input, or what the input had
	// is gone.
	absent bool
}

// effectName tells the effects of a batch apart.
type effectName struct {
	output int
	name   string
}

// running finds the output whose body was given ctx.
func (b *Batch) running(ctx context.Context) *Output {
	s := exec.ScopeOf(ctx)
	if s == nil || s.Batch != b.Sequence || s.Output < 0 {
		return nil
	}
	return b.ssc.outputs[s.Output]
}

// claim takes the name of an effect; a second claim in the same run of a body is an error.
func (b *Batch) claim(o *Output, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := effectName{o.number, name}
	if b.effects[key] {
		return fmt.Errorf(
			"a second effect named %q in the body of %s (%s): give each its own name",
			name,
			o.label(),
			o.node.site,
		)
	}
	if b.effects == nil {
		b.effects = map[effectName]bool{}
	}
	b.effects[key] = true
	return nil
}

// forget clears the claims of an output whose body is about to run again.
func (b *Batch) forget(o *Output) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key := range b.effects {
		if key.output == o.number {
			delete(b.effects, key)
		}
	}
	delete(b.barred, o.number)
}

// bar keeps that an effect was not admitted, or its sink has trouble, for what a body makes of the error may not tell.
func (b *Batch) bar(o *Output, err error) {
	if !ofSinkAlone(err) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.barred == nil {
		b.barred = map[int]bool{}
	}
	b.barred[o.number] = true
}

// notAdmitted tells that an error, or what the bodies of unfinished outputs have made of one, is of a sink alone.
func (b *Batch) notAdmitted(err error) bool {
	if ofSinkAlone(err) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.barred {
		if !b.done[i] {
			return true
		}
	}
	return false
}

// Range is the range that a source planned for the batch, nil if d is no source of the batch's context. It
// is for the package that made the source, which alone can read it.
func Range[T any](b *Batch, d *DStream[T]) []byte { return slices.Clone(b.inputs[d.node].rng) }

// Records is the number of records that the inputs reported for the batch.
func (b *Batch) Records() int64 {
	var n int64
	for _, p := range b.inputs {
		n += p.records
	}
	return n
}
