package shuffle_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstream/weir/internal/shuffle"
)

// TestRemove compares a table from which keys are taken with a map.
func TestRemove(t *testing.T) {
	removeFrom(t, func(n int) int { return n })
	removeFrom(t, func(n int) string { return fmt.Sprint("a key that is longer than 16 bytes, ", n) })
	removeFrom(t, func(n int) [2]string { return [2]string{fmt.Sprint(n), "x"} })
}

func removeFrom[K comparable](t *testing.T, key func(n int) K) {
	t.Helper()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		table, model, next := shuffle.NewTable[K, int](nil), map[K]int{}, 0
		for range 3000 {
			k := key(r.IntN(300))
			if r.IntN(3) == 0 {
				table.Remove(k)
				delete(model, k)
			}
			n, fresh := table.Place(k)
			if _, there := model[k]; there == fresh {
				t.Fatalf("seed %d: %v: new %v, and in the model %v", seed, k, fresh, there)
			}
			if fresh && n != next {
				t.Fatalf("seed %d: the new key %v has number %d, not %d", seed, k, n, next)
			}
			if fresh {
				next++
			}
			_, v := table.At(n)
			*v++
			model[k]++
			if r.IntN(2) == 0 {
				table.Remove(k)
				delete(model, k)
			}
		}
		for i := range 300 {
			k := key(i)
			want, there := model[k]
			n := table.PlaceOf(k)
			if there != (n >= 0) {
				t.Fatalf("seed %d: %v: number %d, in the model %v", seed, k, n, there)
			}
			if !there {
				continue
			}
			if got, v := table.At(n); got != k || *v != want {
				t.Fatalf("seed %d: %v is %v: %d, not %d", seed, k, got, *v, want)
			}
		}
	}
}
