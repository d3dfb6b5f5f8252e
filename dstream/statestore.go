package dstream

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A stateStore is the state of an operator: what the last committed batch left, and what the open batch has changed.
type stateStore[K comparable, S any] struct {
	op      string
	opts    []rdd.ShuffleOption
	initial *rdd.RDD[rdd.Pair[K, S]]
	keys    *codec.KeyCodec[K]
	values  *codec.Codec[S]
	ownKey  func(K) K          // nil where keys own their memory
	own     func(S) (S, error) // nil where values do
	lend    func(S) (S, error) // copies what a function could write through; nil where none can
	touches bool               // a touch of a key is kept, also if nothing else changed

	table  *stateTable[K, S]
	begun  bool // the initial state is in, or there was another
	open   *openState[K, S]
	done   Time // the last batch that was taken over
	files  stateFiles
	broken error // why the state is of no use any more
}

// A brokenState is why this process cannot go on with a state or a window, whatever its batches are.
type brokenState struct {
	kind  string
	cause error
}

// Error says that the next process can.
func (b brokenState) Error() string {
	return fmt.Sprintf("the %s was left half-way by an earlier error, and the next start loads it anew: %v", b.kind,
		b.cause)
}

// NoBatchsFault implements noBatchsFault.
func (brokenState) NoBatchsFault() {}

// Unwrap gives the earlier error.
func (b brokenState) Unwrap() error { return b.cause }

// An openState is what a batch that is not committed has changed.
type openState[K comparable, S any] struct {
	at    Time
	overs []*overlay[K, S]
	like  *rdd.RDD[rdd.Pair[K, S]] // dealt as the state is
}

// newStateStore makes a state without keys; its errors are those of the types and the options.
func newStateStore[K comparable, S any](ssc *Context, op string, initial *rdd.RDD[rdd.Pair[K, S]], timed bool,
	opts []rdd.ShuffleOption,
) (*stateStore[K, S], error) {
	s := &stateStore[K, S]{op: op, opts: ssc.dealt(opts), initial: initial, touches: timed}
	dealer, err := rdd.NewKeyDealer[K](ssc.dealSeed, s.opts...)
	if err != nil {
		return s, err
	}
	whole, err := codec.For[K]()
	if err != nil {
		return s, err
	}
	if s.values, err = codec.For[S](); err != nil {
		return s, fmt.Errorf("the state: %w", err)
	}
	if s.keys, err = codec.ForKey[K](); err != nil {
		return s, err
	}
	if initial != nil && initial.Context() != ssc.sc {
		return s, errors.New("the RDD of the initial state belongs to another context")
	}
	if !whole.PointerFree() {
		s.ownKey = func(k K) K {
			own, err := whole.Clone(k)
			if err != nil {
				panic(fmt.Errorf("copy a key to keep it: %w", err))
			}
			return own
		}
	}
	if !s.values.PointerFree() {
		s.own = s.values.Clone
	}
	s.lend = rdd.MutableClone[S]()
	s.table = newStateTable[K, S](dealer, timed, nil)
	s.files = newStateFiles(checkpoint.StateHead{Key: whole.Schema(), Value: s.values.Schema(), Seed: dealer.Seed()},
		func(err error) {
			ssc.warn("the changes of a state could not be merged, and will be tried again: the next start takes longer",
				err, "operator", s.files.operator)
		})
	return s, nil
}

// lent gives a value to a user's function.
func (s *stateStore[K, S]) lent(v S) S {
	if s.lend == nil {
		return v
	}
	own, err := s.lend(v)
	if err != nil {
		panic(fmt.Errorf("copy a state of %s: %w", s.op, err))
	}
	return own
}

// has tells that the state has the changes of a batch: it was loaded as it was after that.
func (s *stateStore[K, S]) has(b *Batch) bool {
	return s.files.fs != nil && b.Sequence <= s.files.loaded
}

// ready is called before each step: it takes the initial state in before the first.
func (s *stateStore[K, S]) ready(ctx context.Context, g *generation) error {
	if s.broken != nil {
		return brokenState{"state", s.broken}
	}
	if s.begun || s.initial == nil {
		return nil
	}
	dealt := rdd.RepartitionByKey(s.initial, s.opts...)
	defer dealt.LetGo(g.first, func(int) bool { return false })
	parts := make([][]rdd.Pair[K, S], len(s.table.parts))
	err := rdd.RunJob(ctx, dealt, nil, func(_ *rdd.TaskContext, in iter.Seq[rdd.Pair[K, S]]) (rows []rdd.Pair[K, S],
		err error) {
		in(func(kv rdd.Pair[K, S]) bool {
			if s.ownKey != nil {
				kv.Key = s.ownKey(kv.Key)
			}
			if s.own != nil {
				kv.Value, err = s.own(kv.Value)
			}
			rows = append(rows, kv)
			return err == nil
		})
		return rows, err
	}, func(i int, rows []rdd.Pair[K, S]) error { parts[i] = rows; return nil })
	if err == nil {
		err = s.begin(parts, g.batch.Time)
	}
	if err != nil {
		return unreadable{fmt.Errorf("the initial state: %w", err)}
	}
	return nil
}

// begin takes the rows of the initial state in. Time-outs count from the first batch.
func (s *stateStore[K, S]) begin(parts [][]rdd.Pair[K, S], now Time) error {
	if s.table.disk != nil {
		return s.beginOnDisk(parts, now)
	}
	for _, p := range s.table.parts { // Somebody may read it already.
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	for _, rows := range parts {
		for _, kv := range rows {
			p, at, err := s.table.place(kv.Key)
			if err != nil {
				return err
			}
			b := &s.table.parts[p].buckets[at]
			n := b.find(kv.Key)
			if n >= 0 { // It came twice, or with a batch that was given up.
				b.at(n).value = kv.Value
			} else if n, err = b.add(kv.Key, kv.Value); err != nil {
				return err
			}
			b.touch(n, now, s.table.timed)
		}
	}
	s.begun = true
	return nil
}

// taken makes the changes of a step those of the open batch.
func (s *stateStore[K, S]) taken(at Time, like *rdd.RDD[rdd.Pair[K, S]], overs []*overlay[K, S]) {
	s.open = &openState[K, S]{at: at, overs: overs, like: like}
}

// changed implements stateful.
func (s *stateStore[K, S]) changed(b *Batch) bool {
	return s.open != nil && s.open.at == b.Time &&
		slices.ContainsFunc(s.open.overs, func(o *overlay[K, S]) bool { return o.size() > 0 })
}

// rows gives the state as the batch leaves it, for as long as no later one is committed.
func (s *stateStore[K, S]) rows(out *DStream[rdd.Pair[K, S]], now Time) *rdd.RDD[rdd.Pair[K, S]] {
	open := s.open
	if open == nil || open.at != now {
		return s.lost(out, now)
	}
	cursors := make([]stateCursor[K, S], len(open.overs))
	for i, o := range open.overs {
		cursors[i] = s.table.cursor(i, o)
	}
	return place(rdd.FromPartitionsLike(open.like, out.node.op,
		func(tc *rdd.TaskContext, p int) iter.Seq[rdd.Pair[K, S]] {
			return func(yield func(rdd.Pair[K, S]) bool) {
				s.scan(tc, cursors[p], func(e stateEntry[K, S]) bool {
					e.Value = s.lent(e.Value)
					return yield(e.Pair)
				})
			}
		}), out)
}

// lost is the RDD of a batch whose state is not there any more.
func (s *stateStore[K, S]) lost(out *DStream[rdd.Pair[K, S]], now Time) *rdd.RDD[rdd.Pair[K, S]] {
	return place(rdd.FromPartitions(out.node.ssc.sc, out.node.op, len(s.table.parts),
		func(tc *rdd.TaskContext, _ int) iter.Seq[rdd.Pair[K, S]] {
			tc.Fail(fmt.Errorf("the state of %v cannot be read any more: it stands at %v", now, s.done))
			return nil
		}), out)
}

// scan yields what a cursor reads.
func (s *stateStore[K, S]) scan(tc *rdd.TaskContext, c stateCursor[K, S], yield func(stateEntry[K, S]) bool) {
	buf := make([]stateEntry[K, S], 0, 256)
	for {
		tc.Check()
		out, err := c.read(buf)
		if err != nil {
			tc.Fail(err)
		}
		if len(out) == 0 {
			return
		}
		for _, e := range out {
			if !yield(e) {
				return
			}
		}
	}
}

// keepForLater computes a stream of states at once if it will be asked for after the state has moved on.
func (s *stateStore[K, S]) keepForLater(ctx context.Context, g *generation, out *DStream[rdd.Pair[K, S]]) error {
	if out.node.need == 0 {
		return nil
	}
	if out.level == rdd.NotPersisted {
		out.level = windowLevel[rdd.Pair[K, S]]()
	}
	out.level.Disk = true // What memory alone has no room for would be computed again, which cannot be.
	_, err := rdd.Count(ctx, out.at(g))
	return err
}

// head implements stateful.
func (s *stateStore[K, S]) head() checkpoint.StateHead { return s.files.head }

// dealAnew implements stateful.
func (s *stateStore[K, S]) dealAnew(seed uint64) error {
	dealer, err := rdd.NewKeyDealer[K](seed, s.opts...)
	if err == nil {
		s.files.head.Seed = seed
		s.table = newStateTable(dealer, s.table.timed, s.table.disk)
	}
	return err
}

// deal implements stateful.
func (s *stateStore[K, S]) deal() checkpoint.Deal {
	return checkpoint.Deal{Buckets: s.table.per * len(s.table.parts), Partitions: len(s.table.parts)}
}

// settle implements stateful.
func (s *stateStore[K, S]) settle(b *Batch, committed bool) {
	s.files.settle(b.Sequence, committed)
	if !committed && s.done == 0 && s.files.virgin {
		s.begun = false // The first batch that is committed takes the initial state in.
	}
	open := s.open
	if open == nil || open.at != b.Time {
		return
	}
	if s.open = nil; !committed {
		return
	}
	errs := make([]error, len(open.overs))
	checkpoint.InParallel(len(open.overs), runtime.GOMAXPROCS(0), func(i int) {
		errs[i] = s.table.apply(s.table.parts[i], open.overs[i], open.at)
	})
	s.done, s.begun, s.broken = open.at, true, errors.Join(errs...)
}
