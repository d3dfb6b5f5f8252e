package dstream

import (
	"context"
	"fmt"
	"iter"

	"github.com/weirstream/weir/rdd"
)

// UpdateStateByKey keeps a state for each key from batch to batch. In each batch f is called for every key that has a
// state or values in the batch: with these in order, none for a key without data, and with its state, if it had one. f
// gives the new state, or false to drop the key. The stream has the states of all keys that are left. The state that f
// is given is its own, to change and to give back.
//
// Shuffle of each batch, and a pass over all keys: [UpdateTouchedStateByKey] and [MapWithState] cost what the batch
// holds. The state lies in memory, or in a store on disk ([StateStore]); what a batch changes, and the values of one
// key, must fit into memory. With a checkpoint the state is durable, and changes exactly once a batch, whatever fails;
// only states that became other ones are written. Without one it ends with the process. Types without a codec are
// refused when the graph is built; a NaN in a key fails its task.
func UpdateStateByKey[K comparable, V, S any](d *DStream[rdd.Pair[K, V]], f func(vs []V, s S, had bool) (S, bool),
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, S]] {
	return UpdateStateByKeyFrom(d, nil, f, opts...)
}

// UpdateStateByKeyFrom is [UpdateStateByKey] whose keys have a state before the first batch. initial is not read when
// there is a state from a checkpoint; of a key that comes twice the last counts. The first batch needs about twice the
// memory of the state, as [StateSpec.Initial] says.
func UpdateStateByKeyFrom[K comparable, V, S any](d *DStream[rdd.Pair[K, V]], initial *rdd.RDD[rdd.Pair[K, S]],
	f func(vs []V, s S, had bool) (S, bool), opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, S]] {
	if f == nil {
		return UpdateStateByKeyWithTime[K, V](d, initial, nil, opts...)
	}
	return UpdateStateByKeyWithTime(d, initial,
		func(_ Time, _ K, vs []V, s S, had bool) (S, bool) { return f(vs, s, had) }, opts...)
}

// UpdateStateByKeyWithTime is [UpdateStateByKeyFrom] with a function that is told the batch's time and the key. initial
// may be nil.
func UpdateStateByKeyWithTime[K comparable, V, S any](d *DStream[rdd.Pair[K, V]], initial *rdd.RDD[rdd.Pair[K, S]],
	f func(t Time, k K, vs []V, s S, had bool) (S, bool), opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, S]] {
	u, out := newStateUpdater(d, initial, opts)
	u.f = f
	u.compute = u.update
	return out.needs(f == nil)
}

// UpdateTouchedStateByKey is [UpdateStateByKey] that calls f only for keys with values in the batch, so that a batch
// costs what it holds. touched has the states of these keys that are left; all has, at each batch, those of all keys,
// and costs something only if it is read. A name goes to touched.
func UpdateTouchedStateByKey[K comparable, V, S any](d *DStream[rdd.Pair[K, V]],
	f func(vs []V, s S, had bool) (S, bool), opts ...rdd.ShuffleOption,
) (touched, all *DStream[rdd.Pair[K, S]]) {
	spec := Spec(func(k K, vs rdd.Optional[[]V], st *State[S]) (out rdd.Pair[K, S]) { return out })
	spec.opts = opts
	spec.f = func(_ Time, k K, vs rdd.Optional[[]V], st *State[S]) (rdd.Pair[K, S], bool) {
		before := st.Option()
		s, live := f(vs.Value, before.Value, before.Present)
		if live {
			st.Update(s)
		} else {
			st.Remove()
		}
		return rdd.KV(k, s), live
	}
	touched, all = MapWithState(GroupByKey(d, opts...), spec)
	return touched.needs(f == nil), all
}

// A StateGroup is what [UpdateStatePartitions] gives of a key: its values in the batch, and its state, if it had one.
type StateGroup[K, V, S any] struct {
	Key    K
	Values []V
	State  rdd.Optional[S]
}

// UpdateStatePartitions is [UpdateStateByKeyFrom] with a function of all keys of a partition: those with values in the
// batch first, as they came, then the others as the state has them. What f yields is the new state, of which each key
// may be there once; what it does not yield is dropped. With rememberPartitioner f must leave keys in their partition;
// without it they may be any, and the whole state is shuffled in each batch. initial may be nil.
//
// What a partition has is held in memory twice while the batch runs.
func UpdateStatePartitions[K comparable, V, S any](d *DStream[rdd.Pair[K, V]], initial *rdd.RDD[rdd.Pair[K, S]],
	f func(groups iter.Seq[StateGroup[K, V, S]]) iter.Seq[rdd.Pair[K, S]], rememberPartitioner bool,
	opts ...rdd.ShuffleOption,
) *DStream[rdd.Pair[K, S]] {
	u, out := newStateUpdater(d, initial, opts)
	u.whole, u.stay = f, rememberPartitioner
	u.compute = u.replace
	return out.needs(f == nil)
}

// A stateUpdater is the operator of UpdateStateByKey.
type stateUpdater[K comparable, V, S any] struct {
	*stateStore[K, S]
	groups  *DStream[rdd.Pair[K, []V]]
	out     *DStream[rdd.Pair[K, S]]
	f       func(t Time, k K, vs []V, s S, had bool) (S, bool)
	whole   func(groups iter.Seq[StateGroup[K, V, S]]) iter.Seq[rdd.Pair[K, S]]
	stay    bool
	compute func(ctx context.Context, g *generation, groups *rdd.RDD[rdd.Pair[K, []V]]) ([]*overlay[K, S], error)
}

func newStateUpdater[K comparable, V, S any](d *DStream[rdd.Pair[K, V]], initial *rdd.RDD[rdd.Pair[K, S]],
	opts []rdd.ShuffleOption,
) (*stateUpdater[K, V, S], *DStream[rdd.Pair[K, S]]) {
	ssc := d.node.ssc
	store, err := newStateStore(ssc, "updateStateByKey", initial, false, opts)
	u := &stateUpdater[K, V, S]{stateStore: store, groups: GroupByKey(d, opts...)}
	u.out = newStream(ssc, "updateStateByKey", func(g *generation) *rdd.RDD[rdd.Pair[K, S]] {
		return u.rows(u.out, g.batch.Time)
	}, u.groups.node)
	u.out.node.timed = true // The function is called in each batch.
	ssc.keeps(u.out.node, u)
	ssc.addStep(u.out.node, u.step, nil)
	return u, u.out.sound(err)
}

// idle implements stateful: the function is called for every key.
func (u *stateUpdater[K, V, S]) idle(Time) bool { return false }

// step updates the state, once in each batch.
func (u *stateUpdater[K, V, S]) step(ctx context.Context, g *generation) error {
	now := g.batch.Time
	if u.has(g.batch) {
		return nil
	}
	if u.open == nil || u.open.at != now {
		if err := u.ready(ctx, g); err != nil {
			return err
		}
		groups := u.groups.at(g)
		if groups == nil { // The batch has no RDD of the input, and the function is called for what there is.
			groups = rdd.GroupByKey(rdd.Empty[rdd.Pair[K, V]](g.batch.ssc.sc), u.opts...)
		}
		overs, err := u.compute(ctx, g, groups)
		if err != nil {
			return err
		}
		u.taken(now, rdd.MapValues(groups, func([]V) (none S) { return none }), overs)
	}
	return u.keepForLater(ctx, g, u.out)
}

// update calls the function for each key.
func (u *stateUpdater[K, V, S]) update(ctx context.Context, g *generation, groups *rdd.RDD[rdd.Pair[K, []V]],
) ([]*overlay[K, S], error) {
	now := g.batch.Time
	return runStateTasks(ctx, u.stateStore, groups, func(t *stateTask[K, S], in iter.Seq[rdd.Pair[K, []V]]) {
		call := func(k K, vs []V, c *change[S]) {
			if v, live := u.f(now, k, vs, u.lent(c.value), c.live); live {
				t.set(c, v)
			} else {
				t.drop(c)
			}
		}
		eachChange(t, in, func(kv rdd.Pair[K, []V], c *change[S]) bool {
			call(kv.Key, kv.Value, c)
			return true
		})
		t.rest(func(k K, v S) bool {
			// A key that stays as it is, as most do, leaves nothing behind.
			w, live := u.f(now, k, nil, u.lent(v), true)
			switch {
			case !live:
				t.drop(t.change(k))
			case !t.same(&v, &w):
				t.set(t.change(k), w)
			}
			return true
		})
	})
}

// replace calls the function for each partition.
func (u *stateUpdater[K, V, S]) replace(ctx context.Context, g *generation, groups *rdd.RDD[rdd.Pair[K, []V]],
) ([]*overlay[K, S], error) {
	next := rdd.MapPartitions(groups,
		func(tc *rdd.TaskContext, in iter.Seq[rdd.Pair[K, []V]]) iter.Seq[rdd.Pair[K, S]] {
			return u.whole(u.groupsOf(u.task(tc), in))
		})
	if !u.stay {
		next = rdd.RepartitionByKey(next, u.opts...)
		defer next.LetGo(g.first, func(id int) bool { return g.batch.ssc.loop.kept[id] > 0 })
	}
	return runStateTasks(ctx, u.stateStore, next, func(t *stateTask[K, S], in iter.Seq[rdd.Pair[K, S]]) {
		in(func(kv rdd.Pair[K, S]) bool {
			had := t.over.table.Len()
			c := t.change(kv.Key)
			if t.over.table.Len() == had {
				t.tc.Fail(fmt.Errorf("the function gave the key %v twice: a key has one state", kv.Key))
			}
			t.set(c, kv.Value)
			return true
		})
		t.rest(func(k K, _ S) bool {
			t.drop(t.change(k))
			return true
		})
	})
}

// groupsOf yields all keys of a partition.
func (u *stateUpdater[K, V, S]) groupsOf(t *stateTask[K, S], in iter.Seq[rdd.Pair[K, []V]],
) iter.Seq[StateGroup[K, V, S]] {
	return func(yield func(StateGroup[K, V, S]) bool) {
		more := true
		eachChange(t, in, func(kv rdd.Pair[K, []V], c *change[S]) bool {
			g := StateGroup[K, V, S]{Key: kv.Key, Values: kv.Value}
			if c.live {
				g.State = rdd.Optional[S]{Value: u.lent(c.value), Present: true}
			}
			more = yield(g)
			return more
		})
		if !more {
			return
		}
		t.rest(func(k K, v S) bool {
			return yield(StateGroup[K, V, S]{Key: k, State: rdd.Optional[S]{Value: u.lent(v), Present: true}})
		})
	}
}

// runStateTasks runs a step's tasks and gives what each partition's has changed.
func runStateTasks[K comparable, S, T any](ctx context.Context, s *stateStore[K, S], r *rdd.RDD[T],
	run func(t *stateTask[K, S], in iter.Seq[T]),
) ([]*overlay[K, S], error) {
	overs := make([]*overlay[K, S], len(s.table.parts))
	err := rdd.RunJob(ctx, r, nil, func(tc *rdd.TaskContext, in iter.Seq[T]) (*overlay[K, S], error) {
		t := s.task(tc)
		run(t, in)
		return t.finish(), nil
	}, func(i int, o *overlay[K, S]) error { overs[i] = o; return nil })
	return overs, err
}
