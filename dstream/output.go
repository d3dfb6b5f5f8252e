package dstream

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/weirstream/weir/internal/exec"
)

// An Output is an output operation: what pulls a stream in each batch.
type Output struct {
	node   *node
	number int
	// prepare generates the RDD of a batch; run is nil when the stream has none in this batch.
	prepare func(g *generation) (run func(ctx context.Context) error)
	// show is prepare, of what writes out the records that the output would be given.
	show func(g *generation, most int, into *ReplayedOutput) (run func(ctx context.Context) error)
	// sink is what the output writes to, nil for none.
	sink held
	// quiet tells that the output writes nothing under the number of a batch before it has had it fixed.
	quiet bool
}

// Named gives the output the name by which checkpoints, sinks, pages and errors know it, and returns it. An output
// without one is known by what it is and by its place among those that are alike, so that another one before it would
// take its effects' identities: name outputs that write to where it matters.
func (o *Output) Named(name string) *Output {
	o.node.rename(name)
	return o
}

func (o *Output) label() string {
	if o.node.name != "" {
		return o.node.name
	}
	return fmt.Sprintf("%s [%d]", o.node.op, o.number)
}

// guarantee is what the output promises of each record of a committed stream, as far as its sink and its inputs do.
func (o *Output) guarantee() string {
	var parts []string
	promise := promiseOf(o.sink)
	if promise != "" {
		parts = append(parts, promise)
	}
	exact := o.sink != nil && promise == "" && o.node.ssc.epoch > 0
	opened := o.node.ssc.durable.opened
	ranged, none := false, true
	for _, in := range o.node.ssc.inputs {
		if !o.readsInput(in) {
			continue
		}
		none = false
		switch {
		case in.received():
			parts = append(parts, in.label()+": at-least-once as long as the process lives; there is no write ahead "+
				"log, so what is received and not committed is lost when it dies")
		case in.logs() && !in.source.(receiving).positioned():
			parts = append(parts, in.label()+": at-least-once; what is received is in a write ahead log, and what its "+
				"sender sends again is received again")
		case is[inMemory](in.source):
			parts = append(parts, in.label()+": at-least-once as long as the process lives; the queue is in memory, "+
				"so what it holds is lost when it dies")
		case is[SourceGuarantee](in.source) && !opened:
			// The sink may promise more than a restart of the input keeps.
			parts = append(parts, in.label()+": "+in.source.(SourceGuarantee).Guarantee())
		default:
			ranged = true
		}
	}
	switch {
	case !ranged && !none, promise != "" && opened:
	case exact && len(parts) == 0:
		parts = append(parts, "exactly-once: the sink stores each batch together with its identity")
	case exact:
	case opened:
		parts = append(parts, "at-least-once: a batch whose process dies is run again, with the same records")
	default:
		parts = append(parts, "at-least-once if the program commits what it has read (kafka.Commit), else as its "+
			"inputs begin after a restart")
	}
	return strings.Join(parts, "; ")
}

// inMemory is a source whose data the process alone has.
type inMemory interface{ inMemory() }

func (*queueSource[T]) inMemory() {}

// is tells whether a value has a type, most often that of a contract it may fulfil besides.
func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// reads tells whether what n does depends on the node in.
func (n *node) reads(in *node) bool {
	return n == in || slices.ContainsFunc(n.parents, func(p *node) bool { return p.reads(in) })
}

// readsInput tells whether the output depends on an input, also by way of the records that operators gave up.
func (o *Output) readsInput(in *input) bool {
	letters := &o.node.ssc.letters
	return o.node.reads(in.node) || letters.stream != nil && o.node.reads(letters.stream.node) &&
		slices.ContainsFunc(letters.nodes, func(n *node) bool { return n.reads(in.node) })
}

// register adds an output operation for a stream.
func register[T any](d *DStream[T], op string, prepare func(g *generation) func(ctx context.Context) error) *Output {
	n := &node{ssc: d.node.ssc, op: op, site: exec.Caller(), slide: d.node.slide, parents: []*node{d.node}}
	o := &Output{node: n, number: len(n.ssc.outputs), prepare: prepare, show: showing(d)}
	if n.ssc.add(n) {
		n.ssc.outputs = append(n.ssc.outputs, o)
	}
	return o
}

// insideBody is what a goroutine that runs an output operation is inside of.
const insideBody = "the body of an output operation"

// errAbandoned says that an output's body was left to itself at the deadline of a stop.
var errAbandoned = errors.New("its body ignores that its context has ended, and was abandoned")

// guarded runs the user's part of the driver on a goroutine of its own: a panic and runtime.Goexit are errors of
// the batch, and a body that never returns is left to itself when the loop gives up.
func (o *Output) guarded(ctx context.Context, l *loop, run func(ctx context.Context) error) error {
	ended := make(chan error, 1)
	go func() {
		err := errExited
		defer func() { ended <- err }()
		defer o.node.ssc.sc.Inside().Enter(insideBody)()
		defer func() {
			if v := recover(); v != nil {
				err = exec.NewPanic(v, debug.Stack())
			}
		}()
		err = run(ctx)
	}()
	select {
	case err := <-ended:
		return err
	case <-l.gone:
		return errAbandoned
	}
}
