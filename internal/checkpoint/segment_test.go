package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/internal/vfs"
)

// series opens the series of a test and gives the payloads that it finds.
func series(t *testing.T, fsys vfs.FS, epoch, from, before int64) (*Segments, []string, error) {
	t.Helper()
	var found []string
	s, err := OpenSegments(t.Context(), fsys, dir, "received/0", SegmentsOptions{Kind: Received, Epoch: epoch, Bytes: 150},
		from, before, func(f Frame) error {
			found = append(found, string(f.Payload))
			return nil
		})
	return s, found, err
}

func payload(i int) string { return fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%7)) }

// fill appends payloads until there are n, or one fails.
func fill(t *testing.T, s *Segments, n int) (acknowledged int, err error) {
	for i := int(s.Next()); i < n; i++ {
		seq, _, err := s.Append(t.Context(), []byte(payload(i)))
		if err != nil {
			return i, err
		}
		if seq != int64(i) {
			t.Fatalf("frame %d has the sequence %d", i, seq)
		}
	}
	return n, s.Close(t.Context())
}

func wantPayloads(t *testing.T, what string, got []string, first, least, most int) {
	t.Helper()
	if len(got)+first < least || len(got)+first > most {
		t.Fatalf("%s: %d frames from %d on, want up to %d to %d", what, len(got), first, least, most)
	}
	for i, p := range got {
		if p != payload(first+i) {
			t.Fatalf("%s: frame %d is %q", what, first+i, p)
		}
	}
}

// TestSegmentsCrash kills a writer before each of its steps, with and without a power failure after: what was
// acknowledged is found, and the next writer goes on from there, and the one after him finds all.
func TestSegmentsCrash(t *testing.T) {
	for step := 1; ; step++ {
		whole := false
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			m := disk.Mount(dieAt(step))
			done := 0
			s, _, err := series(t, m, 1, 0, 0)
			if err == nil {
				done, err = fill(t, s, 20)
			}
			whole = err == nil
			disks := []*vfs.Disk{disk}
			for seed := range uint64(6) {
				disks = append(disks, disk.Crash(seed))
			}
			for i, after := range disks {
				what := fmt.Sprintf("step %d, disk %d", step, i)
				s, found, err := series(t, after.Mount(nil), 2, 0, int64(done))
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				wantPayloads(t, what, found, 0, done, min(done+1, 20))
				if n, err := fill(t, s, 30); err != nil || n != 30 {
					t.Fatalf("%s: the second writer: %d, %v", what, n, err)
				}
				_, found, err = series(t, after.Mount(nil), 3, 4, 30)
				if err != nil {
					t.Fatalf("%s: at the end: %v", what, err)
				}
				wantPayloads(t, what, found, 4, 30, 30)
			}
		})
		if whole {
			return
		}
	}
}

// TestSegmentsFaults: a step that fails costs a segment and nothing else.
func TestSegmentsFaults(t *testing.T) {
	for name, fault := range map[string]vfs.Fault{"fail": vfs.Fail, "lose": vfs.Lose, "tear": vfs.Tear, "full": vfs.Full} {
		for step := 8; ; step++ { // The steps before make the folder.
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
				s, _, err := series(t, m, 1, 0, 0)
				if err != nil {
					t.Fatalf("%s at step %d: %v", name, step, err)
				}
				if n, err := fill(t, s, 12); n != 12 || err != nil {
					t.Fatalf("%s at step %d: %d, %v", name, step, n, err)
				}
				for seed := range uint64(6) {
					_, found, err := series(t, disk.Crash(seed).Mount(nil), 2, 0, 12)
					if err != nil {
						t.Fatalf("%s at step %d, crash %d: %v", name, step, seed, err)
					}
					wantPayloads(t, name, found, 0, 12, 12)
				}
			})
			if !reached {
				break
			}
		}
	}
}

// TestSegmentsOfABadDiskGo: of the files that were begun while nothing could be written none stays, whether they could
// be removed at once or not.
func TestSegmentsOfABadDiskGo(t *testing.T) {
	for name, ops := range map[string]string{"write": "write", "write and remove": "write remove"} {
		synctest.Test(t, func(t *testing.T) {
			disk, bad := vfs.NewDisk("disk"), false
			m := disk.Mount(func(s vfs.Step) vfs.Fault {
				if bad && strings.HasSuffix(s.Name, segmentSuffix) && strings.Contains(ops, s.Op) {
					return vfs.Fail
				}
				return vfs.None
			})
			count := func() (n int) {
				for name := range disk.Files() {
					if strings.HasSuffix(name, segmentSuffix) {
						n++
					}
				}
				return n
			}
			s, _, err := series(t, m, 1, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			bad = true
			if _, _, err := s.Append(t.Context(), []byte(payload(0))); err == nil {
				t.Fatal("a frame was written to a bad disk")
			}
			if n := count(); name == "write" && n > 0 || name != "write" && n < 5 {
				t.Errorf("%s: %d files while the disk is bad", name, n)
			}
			bad = false
			if n, err := fill(t, s, 40); n != 40 || err != nil {
				t.Fatal(n, err)
			}
			if err := s.Clean(t.Context(), 40); err != nil {
				t.Fatal(err)
			}
			if n := count(); n != 1 {
				t.Errorf("%s: %d files are left", name, n)
			}
		})
	}
}

// TestSegmentsZombie: what an owner writes that is none any more does not count once the next one has written.
func TestSegmentsZombie(t *testing.T) {
	disk := vfs.NewDisk("disk")
	old, _, err := series(t, disk.Mount(nil), 1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	write := func(s *Segments, payload string) {
		t.Helper()
		if _, _, err := s.Append(t.Context(), []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	write(old, payload(0))
	next, found, err := series(t, disk.Mount(nil), 2, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, "the next owner", found, 0, 1, 1)
	for range 20 {
		write(old, "late") // It comes to further segments, too.
	}
	if n, err := fill(t, next, 9); n != 9 || err != nil {
		t.Fatal(n, err)
	}
	write(old, "late")
	last, found, err := series(t, disk.Mount(nil), 3, 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, "the last owner", found, 0, 9, 9)
	if n, err := fill(t, last, 40); n != 40 || err != nil {
		t.Fatal(n, err)
	}
	before := len(disk.Files())
	if err := last.Clean(t.Context(), 30); err != nil {
		t.Fatal(err)
	}
	if after := len(disk.Files()); after >= before {
		t.Errorf("%d files after cleaning, %d before", after, before)
	}
	_, found, err = series(t, disk.Mount(nil), 4, 30, 40)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, "after cleaning", found, 30, 40, 40)
	var damage *DamageError
	if _, _, err := series(t, disk.Mount(nil), 4, 3, 40); !errors.As(err, &damage) {
		t.Errorf("frames that are gone: %v", err)
	}
}

// TestSegmentsShare: what comes while a sync is under way shares the next one.
func TestSegmentsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var syncs atomic.Int64
		hold := make(chan struct{})
		m := vfs.NewDisk("disk").Mount(func(s vfs.Step) vfs.Fault {
			if s.Op == "sync" && syncs.Add(1) == 1 {
				<-hold
			}
			return vfs.None
		})
		s, err := OpenSegments(t.Context(), m, dir, "d", SegmentsOptions{Kind: Deltas, Epoch: 1}, 0, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		var writing sync.WaitGroup
		for i := range 100 {
			writing.Go(func() {
				if _, _, err := s.Append(t.Context(), []byte(payload(i))); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(hold)
		writing.Wait()
		var found []string
		keep := func(f Frame) error {
			found = append(found, string(f.Payload))
			return nil
		}
		o := SegmentsOptions{Kind: Deltas, Epoch: 2}
		if _, err := OpenSegments(t.Context(), m, dir, "d", o, 0, 100, keep); err != nil {
			t.Fatal(err)
		}
		slices.Sort(found)
		if len(found) != 100 || len(slices.Compact(found)) != 100 {
			t.Errorf("%d frames", len(found))
		}
		if n := syncs.Load(); n > 3 {
			t.Errorf("100 frames cost %d syncs", n)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, _, err := s.Append(t.Context(), nil); !errors.Is(err, ErrClosed) {
			t.Errorf("append to a closed series: %v", err)
		}
	})
}

// TestSegmentsOfObjects: a store without segments gets an object for each group.
func TestSegmentsOfObjects(t *testing.T) {
	m := vfs.NewMemory("disk")
	s, _, err := series(t, m, 1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := fill(t, s, 10); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	_, found, err := series(t, m, 2, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, "objects", found, 0, 10, 10)
}

// TestSegmentsComeBack: of files that were removed a power failure may have brought back some: they are not read.
func TestSegmentsComeBack(t *testing.T) {
	disk := vfs.NewDisk("disk")
	s, _, err := series(t, disk.Mount(nil), 1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := fill(t, s, 20); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	// The first is back, the next ones are not.
	for number := int64(1); number < 3; number++ {
		if err := disk.Mount(nil).Remove(t.Context(), vfs.Join(dir+"/received/0", segmentName(1, number))); err != nil {
			t.Fatal(err)
		}
	}
	_, found, err := series(t, disk.Mount(nil), 2, 15, 20)
	if err != nil {
		t.Fatal(err)
	}
	wantPayloads(t, "what is left", found, 15, 20, 20)
}

// segmentFor gives the bytes of a segment with frames 5, 6 ... of 0, 1 ... bytes.
func segmentFor(frames int, end bool) []byte {
	var b bytes.Buffer
	s, _ := NewSegmentWriter(&b, SegmentHead{Kind: Snapshot, Number: 3, First: 5, About: []byte(`{"job":"j"}`)})
	for i := range frames {
		_ = s.Frame(bytes.Repeat([]byte{0xab}, i))
	}
	if end {
		_, _, _ = s.End()
	}
	return b.Bytes()
}

// readSegment reads the bytes of a segment.
func readSegment(t testing.TB, data []byte, need Need) (frames int, torn bool, err error) {
	m := vfs.NewMemory("mem")
	if err := vfs.WriteFile(t.Context(), m, "mem:/s", data); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSegment(t.Context(), m, "mem:/s", Snapshot, need)
	if err != nil {
		return 0, false, err
	}
	defer s.Close()
	for {
		_, err := s.Read()
		if err == io.EOF {
			return frames, s.Torn(), nil
		}
		if err != nil {
			return frames, false, err
		}
		frames++
	}
}

// TestSegmentDamage: a cut tail is healed where nothing of it must be there; any other damage is refused.
func TestSegmentDamage(t *testing.T) {
	whole := segmentFor(6, true)
	var damage *DamageError
	var version *VersionError
	for i := range whole {
		if _, _, err := readSegment(t, whole[:i], Need{Whole: true}); !errors.As(err, &damage) {
			t.Errorf("cut at %d, and it must be whole: %v", i, err)
		}
		n, _, err := readSegment(t, whole[:i], Need{})
		if err != nil || n > 6 {
			t.Errorf("cut at %d: %d frames, %v", i, n, err)
		}
		n, _, err = readSegment(t, whole[:i], Need{Before: 9})
		if (n >= 4) != (err == nil) {
			t.Errorf("cut at %d, and frame 8 must be there: %d frames, %v", i, n, err)
		}
		for _, change := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(whole)
			bad[i] ^= change
			if n, _, err := readSegment(t, bad, Need{Whole: true}); !errors.As(err, &damage) {
				t.Errorf("another byte at %d, and it must be whole: %d frames, %v", i, n, err)
			}
			// Without the last frame and the end, which may be a tail that was cut.
			if n, _, err := readSegment(t, bad, Need{}); i < len(whole)-2*frameHead-5 && !errors.As(err, &damage) {
				t.Errorf("another byte at %d: %d frames, %v", i, n, err)
			}
		}
	}
	if n, torn, err := readSegment(t, append(bytes.Clone(whole[:len(whole)-8]), make([]byte, 99)...), Need{}); n != 6 ||
		!torn || err != nil {
		t.Errorf("zeros for the end: %d, %v, %v", n, torn, err)
	}
	if _, _, err := readSegment(t, append(bytes.Clone(whole), 0), Need{}); !errors.As(err, &damage) {
		t.Errorf("a byte behind the end: %v", err)
	}
	later := SegmentHead{Kind: Snapshot}.append(nil)
	later[8] = 2
	later = later[:len(later)-4]
	later = appendSum(later)
	if _, _, err := readSegment(t, later, Need{}); !errors.As(err, &version) || !contains(err, "version 2", "mem:/s") {
		t.Errorf("a later version: %v", err)
	}
}

// TestWriteSegment: what is published whole is read whole, as the entry of the log names it.
func TestWriteSegment(t *testing.T) {
	m := vfs.NewDisk("disk").Mount(nil)
	if err := m.MkdirAll(t.Context(), dir+"/state"); err != nil {
		t.Fatal(err)
	}
	f, err := WriteSegment(t.Context(), m, dir, "state/s1", SegmentHead{Kind: Snapshot},
		func(frame func([]byte) error) error { return errors.Join(frame([]byte("one")), frame([]byte("two"))) })
	if err != nil {
		t.Fatal(err)
	}
	data, err := vfs.ReadFile(t.Context(), m, dir+"/"+f.Name, 1<<20)
	if n, torn, readErr := readSegment(t, data, Need{Whole: true}); err != nil || n != 2 || torn || readErr != nil ||
		f.Length != int64(len(data)) {
		t.Errorf("%+v: %d frames, %v, %v", f, n, err, readErr)
	}
	_, err = WriteSegment(t.Context(), m, dir, "state/s2", SegmentHead{Kind: Snapshot},
		func(func([]byte) error) error { return errors.New("why") })
	if infos, listErr := m.List(t.Context(), dir+"/state"); err == nil || len(infos) != 1 {
		t.Errorf("after one that failed (%v): %v, %v", err, infos, listErr)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(segmentFor(3, true), int64(0), false)
	f.Add(segmentFor(3, false), int64(7), true)
	f.Fuzz(func(t *testing.T, data []byte, before int64, whole bool) {
		n, torn, err := readSegment(t, data, Need{Before: before, Whole: whole})
		if err == nil && torn && whole {
			t.Errorf("%d frames of a torn segment that must be whole", n)
		}
	})
}
