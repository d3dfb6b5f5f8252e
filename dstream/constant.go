package dstream

import "github.com/weirstream/weir/rdd"

// ConstantStream makes a stream that has the same RDD in each batch: for data that streams are joined with, and tests.
// Persist r if it costs anything to compute. It is no input: it has no ranges, and is not shown as one.
func ConstantStream[T any](ssc *Context, r *rdd.RDD[T]) *DStream[T] {
	var d *DStream[T]
	d = newStream(ssc, "constantStream", func(*generation) *rdd.RDD[T] { return place(rdd.Same(r), d) })
	switch {
	case r == nil:
		d.node.refuse("constantStream needs an RDD, not nil")
	case r.Context() != ssc.sc:
		d.node.refuse("constantStream needs an RDD of its own context: make it with the context's RDD()")
	}
	return d
}
