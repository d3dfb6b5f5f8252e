package checkpoint

import (
	"strings"
	"testing"
)

// TestMemory is a transcript: each record in turn, and what the log says of it.
func TestMemory(t *testing.T) {
	var log Memory
	plan := func(seq, at int64) error { return log.Plan(t.Context(), Plan{Sequence: seq, Time: at}) }
	commit := func(seq int64) error { return log.Commit(t.Context(), Commit{Sequence: seq}) }
	steps := []struct {
		name string
		do   func() error
		says string
	}{
		{"commit before any plan", func() error { return commit(0) }, "does not follow batch -1 (the last plan is -1)"},
		{"plan 1 first", func() error { return plan(1, 1000) }, "does not follow batch -1"},
		{"plan 0", func() error { return plan(0, 1000) }, ""},
		{"plan 0 again", func() error { return plan(0, 2000) }, "does not follow batch 0 at 1000 ms"},
		{"plan 1 at the same time", func() error { return plan(1, 1000) }, "plan of batch 1 at 1000 ms does not follow"},
		{"plan 1", func() error { return plan(1, 2000) }, ""},
		{"commit 1 before 0", func() error { return commit(1) }, "commit of batch 1 does not follow batch -1"},
		{"commit 0", func() error { return commit(0) }, ""},
		{"commit 0 again", func() error { return commit(0) }, "does not follow batch 0"},
		{"commit 1", func() error { return commit(1) }, ""},
		{"commit 2 without a plan", func() error { return commit(2) }, "the last plan is 1"},
	}
	if p, c := log.Last(); p.Sequence != -1 || c.Sequence != -1 {
		t.Errorf("an empty log has plan %d and commit %d", p.Sequence, c.Sequence)
	}
	for _, s := range steps {
		err := s.do()
		if (err == nil) != (s.says == "") || err != nil && !strings.Contains(err.Error(), s.says) {
			t.Errorf("%s: %v, want %q", s.name, err, s.says)
		}
	}
	if p, c := log.Last(); p.Sequence != 1 || p.Time != 2000 || c.Sequence != 1 {
		t.Errorf("the log ends with plan %d at %d and commit %d", p.Sequence, p.Time, c.Sequence)
	}
}
