package dstream

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// A DStream is three things: dependencies, a slide interval, and a function from a batch to an RDD.
type DStream[T any] struct {
	node *node
	// compute gives the RDD of a batch; nil for a batch in which the stream has none.
	compute func(g *generation) *rdd.RDD[T]
	// level is how the RDDs are kept; NotPersisted if they are not.
	level rdd.StorageLevel
	// elements are what windows look back to, nil if there are none that do.
	elements *elements[T]
}

// A node is a vertex of the graph, whatever its elements are.
type node struct {
	ssc     *Context
	number  int
	op      string
	name    string
	typ     string
	site    exec.Site
	slide   time.Duration
	parents []*node
	err     error
	stream  any // the *DStream[T]; nil if the node is an output

	// looksBack is how far before its own batch the node reads its parents' RDDs. timed tells that what it gives
	// depends on batch times, so that missed ones must not be merged.
	looksBack time.Duration
	timed     bool
	// deals are the options of the node's shuffle that the program gave.
	deals []rdd.ShuffleOption
	// holds is how far back before its own batch what the node's step has taken in still counts.
	holds time.Duration
	// paned tells that what it has taken in is in the checkpoint, kept that its elements are, which may be of batches
	// after keptFrom.
	paned, kept bool
	keptFrom    Time
	// windows are, of a node that stands for the elements of its parent, those that look back to them.
	windows []*node
	// window is the window that the node gives in another form: who names the node means both.
	window *node
	// used tells that an output or a state reads the node, stands that it is a state, which goes on unread, need for
	// how long after its batch an RDD of it is asked for; findNeeds sets them.
	used, stands bool
	need         time.Duration
	// recall is for how long after its batch an RDD of the node has to be had again in another process, so that it
	// comes to where this one is; findRecall sets it.
	recall time.Duration
}

func newStream[T any](
	ssc *Context,
	op string,
	compute func(g *generation) *rdd.RDD[T],
	parents ...*node,
) *DStream[T] {
	n := &node{
		ssc:     ssc,
		op:      op,
		typ:     reflect.TypeFor[T]().String(),
		site:    exec.Caller(),
		slide:   ssc.interval,
		parents: parents,
	}
	if len(parents) > 0 {
		n.slide = parents[0].slide
	}
	ssc.add(n)
	d := &DStream[T]{node: n, compute: compute}
	n.stream = d
	return d
}

// derive makes the child of one stream: in each batch, f of the parent's RDD.
func derive[T, U any](d *DStream[T], op string, f func(*rdd.RDD[T]) *rdd.RDD[U]) *DStream[U] {
	var out *DStream[U]
	out = newStream(d.node.ssc, op, func(g *generation) *rdd.RDD[U] {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return place(f(r), out)
	}, d.node)
	return out
}

// place gives an RDD that an operator has just made the operator's name and place in the program.
func place[T any](r *rdd.RDD[T], d *DStream[T]) *rdd.RDD[T] {
	r.Place(d.node.op, d.node.site)
	return r
}

// combine makes the child of two streams of the same slide.
func combine[T, U, V any](
	a *DStream[T],
	b *DStream[U],
	op string,
	f func(*rdd.RDD[T], *rdd.RDD[U]) *rdd.RDD[V],
) *DStream[V] {
	var out *DStream[V]
	out = newStream(a.node.ssc, op, func(g *generation) *rdd.RDD[V] {
		ra, rb := a.at(g), b.at(g)
		if ra == nil || rb == nil {
			return nil
		}
		return place(f(ra, rb), out)
	}, a.node, b.node)
	out.node.sameClock(b.node)
	return out
}

func (n *node) sameClock(other *node) {
	if other.ssc != n.ssc {
		n.refuse("%s of streams of different contexts", n.op)
	}
	if other.slide != n.slide {
		n.refuse("%s of streams with slides of %v and %v: both must be the same", n.op, n.slide, other.slide)
	}
}

func (n *node) refuse(format string, args ...any) {
	n.err = errors.Join(n.err, fmt.Errorf("%s: %w", n.site, fmt.Errorf(format, args...)))
}

// due tells whether the node has something in the batch at t. A stream that has an RDD in each batch also has one in
// those that were run by an earlier program, with another interval.
func (n *node) due(t Time) bool { return n.slide == n.ssc.interval || t.IsMultipleOf(n.slide) }

// Named gives the stream the name by which checkpoints, pages, metrics and errors know it, and returns it.
func (d *DStream[T]) Named(name string) *DStream[T] {
	d.node.rename(name)
	return d
}

func (n *node) rename(name string) {
	if name == "" {
		n.refuse("Named needs a name that is not empty")
	}
	n.name = name
	if n.window != nil {
		n.window.rename(name + " (window)")
	}
}

// Persist has the RDD of each batch kept as [rdd.RDD.Persist] does, until nothing will ask for it again. It returns d.
func (d *DStream[T]) Persist(level rdd.StorageLevel) *DStream[T] {
	switch ssc := d.node.ssc; {
	case ssc.State() != Initialized:
		ssc.tooLate(fmt.Errorf("%s: Persist: %w", exec.Caller(), ErrStarted))
	case level != rdd.MemoryOnly && rdd.CheckShuffle[int, T]() != nil:
		d.node.refuse("%s: persist with the level %v: %w", d.node.op, level, rdd.CheckShuffle[int, T]())
	default:
		d.level = level
	}
	return d
}

// Cache is Persist with the level MEMORY_ONLY_SER, which is Spark's default for streams.
func (d *DStream[T]) Cache() *DStream[T] { return d.Persist(rdd.MemoryOnlySer) }

// Context is the context that the stream belongs to.
func (d *DStream[T]) Context() *Context { return d.node.ssc }

// SlideDuration is the interval at which the stream has an RDD.
func (d *DStream[T]) SlideDuration() time.Duration { return d.node.slide }

// at gives the stream's RDD of the generation's batch, computing it once.
func (d *DStream[T]) at(g *generation) *rdd.RDD[T] {
	if memo, ok := g.made[d.node]; ok {
		r, _ := memo.(*rdd.RDD[T])
		return r
	}
	var r *rdd.RDD[T]
	if d.node.due(g.batch.Time) {
		// A later batch may ask for it, of another plan, and so may Slice while another batch runs.
		g.batch.ssc.sc.Within(g.batch.parallelism, func() {
			told := false
			if r, told = d.elements.of(g); !told && (!g.bare || d.node.fromPanes(g.batch.Time)) {
				making := &g.batch.ssc.loop.making
				defer making.Store(making.Swap(d.node))
				r = d.compute(g)
			}
		})
	}
	if r != nil && d.level != rdd.NotPersisted {
		r = rdd.Same(r).Persist(d.level) // An RDD that the user made may be his in other batches, too.
		g.free[d.node] = r.Unpersist
	}
	if r == nil {
		g.made[d.node] = nil
		return nil
	}
	g.made[d.node] = r
	g.batch.ssc.loop.kept[r.ID()]++
	return r
}

// A generation is the RDDs of one batch: a function of the graph, the batch and its plan, so that another
// process that has all three makes the same ones.
type generation struct {
	batch *Batch
	made  map[*node]any
	free  map[*node]func() // gives back what is persisted
	first int              // the ID from which on its RDDs were made
	bare  bool             // nothing is known of the batch but what the checkpoint holds for windows
}

func (l *loop) newGeneration(b *Batch) *generation {
	return &generation{batch: b, made: make(map[*node]any, len(l.ssc.nodes)), free: map[*node]func(){},
		first: l.ssc.sc.NextID()}
}
