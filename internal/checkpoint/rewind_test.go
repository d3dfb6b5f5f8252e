package checkpoint

import (
	"fmt"
	"strings"
	"testing"
)

// TestRewound: the state as if a batch had just been planned.
func TestRewound(t *testing.T) {
	s := newState("j", 8)
	for n, b := range []*Batch{
		{Commit: &Commit{Sequence: 4}}, {Import: &Import{Sequence: 5}}, {Skip: &Skip{Sequence: 6}},
		{Commit: &Commit{Sequence: 7}}, {},
	} {
		b.Plan = Plan{Sequence: int64(4 + n), Time: int64(1000 * n)}
		s.Batches = append(s.Batches, b)
	}
	s.Planned, s.Committed, s.Released = Mark{8, 4000}, Mark{7, 3000}, 3
	for _, tt := range []struct {
		batch int64
		want  string // batches, the last one planned, and the last one committed
	}{
		{3, "batch 3 is not kept: those from 4 to 8 are"},
		{4, "[4], {4 0}, {3 0}"},
		{5, "batch 5 is one by which states were changed by hand (): nothing was planned that " +
			"could run"},
		{6, "[4 5 6], {6 2000}, {5 1000}"},
		{7, "[4 5 6 7], {7 3000}, {6 2000}"},
		{8, "[4 5 6 7 8], {8 4000}, {7 3000}"},
		{9, "batch 9 has not been planned: the last one is 8"},
	} {
		r, err := s.Rewound(tt.batch)
		if err != nil {
			if err.Error() != tt.want {
				t.Errorf("batch %d: %v, want %s", tt.batch, err, tt.want)
			}
			continue
		}
		var list []int64
		for _, b := range r.Batches {
			list = append(list, b.Plan.Sequence)
		}
		if got := fmt.Sprintf("%d, %v, %v", list, r.Planned, r.Committed); got != tt.want {
			t.Errorf("batch %d: %s, want %s", tt.batch, got, tt.want)
		}
		if open := r.Opened(); len(open) != 1 || open[0].Plan.Sequence != tt.batch {
			t.Errorf("batch %d: %d batches are open", tt.batch, len(open))
		}
	}
	if _, err := newState("j", 8).Rewound(0); err == nil || !strings.Contains(err.Error(), "none is") {
		t.Error(err)
	}
}
