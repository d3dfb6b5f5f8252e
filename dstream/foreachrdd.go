package dstream

import (
	"context"

	"github.com/weirstream/weir/rdd"
)

// ForeachRDD calls f with the RDD of each batch: the general output operation. f runs in the driver; the
// actions it calls, which must be given its ctx, run in tasks. A body that calls no action reads nothing, and
// the records of the batch are passed over. An error or a panic of f fails the batch. Bodies run in order
// of definition, and batch after batch; what WriteTo has handed to a sink's transaction before may not be stored yet.
func ForeachRDD[T any](d *DStream[T], f func(ctx context.Context, r *rdd.RDD[T], b *Batch) error) *Output {
	o := register(d, "foreachRDD", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return f(ctx, r.Handed(), g.batch) }
	})
	if f == nil {
		o.node.refuse("foreachRDD needs a function, not nil")
	}
	return o
}
