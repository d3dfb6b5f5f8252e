package files

import (
	"fmt"
	"testing"
	"time"
)

// TestRoom: what many files that appear at once come to is taken by several batches, whose ranges are bounded, and all
// of them are.
func TestRoom(t *testing.T) {
	const files, window = 120_000, int64(time.Minute)
	for name, tt := range map[string]struct {
		modified func(i int) int64
		batches  int // that take any
		within   int // seconds
	}{
		"old":              {func(i int) int64 { return -2*window + int64(i) }, 4, 10},
		"fresh":            {func(i int) int64 { return int64(i) * 40_000 }, 6, 75}, // of five seconds
		"all of one time":  {func(int) int64 { return 0 }, 6, 75},
		"a few, and fresh": {func(i int) int64 { return int64(max(i-1000, 0)) * 40_000 }, 6, 75},
	} {
		var found, recent []entry
		for i := range files {
			found = append(found, entry{Name: fmt.Sprintf("in/%06d", i), Modified: tt.modified(i)})
		}
		batches, second := 0, 5
		for ; len(found) > 0 && second < 1000; second++ {
			forgets := int64(second)*int64(time.Second) - window
			n := room(found, recent, forgets)
			next := fileRange{Files: found[:n], Threshold: forgets}
			if n < len(found) {
				next.Threshold = min(next.Threshold, found[n].Modified-1)
			}
			next.remember(&fileRange{Recent: recent})
			if n > 0 {
				batches++
				if size := len(next.encode()); size > 40<<20 {
					t.Fatalf("%s: the range at %d s has %d bytes", name, second, size)
				}
			}
			if found, recent = found[n:], next.Recent; n == 0 {
				second += 4
			}
		}
		if batches > tt.batches || second > tt.within || len(found) > 0 {
			t.Errorf("%s: %d batches in %d s took all but %d", name, batches, second, len(found))
		}
	}
}
