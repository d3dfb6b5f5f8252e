package weirtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
)

// A mode is one of the ways in which a row runs. own tells that it has a bubble of its own.
type mode struct {
	partitions  int
	honest, own bool
	kill        int // the step of the checkpoint before which the process dies; 0 for none
}

func (m mode) String() string {
	s := fmt.Sprintf("%d partitions", m.partitions)
	if m.partitions == 1 {
		s = "1 partition"
	}
	if m.honest {
		s += " (honest)"
	}
	if m.kill > 0 {
		s += fmt.Sprintf(", killed before step %d of its checkpoint", m.kill)
	}
	return s
}

// modes are those of a row, or of one that runs once.
func (c *config) modes(once bool) (modes []mode) {
	partitions, honest := c.partitions, []bool{false, true}
	if len(partitions) == 0 {
		partitions = []int{1, 2, 7}
		if once {
			partitions = []int{2}
		}
	}
	if n, err := strconv.Atoi(c.settings["spark.default.parallelism"]); err == nil {
		partitions = []int{n}
	}
	if _, set := c.settings["weir.honest"]; set || once {
		honest = honest[1:]
	}
	for _, n := range partitions {
		for _, h := range honest {
			modes = append(modes, mode{partitions: n, honest: h, own: !once})
		}
	}
	return modes
}

// inBubble tells whether the caller runs in a testing/synctest bubble: only there Wait does not panic.
func inBubble() (in bool) {
	defer func() { in = recover() == nil }()
	synctest.Wait()
	return
}

// inModes runs a row in each mode, in a bubble for each unless it is in one already, and fails the test with what they
// say: what is the same in several modes once.
func inModes(t testing.TB, c *config, run func(t testing.TB, m mode) error) {
	t.Helper()
	if c.err != nil {
		t.Fatalf("weirtest: %v", c.err)
	}
	once := inBubble()
	test, ok := t.(*testing.T)
	if !once && !ok {
		t.Fatalf("weirtest: a %T makes no bubble: call it with a *testing.T, or from inside synctest.Test", t)
	}
	if c.kills && (once || c.failsWith != "") {
		t.Fatalf("weirtest: %v", errKillsHere)
	}
	var r report
	for _, m := range c.modes(once) {
		if once {
			r.add(m, run(t, m))
			continue
		}
		synctest.Test(test, func(t *testing.T) { r.add(m, run(t, m)) })
	}
	if c.kills && len(r.texts) == 0 {
		inKills(test, c, &r, run)
	}
	for _, failure := range r.failures() {
		t.Error(failure)
	}
}

// A report gathers what was wrong in which mode.
type report struct {
	modes int
	texts []string // each once
	in    map[string][]mode
}

func (r *report) add(m mode, err error) {
	r.modes++
	if err == nil {
		return
	}
	if r.in == nil {
		r.in = map[string][]mode{}
	}
	text := err.Error()
	if len(r.in[text]) == 0 {
		r.texts = append(r.texts, text)
	}
	r.in[text] = append(r.in[text], m)
}

func (r *report) failures() (out []string) {
	for _, text := range r.texts {
		in := r.in[text]
		where := "in every run"
		if len(in) < r.modes || r.modes == 1 {
			names := make([]string, len(in))
			for i, m := range in {
				names[i] = m.String()
			}
			where = "with " + strings.Join(names, ", ")
		}
		out = append(out, "weirtest: "+where+": "+text)
	}
	return out
}
