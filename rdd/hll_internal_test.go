package rdd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weirstream/weir/codec"
)

// TestSketchError: an estimate is off by no more than three relative standard deviations, from few keys to a million,
// and on average by about one; of few keys two may look alike. The keys are fixed, so nothing is left to chance.
func TestSketchError(t *testing.T) {
	for _, sd := range []float64{0.05, 0.02} {
		p, err := sketchBits(sd)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{10, 100, 1000, 10_000, 100_000, 1_000_000} {
			rounds := max(min(200_000/n, 50), 1)
			squares := 0.0
			for round := range rounds {
				s := make(sketch, 1<<p)
				for i := range n {
					s.add(hashOf(t, round*n+i))
				}
				off := float64(s.estimate())/float64(n) - 1
				if math.Abs(off) > max(3*sd, 1/float64(n)+1e-9) {
					t.Errorf("%d keys with a deviation of %v: the estimate is off by %.3f", n, sd, off)
				}
				squares += off * off
			}
			if mean := math.Sqrt(squares / float64(rounds)); rounds >= 20 && n > 10 && mean > 1.4*sd {
				t.Errorf("%d keys with a deviation of %v: estimates are off by %.3f on average", n, sd, mean)
			}
		}
	}
}

var intKeys, errIntKeys = codec.ForKey[int]()

func hashOf(t *testing.T, v int) uint64 {
	if errIntKeys != nil {
		t.Fatal(errIntKeys)
	}
	h, err := intKeys.Hash(hllSeed, v)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestSketchMerges: sketches of parts, which may share keys, merge to that of all, in any order.
func TestSketchMerges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	all, parts := make(sketch, 1<<8), []sketch{}
	for range 5 {
		s := make(sketch, 1<<8)
		for range r.IntN(2000) {
			h := hashOf(t, r.IntN(3000))
			all.add(h)
			s.add(h)
		}
		parts = append(parts, s)
	}
	for range 10 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		merged := make(sketch, 1<<8)
		for _, s := range parts {
			merged.merge(s)
		}
		if fmt.Sprint(merged) != fmt.Sprint(all) {
			t.Fatalf("merged %v\nwant   %v", merged, all)
		}
	}
	if n := make(sketch, 1<<8).estimate(); n != 0 {
		t.Errorf("an empty sketch estimates %d", n)
	}
}

// TestPoisson: mean and variance are both the mean that was asked for, also beyond the step in which e^-mean would
// underflow.
func TestPoisson(t *testing.T) {
	for _, mean := range []float64{0, 0.01, 0.5, 1, 7, 499, 501, 3000} {
		r := rand.New(rand.NewPCG(3, 4))
		var s StatCounter
		const draws = 20_000
		for range draws {
			s.Add(float64(poisson(r, mean)))
		}
		// The mean of so many draws has a deviation of sqrt(mean/draws), their variance one of about
		// sqrt((mean+2*mean^2)/draws).
		if off := math.Abs(s.Mean - mean); off > 5*math.Sqrt(mean/draws)+1e-12 {
			t.Errorf("mean %v: drawn %v", mean, s.Mean)
		}
		if off := math.Abs(s.Variance() - mean); off > 5*math.Sqrt((mean+2*mean*mean)/draws)+1e-12 {
			t.Errorf("mean %v: the variance is %v", mean, s.Variance())
		}
	}
}
