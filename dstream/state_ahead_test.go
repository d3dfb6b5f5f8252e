package dstream_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// TestManyKeysAtOnce: states look the keys of many records up together. Batches are larger than that many and smaller,
// a key comes again among those that are looked up together and later, new to the state or not, and is taken out and
// comes back.
func TestManyKeysAtOnce(t *testing.T) {
	for _, keys := range []int{3, 100, 2000} {
		r := rand.New(rand.NewPCG(uint64(keys), 1))
		sums := map[string]int{}
		var batches, runs, states [][]pair
		for _, size := range []int{1, 7, 8, 127, 128, 129, 1000, 0, 385} {
			var in, given, left []pair
			for range size {
				kv := rdd.KV(fmt.Sprint("key ", r.IntN(keys)), r.IntN(5)-2)
				in = append(in, kv)
				sum, there := sums[kv.Key]
				if sum += kv.Value; sum == 0 && there {
					delete(sums, kv.Key)
				} else {
					sums[kv.Key] = sum
				}
				given = append(given, rdd.KV(kv.Key, sum))
			}
			for k, sum := range sums {
				left = append(left, rdd.KV(k, sum))
			}
			batches, runs, states = append(batches, in), append(runs, given), append(states, left)
		}
		for _, parts := range []int{1, 3} {
			mapped := func(d *pairs) (*pairs, *pairs) {
				return dstream.MapWithState(d, dstream.Spec(running).Partitions(parts))
			}
			weirtest.Op(t, batches, func(d *pairs) *pairs { return first(mapped(d)) }, runs)
			weirtest.Op(t, batches, func(d *pairs) *pairs { return second(mapped(d)) }, states)
		}
	}
}

// TestManyGroupsAtOnce is the same of the operators that are given all values of a key.
func TestManyGroupsAtOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	sums := map[string]int{}
	var batches, states [][]pair
	for _, size := range []int{500, 8, 300, 0, 700} {
		var in, left []pair
		for range size {
			kv := rdd.KV(fmt.Sprint("key ", r.IntN(400)), r.IntN(5)-2)
			in = append(in, kv)
			sums[kv.Key] += kv.Value
		}
		for k, sum := range sums {
			if sum == 0 {
				delete(sums, k)
			} else {
				left = append(left, rdd.KV(k, sum))
			}
		}
		batches, states = append(batches, in), append(states, left)
	}
	whole := func(in iter.Seq[dstream.StateGroup[string, int, int]]) iter.Seq[pair] {
		return func(yield func(pair) bool) {
			for g := range in {
				sum, live := add(g.Values, g.State.Value, false)
				if live && !yield(rdd.KV(g.Key, sum)) {
					return
				}
			}
		}
	}
	for _, op := range []func(d *pairs) *pairs{
		func(d *pairs) *pairs { return dstream.UpdateStateByKey(d, add, rdd.Partitions(2)) },
		func(d *pairs) *pairs { return second(dstream.UpdateTouchedStateByKey(d, add, rdd.Partitions(2))) },
		func(d *pairs) *pairs { return dstream.UpdateStatePartitions(d, nil, whole, true, rdd.Partitions(2)) },
	} {
		weirtest.Op(t, batches, op, states)
	}
}
