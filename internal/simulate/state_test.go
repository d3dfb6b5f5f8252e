package simulate

import (
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// past is what the definition of an operator that keeps a state is given: all batches so far.
type past struct {
	interval time.Duration
	times    []dstream.Time
	rows     []any
}

// until gives what a step had in each batch so far in which it was due.
func (a *answers) until(step, batch int) past {
	p := past{interval: a.g.Interval}
	for b := range batch + 1 {
		if rows := a.at(step, b); rows != nil {
			p.times, p.rows = append(p.times, a.batches[b].time), append(p.rows, rows)
		}
	}
	return p
}

// stateful is an operator whose definition goes through all batches so far.
func stateful[T, U any](name string, live func(x *execution, s *Step, d *stream[T]) *stream[U],
	definition func(s *Step, p past) []U,
) *operator {
	o := one(name, live, func(*Step, []T) []U { return nil })
	o.remembers = true
	o.definition = func(s *Step, in []any) any { return definition(s, in[0].(past)) }
	return o
}

// A held is the state of a key in a definition.
type held[S any] struct {
	value S
	touch dstream.Time
}

// statesByKey are the operators that keep a state of the values' type.
func statesByKey[K, V comparable]() []*operator {
	ops := slices.Concat(updates[K, V](), mappings[K, V]())
	for _, o := range ops {
		o.needing(byKey, "").shuffle().often(5)
	}
	return ops
}

// next makes a state of the one before and a value, and drops some.
func next[V any](seed int, s V, had bool, v V) (V, bool) {
	t := text(v)
	if had {
		t = text(s) + "+" + t
	}
	return valueOf[V](t), digest(t, seed)%5 != 0
}

// update is a function of UpdateStateByKey: an empty batch makes something else of some states.
func update[V any](seed int) func(vs []V, s V, had bool) (V, bool) {
	return func(vs []V, s V, had bool) (V, bool) {
		live := had
		for _, v := range vs {
			s, live = next(seed, s, live, v)
		}
		if d := digest(text(s), seed+1) % 4; len(vs) == 0 && d < 2 {
			return valueOf[V](text(s) + "."), d > 0
		}
		return s, live
	}
}

// flaky panics in some calls, in the middle of a task that has changed states: what it has changed must be forgotten.
func flaky[V any](x *execution, s *Step, f func([]V, V, bool) (V, bool)) func([]V, V, bool) (V, bool) {
	if x.life == nil || s.Seed%2 == 0 {
		return f
	}
	var calls atomic.Int64
	return func(vs []V, state V, had bool) (V, bool) {
		if fails(calls.Add(1)) {
			panic(errFault)
		}
		return f(vs, state, had)
	}
}

// fails tells that a call is one of the few in the life of a program that fail.
func fails(call int64) bool { return call == 5 || call == 23 || call == 60 }

// initialOf are the states with which some operators begin.
func initialOf[K, V any]() (rows []pair[K, V]) {
	for _, t := range []string{"a", "b", "1", "word-0001"} {
		rows = append(rows, rdd.KV(valueOf[K](t), valueOf[V]("initial "+t)))
	}
	return rows
}

// updated is the definition of UpdateStateByKey; every tells that the function is called for each key.
func updated[K, V comparable](seed int, p past, initial []pair[K, V], every bool) (all, touched []pair[K, V]) {
	state := map[K]V{}
	for _, kv := range initial {
		state[kv.Key] = kv.Value
	}
	f := update[V](seed)
	for _, rows := range p.rows {
		groups := group(rows.([]pair[K, V]))
		touched = nil
		met := map[K]bool{}
		call := func(k K, vs []V) {
			s, had := state[k]
			met[k] = true
			if s, live := f(vs, s, had); live {
				state[k] = s
				touched = append(touched, rdd.KV(k, s))
			} else {
				delete(state, k)
			}
		}
		for _, g := range groups {
			call(g.Key, g.Value)
		}
		for k := range state {
			if every && !met[k] {
				call(k, nil)
			}
		}
	}
	for k, s := range state {
		all = append(all, rdd.KV(k, s))
	}
	return all, touched
}

func updates[K, V comparable]() []*operator {
	type kv = pair[K, V]
	every := func(s *Step, p past) []kv { all, _ := updated(s.Seed, p, []kv(nil), true); return all }
	from := func(s *Step, p past) []kv { all, _ := updated(s.Seed, p, initialOf[K, V](), true); return all }
	initial := func(x *execution) *rdd.RDD[kv] { return rdd.Parallelize(x.ssc.RDD(), initialOf[K, V](), 3) }
	whole := func(seed int) func(iter.Seq[dstream.StateGroup[K, V, V]]) iter.Seq[kv] {
		return func(in iter.Seq[dstream.StateGroup[K, V, V]]) iter.Seq[kv] {
			return func(yield func(kv) bool) {
				in(func(g dstream.StateGroup[K, V, V]) bool {
					s, live := update[V](seed)(g.Values, g.State.Value, g.State.Present)
					return !live || yield(rdd.KV(g.Key, s))
				})
			}
		}
	}
	ops := []*operator{
		stateful("updateStateByKey", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.UpdateStateByKey(d, flaky(x, s, update[V](s.Seed)), deal[K](s)...)
		}, every),
		stateful("updateStateByKeyFrom", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.UpdateStateByKeyFrom(d, initial(x), update[V](s.Seed), deal[K](s)...)
		}, from),
		stateful("updateStateByKeyWithTime", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.UpdateStateByKeyWithTime(d, initial(x),
				func(at dstream.Time, k K, vs []V, v V, had bool) (V, bool) {
					if len(vs) == 0 && int64(at)/x.interval.Milliseconds()%2 == 0 {
						return v, had
					}
					return update[V](s.Seed)(vs, v, had)
				}, deal[K](s)...)
		}, func(s *Step, p past) []kv { return updatedWithTime(s.Seed, p, initialOf[K, V]()) }),
		stateful("updateStatePartitions", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			return dstream.UpdateStatePartitions(d, initial(x), whole(s.Seed), s.Seed%2 == 0, deal[K](s)...)
		}, from),
		stateful("updateTouchedStateByKey", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			touched, _ := dstream.UpdateTouchedStateByKey(d, flaky(x, s, update[V](s.Seed)), deal[K](s)...)
			return touched
		}, func(s *Step, p past) []kv { _, touched := updated(s.Seed, p, []kv(nil), false); return touched }),
		stateful("updateTouchedStateByKey all", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			_, all := dstream.UpdateTouchedStateByKey(d, update[V](s.Seed), deal[K](s)...)
			return all
		}, func(s *Step, p past) []kv { all, _ := updated(s.Seed, p, []kv(nil), false); return all }),
	}
	for _, o := range ops {
		o.giving(ofKeys).timed = true
	}
	return ops
}

// updatedWithTime leaves keys without data alone in every other batch.
func updatedWithTime[K, V comparable](seed int, p past, state []pair[K, V]) []pair[K, V] {
	for i, at := range p.times {
		every := int64(at)/p.interval.Milliseconds()%2 != 0
		state, _ = updated(seed, past{rows: p.rows[i : i+1]}, state, every)
	}
	return state
}

func mappings[K, V comparable]() []*operator {
	type kv = pair[K, V]
	idle := func(s *Step, interval time.Duration) time.Duration {
		if s.Seed%2 == 0 {
			return 0
		}
		return time.Duration(s.Seed) * interval
	}
	live := func(x *execution, s *Step, d *stream[kv]) (out, snapshots *stream[kv]) {
		var calls atomic.Int64
		f := func(k K, v rdd.Optional[V], st *dstream.State[V]) kv {
			if x.life != nil && s.Seed%3 == 0 && fails(calls.Add(1)) {
				panic(errFault) // What the task has changed so far must be forgotten.
			}
			if st.IsTimingOut() {
				return rdd.KV(k, valueOf[V]("late "+text(st.Get())))
			}
			before := st.Option()
			after, stays := next(s.Seed, before.Value, before.Present, v.Value)
			if stays {
				st.Update(after)
			} else {
				st.Remove()
			}
			return rdd.KV(k, after)
		}
		// Both have a batch for each time: the one by its function, the other by its time-out.
		spec := dstream.SpecWithTime(func(_ dstream.Time, k K, v rdd.Optional[V], st *dstream.State[V]) (kv, bool) {
			return f(k, v, st), true
		})
		if t := idle(s, x.interval); t > 0 {
			spec = dstream.Spec(f).Timeout(t)
		}
		spec.Initial(rdd.Parallelize(x.ssc.RDD(), initialOf[K, V](), 2))
		switch {
		case s.Deal > 0:
			spec.Partitions(s.Deal)
		case s.Deal < 0:
			spec.Partitioner(uneven[K]{-s.Deal})
		}
		return dstream.MapWithState(d, spec)
	}
	ops := []*operator{
		stateful("mapWithState", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			out, _ := live(x, s, d)
			return out
		}, func(s *Step, p past) []kv {
			out, _ := mappedWithState[K, V](s.Seed, idle(s, p.interval), p)
			return out
		}).giving(keptInKeys),
		stateful("stateSnapshots", func(x *execution, s *Step, d *stream[kv]) *stream[kv] {
			_, snapshots := live(x, s, d)
			return snapshots
		}, func(s *Step, p past) []kv {
			_, all := mappedWithState[K, V](s.Seed, idle(s, p.interval), p)
			return all
		}).giving(ofKeys),
	}
	for _, o := range ops {
		o.timed = true
	}
	return ops
}

// mappedWithState is the definition of MapWithState.
func mappedWithState[K, V comparable](seed int, idle time.Duration, p past) (out, all []pair[K, V]) {
	state := map[K]held[V]{}
	for i, at := range p.times {
		if i == 0 {
			for _, kv := range initialOf[K, V]() {
				state[kv.Key] = held[V]{kv.Value, at}
			}
		}
		out = nil
		for _, kv := range p.rows[i].([]pair[K, V]) {
			s, had := state[kv.Key]
			after, stays := next(seed, s.value, had, kv.Value)
			if stays {
				state[kv.Key] = held[V]{after, at}
			} else {
				delete(state, kv.Key)
			}
			out = append(out, rdd.KV(kv.Key, after))
		}
		for k, s := range state {
			if idle > 0 && s.touch < at.Add(-idle) {
				delete(state, k)
				out = append(out, rdd.KV(k, valueOf[V]("late "+text(s.value))))
			}
		}
	}
	for k, s := range state {
		all = append(all, rdd.KV(k, s.value))
	}
	return out, all
}
