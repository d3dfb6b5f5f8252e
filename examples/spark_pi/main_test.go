package main

import (
	"math"
	"testing"
)

func TestEstimate(t *testing.T) {
	pi, err := estimate(t.Context(), "local[2]", 4)
	if err != nil || math.Abs(pi-math.Pi) > 0.03 {
		t.Errorf("pi is roughly %v, %v", pi, err)
	}
}
