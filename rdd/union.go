package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// Union gives the elements of all the RDDs, duplicates included: the partitions of the first, then those of the second
// and so on. If all are dealt alike, as those that one partitioner dealt are, the union keeps that, and the number of
// partitions: each partition has the elements of the first one's, then those of the second one's and so on. RDDs
// without partitions do not count for that. Narrow; no memory.
func Union[T any](first *RDD[T], others ...*RDD[T]) *RDD[T] {
	rs := append([]*RDD[T]{first}, others...)
	out := unionOf(first.sc, rs)
	for _, r := range rs {
		if r.sc != first.sc {
			out.refuse("union of RDDs of different contexts")
		}
	}
	return out
}

func unionOf[T any](sc *Context, rs []*RDD[T]) *RDD[T] {
	if dealt := dealtAlike(rs); len(dealt) > 0 {
		return aligned(sc, dealt, nodes(rs))
	}
	type part struct {
		of *RDD[T]
		p  int
	}
	var parts []part
	for _, r := range rs {
		for p := range r.node.Partitions {
			parts = append(parts, part{r, p})
		}
	}
	n := sc.node("union", len(parts), nodes(rs)...)
	n.AddNarrow(nodes(rs)...)
	n.Prefer(func(p int) []string { return parts[p].of.PreferredLocations(parts[p].p) })
	return newRDD(sc, n, func(tc *TaskContext, p int) iter.Seq[T] { return parts[p].of.iterate(tc, parts[p].p) })
}

func nodes[T any](rs []*RDD[T]) (ns []*exec.Node) {
	for _, r := range rs {
		ns = append(ns, r.node)
	}
	return ns
}

// dealtAlike lists the RDDs that have partitions, if all of those are dealt in one way; else it lists none.
func dealtAlike[T any](rs []*RDD[T]) (dealt []*RDD[T]) {
	for _, r := range rs {
		if r.node.Partitions == 0 {
			continue
		}
		dealt = append(dealt, r)
		if !dealt[0].dealt.same(r.dealt) {
			return nil
		}
	}
	return dealt
}

// aligned joins the partitions of the same number of RDDs that are dealt alike.
func aligned[T any](sc *Context, rs []*RDD[T], parents []*exec.Node) *RDD[T] {
	n := sc.node("union", rs[0].node.Partitions, parents...)
	n.AddNarrow(parents...)
	n.Prefer(rs[0].node.Preferred())
	out := newRDD(sc, n, func(tc *TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			more := true
			each := func(v T) bool {
				more = yield(v)
				return more
			}
			for _, r := range rs {
				if !more {
					return
				}
				r.iterate(tc, p)(each)
			}
		}
	})
	out.dealt = rs[0].dealt
	for _, r := range rs {
		if r.dealt.atHand() { // Of the others only the name of the partitioner may be known.
			out.dealt = r.dealt
			break
		}
	}
	return out
}
