package checkpoint

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
)

// script makes n groups of entries, each of which follows those before it: what a job might log.
func script(seed uint64, n int) [][]Entry {
	r := rand.New(rand.NewPCG(seed, 1))
	s := newState("", 0)
	var groups [][]Entry
	for len(groups) < n {
		var group []Entry
		c := s.cursor()
		for range 1 + r.IntN(3) {
			e := randomEntry(r, s)
			if _, stop := e.(Stop); stop && len(groups) < n-1 || c.check([]Entry{e}) != nil {
				continue
			}
			s.apply(e)
			c = s.cursor()
			group = append(group, e)
		}
		if len(group) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

func randomEntry(r *rand.Rand, s *State) Entry {
	text := func(format string, args ...any) Range {
		return Range{Version: 1, Data: fmt.Appendf(nil, format, args...), Records: int64(r.IntN(9))}
	}
	oldest := Mark{-1, -1}
	if open := s.Opened(); len(open) > 0 {
		oldest = Mark{open[0].Plan.Sequence, open[0].Plan.Time}
	}
	switch next := s.Planned.Sequence + 1; r.IntN(13) {
	case 0, 1, 2:
		idle := int64(r.IntN(2))
		p := Plan{Sequence: next + idle, Idle: idle, Time: s.Planned.Time + 1 + r.Int64N(9), Seed: r.Uint64(),
			Ranges: map[string]Range{"kafka": text(`{"from":%d}`, next), "blocks": {Data: []byte{0xff, byte(next)}}}}
		if r.IntN(3) == 0 {
			p.Split = &Split{Partitions: map[string]int{"counts": r.IntN(9)}, DealSeed: r.Uint64()}
		}
		return p
	case 3, 4, 5:
		c := Commit{Sequence: oldest.Sequence, Time: oldest.Time, Rates: map[string]Rate{"kafka": {Rate: r.Float64()}},
			Effects: []Effect{{Output: "out", Name: "x", Wrote: r.IntN(2) == 0, Partitions: 3}},
			State: []StateChange{{Operator: "counts", Delta: []File{{Name: fmt.Sprint("state/d", oldest.Sequence),
				Length: 7, Sum: r.Uint32()}}}}}
		if r.IntN(3) == 0 {
			c.State[0].Snapshot = []File{{Name: fmt.Sprint("state/s", oldest.Sequence), Length: 9}}
			c.State[0].SnapshotAt = oldest.Sequence - int64(r.IntN(2))
		}
		return c
	case 6:
		return Skip{Sequence: oldest.Sequence, Time: oldest.Time, Reason: "it fails <always>"}
	case 7:
		if b := s.Batch(oldest.Sequence); b != nil {
			return Replan{Plan{Sequence: oldest.Sequence, Time: oldest.Time, Ranges: b.Plan.Ranges,
				Split: &Split{Partitions: map[string]int{"counts": 100 + r.IntN(9)}}}}
		}
	case 8:
		return Released{UpTo: s.Released + r.Int64N(4)}
	case 9:
		return Transactions{[]Transaction{{"out", fmt.Sprint("tx", r.IntN(5))}}}
	case 10:
		return Import{Sequence: next, Time: s.Planned.Time + 1, Reason: "by hand",
			State: []StateChange{{Operator: "counts", Inline: []byte{byte(next)}}}}
	case 11:
		return Done{Sequence: oldest.Sequence, Output: "out"}
	}
	return Adopt{Source: "kafka", Partition: fmt.Sprint(r.IntN(5)), Position: text("%d", r.IntN(100))}
}

// prefixes gives what the log amounts to after each number of groups, as text; owners and job are left out.
func prefixes(groups [][]Entry) []string {
	s := newState("", 0)
	states := []string{describe(s)}
	for _, group := range groups {
		for _, e := range group {
			s.apply(e)
		}
		states = append(states, describe(s))
	}
	return states
}

func describe(s *State) string {
	c := *s
	c.Job, c.Created, c.Owner = "", 0, Takeover{}
	data, err := json.Marshal(&c)
	if err != nil {
		panic(err)
	}
	return string(data)
}

const dir = "disk:/ckpt"

func someone(name string) Owner { return Owner{Host: name, PID: 7} }

// mustOpen opens a log whose last owner is gone or will be soon.
func mustOpen(t *testing.T, fsys vfs.FS, name string, every int64) (*Log, *Recovered) {
	t.Helper()
	l, r, err := Open(t.Context(), fsys, dir, someone(name), Options{Every: every, Wait: true})
	if err != nil {
		t.Fatal(err)
	}
	return l, r
}

func mustClose(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
