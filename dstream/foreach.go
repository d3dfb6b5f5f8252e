package dstream

import (
	"context"
	"fmt"
	"iter"

	"github.com/weirstream/weir/rdd"
)

// An Effect is the identity of what one partition of one output of one batch writes. A sink that stores Key
// atomically together with the records, and does nothing if it is there, has every record exactly once,
// however often the task is run.
type Effect struct {
	// Job names the program's checkpoint; without one it is new at each start.
	Job string
	// Output is the operator id of the output, Name the effect's name within a body, or "".
	Output string
	Name   string
	// Sequence is the batch's, Partition the RDD's.
	Sequence  int64
	Partition int
	// Epoch counts the owners of the job. It fences and is no part of the identity.
	Epoch int64
}

// Key is the identity as text.
func (e Effect) Key() string {
	return fmt.Sprintf("%s/%s/%s/%d/%d", e.Job, e.Output, e.Name, e.Sequence, e.Partition)
}

// Foreach calls f in the tasks with each element of each batch. An error fails the task, which is tried
// again: f may see an element more than once (at-least-once).
func Foreach[T any](d *DStream[T], f func(T) error) *Output {
	o := register(d, "foreach", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return rdd.Foreach(ctx, r, f) }
	})
	if f == nil {
		o.node.refuse("foreach needs a function, not nil")
	}
	return o
}

// ForeachPartition calls f in the tasks with each partition of each batch and the identity of its effect. An
// error fails the task, which is tried again with the same identity.
func ForeachPartition[T any](
	d *DStream[T],
	f func(tc *rdd.TaskContext, id Effect, in iter.Seq[T]) error,
) *Output {
	var o *Output
	o = register(d, "foreachPartition", func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error {
			id := g.batch.effect(o, "")
			return rdd.ForeachPartition(ctx, r, func(tc *rdd.TaskContext, in iter.Seq[T]) error {
				id := id
				id.Partition = tc.PartitionID()
				return f(tc, id, in)
			})
		}
	})
	if f == nil {
		o.node.refuse("foreachPartition needs a function, not nil")
	}
	return o
}

// effect is the identity of what the output writes for the batch, but for the partition.
func (b *Batch) effect(o *Output, name string) Effect {
	return Effect{Job: b.ssc.job, Output: b.ssc.loop.outputIDs[o.number], Name: name, Sequence: b.Sequence,
		Epoch: b.ssc.epoch}
}
