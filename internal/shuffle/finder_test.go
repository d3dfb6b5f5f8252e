package shuffle

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestFinder finds keys of many tables together, some of which were taken out, some of no table.
func TestFinder(t *testing.T) {
	checkFinder(t, "strings", nastyStrings()[:600])
	checkFinder(t, "numbers", keysBy(900, func(i int) int64 { return int64(i) * 7919 }))
	checkFinder(t, "of two bytes", keysBy(500, func(i int) uint16 { return uint16(i * 131) }))
	checkFinder(t, "floats", keysBy(500, func(i int) float64 { return float64(i) / 3 }))
	checkFinder(t, "structs", keysBy(500, func(i int) texts { return texts{strconv.Itoa(i), i} }))
}

func checkFinder[K comparable](t *testing.T, name string, keys []K) {
	t.Run(name, func(t *testing.T) {
		var f Finder[K, int]
		for round := range uint64(50) {
			r := rand.New(rand.NewPCG(round, 5))
			tables := make([]*Table[K, int], 1+r.IntN(5)) // The last stays nil.
			for i := range tables[1:] {
				tables[i] = NewTable[K, int](nil)
			}
			for range r.IntN(3 * len(keys)) {
				if table := tables[r.IntN(len(tables))]; table == nil {
					continue
				} else if k := keys[r.IntN(len(keys))]; r.IntN(4) > 0 {
					table.Place(k)
				} else {
					table.Remove(k)
				}
			}
			n := r.IntN(FindLen + 1)
			asked, of, at := make([]K, n), make([]*Table[K, int], n), make([]int, n)
			for i := range n {
				asked[i], of[i] = keys[r.IntN(len(keys))], tables[r.IntN(len(tables))]
			}
			f.Find(of, asked, at)
			for i, k := range asked {
				want := -1
				if of[i] != nil {
					want = of[i].PlaceOf(k)
				}
				if at[i] != want {
					t.Fatalf("round %d: %v is at %d, not %d", round, k, at[i], want)
				}
			}
		}
	})
}
