package dstream

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A keyedWindow is the state of a stream of panes: a window for each partition. The step of a batch changes it, in the
// driver and all or nothing, when the batch's reduction has been computed in tasks, which may fail and run again.
type keyedWindow[K comparable, V any] struct {
	reduced, out *DStream[rdd.Pair[K, V]]
	length       time.Duration
	fold         folding[V]
	files        *paneFiles[K, V] // nil where nothing outlives its batch

	version    Time // the last batch that was taken in
	before     Time // the one before that
	partitions []*panes[K, V]
	broken     error // why the window is of no use any more
}

// take is the step: it computes the batch's pane of each partition, then lets all in and the old ones out.
func (w *keyedWindow[K, V]) take(ctx context.Context, g *generation) error {
	if w.broken != nil {
		return w.broken
	}
	if w.version == g.batch.Time { // The batch failed after it was taken in, and runs again.
		return w.keepForLater(ctx, g)
	}
	if w.files != nil && w.files.has(g.batch) {
		return nil
	}
	r := w.reduced.at(g)
	if r == nil {
		return nil
	}
	now, write := g.batch.Time, w.files != nil && w.files.writes(g.batch)
	fresh, encoded := make([][]paneRow[K, V], r.NumPartitions()), make([][][]byte, r.NumPartitions())
	err := rdd.RunJob(ctx, r, nil, func(_ *rdd.TaskContext, in iter.Seq[rdd.Pair[K, V]]) (p freshPane[K, V],
		err error) {
		in(func(kv rdd.Pair[K, V]) bool {
			p.rows = append(p.rows, paneRow[K, V]{key: kv.Key, value: kv.Value, next: nowhere})
			return true
		})
		if write {
			p.encoded, err = w.files.encode(now, p.rows)
		}
		return p, err
	}, func(i int, p freshPane[K, V]) error { fresh[i], encoded[i] = p.rows, p.encoded; return nil })
	if err == nil {
		err = cmp.Or(w.add(ctx, now, fresh), context.Cause(ctx)) // At a stop this may have been given up meanwhile.
		if err != nil {
			w.broken = w.leftHalfWay(ctx, g.batch, err)
			err = w.broken
		}
	}
	if err != nil {
		return err
	}
	if w.files != nil {
		w.files.take(encoded)
	}
	w.before, w.version = w.version, now
	return w.keepForLater(ctx, g)
}

// A freshPane is what a task makes: the rows of its partition, and as they are written.
type freshPane[K comparable, V any] struct {
	rows    []paneRow[K, V]
	encoded [][]byte
}

// leftHalfWay is the error of a window of which only some keys have a batch: no other try would fare better, but the
// next start may. A stop that has cut it says so itself.
func (w *keyedWindow[K, V]) leftHalfWay(ctx context.Context, b *Batch, err error) error {
	if context.Cause(ctx) != nil {
		return err
	}
	if w.out.node.ssc.durable.opened {
		err = fmt.Errorf("%w (if that comes at the next start again, give the batch up there by %s=%d)", err,
			conf.CheckpointSkip.Name(), b.Sequence)
	}
	return brokenState{"window", err}
}

// add has the panes of a batch let in. If that fails the window is of no use any more.
func (w *keyedWindow[K, V]) add(ctx context.Context, now Time, fresh [][]paneRow[K, V]) error {
	ssc := w.out.node.ssc
	if w.partitions == nil {
		w.partitions = make([]*panes[K, V], len(fresh))
		for i := range w.partitions {
			w.partitions[i] = newPanes[K](w.fold, w.length, nil) // The keys of a shuffle own their memory.
			w.partitions[i].ordered = ssc.durable.found != nil
			w.partitions[i].undoable = ssc.failurePolicy().skip
		}
	}
	return w.letIn(ctx, now, fresh)
}

// letIn has each partition take its pane, as many at a time as there are cores: where the window turns, each row that
// it has is folded. Between partitions it looks at ctx, which ends with the program only, so that a stop does not wait
// for all of them. The error is that of the first partition.
func (w *keyedWindow[K, V]) letIn(ctx context.Context, now Time, fresh [][]paneRow[K, V]) error {
	errs := slices.Repeat([]error{errExited}, len(w.partitions))
	checkpoint.InParallel(len(errs), runtime.GOMAXPROCS(0), func(i int) {
		if errs[i] = context.Cause(ctx); errs[i] == nil {
			errs[i] = errExited
			errs[i] = w.fold.guarded(func() { w.partitions[i].take(pane[K, V]{now, fresh[i]}) })
		}
	})
	return cmp.Or(errs...)
}

// forgo takes a batch out again that is given up.
func (w *keyedWindow[K, V]) forgo(b *Batch) error {
	switch {
	case w.broken != nil:
		return fmt.Errorf("%s (%s): %w", w.out.node.op, w.out.node.site, w.broken)
	case w.version == b.Time:
		for _, p := range w.partitions {
			p.takeBack()
		}
		if w.files != nil {
			w.files.takeBack()
		}
		w.version = w.before
	}
	return nil
}

// keepForLater computes the window's RDD at once if it will be asked for after the window has moved on.
func (w *keyedWindow[K, V]) keepForLater(ctx context.Context, g *generation) error {
	if w.out.node.need == 0 || !w.out.node.due(g.batch.Time) {
		return nil
	}
	if w.out.level == rdd.NotPersisted {
		w.out.level = windowLevel[rdd.Pair[K, V]]()
	}
	w.out.level.Disk = true // What memory alone has no room for would be computed again, which cannot be.
	_, err := rdd.Count(ctx, w.out.at(g))
	return err
}

// at gives the window of the batch.
func (w *keyedWindow[K, V]) at(g *generation) *rdd.RDD[rdd.Pair[K, V]] {
	now := g.batch.Time
	return rdd.FromPartitionsLike(w.reduced.at(g), w.out.node.op,
		func(tc *rdd.TaskContext, p int) iter.Seq[rdd.Pair[K, V]] {
			if w.version != now {
				tc.Fail(fmt.Errorf("the window of %v cannot be computed any more: it stands at %v", now, w.version))
			}
			return w.partitions[p].all()
		})
}

// guarded runs what calls the user's function in the driver.
func (fo folding[V]) guarded(f func()) (err error) {
	defer recovered(&err)
	f()
	return nil
}

// mutableClone copies values that a function could write through; nil for others. A value that cannot be copied panics,
// which fails the task or the batch.
func mutableClone[V any]() func(V) V {
	clone := rdd.MutableClone[V]()
	if clone == nil {
		return nil
	}
	return func(v V) V {
		w, err := clone(v)
		if err != nil {
			panic(fmt.Errorf("copy a %T that a window keeps: %w", v, err))
		}
		return w
	}
}
