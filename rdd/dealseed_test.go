package rdd_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/weirstream/weir/rdd"
)

// shuffling counts the shuffles of a cogroup.
func shuffling(a, b *rdd.RDD[rdd.Pair[string, int]]) (n int) {
	for _, d := range rdd.CoGroup(a, b).Dependencies() {
		if d.Shuffle {
			n++
		}
	}
	return n
}

// TestDealUnder: RDDs are dealt by the seed of the time when they were made, or that came before they were computed.
// Where seeds differ, partitions do, and partitioners.
func TestDealUnder(t *testing.T) {
	sc := newContext(t)
	keys := rdd.Map(rdd.Range(sc, 0, 100, 1, 3), func(v int64) rdd.Pair[string, int] {
		return rdd.KV(fmt.Sprint("key ", v), int(v))
	})
	hash, err := rdd.NewHashPartitioner[string](4)
	if err != nil {
		t.Fatal(err)
	}
	deal := func() *rdd.RDD[rdd.Pair[string, int]] { return rdd.RepartitionByKey(keys, rdd.Partitions(4)) }
	early, waits := deal(), deal()
	if free := sc.DealUnder(7); free == nil || shuffling(early, waits) != 0 {
		t.Error("what waits is not dealt alike")
	}
	under7 := rdd.RepartitionByKey(keys, rdd.PartitionBy(hash))
	if n := shuffling(waits, under7); n != 0 {
		t.Errorf("%d shuffles of what has waited for the seed", n)
	}
	free := sc.DealUnder(8)
	under8 := deal()
	free()
	after := deal()
	others := []*rdd.RDD[rdd.Pair[string, int]]{under7, under8, after}
	for i, r := range others {
		by, ok := rdd.PartitionerOf(r)
		if !ok {
			t.Fatal("no partitioner")
		}
		parts := apart(t, r)
		for p, part := range parts {
			for _, kv := range part {
				if by.Partition(kv.Key) != p {
					t.Fatalf("%d: %v lies in %d, and the partitioner says %d", i, kv, p, by.Partition(kv.Key))
				}
			}
		}
		again := rdd.RepartitionByKey(keys, rdd.PartitionBy(by))
		want := 0
		if i < 2 {
			want = 2 // What is dealt by a seed of the past is taken over by nobody.
		}
		if n := shuffling(r, again); n != want || !slices.EqualFunc(apart(t, again), parts, slices.Equal) {
			t.Errorf("%d: %d shuffles of what its partitioner has dealt", i, n)
		}
		if vs, err := rdd.Lookup(t.Context(), r, "key 42"); err != nil || !slices.Equal(vs, []int{42}) {
			t.Errorf("%d: found %v, %v", i, vs, err)
		}
		if eq := hash.Equal(by); eq != (i == 2) {
			t.Errorf("%d: equals one of the seed 0: %v", i, eq)
		}
		for j, other := range others {
			if i == j {
				continue
			}
			want := 2
			if i == 2 || j == 2 {
				want = 1
			}
			if n := shuffling(r, other); n != want || slices.EqualFunc(parts, apart(t, other), slices.Equal) {
				t.Errorf("%d and %d: %d shuffles", i, j, n)
			}
		}
	}
}

func apart(t *testing.T, r *rdd.RDD[rdd.Pair[string, int]]) [][]rdd.Pair[string, int] {
	t.Helper()
	parts, err := rdd.Collect(t.Context(), rdd.Glom(r))
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// turned deals as the hash does, backwards.
type turned struct{ *rdd.HashPartitioner[string] }

func (p turned) Partition(k string) int {
	return p.NumPartitions() - 1 - p.HashPartitioner.Partition(k)
}

// TestPartitionerThatEmbeds: a partitioner that is made of a HashPartitioner is none.
func TestPartitionerThatEmbeds(t *testing.T) {
	sc := newContext(t)
	hash, err := rdd.NewHashPartitioner[string](4)
	if err != nil {
		t.Fatal(err)
	}
	keys := rdd.Map(rdd.Range(sc, 0, 100, 1, 3), func(v int64) rdd.Pair[string, int] {
		return rdd.KV(fmt.Sprint(v), 0)
	})
	by := rdd.Partitioner[string](turned{hash})
	r := rdd.RepartitionByKey(keys, rdd.PartitionBy(by))
	for p, part := range apart(t, r) {
		for _, kv := range part {
			if by.Partition(kv.Key) != p {
				t.Fatalf("%s lies in %d, and is dealt to %d", kv.Key, p, by.Partition(kv.Key))
			}
		}
	}
	if n := shuffling(r, rdd.RepartitionByKey(keys, rdd.Partitions(4))); n == 0 {
		t.Error("no shuffle of what is dealt otherwise")
	}
}
