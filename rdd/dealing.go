package rdd

import (
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/weirstream/weir/internal/exec"
)

// A Dealing is how the keys of an RDD lie in its partitions, as far as that is known. It is for the stream engine,
// which writes down what batches had, and makes RDDs of that again.
type Dealing struct{ of *dealing }

// Dealing tells how the keys of r lie in its partitions.
func (r *RDD[T]) Dealing() Dealing { return Dealing{r.dealt} }

// DealingBy is that of shuffles of the context with these options, which must say how many partitions there are.
func (sc *Context) DealingBy(opts ...ShuffleOption) Dealing {
	o := newShuffleOptions(opts)
	return Dealing{sc.dealing(o.n, o.by)}
}

// hashDealt is what the kind of dealings by the stable hash begins with; its seed follows.
const hashDealt = "hash "

// Hashed tells that the stable hash deals.
func (d Dealing) Hashed() bool { return d.of != nil && d.of.hashes() }

// NumPartitions is to how many partitions keys are dealt, 0 if nothing is known.
func (d Dealing) NumPartitions() int {
	if d.of == nil {
		return 0
	}
	return d.of.n
}

// Kind is the stable hash with its seed, or the type of the partitioner that deals, with what tells the bounds of a
// RangePartitioner, or "" if nothing is known, or the partitioner does not equal itself: no union keeps what it dealt.
func (d Dealing) Kind() string {
	if d.of == nil {
		return ""
	}
	if d.of.hashes() {
		return hashDealt + strconv.FormatUint(d.of.seed.value(), 10)
	}
	switch by := d.of.by.(type) {
	case byName:
		return by.kind
	case byRanges:
		return by.kind(by)
	}
	if !d.of.same(d.of) {
		return ""
	}
	return fmt.Sprintf("%T", d.of.by)
}

// A byName stands for a partitioner of which the kind of its dealings is known and nothing else: it deals no key, but
// tells that keys lie alike. Of a type of the user's that is believed, for only a program that was changed between the
// processes that dealt could have it otherwise.
type byName struct{ kind string }

// atHand tells that the partitioner is there, and not its name alone.
func (d *dealing) atHand() bool {
	_, named := d.by.(byName)
	return !named
}

// A byRanges is a RangePartitioner of any type of keys, or has one in it.
type byRanges interface{ kind(of any) string }

// Again gives the dealing of an RDD of n partitions, the kind of which was written down. A partitioner can be had from
// the program alone, which is that of d if it is of the same type. As it may have changed, deal tells where it has a
// pair now; deal is nil if pairs lie where they lay. If d is of another kind, or nothing is known of it, the dealing
// has but the name of the partitioner: RDDs of that name lie alike, as those of the partitioner would.
func (d Dealing) Again(kind string, n int) (again Dealing, deal func(pair any) (int, error)) {
	if seed, err := strconv.ParseUint(strings.TrimPrefix(kind, hashDealt), 10, 64); err == nil {
		s := &dealSeed{}
		s.settle(seed)
		return Dealing{&dealing{n: n, seed: s}}, nil
	}
	switch {
	case kind == "":
		return Dealing{}, nil
	case kind != d.Kind() || d.of.n != n || !d.of.atHand():
		return Dealing{&dealing{n: n, by: byName{kind}}}, nil
	}
	if _, sure := d.of.by.(byRanges); sure {
		return d, nil // The kind tells where it has each key.
	}
	return d, func(pair any) (int, error) {
		p, ok := -1, false
		if keyed, is := pair.(interface{ dealtBy(by any) (int, bool) }); is {
			p, ok = keyed.dealtBy(d.of.by)
		}
		if !ok || p < 0 || p >= n {
			return 0, fmt.Errorf("the partitioner %s gave no partition from 0 to %d for %v", kind, n-1, pair)
		}
		return p, nil
	}
}

// dealtBy gives the partition in which a partitioner has the pair.
func (p Pair[K, V]) dealtBy(by any) (int, bool) {
	deals, ok := by.(Partitioner[K])
	if !ok {
		return 0, false
	}
	return deals.Partition(p.Key), true
}

// FromPartitionsDealt is [FromPartitions] for elements whose keys are dealt so; f must keep to that.
func FromPartitionsDealt[T any](sc *Context, op string, n int, d Dealing, f func(tc *TaskContext, p int) iter.Seq[T],
) *RDD[T] {
	r := FromPartitions(sc, op, n, f)
	r.dealt = d.of
	return r
}

// ComputeBy has r computed by f from now on, which gives the same elements, and lets go of all that it was computed
// from; what is persisted stays. It is for the stream engine, when it has written r down. Tasks that have begun go on
// as they were.
func (r *RDD[T]) ComputeBy(op string, f func(tc *TaskContext, p int) iter.Seq[T]) {
	r.replace(op, r.node.Site, f)
}

// replace has r computed by compute.
func (r *RDD[T]) replace(op string, site exec.Site, compute func(tc *TaskContext, p int) iter.Seq[T]) {
	n := &exec.Node{ID: int(r.sc.nodes.Add(1)) - 1, Op: op, Site: site, Partitions: r.node.Partitions}
	next := &source[T]{compute: compute}
	if r.batched() {
		next.batch = func(tc *TaskContext, p int) batches[T] { return inBatches(compute(tc, p)) }
	}
	r.from.Store(next)
	r.node.SetDeps(exec.Deps{Narrow: []*exec.Node{n}})
	r.node.Prefer(nil)
}
