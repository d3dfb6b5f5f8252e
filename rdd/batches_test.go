package rdd_test

import (
	"context"
	"iter"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// Chains over more than a batch give the same in batches as one by one, whatever the size of their elements, and from
// sources that push; what is asked for by Take is computed and no more.
func TestBatches(t *testing.T) {
	type large [5]int64
	sc := newContext(t)
	pushed := rdd.FromPartitions(sc, "pushed", 2, func(_ *rdd.TaskContext, p int) iter.Seq[int64] {
		return func(yield func(int64) bool) {
			for v := range int64(1500) {
				if !yield(v + int64(1500*p)) {
					return
				}
			}
		}
	})
	numbers := make([]int64, 3000)
	for i := range numbers {
		numbers[i] = int64(i)
	}
	for name, source := range map[string]*rdd.RDD[int64]{
		"range": rdd.Range(sc, 0, 3000, 1, 2), "pushed": pushed, "persisted": rdd.Same(pushed).Cache(),
		"slice": rdd.Parallelize(sc, numbers, 3),
	} {
		var calls atomic.Int64
		even := rdd.Filter(source, func(v int64) bool { calls.Add(1); return v%2 == 0 })
		wide := rdd.Map(even, func(v int64) large { return large{v, v, v, v, v} })
		third := rdd.Filter(wide, func(v large) bool { return v[0]%3 != 0 })
		again := rdd.Map(third, func(v large) int64 { return v[4] })
		flat := rdd.FlatMap(again, func(v int64) iter.Seq[int64] { return slices.Values([]int64{v, -v}) })
		for i, r := range []*rdd.RDD[int64]{even, again, flat} {
			if got := show(true, r); len(got) > 0 && got[0] == 'i' {
				t.Errorf("%s, chain %d: %s", name, i, got)
			}
		}
		calls.Store(0)
		if _, err := rdd.Take(context.Background(), flat, 1); err != nil || calls.Load() > 10 {
			t.Errorf("%s: Take of one element called the filter %d times, %v", name, calls.Load(), err)
		}
	}
}
