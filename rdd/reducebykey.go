package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// ReduceByKey folds the values of each key by f, which must be associative: the values of a partition in their
// order, then the partitions in order. f may change and give back its first argument. Shuffle; each map task
// combines first, so what is sent and kept is one value for each key and map partition. What does not fit into
// weir.memory.budget goes to disk, and is folded in the same order; a single value must fit into memory. No shuffle if
// r's keys are dealt as the result's are. Keys come out in the order in which they first came in.
func ReduceByKey[K comparable, V any](r *RDD[Pair[K, V]], f func(V, V) V, opts ...ShuffleOption) *RDD[Pair[K, V]] {
	keep := newMutableCloner[V]()
	create := func(tc *TaskContext) func(V) V {
		if clone := keep(tc); clone != nil {
			return clone
		}
		return func(v V) V { return v }
	}
	return combineByKey(r, "reduceByKey", create, f, f, opts).needs(f == nil)
}

// CombineByKey folds the values of each key into a C: create makes one of a key's first value in a partition,
// mergeValue adds another value, mergeCombiners joins what partitions made; the last two may change and give back
// their first argument. Shuffle, combined on the map side, but for [WithoutMapSideCombine].
func CombineByKey[K comparable, V, C any](r *RDD[Pair[K, V]], create func(V) C, mergeValue func(C, V) C,
	mergeCombiners func(C, C) C, opts ...ShuffleOption,
) *RDD[Pair[K, C]] {
	always := func(*TaskContext) func(V) C { return create }
	return combineByKey(r, "combineByKey", always, mergeValue, mergeCombiners, opts).
		needs(create == nil || mergeValue == nil || mergeCombiners == nil)
}

// combineByKey is CombineByKey with a create that belongs to its task.
func combineByKey[K comparable, V, C any](r *RDD[Pair[K, V]], op string, create func(*TaskContext) func(V) C,
	mergeValue func(C, V) C, mergeCombiners func(C, C) C, opts []ShuffleOption,
) *RDD[Pair[K, C]] {
	d, err := defaultDealing(r.sc, opts, r.asParent())
	if err != nil {
		d = &dealing{n: 1}
	}
	var sh *exec.Shuffle
	apart := newShuffleOptions(opts).apart
	switch {
	case err != nil || r.dealt.same(d):
	case apart:
		sh, err = dealRows(r, d)
	default:
		sh, err = combined(r, d, create, mergeValue)
	}
	keep, wire := newMutableCloner[C](), wireOf[K, C]()
	out := shuffled(r.sc, r.node, op, d, func(tc *TaskContext, p int) iter.Seq[Pair[K, C]] {
		return func(yield func(Pair[K, C]) bool) {
			pair := func(k K, c C) bool { return yield(Pair[K, C]{k, c}) }
			if sh == nil {
				fold(tc, r, p, create(tc), mergeValue)(pair)
				return
			}
			sp := r.sc.space(tc)
			defer sp.Close()
			if apart {
				foldParts(tc, sp, fetch[K, V](tc, sh, p), create(tc), mergeValue)(pair)
				return
			}
			merge := shuffle.NewMerge(mergeCombiners, shuffle.Own[K, C]{Value: keep(tc)})
			merge.Within(sp, wire)
			for part := range fetch[K, C](tc, sh, p) {
				merge.AddPart(part)
			}
			rows, err := merge.All()
			if err != nil {
				tc.Fail(err)
			}
			rows(pair)
		}
	})
	out.reads(err, r.node, sh)
	return out
}

// fold aggregates a partition that needs no shuffle.
func fold[K comparable, V, C any](tc *TaskContext, r *RDD[Pair[K, V]], p int, create func(V) C, merge func(C, V) C,
) iter.Seq2[K, C] {
	return func(yield func(K, C) bool) {
		sp := r.sc.space(tc)
		defer sp.Close()
		t := shuffle.NewReduce(create, merge, newCloner[K]()(tc))
		t.Within(sp, wireOf[K, V]().Values, wireOf[K, C]())
		readColumns(tc, r, p, func(b shuffle.Bucket[K, V]) bool {
			t.AddAll(b)
			return true
		})
		rows, err := t.All()
		if err != nil {
			tc.Fail(err)
		}
		rows(yield)
	}
}

// foldParts aggregates what map tasks sent without combining it.
func foldParts[K comparable, V, C any](tc *TaskContext, sp *shuffle.Space, in iter.Seq[shuffle.Part[K, V]],
	create func(V) C, merge func(C, V) C,
) iter.Seq2[K, C] {
	return func(yield func(K, C) bool) {
		rows := wireOf[K, V]()
		if clone := newMutableCloner[V]()(tc); clone != nil { // Another attempt may read what was sent again.
			first := create
			create = func(v V) C { return first(clone(v)) }
		}
		t := shuffle.NewReduce(create, merge, newCloner[K]()(tc))
		t.Within(sp, rows.Values, wireOf[K, C]())
		for part := range in {
			part.Read(sp, rows, func(b shuffle.Bucket[K, V]) bool {
				t.AddAll(b)
				return true
			})
		}
		all, err := t.All()
		if err != nil {
			tc.Fail(err)
		}
		all(yield)
	}
}

// combined is the map side of a shuffle that combines: the table of each map partition, dealt to buckets in the
// order in which keys first came.
func combined[K comparable, V, C any](r *RDD[Pair[K, V]], d *dealing,
	create func(*TaskContext) func(V) C, merge func(C, V) C,
) (*exec.Shuffle, error) {
	deal, err := dealer[K](d)
	if err != nil {
		return nil, err
	}
	own := owning[K, C]()
	values, wire := wireOf[K, V]().Values, wireOf[K, C]()
	return newShuffle[Pair[K, V], K, C](r, d.n, func(tc *TaskContext, p int) (exec.MapOutput, error) {
		out, err := shuffle.NewCombine(d.n, deal(tc), create(tc), merge, own(tc))
		if err != nil {
			return nil, err
		}
		sp := r.sc.space(tc)
		defer sp.Close()
		out.Within(sp, values, wire)
		readColumns(tc, r, p, func(b shuffle.Bucket[K, V]) bool {
			out.AddAll(b)
			return out.Err() == nil
		})
		return out.Publish()
	})
}
