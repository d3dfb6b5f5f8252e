package dstream

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/weirstream/weir/rdd"
)

// Find gives the stream of a context that was [DStream.Named] so. The error for a name that no stream has lists those
// that there are; a stream of other elements than T is an error, too.
func Find[T any](ssc *Context, name string) (*DStream[T], error) {
	var names []string
	for _, n := range ssc.nodes {
		if n.name == "" {
			continue
		}
		if n.name != name {
			names = append(names, n.name)
			continue
		}
		if d, ok := n.stream.(*DStream[T]); ok {
			return d, nil
		}
		if n.stream == nil {
			return nil, fmt.Errorf("%q is the %s at %s, an output and no stream", name, n.op, n.site)
		}
		return nil, fmt.Errorf("the elements of the stream %q (%s at %s) are %s, not %v", name, n.op, n.site, n.typ,
			reflect.TypeFor[T]())
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there is no stream named %q: none has a name; give it one with Named(%q)", name, name)
	}
	return nil, fmt.Errorf("there is no stream named %q; the names are %s", name, strings.Join(names, ", "))
}

// Substitute has d read s, whatever it was made from, so that a program can be run with other inputs than its build
// function gives it, in tests above all. If d is an input, s takes its source's place, which is neither asked nor
// closed. If it is not, it becomes one, and the inputs that no output reads any more are left out. It must be called
// before Start; a stream whose slide is not the batch interval cannot be substituted.
func Substitute[T any](d *DStream[T], s Source[T]) error {
	n := d.node
	switch {
	case n.ssc.State() != Initialized:
		return fmt.Errorf("Substitute: %w", ErrStarted)
	case s == nil:
		return fmt.Errorf("Substitute of %s (%s) needs a source, not nil", n.op, n.site)
	case n.slide != n.ssc.interval:
		return fmt.Errorf("%s (%s) has a slide of %v, and a source gives a range at each batch interval of %v: "+
			"substitute a stream that it is made from", n.op, n.site, n.slide, n.ssc.interval)
	}
	d.compute = read(d, s)
	for i, in := range n.ssc.inputs {
		if in.node == n {
			other := newInput(n, s)
			other.number, other.substituted = i, true
			n.ssc.inputs[i] = other
			return nil
		}
	}
	n.ssc.replaced = append(n.ssc.replaced, n.parents...)
	n.parents, n.looksBack, n.holds, n.timed = nil, 0, 0, false
	n.ssc.keepNoMore(n)
	in := newInput(n, s)
	in.substituted = true
	n.ssc.inputs = append(n.ssc.inputs, in)
	return nil
}

// keepNoMore takes out what was kept for the sake of a node that is computed otherwise now: its own state, and the
// elements that it alone looked back to.
func (ssc *Context) keepNoMore(n *node) {
	for _, e := range ssc.windowed {
		e.windows = slices.DeleteFunc(e.windows, func(w *node) bool { return w == n })
	}
	gone := func(of *node) bool {
		return of == n || slices.Contains(ssc.windowed, of) && len(of.windows) == 0
	}
	ssc.steps = slices.DeleteFunc(ssc.steps, func(s *step) bool { return gone(s.node) })
	ssc.states = slices.DeleteFunc(ssc.states, func(k *keeping) bool { return gone(k.node) })
	ssc.windowed = slices.DeleteFunc(ssc.windowed, func(e *node) bool { return len(e.windows) == 0 })
}

// read gives the RDD of the range that the source of d planned for the batch.
func read[T any](d *DStream[T], s Source[T]) func(*generation) *rdd.RDD[T] {
	return func(g *generation) *rdd.RDD[T] {
		p := g.batch.inputs[d.node]
		if p.absent {
			return place(rdd.Empty[T](d.node.ssc.sc), d)
		}
		if b, ok := s.(SourceBurier[T]); ok && b.Buries() {
			return place(readOrBury(g, d, b, p.rng), d)
		}
		return place(s.Read(d.node.ssc.sc, p.rng), d)
	}
}

// leaveOut drops the inputs above substituted streams that no output reads any more.
func (ssc *Context) leaveOut() {
	ssc.inputs = ssc.asked()
	for i, in := range ssc.inputs {
		in.number = i
	}
}

// asked are the inputs that batches ask: all but those above substituted streams that no output reads any more.
func (ssc *Context) asked() (inputs []*input) {
	read := above(ssc.outputNodes())
	cut := above(ssc.replaced)
	for _, in := range ssc.inputs {
		if read[in.node] || !cut[in.node] {
			inputs = append(inputs, in)
		}
	}
	return inputs
}

func (ssc *Context) outputNodes() (nodes []*node) {
	for _, o := range ssc.outputs {
		nodes = append(nodes, o.node)
	}
	return nodes
}

// above are nodes and all that they are made from.
func above(nodes []*node) map[*node]bool {
	found := map[*node]bool{}
	for todo := slices.Clone(nodes); len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !found[n] {
			found[n] = true
			todo = append(todo, n.parents...)
		}
	}
	return found
}

// An InputDefinition is an input of a program: its name, or what stands for it, the operator and the line that made
// the stream, and whether Substitute gave it another source.
type InputDefinition struct {
	Name, Op, Site string
	Substituted    bool
}

// Inputs are the inputs that the program's batches ask.
func (ssc *Context) Inputs() (definitions []InputDefinition) {
	for _, in := range ssc.asked() {
		definitions = append(definitions, InputDefinition{
			Name: in.label(), Op: in.node.op, Site: in.node.site.String(), Substituted: in.substituted,
		})
	}
	return definitions
}
