package dstream

import "github.com/weirstream/weir/rdd"

// Union gives the elements of all the streams, which must have the same slide. Narrow; see [rdd.Union].
func Union[T any](first *DStream[T], others ...*DStream[T]) *DStream[T] {
	parents := []*node{first.node}
	for _, o := range others {
		parents = append(parents, o.node)
	}
	var out *DStream[T]
	out = newStream(first.node.ssc, "union", func(g *generation) *rdd.RDD[T] {
		r := first.at(g)
		rs := make([]*rdd.RDD[T], len(others))
		for i, o := range others {
			rs[i] = o.at(g)
		}
		if r == nil {
			return nil // The slides are alike, so no parent has one.
		}
		return place(rdd.Union(r, rs...), out)
	}, parents...)
	for _, o := range others {
		out.node.sameClock(o.node)
	}
	return out
}
