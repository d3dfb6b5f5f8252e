package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
)

// Union gives the elements of all the RDDs, duplicates included: the partitions of the first, then those of
// the second and so on. Narrow; no memory.
func Union[T any](first *RDD[T], others ...*RDD[T]) *RDD[T] {
	rs := append([]*RDD[T]{first}, others...)
	type part struct {
		of *RDD[T]
		p  int
	}
	var (
		parts   []part
		parents []*exec.Node
	)
	for _, r := range rs {
		parents = append(parents, r.node)
		for p := range r.node.Partitions {
			parts = append(parts, part{r, p})
		}
	}
	n := first.sc.node("union", len(parts))
	n.AddNarrow(parents...)
	n.Prefer(func(p int) []string { return parts[p].of.PreferredLocations(parts[p].p) })
	out := newRDD(first.sc, n, func(tc *TaskContext, p int) iter.Seq[T] {
		return parts[p].of.iterate(tc, parts[p].p)
	})
	for _, r := range rs {
		if r.sc != first.sc {
			out.refuse("union of RDDs of different contexts")
		}
	}
	return out
}
