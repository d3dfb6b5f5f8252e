package dstream

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/weirstream/weir/rdd"
)

// MapWithState keeps a state for each key from batch to batch, and calls the spec's function for each record of a
// batch, those of a key in their order: out has what it gives. snapshots has, at each batch, the state of all keys, and
// costs something only if it is read.
//
// Shuffle of each batch. A batch costs what it holds, however many keys the state has: the state itself, which lies in
// memory or in a store on disk ([StateStore]), is not gone through, neither for time-outs nor for the checkpoint. What
// the function gave in a batch must fit into memory. With a checkpoint the state is durable, and changes exactly once a
// batch, whatever fails; without one it ends with the process. Types without a codec are refused when the graph is
// built; a NaN in a key fails its task, and so does a function that asks of a [State] what it cannot do ([ErrState]).
//
// Streams without a name are known by what they are made of; a name lets the state survive an upgrade that changes
// that: name out, also if it is not read.
func MapWithState[K comparable, V, S, U any](d *DStream[rdd.Pair[K, V]], spec *StateSpec[K, V, S, U],
) (out *DStream[U], snapshots *DStream[rdd.Pair[K, S]]) {
	if spec == nil {
		spec = &StateSpec[K, V, S, U]{}
	}
	ssc := d.node.ssc
	store, err := newStateStore(ssc, "mapWithState", spec.initial, spec.timeout > 0, spec.opts)
	dealt := RepartitionByKey(d, spec.opts...)
	m := &stateMapper[K, V, S, U]{stateStore: store, in: dealt, f: spec.f, timeout: spec.timeout}
	core := newStream[struct{}](ssc, "mapWithState", nil, dealt.node)
	core.node.timed = spec.timed
	out = newStream(ssc, "mapWithState", func(g *generation) *rdd.RDD[U] { return m.results(g) }, core.node)
	snapshots = newStream(ssc, "stateSnapshots", func(g *generation) *rdd.RDD[rdd.Pair[K, S]] {
		return m.rows(m.snapshots, g.batch.Time)
	}, core.node)
	m.out, m.snapshots = out.needs(spec.f == nil), snapshots
	out.sound(err).sound(spec.err)
	ssc.keeps(out.node, m)
	ssc.addStep(core.node, m.step, nil)
	return out, snapshots
}

// A stateMapper is the operator of MapWithState.
type stateMapper[K comparable, V, S, U any] struct {
	*stateStore[K, S]
	in        *DStream[rdd.Pair[K, V]]
	f         func(t Time, k K, v rdd.Optional[V], s *State[S]) (U, bool)
	timeout   time.Duration
	out       *DStream[U]
	snapshots *DStream[rdd.Pair[K, S]]

	given   [][]U // what the function gave in the batch at
	givenAt Time
}

// mapped is what a task has made.
type mapped[K comparable, S, U any] struct {
	over *overlay[K, S]
	out  []U
}

// idle implements stateful.
func (m *stateMapper[K, V, S, U]) idle(at Time) bool {
	return m.begun && (m.timeout == 0 || !m.anyDue(at.Add(-m.timeout)))
}

// settle implements stateful.
func (m *stateMapper[K, V, S, U]) settle(b *Batch, committed bool) {
	m.stateStore.settle(b, committed)
	if m.givenAt == b.Time {
		m.given, m.givenAt = nil, 0 // The batch's RDDs hold it as long as they are needed.
	}
}

// step maps the batch, once.
func (m *stateMapper[K, V, S, U]) step(ctx context.Context, g *generation) error {
	now := g.batch.Time
	if m.has(g.batch) {
		return nil
	}
	if m.open == nil || m.open.at != now {
		if err := m.ready(ctx, g); err != nil {
			return err
		}
		dealt := m.in.at(g)
		if dealt == nil { // The batch has no RDD of the input, and time goes on.
			dealt = rdd.RepartitionByKey(rdd.Empty[rdd.Pair[K, V]](g.batch.ssc.sc), m.opts...)
		}
		overs, given := make([]*overlay[K, S], len(m.table.parts)), make([][]U, len(m.table.parts))
		err := rdd.RunJob(ctx, dealt, nil,
			func(tc *rdd.TaskContext, in iter.Seq[rdd.Pair[K, V]]) (mapped[K, S, U], error) {
				return m.mapPartition(tc, now, in), nil
			}, func(i int, r mapped[K, S, U]) error { overs[i], given[i] = r.over, r.out; return nil })
		if err != nil {
			return err
		}
		m.taken(now, rdd.MapValues(dealt, func(V) (none S) { return none }), overs)
		m.given, m.givenAt = given, now
	}
	if m.out.node.need > 0 {
		m.out.at(g)
	}
	return m.keepForLater(ctx, g, m.snapshots)
}

// results gives what the function gave in a batch.
func (m *stateMapper[K, V, S, U]) results(g *generation) *rdd.RDD[U] {
	given, there := m.given, m.givenAt == g.batch.Time
	return place(rdd.FromPartitions(g.batch.ssc.sc, m.out.node.op, len(m.table.parts),
		func(tc *rdd.TaskContext, p int) iter.Seq[U] {
			if !there {
				tc.Fail(fmt.Errorf("what was given in the batch of %v is not kept any more", g.batch.Time))
			}
			return slices.Values(given[p])
		}), m.out)
}

// mapPartition is the task.
func (m *stateMapper[K, V, S, U]) mapPartition(tc *rdd.TaskContext, now Time, in iter.Seq[rdd.Pair[K, V]],
) mapped[K, S, U] {
	t := m.task(tc)
	var out []U
	st := &State[S]{lend: m.lent}
	call := func(k K, v rdd.Optional[V], c *change[S], timingOut bool) {
		st.begin(c.value, c.live, timingOut)
		u, ok := m.f(now, k, v, st)
		if st.err != nil {
			tc.Fail(fmt.Errorf("the state of the key %v: %w", k, st.err))
		}
		if ok && m.out.node.used {
			out = append(out, u)
		}
		switch {
		case timingOut || st.removed:
			t.drop(c)
		case st.put:
			c.value, c.live, c.put = st.value, true, true
		}
	}
	eachChange(t, in, func(kv rdd.Pair[K, V], c *change[S]) bool {
		call(kv.Key, rdd.Optional[V]{Value: kv.Value, Present: true}, c, false)
		return true
	})
	if m.timeout > 0 {
		for _, k := range t.due(now.Add(-m.timeout)) {
			call(k, rdd.Optional[V]{}, t.change(k), true)
		}
	}
	return mapped[K, S, U]{t.finish(), out}
}

// due gives the keys that were touched last before a time and had nothing in this batch, as their order is written
// down: those that have waited longest first, those of one batch by their bytes.
func (t *stateTask[K, S]) due(before Time) []K {
	type aged struct {
		touch Time
		bytes string
		key   K
	}
	var all []aged
	err := t.walk(before, func(k K, touch Time) bool {
		if t.over.table.PlaceOf(k) < 0 {
			all = append(all, aged{touch: touch, key: k})
		}
		return true
	})
	if err != nil {
		t.tc.Fail(err)
	}
	for i := range all {
		b, err := t.s.keys.Append(nil, all[i].key)
		if err != nil {
			t.tc.Fail(err)
		}
		all[i].bytes = string(b)
	}
	slices.SortFunc(all, func(x, y aged) int {
		return cmp.Or(cmp.Compare(x.touch, y.touch), cmp.Compare(x.bytes, y.bytes))
	})
	keys := make([]K, len(all))
	for i, a := range all {
		keys[i] = a.key
	}
	return keys
}

// walk yields the keys of the partition that were touched last before a time, bucket by bucket.
func (t *stateTask[K, S]) walk(before Time, yield func(k K, touch Time) bool) error {
	if t.disk.stateDisk != nil {
		err := t.disk.walk(t.p, before, yield)
		if err == nil && !t.part.stands(t.changes) {
			err = errMovedOn
		}
		return err
	}
	t.part.mu.RLock()
	defer t.part.mu.RUnlock()
	if t.part.changes != t.changes {
		return errMovedOn
	}
	t.part.walk(before, yield)
	return nil
}

func (p *statePart[K, S]) walk(before Time, yield func(k K, touch Time) bool) {
	for i := range p.buckets {
		b := &p.buckets[i]
		for n := b.oldest; n != 0; {
			k, e := b.table.At(int(n) - 1)
			if e.touch >= before {
				break
			}
			if !yield(k, e.touch) {
				return
			}
			n = e.newer
		}
	}
}

// anyDue tells whether any key was touched last before a time.
func (s *stateStore[K, S]) anyDue(before Time) (any bool) {
	for i, p := range s.table.parts {
		if d := s.table.disk; d != nil {
			if err := d.walk(i, before, func(K, Time) bool { any = true; return false }); err != nil {
				return true // The batch reads it, too, and fails.
			}
			continue
		}
		p.walk(before, func(K, Time) bool { any = true; return false })
	}
	return any
}
