package checkpoint

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// dieAt kills a process before one of its steps.
func dieAt(step int) func(vfs.Step) vfs.Fault {
	return func(s vfs.Step) vfs.Fault {
		if s.Number == step {
			return vfs.Die
		}
		return vfs.None
	}
}

// run logs groups from the one on that the log has come to, and tells how many are acknowledged.
func run(t *testing.T, m vfs.FS, name string, groups [][]Entry, want []string) (acknowledged int, err error) {
	l, r, err := Open(t.Context(), m, dir, someone(name), Options{Every: 3, Wait: true, PutTimeout: time.Second})
	if err != nil {
		return -1, err
	}
	defer func() { err = errors.Join(err, l.Close(t.Context())) }()
	at := -1
	got := describe(r.State)
	for i, w := range want {
		if w == got {
			at = i
		}
	}
	if at < 0 {
		t.Fatalf("%s found what was never in the log:\n%s", name, got)
	}
	for ; at < len(groups); at++ {
		if err := l.Append(t.Context(), groups[at]...); err != nil {
			return at, err
		}
	}
	return at, nil
}

// TestCrash kills a run before each of its steps, and takes what is on the disk then, with and without a power
// failure: a second run finds all that was acknowledged and nothing that was never logged, and comes to the end.
func TestCrash(t *testing.T) {
	groups := script(3, 14)
	want := prefixes(groups)
	for step := 1; ; step++ {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			m := disk.Mount(dieAt(step))
			done, err := run(t, m, "first", groups, want)
			whole = err == nil
			disks := map[string]*vfs.Disk{"the process died": disk}
			for seed := range uint64(4) {
				disks[fmt.Sprint("the power failed, seed ", seed)] = disk.Crash(seed)
			}
			for how, after := range disks {
				s, err := Read(t.Context(), after.Mount(nil), dir)
				if err != nil {
					t.Fatalf("step %d, %s: %v", step, how, err)
				}
				if done > 0 && s == nil || s != nil && done >= 0 && describe(s) != want[done] &&
					(done == len(groups) || describe(s) != want[done+1]) {
					t.Fatalf("step %d, %s: %d groups were acknowledged, and there is\n%+v", step, how, done, s)
				}
				if n, err := run(t, after.Mount(nil), "second", groups, want); n != len(groups) || err != nil {
					t.Fatalf("step %d, %s: the second run: %d, %v", step, how, n, err)
				}
			}
		})
		if whole {
			t.Logf("%d steps", step-1)
			return
		}
	}
}

// TestCrashes kills runs one after the other at random steps, with power failures between them.
func TestCrashes(t *testing.T) {
	for seed := range uint64(30) {
		groups := script(seed, 40)
		want := prefixes(groups)
		synctest.Test(t, func(t *testing.T) {
			disk, done := vfs.NewDisk("disk"), 0
			for life := uint64(1); done < len(groups); life++ {
				n, err := run(t, disk.Mount(dieAt(int(20+(seed*31+life*17)%90))), fmt.Sprint("life ", life), groups, want)
				if err == nil && n != len(groups) || n >= 0 && n < done {
					t.Fatalf("seed %d, life %d: %d groups, %d before, %v", seed, life, n, done, err)
				}
				done = max(n, done)
				if life%2 == 0 {
					disk = disk.Crash(seed + life)
				}
			}
		})
	}
}

// TestCrashAfterCrash kills a run before each of its steps, and the next one before each of its first: what that has
// read outlives a power failure, also if the first had not made it sure.
func TestCrashAfterCrash(t *testing.T) {
	groups := script(3, 4)
	want := prefixes(groups)
	for step := 1; ; step++ {
		whole := false
		for next := 1; next < 14; next++ {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				done, err := run(t, disk.Mount(dieAt(step)), "first", groups, want)
				whole = err == nil
				n, _ := run(t, disk.Mount(dieAt(next)), "second", groups, want)
				done = max(n, done)
				for seed := range uint64(16) {
					after := disk.Crash(seed)
					s, err := Read(t.Context(), after.Mount(nil), dir)
					if err != nil {
						t.Fatalf("steps %d and %d, seed %d: %v", step, next, seed, err)
					}
					if done > 0 && s == nil || s != nil && done >= 0 && describe(s) != want[done] &&
						(done == len(groups) || describe(s) != want[done+1]) {
						t.Fatalf("steps %d and %d, seed %d: %d groups were acknowledged, and there is\n%+v", step, next, seed,
							done, s)
					}
				}
			})
		}
		if whole {
			return
		}
	}
}

// TestFaults: a step that fails, whichever it is and however, costs time and nothing else.
func TestFaults(t *testing.T) {
	groups := script(5, 8)
	want := prefixes(groups)
	for name, fault := range map[string]vfs.Fault{"fail": vfs.Fail, "lose": vfs.Lose, "tear": vfs.Tear, "full": vfs.Full} {
		for step := 1; ; step++ {
			reached := false
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				m := disk.Mount(func(s vfs.Step) vfs.Fault {
					if s.Number == step {
						reached = true
						return fault
					}
					return vfs.None
				})
				n, err := run(t, m, "first", groups, want)
				if n == -1 && m.Steps() < 12 || m.Steps() > 12 && n == len(groups) && err != nil {
					n, err = run(t, m, "first again", groups, want) // Only making the folder and closing may fail.
				}
				if n != len(groups) || err != nil {
					t.Fatalf("%s at step %d: %d groups, %v", name, step, n, err)
				}
				for seed := range uint64(4) {
					s, err := Read(t.Context(), disk.Crash(seed).Mount(nil), dir)
					if err != nil || describe(s) != want[len(groups)] {
						t.Fatalf("%s at step %d, crash %d: %v", name, step, seed, err)
					}
				}
			})
			if !reached {
				break
			}
		}
	}
}

// TestFullDisk: a disk that stays full ends the log with what is wrong; what was acknowledged is there.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		disk := vfs.NewDisk("disk")
		m := disk.Mount(func(s vfs.Step) vfs.Fault {
			if full.Load() && s.Op == "write" {
				return vfs.Full
			}
			return vfs.None
		})
		l, _ := mustOpen(t, m, "a", 100)
		if err := l.Append(t.Context(), Plan{Sequence: 0, Time: 1}); err != nil {
			t.Fatal(err)
		}
		full.Store(true)
		began := time.Now()
		err := l.Append(t.Context(), Commit{Sequence: 0, Time: 1})
		if err == nil || !contains(err, "disk:/ckpt ends before slot 2", "no space left") {
			t.Errorf("a full disk: %v", err)
		}
		if took := time.Since(began); took > 32*time.Second {
			t.Errorf("it took %v", took)
		}
		<-l.Over()
		full.Store(false)
		if err := l.Append(t.Context(), Commit{Sequence: 0, Time: 1}); err == nil {
			t.Error("a log that is over takes an entry")
		}
		_ = l.Close(t.Context())
		s, err := Read(t.Context(), m, dir)
		if err != nil || len(s.Opened()) != 1 {
			t.Errorf("%v, %v", s, err)
		}
	})
}
