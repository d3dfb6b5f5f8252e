package vfs_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/vfstest"
)

func TestDisk(t *testing.T) {
	m := vfs.NewDisk("disk").Mount(nil)
	if err := m.MkdirAll(t.Context(), "disk://host/dir"); err != nil {
		t.Fatal(err)
	}
	vfstest.Run(t, m, "disk://host/dir")
}

// TestDiskCrash: what a power failure leaves. Each row is done to an empty directory, and some crashes must and must
// not show what it says.
func TestDiskCrash(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(m *vfs.Mount) error
		// sure says that all crashes leave the file f whole, maybe that some do and some do not.
		sure bool
	}{
		{"a file that is put", func(m *vfs.Mount) error {
			_, err := m.PutIfAbsent(t.Context(), "disk:/d/f", []byte("whole"))
			return err
		}, true},
		{"a file that is published", func(m *vfs.Mount) error {
			return vfs.WriteFile(t.Context(), m, "disk:/d/f", []byte("whole"))
		}, true},
		{"a file that is replaced", func(m *vfs.Mount) error {
			return vfs.Replace(t.Context(), m, "disk:/d/f", []byte("whole"))
		}, false},
		{"a segment that is synced", func(m *vfs.Mount) error { return segment(t, m, true) }, true},
		{"a segment that is not synced", func(m *vfs.Mount) error { return segment(t, m, false) }, false},
		{"a file in a directory that was made for it", func(m *vfs.Mount) error {
			if err := errors.Join(m.RemoveAll(t.Context(), "disk:/d"), m.MkdirAll(t.Context(), "disk:/d")); err != nil {
				return err
			}
			return vfs.WriteFile(t.Context(), m, "disk:/d/f", []byte("whole"))
		}, true},
	} {
		d := vfs.NewDisk("disk")
		m := d.Mount(nil)
		if err := m.MkdirAll(t.Context(), "disk:/d"); err != nil {
			t.Fatal(err)
		}
		if err := tt.do(m); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		whole := 0
		for seed := range uint64(100) {
			if string(d.Crash(seed).Files()["disk:/d/f"]) == "whole" {
				whole++
			}
		}
		if tt.sure && whole != 100 || !tt.sure && (whole == 0 || whole == 100) {
			t.Errorf("%s: whole after %d of 100 crashes", tt.name, whole)
		}
	}
}

// TestKeep: what is finished may be lost until it is published or kept.
func TestKeep(t *testing.T) {
	for _, keep := range []bool{true, false} {
		d := vfs.NewDisk("disk")
		m := d.Mount(nil)
		w, err := m.Create(t.Context(), "disk:/f")
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write([]byte("whole"))
		p, finished := w.Finish()
		if err = errors.Join(err, finished); err == nil && keep {
			err = vfs.Keep(t.Context(), m, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		there := 0
		for seed := range uint64(50) {
			after := d.Crash(seed)
			if after.Mount(nil).Publish(t.Context(), p) == nil && string(after.Files()["disk:/f"]) == "whole" {
				there++
			}
		}
		if keep != (there == 50) {
			t.Errorf("kept %v: %d of 50 crashes leave it", keep, there)
		}
	}
}

func segment(t *testing.T, m *vfs.Mount, sync bool) error {
	s, err := m.Segment(t.Context(), "disk:/d/f")
	if err != nil {
		return err
	}
	_, err = s.Write([]byte("whole"))
	if err == nil && sync {
		err = s.Sync()
	}
	return errors.Join(err, s.Close())
}

// TestPutFaults: whatever fails at whatever step of a put, the answer is true, also after a crash: ours is there, and
// theirs is not ours.
func TestPutFaults(t *testing.T) {
	faults := map[string]vfs.Fault{"fail": vfs.Fail, "lose": vfs.Lose, "tear": vfs.Tear, "full": vfs.Full, "die": vfs.Die}
	for name, fault := range faults {
		for at := 1; at <= 6; at++ {
			for _, before := range []string{"", "theirs"} {
				t.Run(fmt.Sprintf("%s at step %d, %q before", name, at, before), func(t *testing.T) {
					d := vfs.NewDisk("disk")
					if before != "" {
						if _, err := d.Mount(nil).PutIfAbsent(t.Context(), "disk:/f", []byte(before)); err != nil {
							t.Fatal(err)
						}
					}
					m := d.Mount(func(s vfs.Step) vfs.Fault {
						if s.Number == at {
							return fault
						}
						return vfs.None
					})
					answer, err := vfs.PutOnce(t.Context(), m, "disk:/f", []byte("ours"))
					if (answer == vfs.Unknown) != (err != nil) || answer == vfs.Unknown && fault != vfs.Die {
						t.Errorf("%v, %v", answer, err)
					}
					for seed := range uint64(20) {
						there := string(d.Crash(seed).Files()["disk:/f"])
						if answer == vfs.Ours && there != "ours" || before != "" && there != before ||
							there != "" && there != "ours" && there != "theirs" {
							t.Errorf("the answer is %v, and %q is there after crash %d", answer, there, seed)
						}
					}
				})
			}
		}
	}
}

// TestRecycledFaults is the same of a put in a file that was retired, whose old name never comes back.
func TestRecycledFaults(t *testing.T) {
	faults := map[string]vfs.Fault{"fail": vfs.Fail, "lose": vfs.Lose, "tear": vfs.Tear, "full": vfs.Full, "die": vfs.Die}
	for name, fault := range faults {
		for at := 1; at <= 6; at++ {
			for _, before := range []string{"", "theirs"} {
				t.Run(fmt.Sprintf("%s at step %d, %q before", name, at, before), func(t *testing.T) {
					d := vfs.NewDisk("disk")
					first := d.Mount(nil)
					put := func(name, text string) {
						if a, err := first.PutIfAbsent(t.Context(), name, []byte(text)); a != vfs.Ours || err != nil {
							t.Fatal(a, err)
						}
					}
					put("disk:/old", "what was there, and longer")
					token, err := first.Retire(t.Context(), "disk:/old")
					if err != nil {
						t.Fatal(err)
					}
					put("disk:/another", "another")
					if before != "" {
						put("disk:/f", before)
					}
					m := d.Mount(func(s vfs.Step) vfs.Fault {
						if s.Number == at {
							return fault
						}
						return vfs.None
					})
					answer, err := vfs.PutOnceRecycled(t.Context(), m, token, "disk:/f", []byte("ours"))
					if (answer == vfs.Unknown) != (err != nil) || answer == vfs.Unknown && fault != vfs.Die {
						t.Errorf("%v, %v", answer, err)
					}
					for seed := range uint64(20) {
						files := d.Crash(seed).Files()
						there := string(files["disk:/f"])
						if answer == vfs.Ours && there != "ours" || before != "" && there != before ||
							there != "" && there != "ours" && there != "theirs" {
							t.Errorf("the answer is %v, and %q is there after crash %d", answer, there, seed)
						}
						if old, ok := files["disk:/old"]; ok || string(files["disk:/another"]) != "another" {
							t.Errorf("after crash %d the old name has %q, and another %q", seed, old,
								files["disk:/another"])
						}
					}
				})
			}
		}
	}
}

// TestSegmentDies: a segment whose sync failed says so for ever, for nobody knows what is there.
func TestSegmentDies(t *testing.T) {
	failing := false
	d := vfs.NewDisk("disk")
	m := d.Mount(func(s vfs.Step) vfs.Fault {
		if failing && s.Op == "sync" {
			return vfs.Fail
		}
		return vfs.None
	})
	s, err := m.Segment(t.Context(), "disk:/f")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write([]byte("one"))
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	_, _ = s.Write([]byte("two"))
	failing = true
	if err := s.Sync(); !errors.Is(err, vfs.ErrNotDurable) {
		t.Errorf("a sync that failed: %v", err)
	}
	failing = false
	if err := s.Sync(); !errors.Is(err, vfs.ErrNotDurable) {
		t.Errorf("the sync after: %v", err)
	}
	if _, err := s.Write([]byte("three")); !errors.Is(err, vfs.ErrNotDurable) {
		t.Errorf("a write after: %v", err)
	}
	if _, err := m.Segment(t.Context(), "disk:/f"); err == nil {
		t.Error("a second segment of that name begins")
	}
}

// TestPutOnceIsSure: a file whose directory could not be synced is not said to be ours because it is there.
func TestPutOnceIsSure(t *testing.T) {
	disk, syncs := vfs.NewDisk("disk"), 0
	full := false
	m := disk.Mount(func(s vfs.Step) vfs.Fault {
		if s.Op == "syncdir" {
			syncs++
			full = true
		}
		if full {
			return vfs.Full
		}
		return vfs.None
	})
	for range 2 { // Who is not sure asks again.
		answer, err := vfs.PutOnce(t.Context(), m, "disk:/f", []byte("ours"))
		if answer != vfs.Unknown || !errors.Is(err, vfs.ErrNotDurable) {
			t.Errorf("after %d syncs that failed: %v, %v", syncs, answer, err)
		}
	}
	if syncs != 1 || string(disk.Files()["disk:/f"]) != "ours" {
		t.Errorf("%d syncs, and the disk holds %q", syncs, disk.Files())
	}
	full = false
	m = disk.Mount(nil)
	if answer, err := vfs.PutOnce(t.Context(), m, "disk:/f", []byte("ours")); answer != vfs.Ours || err != nil {
		t.Errorf("when there is room: %v, %v", answer, err)
	}
}
