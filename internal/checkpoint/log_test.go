package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// TestOrder is a transcript: each group of entries in turn, and what the log says of it.
func TestOrder(t *testing.T) {
	ranges := map[string]Range{"in": {Data: []byte("r")}}
	plan := func(seq, at int64) Entry { return Plan{Sequence: seq, Time: at, Ranges: ranges} }
	steps := []struct {
		name    string
		entries []Entry
		says    string
	}{
		{"commit before any plan", []Entry{Commit{Sequence: 0}}, "does not follow batch -1 (the last plan is -1)"},
		{"plan 1 first", []Entry{plan(1, 1000)}, "does not follow batch -1"},
		{"plan 0", []Entry{Start{}, plan(0, 1000)}, ""},
		{"plan 0 again", []Entry{plan(0, 2000)}, "plan of batch 0 at 2000 ms does not follow batch 0 at 1000 ms"},
		{"plan 1 at the same time", []Entry{plan(1, 1000)}, "plan of batch 1 at 1000 ms does not follow"},
		{"plan 1, and again", []Entry{plan(1, 2000), plan(1, 2000)}, "does not follow batch 1"},
		{"plan 1", []Entry{plan(1, 2000)}, ""},
		{"commit 1 before 0", []Entry{Commit{Sequence: 1, Time: 2000}}, "commit of batch 1 at 2000 ms does not follow"},
		{"commit 0 of another time", []Entry{Commit{Sequence: 0, Time: 999}}, "commit of batch 0 at 999 ms"},
		{"release 0 before its commit", []Entry{Released{UpTo: 0}}, "batches up to 0 are released"},
		{"done", []Entry{Done{Sequence: 0, Output: "out"}}, ""},
		{"replan 0 with an output done", []Entry{Replan{Plan{Sequence: 0, Time: 1000, Ranges: ranges}}}, `output "out" is done`},
		{"replan 1 with other ranges", []Entry{Replan{Plan{Sequence: 1, Time: 2000}}}, "with other ranges"},
		{"replan 1", []Entry{Replan{Plan{Sequence: 1, Time: 2000, Ranges: ranges}}}, ""},
		{"commit 0, plan 4 after two idle ones", []Entry{Commit{Sequence: 0, Time: 1000},
			Plan{Sequence: 4, Time: 5000, Idle: 2}}, ""},
		{"commit 0 again", []Entry{Commit{Sequence: 0, Time: 1000}}, "does not follow batch 0"},
		{"replan 0", []Entry{Replan{Plan{Sequence: 0, Time: 1000, Ranges: ranges}}}, "is not open"},
		{"skip 1", []Entry{Skip{Sequence: 1, Time: 2000}, Released{UpTo: 1}}, ""},
		{"burn 0 after 1", []Entry{Burn{Sequence: 0}}, "effects of batch 0 are burned, and batch 1 is over last"},
		{"burn 1", []Entry{Burn{Sequence: 1, Burned: []Effect{{Output: "out"}}}}, ""},
		{"release 0 after 1", []Entry{Released{UpTo: 0}}, "batches up to 0 are released, after 1"},
		{"import with a batch open", []Entry{Import{Sequence: 5, Time: 6000}}, "an import while batch 4 is open"},
		{"stop with a batch open", []Entry{Stop{}}, "with batch 4 open"},
		{"a rate that is no number", []Entry{Commit{Sequence: 4, Time: 5000, Rates: map[string]Rate{
			"in": {Rate: math.NaN()}}}}, "NaN"},
		{"takeover", []Entry{Takeover{Epoch: 2}}, "is written by Open"},
		{"commit 4, and an import at its time", []Entry{Commit{Sequence: 4, Time: 5000}, Import{Sequence: 5, Time: 5000}},
			"an import as batch 5 at 5000 ms does not follow batch 4 at 5000 ms"},
		{"commit 4, an import, and stop", []Entry{Commit{Sequence: 4, Time: 5000}, Import{Sequence: 5, Time: 5001}, Stop{}}, ""},
		{"plan after the stop", []Entry{plan(5, 6000)}, "a plan after the clean stop"},
		{"import after the stop", []Entry{Import{Sequence: 5, Time: 6000}}, "a import after the clean stop"},
	}
	synctest.Test(t, func(t *testing.T) {
		l, _ := mustOpen(t, vfs.NewDisk("disk").Mount(nil), "a", 3)
		memory := NewMemory()
		for _, s := range steps {
			err := l.Append(t.Context(), s.entries...)
			if (err == nil) != (s.says == "") || err != nil && !strings.Contains(err.Error(), s.says) ||
				err != nil && !errors.Is(err, ErrOrder) {
				t.Errorf("%s: %v, want %q", s.name, err, s.says)
			}
			if s.says == "" {
				if err := memory.Append(t.Context(), s.entries...); err != nil {
					t.Errorf("%s in memory: %v", s.name, err)
				}
			}
		}
		planned, committed := l.Last()
		if want := (Mark{5, 5001}); planned != want || committed != want {
			t.Errorf("the log ends with plan %v and commit %v", planned, committed)
		}
		if p, c := memory.Last(); p != planned || c != committed || len(memory.state.Batches) != 0 {
			t.Errorf("the log in memory ends with plan %v and commit %v, and keeps %v", p, c, memory.state.Batches)
		}
		mustClose(t, l)
		if err := l.Append(t.Context(), plan(5, 6000)); !errors.Is(err, ErrClosed) {
			t.Errorf("append to a closed log: %v", err)
		}
	})
}

// TestReopen: what was logged is found, however many times the log changes hands and is compacted.
func TestReopen(t *testing.T) {
	for seed := range uint64(10) {
		groups := script(seed, 60)
		want := prefixes(groups)
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			for i := 0; i < len(groups); {
				l, r := mustOpen(t, disk.Mount(nil), fmt.Sprint("owner ", i), 5)
				if got := describe(r.State); got != want[i] || r.First != (i == 0) {
					t.Fatalf("seed %d: after %d groups\n%s\nwant\n%s", seed, i, got, want[i])
				}
				for range 1 + seed*3 {
					if i < len(groups) {
						if err := l.Append(t.Context(), groups[i]...); err != nil {
							t.Fatal(err)
						}
						i++
					}
				}
				mustClose(t, l)
			}
			s, err := Read(t.Context(), disk.Mount(nil), dir)
			if err != nil || describe(s) != want[len(groups)] {
				t.Errorf("seed %d: read: %v, %v", seed, s, err)
			}
		})
	}
	if s, err := Read(t.Context(), vfs.NewDisk("disk").Mount(nil), dir); s != nil || err != nil {
		t.Errorf("read where there is no log: %v, %v", s, err)
	}
}

// TestLocal: the same on a real disk, without a bubble.
func TestLocal(t *testing.T) {
	folder := t.TempDir()
	groups := script(7, 30)
	want := prefixes(groups)
	for i, group := range groups {
		l, r, err := Open(t.Context(), vfs.Local{}, folder, Here("test"), Options{Every: 4})
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(r.State); got != want[i] || r.Epoch != int64(i+1) {
			t.Fatalf("epoch %d, after %d groups\n%s\nwant\n%s", r.Epoch, i, got, want[i])
		}
		if err := l.Append(t.Context(), group...); err != nil {
			t.Fatal(err)
		}
		mustClose(t, l)
	}
}

// TestShare: commit t and plan t+1 cost one slot, and so two syncs; what comes while a slot is written goes together.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		m := vfs.NewDisk("disk").Mount(func(s vfs.Step) vfs.Fault {
			if s.Op == "sync" || s.Op == "syncdir" {
				syncs.Add(1)
			}
			return vfs.None
		})
		l, _ := mustOpen(t, m, "a", 100)
		defer mustClose(t, l)
		before := syncs.Load()
		var last *Deferred
		for i := range int64(50) {
			plan := Plan{Sequence: i, Time: i + 1}
			if err := l.Append(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if last != nil {
				select {
				case <-last.Done():
				default:
					t.Error("a commit was not written with the plan after it")
				}
			}
			last = l.Defer(Commit{Sequence: i, Time: i + 1})
		}
		if got := syncs.Load() - before; got != 100 {
			t.Errorf("50 batches cost %d syncs, want 100", got)
		}
		if err := last.Flush(t.Context()); err != nil || last.Err() != nil {
			t.Error(err)
		}
		if err := l.Defer(Commit{Sequence: 9}).Flush(t.Context()); !errors.Is(err, ErrOrder) {
			t.Errorf("a deferred commit that follows nothing: %v", err)
		}
	})
}

// TestCancelled: an entry whose writer goes away while another slot is being written is not written.
func TestCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold, begun := make(chan struct{}), make(chan struct{})
		m := vfs.NewDisk("disk").Mount(func(s vfs.Step) vfs.Fault {
			if s.Op == "renameNew" && strings.HasSuffix(s.Name, "1.slot") {
				close(begun)
				<-hold
			}
			return vfs.None
		})
		l, _ := mustOpen(t, m, "a", 100)
		defer mustClose(t, l)
		first := make(chan error)
		go func() { first <- l.Append(t.Context(), Plan{Sequence: 0, Time: 1}) }()
		<-begun
		ctx, cancel := context.WithCancelCause(t.Context())
		second := make(chan error)
		go func() { second <- l.Append(ctx, Plan{Sequence: 1, Time: 2}) }()
		synctest.Wait()
		why := errors.New("why")
		cancel(why)
		if err := <-second; !errors.Is(err, why) {
			t.Errorf("the writer that went away: %v", err)
		}
		close(hold)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := l.Append(t.Context(), Plan{Sequence: 1, Time: 9}); err != nil {
			t.Errorf("the same entry again: %v", err)
		}
	})
}

// TestHold: files that no state refers to any more are there until nobody reads them, and go then.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		l, _ := mustOpen(t, m, "a", 8)
		if err := m.MkdirAll(t.Context(), dir+"/state"); err != nil {
			t.Fatal(err)
		}
		there := func(name string) bool { return disk.Files()[dir+"/"+name] != nil }
		for i := range int64(3) { // Each has a snapshot, which the next one makes superfluous.
			file := File{Name: fmt.Sprint("state/", i), Length: 1}
			if err := vfs.WriteFile(t.Context(), m, dir+"/"+file.Name, []byte{1}); err != nil {
				t.Fatal(err)
			}
			var release func()
			if i == 2 {
				release = l.Hold()
			}
			err := l.Append(t.Context(), Plan{Sequence: i, Time: i + 1})
			if err == nil {
				err = l.Append(t.Context(), Commit{Sequence: i, Time: i + 1, State: []StateChange{{Operator: "op",
					Snapshot: []File{file}, SnapshotAt: i}}}, Released{UpTo: i})
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if i == 1 && there("state/0") || i == 2 && !there("state/1") {
				t.Errorf("after batch %d: %v", i, disk.Files())
			}
			if release != nil {
				release()
				release()
				time.Sleep(time.Second)
			}
		}
		if there("state/1") || !there("state/2") {
			t.Errorf("in the end: %v", disk.Files())
		}
		mustClose(t, l)
	})
}

// TestHoldsThatOverlap: who reads keeps what was dropped since it came, and nothing that was before.
func TestHoldsThatOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		l, _ := mustOpen(t, m, "a", 8)
		if err := m.MkdirAll(t.Context(), dir+"/state"); err != nil {
			t.Fatal(err)
		}
		var releases []func()
		for i := range int64(5) { // Each snapshot is superfluous when the next one is there.
			file := File{Name: fmt.Sprint("state/", i), Length: 1}
			releases = append(releases, l.Hold())
			err := errors.Join(vfs.WriteFile(t.Context(), m, dir+"/"+file.Name, []byte{1}),
				l.Append(t.Context(), Plan{Sequence: i, Time: i + 1}),
				l.Append(t.Context(), Commit{Sequence: i, Time: i + 1,
					State: []StateChange{{Operator: "op", Snapshot: []File{file}, SnapshotAt: i}}}, Released{UpTo: i}))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		there := func() (list string) {
			time.Sleep(time.Second)
			for i := range 5 {
				if disk.Files()[dir+"/state/"+fmt.Sprint(i)] != nil {
					list += fmt.Sprint(i)
				}
			}
			return list
		}
		got := []string{there()}
		for _, i := range []int{2, 0, 1, 4, 3} {
			releases[i]()
			got = append(got, there())
		}
		if want := []string{"01234", "01234", "01234", "234", "234", "4"}; !slices.Equal(got, want) {
			t.Errorf("there are %q, want %q", got, want)
		}
		mustClose(t, l)
	})
}

// TestRenameImported: what was changed by hand is known by the name that the state has now.
func TestRenameImported(t *testing.T) {
	s := newState("j", 0)
	s.apply(Import{State: []StateChange{{Operator: "old", Inline: []byte{1}}, {Operator: "other", Inline: []byte{2}}}})
	s.apply(Rename{From: "old", To: "new"})
	got := s.Batches[0].Import.State
	if _, deltas := s.Version("new", 0); len(deltas) != 1 || got[0].Operator != "new" || got[1].Operator != "other" {
		t.Errorf("%v, %v", deltas, got)
	}
}

// TestRenameOfBatches: what is kept of batches is known by the new name also, or goes if that is dropped; and nothing
// changes that an entry holds.
func TestRenameOfBatches(t *testing.T) {
	plan := Plan{Ranges: map[string]Range{"old": {Records: 1}, "other": {Records: 2}}}
	effects := func(of string) []Effect { return []Effect{{Output: of, Wrote: true}, {Output: "other"}} }
	for _, to := range []string{"new", ""} {
		s := newState("j", 0)
		s.apply(plan)
		s.apply(Done{Output: "old", Effects: effects("old")})
		s.apply(Commit{Effects: effects("old"), State: []StateChange{{Operator: "old", Inline: []byte{1}}}})
		s.apply(Plan{Sequence: 1, Ranges: plan.Ranges})
		s.apply(Skip{Sequence: 1, In: effects("old"), Burned: effects("old"), Unknown: effects("old")})
		s.apply(Rename{From: "old", To: to})
		var got, want []string
		for _, b := range s.Batches {
			got = append(got, fmt.Sprint(b.Plan.Ranges, b.Done))
			if b.Commit != nil {
				got = append(got, fmt.Sprint(b.Commit.Effects, b.Commit.State))
			} else {
				got = append(got, fmt.Sprint(b.Skip.In, b.Skip.Burned, b.Skip.Unknown))
			}
		}
		ranges, left, done := map[string]Range{"other": {Records: 2}}, effects("old")[1:], []Done{}
		if to != "" {
			ranges[to], left = Range{Records: 1}, effects(to)
			done = []Done{{Output: to, Effects: left}}
		}
		// Changes of states are kept with these, not with the batch.
		want = []string{fmt.Sprint(ranges, done), fmt.Sprint(left, []StateChange{}), fmt.Sprint(ranges, []Done{}),
			fmt.Sprint(left, left, left)}
		if !slices.Equal(got, want) {
			t.Errorf("to %q:\n%q, want\n%q", to, got, want)
		}
	}
	if len(plan.Ranges) != 2 || plan.Ranges["old"].Records != 1 {
		t.Errorf("the plan became %v", plan.Ranges)
	}
}

// TestManyBatches: the log of a long window, whose batches are all kept, is written and read: with ten partitions of
// Kafka, a slot has room for more than a day in batches of a second, which are 86,400.
func TestManyBatches(t *testing.T) {
	const batches = 6000
	var topic strings.Builder
	for p := range 10 {
		fmt.Fprintf(&topic, `,{"partition":%d,"from":%d,"until":%d,"leaderEpoch":7}`, p, 123456789+p, 123457789+p)
	}
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		l, _ := mustOpen(t, disk.Mount(nil), "first", 100)
		for from := int64(0); from < batches; from += 1000 {
			var entries []Entry
			for n := from; n < min(from+1000, batches); n++ {
				data := fmt.Appendf(nil, `{"topic":"orders","batch":%d%s}`, n, topic.String())
				entries = append(entries, Plan{Sequence: n, Time: 1000 * (n + 1), Seed: uint64(n),
					Ranges: map[string]Range{"kafka": {Data: data, Records: 1000}}},
					Commit{Sequence: n, Time: 1000 * (n + 1), Effects: []Effect{{Output: "out", Wrote: true}}})
			}
			if err := l.Append(t.Context(), entries...); err != nil {
				t.Fatal(err)
			}
		}
		want := describe(l.state)
		mustClose(t, l)
		for range 2 { // Enough takeovers to come by a base.
			l, r := mustOpen(t, disk.Mount(nil), "next", 100)
			if got := describe(r.State); got != want || len(r.Batches) != batches {
				t.Fatalf("%d batches are there, or not as they were", len(r.Batches))
			}
			for range 60 {
				if err := l.Append(t.Context(), Transactions{}); err != nil {
					t.Fatal(err)
				}
			}
			mustClose(t, l)
		}
		largest := 0
		for _, data := range disk.Files() {
			largest = max(largest, len(data))
		}
		if largest*(2*86_400/batches) > slotMax {
			t.Errorf("a file has %d bytes", largest)
		}
	})
}

// TestStuck: whoever waits for a log that cannot be written is told which one it is, and why, when it is too late.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		m := vfs.NewDisk("disk").Mount(func(vfs.Step) vfs.Fault {
			if full.Load() {
				return vfs.Full
			}
			return vfs.None
		})
		l, _ := mustOpen(t, m, "a", 8)
		full.Store(true)
		first := make(chan error, 1)
		go func() { first <- l.Append(t.Context(), Plan{Sequence: 0, Time: 5}) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := l.Append(ctx, Plan{Sequence: 1, Time: 6})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, syscall.ENOSPC) ||
			!contains(err, "the log "+dir+" was not written in time: ") {
			t.Errorf("the second entry: %v", err)
		}
		if err := <-first; !errors.Is(err, syscall.ENOSPC) || !contains(err, "no slot could be written for 30s") {
			t.Errorf("the first entry: %v", err)
		}
		_ = l.Close(t.Context()) // Its error is that of the first entry.
	})
}

// TestSlotThatIsTooLarge: the error names what fills it. An owner can come in nevertheless, to release that.
func TestSlotThatIsTooLarge(t *testing.T) {
	plan := Plan{Sequence: 7, Ranges: map[string]Range{"small": {Data: []byte("x")},
		"large": {Data: bytes.Repeat([]byte("x"), slotMax)}}}
	s := &slot{slotHead: slotHead{Job: "j"}, entries: []Entry{plan}, lines: lines(t, plan)}
	want := fmt.Sprintf(`what batch 7 takes from "large", has %d bytes`, slotMax)
	if _, err := s.encode(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	takeover := Takeover{Epoch: 2}
	s.entries, s.lines = []Entry{takeover, plan}, lines(t, takeover, plan)
	if _, err := s.encode(); err != nil {
		t.Errorf("a takeover: %v", err)
	}
	f := folder{vfs.NewDisk("disk").Mount(nil), dir}
	err := f.fs.MkdirAll(t.Context(), f.logDir())
	if err == nil {
		err = vfs.WriteFile(t.Context(), f.fs, f.slotName(0), make([]byte, slotMax+1))
	}
	if err == nil {
		_, err = f.read(t.Context(), 0)
	}
	if damage := (*DamageError)(nil); !errors.As(err, &damage) {
		t.Errorf("a slot that is as large is not looked at: %v", err)
	}
}
