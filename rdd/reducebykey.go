package rdd

import (
	"iter"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/shuffle"
)

// ReduceByKey folds the values of each key by f, which must be associative: the values of a partition in their
// order, then the partitions in order. Shuffle; each map task combines first, so what is sent and kept is one
// value for each key and map partition. No shuffle if r's keys are dealt as the result's are. Keys come out in
// the order in which they first came in.
func ReduceByKey[K comparable, V any](r *RDD[Pair[K, V]], f func(V, V) V, opts ...ShuffleOption) *RDD[Pair[K, V]] {
	return combineByKey(r, "reduceByKey", func(v V) V { return v }, f, f, f == nil, opts)
}

// CombineByKey folds the values of each key into a C: create makes one of a key's first value in a partition,
// mergeValue adds another value, mergeCombiners joins what partitions made. Shuffle, combined on the map side.
func CombineByKey[K comparable, V, C any](r *RDD[Pair[K, V]], create func(V) C, mergeValue func(C, V) C,
	mergeCombiners func(C, C) C, opts ...ShuffleOption,
) *RDD[Pair[K, C]] {
	missing := create == nil || mergeValue == nil || mergeCombiners == nil
	return combineByKey(r, "combineByKey", create, mergeValue, mergeCombiners, missing, opts)
}

func combineByKey[K comparable, V, C any](r *RDD[Pair[K, V]], op string, create func(V) C, mergeValue func(C, V) C,
	mergeCombiners func(C, C) C, missing bool, opts []ShuffleOption,
) *RDD[Pair[K, C]] {
	d, err := defaultDealing(r.sc, opts, r.asParent())
	if err != nil {
		d = &dealing{n: 1}
	}
	var sh *exec.Shuffle
	if err == nil && !r.dealt.same(d) {
		sh, err = combined(r, d, create, mergeValue)
	}
	out := shuffled(r.sc, op, d, func(tc *TaskContext, p int) iter.Seq[Pair[K, C]] {
		return func(yield func(Pair[K, C]) bool) {
			var t *shuffle.Table[K, C]
			if sh == nil {
				t = fold(tc, r.compute(tc, p), create, mergeValue)
			} else {
				t = shuffle.NewTable[K, C](nil)
				for b := range rows[Pair[K, C]](tc, sh, p) {
					for i := range b {
						if v, fresh := t.Slot(b[i].Key); fresh {
							*v = b[i].Value
						} else {
							*v = mergeCombiners(*v, b[i].Value)
						}
					}
				}
			}
			emit(tc, t, yield)
		}
	})
	out.reads(err, r.node, sh)
	return out.needs(missing)
}

// fold aggregates a partition in a table.
func fold[K comparable, V, C any](
	tc *TaskContext,
	in iter.Seq[Pair[K, V]],
	create func(V) C,
	merge func(C, V) C,
) *shuffle.Table[K, C] {
	t := shuffle.NewTable[K, C](cloner[K]())
	in(func(kv Pair[K, V]) bool {
		if c, fresh := t.Slot(kv.Key); fresh {
			*c = create(kv.Value)
		} else {
			*c = merge(*c, kv.Value)
		}
		return true
	})
	if err := t.Err(); err != nil {
		tc.Fail(err)
	}
	return t
}

func emit[K comparable, C any](tc *TaskContext, t *shuffle.Table[K, C], yield func(Pair[K, C]) bool) {
	if err := t.Err(); err != nil {
		tc.Fail(err)
	}
	for k, c := range t.AllPtr() {
		if !yield(Pair[K, C]{k, *c}) {
			return
		}
	}
}

// combined is the map side of a shuffle that combines: the table of each map partition, dealt to buckets in the
// order in which keys first came.
func combined[K comparable, V, C any](
	r *RDD[Pair[K, V]],
	d *dealing,
	create func(V) C,
	merge func(C, V) C,
) (*exec.Shuffle, error) {
	deal, err := dealer[K](d)
	if err != nil {
		return nil, err
	}
	own, err := owner[C]()
	if err != nil {
		return nil, err
	}
	return newShuffle(r, d.n, func(tc *TaskContext, p int) (buckets[Pair[K, C]], error) {
		t := fold(tc, r.compute(tc, p), create, merge)
		out := make(buckets[Pair[K, C]], d.n)
		for i := range out {
			out[i] = make([]Pair[K, C], 0, t.Len()/d.n+t.Len()/(8*d.n)+1)
		}
		for k, c := range t.AllPtr() {
			i, err := deal(k)
			if err != nil {
				return nil, err
			}
			v := *c
			if own != nil {
				if v, err = own(v); err != nil {
					return nil, err
				}
			}
			out[i] = append(out[i], Pair[K, C]{k, v})
		}
		return out, nil
	})
}
