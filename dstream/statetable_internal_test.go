package dstream

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestTouches: what time-outs go through is in the order of touches, also where an import has said that keys were
// touched at times to come.
func TestTouches(t *testing.T) {
	for seed := range uint64(5) {
		r := rand.New(rand.NewPCG(seed, 1))
		b, model := &bucket[int, int]{}, map[int]Time{}
		for k := range 100 { // As a start loads them: as they come, and then in order.
			n, err := b.add(k, k)
			if err != nil {
				t.Fatal(err)
			}
			model[k] = Time(r.IntN(2000))
			b.touch(n, model[k], true)
		}
		b.sortTouches()
		for at := Time(900); at < 2100; at++ {
			k, n := r.IntN(120), 0
			if n = b.find(k); n < 0 {
				n, _ = b.add(k, k)
			}
			if r.IntN(4) == 0 {
				b.remove(n)
				delete(model, k)
				b.compact()
			} else {
				model[k] = at
				b.touch(n, at, true)
			}
			if got, want := touches(b), slices.Sorted(maps.Values(model)); !slices.Equal(got, want) {
				t.Fatalf("seed %d, time %d: the touches are %v, want %v", seed, at, got, want)
			}
		}
	}
}

// touches gives the touches of a bucket, from the oldest to the newest, nil if the way back is another one.
func touches(b *bucket[int, int]) (all []Time) {
	before := int32(0)
	for n := b.oldest; n != 0; n = b.after(n) {
		e := b.at(int(n) - 1)
		if e.older != before {
			return nil
		}
		all, before = append(all, e.touch), n
	}
	if b.newest != before {
		return nil
	}
	return all
}

// TestTimesOf: the times of a past in which the interval was another one, up to a batch of that past.
func TestTimesOf(t *testing.T) {
	for _, c := range []struct {
		name        string
		from, until Time
		past        int // batches
		want        []Time
	}{
		{"up to a batch of this interval", 1000, 6000, 9, []Time{2000, 3000, 4000, 5000, 6000}},
		{"up to one of the interval before", 1000, 5000, 9, []Time{2000, 3000, 4000, 5000}},
		{"longer than the past", 1000, 5000, 1, []Time{5000}},
		{"nothing", 5000, 5000, 9, nil},
	} {
		l := &loop{ssc: &Context{interval: 2 * time.Second}, strange: []Time{1000, 3000, 5000, 7000}}
		l.past = map[Time]*generation{}
		for i := range c.past {
			l.past[Time(100_000+i)] = nil
		}
		if got := slices.Collect(l.timesOf(c.from, c.until)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
