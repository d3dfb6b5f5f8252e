package dstream

import (
	"fmt"

	"github.com/weirstream/weir/rdd"
)

// Transform gives, in each batch, the RDD that f makes of the stream's RDD: the way to every operator of
// package rdd and to data outside of the stream. f runs wherever the batch's RDDs are made, and again when a
// batch is run again; it must be deterministic, do no I/O and not give nil.
func Transform[T, U any](d *DStream[T], f func(*rdd.RDD[T], Time) *rdd.RDD[U]) *DStream[U] {
	var out *DStream[U]
	out = newStream(d.node.ssc, "transform", func(g *generation) *rdd.RDD[U] {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return notNil(f(r.Handed(), g.batch.Time), out)
	}, d.node)
	return out.needs(f == nil)
}

// TransformWith is Transform of two streams of the same slide.
func TransformWith[T, U, V any](a *DStream[T], b *DStream[U],
	f func(*rdd.RDD[T], *rdd.RDD[U], Time) *rdd.RDD[V],
) *DStream[V] {
	var out *DStream[V]
	out = newStream(a.node.ssc, "transformWith", func(g *generation) *rdd.RDD[V] {
		ra, rb := a.at(g), b.at(g)
		if ra == nil || rb == nil {
			return nil
		}
		return notNil(f(ra.Handed(), rb.Handed(), g.batch.Time), out)
	}, a.node, b.node)
	out.node.sameClock(b.node)
	return out.needs(f == nil)
}

// TransformAll is Transform of any number of streams of one type and slide: f is given their RDDs in the order of ds.
func TransformAll[T, U any](ds []*DStream[T], f func([]*rdd.RDD[T], Time) *rdd.RDD[U]) *DStream[U] {
	if len(ds) == 0 {
		panic("dstream.TransformAll needs at least one stream")
	}
	parents := make([]*node, len(ds))
	for i, d := range ds {
		parents[i] = d.node
	}
	var out *DStream[U]
	out = newStream(ds[0].node.ssc, "transformAll", func(g *generation) *rdd.RDD[U] {
		rs := make([]*rdd.RDD[T], len(ds))
		for i, d := range ds {
			if rs[i] = d.at(g); rs[i] == nil {
				return nil
			}
			rs[i].Handed()
		}
		return notNil(f(rs, g.batch.Time), out)
	}, parents...)
	for _, p := range parents[1:] {
		out.node.sameClock(p)
	}
	return out.needs(f == nil)
}

func notNil[T any](r *rdd.RDD[T], d *DStream[T]) *rdd.RDD[T] {
	if r == nil {
		panic(fmt.Sprintf("the function of %s at %s gave no RDD; rdd.Empty makes one without elements",
			d.node.op, d.node.site))
	}
	return r
}
