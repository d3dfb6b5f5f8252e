package rdd

import (
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/weirstream/weir/internal/exec"
)

// An RDD is five things: partitions; a function that computes one of them as an iter.Seq; dependencies,
// narrow or shuffle; optionally a partitioner; optionally preferred locations. It is immutable and may be
// used from several goroutines.
type RDD[T any] struct {
	sc   *Context
	node *exec.Node
	from atomic.Pointer[source[T]]  // a checkpoint puts another one there
	kept atomic.Pointer[keeping[T]] // what Persist keeps
	mark atomic.Pointer[checkpoint]
	// dealt says how the keys of a keyed RDD are spread over its partitions; nil if nothing is known.
	dealt *dealing
	// sorted is a *sortBounds[K] if the partitions are those of a sort by their keys; else nil.
	sorted any
}

// A source is how the partitions of an RDD are computed.
type source[T any] struct {
	compute func(tc *TaskContext, p int) iter.Seq[T]
	batch   func(tc *TaskContext, p int) batches[T] // the same in batches; nil where that does not pay
}

func newRDD[T any](sc *Context, n *exec.Node, compute func(tc *TaskContext, p int) iter.Seq[T]) *RDD[T] {
	r := &RDD[T]{sc: sc, node: n}
	r.from.Store(&source[T]{compute: compute})
	return r
}

// compute computes partition p, whether it is kept or not. A function that gave nil gave no elements, as a nil slice
// has none.
func (r *RDD[T]) compute(tc *TaskContext, p int) iter.Seq[T] {
	if in := r.from.Load().compute(tc, p); in != nil {
		return in
	}
	return func(func(T) bool) {}
}

// setBatch gives r the form of batches, while r is being made.
func (r *RDD[T]) setBatch(batch func(tc *TaskContext, p int) batches[T]) {
	r.from.Store(&source[T]{compute: r.from.Load().compute, batch: batch})
}

// batched tells whether r has the form of batches.
func (r *RDD[T]) batched() bool { return r.from.Load().batch != nil }

// FromPartitions makes an RDD of n partitions from nothing but a function that computes one; op is the
// name it has in errors and plans. It is how sources are made. f must give the same elements in the same
// order each time it is asked for the same partition: a retry asks again. A partition that cannot go on
// must call [TaskContext.Fail]; to end the sequence early would look like the partition's end. A long one
// calls [TaskContext.Check] every 1,024 elements.
func FromPartitions[T any](sc *Context, op string, n int, f func(tc *TaskContext, p int) iter.Seq[T]) *RDD[T] {
	r := newRDD(sc, sc.node(op, n), f)
	if n < 0 {
		r.refuse("%s needs a number of partitions of at least 0, not %d", op, n)
	}
	if f == nil {
		r.refuse("%s needs a function that computes a partition, not nil", op)
	}
	return r
}

// FromPartitionsLike is [FromPartitions] for pairs whose keys lie in the partitions in which those of like do, so that
// a join of the two, or of what is dealt alike, needs no shuffle. f must keep to that.
func FromPartitionsLike[K, V, W any](like *RDD[Pair[K, V]], op string,
	f func(tc *TaskContext, p int) iter.Seq[Pair[K, W]],
) *RDD[Pair[K, W]] {
	r := FromPartitions(like.sc, op, like.node.Partitions, f)
	r.dealt = like.dealt
	return r
}

// Same gives r as an RDD of its own, which is named and persisted apart from it. Narrow; no memory.
func Same[T any](r *RDD[T]) *RDD[T] {
	out := narrow(r, r.node.Op, r.iterate)
	if r.batched() {
		out.setBatch(r.batches)
	}
	out.node.Site = r.node.Site
	out.keysOf(r.dealt, r.sorted)
	return out
}

// keysOf says that the keys of r lie where those of another RDD do, which has the given dealing.
func (r *RDD[T]) keysOf(dealt *dealing, sorted any) { r.dealt, r.sorted = dealt, sorted }

// narrow makes the child of a transformation that computes its partition p from r's partition p.
func narrow[T, U any](r *RDD[T], op string, compute func(tc *TaskContext, p int) iter.Seq[U]) *RDD[U] {
	return newRDD(r.sc, r.sc.child(op, r.node), compute)
}

// child makes the node of an operator that reads each partition of one parent.
func (sc *Context) child(op string, parent *exec.Node) *exec.Node {
	n := sc.node(op, parent.Partitions, parent)
	n.AddNarrow(parent)
	n.Prefer(parent.Preferred())
	return n
}

// refuse keeps what the user did wrong in making r, with the place of the call.
func (r *RDD[T]) refuse(format string, args ...any) { refuse(r.node, format, args) }

func refuse(n *exec.Node, format string, args []any) {
	if n.Err == nil {
		n.Err = fmt.Errorf("%s: %w", n.Site, fmt.Errorf(format, args...))
	}
}

// needs refuses a nil function, which would be found only when the first record arrives.
func (r *RDD[T]) needs(isNil bool) *RDD[T] {
	if isNil {
		r.refuse("%s needs a function, not nil", r.node.Op)
	}
	return r
}

// Context is the context that r belongs to.
func (r *RDD[T]) Context() *Context { return r.sc }

// ID numbers the RDDs of a context in the order of their making.
func (r *RDD[T]) ID() int { return r.node.ID }

// NumPartitions is the number of tasks that compute r.
func (r *RDD[T]) NumPartitions() int { return r.node.Partitions }

// Err is what is wrong with the making of r itself, nil if nothing; the actions return it, too.
func (r *RDD[T]) Err() error { return r.node.Err }

// Named gives r a name for plans, errors and pages, and returns r.
func (r *RDD[T]) Named(name string) *RDD[T] {
	r.node.Name = name
	return r
}

// PreferredLocations are the hosts on which partition p would best be computed: hints that a cluster may
// use and one machine ignores.
func (r *RDD[T]) PreferredLocations(p int) []string {
	hosts := r.node.Preferred()
	if hosts == nil || p < 0 || p >= r.node.Partitions {
		return nil
	}
	return hosts(p)
}

// Prefer attaches preferred locations to r and returns r: hosts(p) lists those of partition p.
func (r *RDD[T]) Prefer(hosts func(p int) []string) *RDD[T] {
	r.node.Prefer(hosts)
	return r
}

// Iterate computes partition p of r inside the task that tc belongs to: what an operator of one's own, made with
// [FromPartitions] over other RDDs, would call. It is not an action. No job knows that r is needed: if r comes after a
// shuffle that has not run the task fails, and [MapPartitions] or [ZipPartitions] do it right.
func (r *RDD[T]) Iterate(tc *TaskContext, p int) iter.Seq[T] { return r.iterate(tc, p) }

// Place says that r stands for an operator at another place: for the stream engine, whose operators make
// RDDs in each batch. What is made of r is made by the engine, too, and stands at that place, until r is [RDD.Handed].
func (r *RDD[T]) Place(op string, site exec.Site) { r.node.Place(op, site) }

// Handed says that users have r now, whose own calls are the places of what they make of it.
func (r *RDD[T]) Handed() *RDD[T] {
	r.node.Handed()
	return r
}
