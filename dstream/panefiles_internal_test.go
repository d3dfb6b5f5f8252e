package dstream

import (
	"slices"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/checkpoint"
)

// TestPaneAges: of the runs that are gone nothing is kept in mind, and one whose age is not known is not gone.
func TestPaneAges(t *testing.T) {
	run := func(name string) checkpoint.StateRun { return checkpoint.StateRun{{Name: name}} }
	a := &paneAges{length: 100 * time.Millisecond, newest: 1000, ends: map[string]Time{"a": 850, "b": 900, "c": 950, "d": 990}}
	runs := []checkpoint.StateRun{run("a"), run("b"), run("c"), run("d")}
	done := &mergedRun{from: 3, run: run("e")}
	m := &checkpoint.StateMerge{}
	a.merge(m, done, runs)
	if done.drop != 2 || done.end != 1000 || m.Gone != 900 {
		t.Errorf("%d runs are dropped, rows up to %d are gone, and the newest is of %d", done.drop, m.Gone, done.end)
	}
	a.merged(done, runs)
	var left []string
	for name := range a.ends {
		left = append(left, name)
	}
	if slices.Sort(left); !slices.Equal(left, []string{"c", "e"}) || a.ends["e"] != 1000 {
		t.Errorf("ages are known of %v", a.ends)
	}
	done = &mergedRun{from: 2}
	a.merge(m, done, []checkpoint.StateRun{run("z"), run("c")})
	if done.drop != 0 {
		t.Errorf("a run is dropped of which nothing is known: %d", done.drop)
	}
	var none *paneAges // of a state by key
	none.merge(m, done, runs)
	none.merged(done, runs)
}
