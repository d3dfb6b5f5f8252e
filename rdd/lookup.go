package rdd

import (
	"cmp"
	"context"
	"iter"
	"maps"
)

// Lookup gives the values of a key in order. If r's keys are known to be dealt to partitions, by an operator that
// shuffles, only the key's partition is computed.
func Lookup[K comparable, V any](ctx context.Context, r *RDD[Pair[K, V]], key K) ([]V, error) {
	partitions := r.all()
	if r.dealt != nil && r.dealt.atHand() && len(partitions) > 0 {
		var wrong error
		p, err := inDriver("lookup", func() (p int) { p, wrong = partitionOf(r.dealt, key); return p })
		if err = cmp.Or(err, wrong); err != nil {
			return nil, err
		}
		partitions = partitions[p : p+1]
	}
	parts := make([][]V, len(partitions))
	err := run(ctx, r, "lookup", partitions, func(_ *TaskContext, in iter.Seq[Pair[K, V]]) (vs []V, _ error) {
		in(func(kv Pair[K, V]) bool {
			if kv.Key == key {
				vs = append(vs, kv.Value)
			}
			return true
		})
		return vs, nil
	}, func(i int, vs []V) error { parts[i] = vs; return nil })
	if err != nil {
		return nil, err
	}
	return join(parts), nil
}

// CollectAsMap gives the pairs as a map in the driver, whose memory holds them; of several values of a key the last
// one.
func CollectAsMap[K comparable, V any](ctx context.Context, r *RDD[Pair[K, V]]) (map[K]V, error) {
	pairs, err := Collect(ctx, r)
	if err != nil {
		return nil, err
	}
	m := make(map[K]V, len(pairs))
	for _, kv := range pairs {
		m[kv.Key] = kv.Value
	}
	return m, nil
}

// CountByKey gives how many pairs there are of each key. The result, and that of each partition in its task, lies in
// memory whatever the budget says. There is no shuffle.
func CountByKey[K comparable, V any](ctx context.Context, r *RDD[Pair[K, V]]) (map[K]int64, error) {
	return countByValue(ctx, Keys(r), "countByKey")
}

// ReduceByKeyLocally is [ReduceByKey] whose result is a map in the driver, whose memory holds all keys; there is no
// shuffle. f must be associative.
func ReduceByKeyLocally[K comparable, V any](ctx context.Context, r *RDD[Pair[K, V]], f func(V, V) V) (map[K]V, error) {
	parts := make([]map[K]V, max(r.node.Partitions, 0))
	clones := newMutableCloner[V]()
	err := needed(ctx, "reduceByKeyLocally", f == nil)
	if err != nil {
		return nil, err
	}
	err = runParts(ctx, r, "reduceByKeyLocally", r.all(), func(tc *TaskContext, p int) (map[K]V, error) {
		create := clones(tc)
		if create == nil {
			create = func(v V) V { return v }
		}
		return maps.Collect(fold(tc, r, p, create, f)), nil
	}, func(i int, part map[K]V) error { parts[i] = part; return nil })
	if err != nil {
		return nil, err
	}
	return inDriver("reduceByKeyLocally", func() map[K]V {
		all := map[K]V{}
		for _, part := range parts {
			for k, v := range part {
				if before, ok := all[k]; ok {
					v = f(before, v)
				}
				all[k] = v
			}
		}
		return all
	})
}
