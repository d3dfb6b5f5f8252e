package checkpoint

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/internal/vfs"
)

func appendSum(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// logged is a disk with a log of some slots.
func logged(t *testing.T, every int64, n int) *vfs.Disk {
	t.Helper()
	disk := vfs.NewDisk("disk")
	l, _ := mustOpen(t, disk.Mount(nil), "a", every)
	batches(t, l, n)
	mustClose(t, l)
	return disk
}

// TestDamage: a file that is not what was written is refused by its name, with what to do.
func TestDamage(t *testing.T) {
	slotName := func(n int64) string { return folder{dir: dir}.slotName(n) }
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, d *vfs.Disk)
		says []string
	}{
		{"a slot in the middle is missing", remove(slotName(7)), []string{"07.slot, offset 0", "slot 10 is there"}},
		{"the last slot but one is missing", remove(slotName(9)), []string{"09.slot", "slot 10 is there", "from a copy"}},
		{"the last slot is missing", remove(slotName(10)), []string{"10.slot", "lease tells of slot 10",
			"remove the lease"}},
		{"slot 0 is missing", remove(slotName(0)), []string{"00.slot", "slot 1 is there"}},
		{"the base is missing", remove(slotName(6)), []string{"06.slot", "slot 10 is there"}},
		{"a slot is empty", spoil(slotName(9), func([]byte) []byte { return nil }), []string{"09.slot", "as a record does"}},
		{"a slot is cut", spoil(slotName(9), func(b []byte) []byte { return b[:len(b)-1] }),
			[]string{"09.slot, offset 19", "checksum", "from a copy"}},
		{"a slot under another name", func(t *testing.T, d *vfs.Disk) {
			data := d.Files()[slotName(9)]
			spoil(slotName(10), func([]byte) []byte { return data })(t, d)
		}, []string{"10.slot", "holds slot 9"}},
		{"a slot of another job", func(t *testing.T, d *vfs.Disk) {
			data := logged(t, 6, 5).Files()[slotName(9)]
			spoil(slotName(9), func([]byte) []byte { return data })(t, d)
		}, []string{"09.slot", "belongs to the job", "two checkpoints"}},
		{"a slot of a later release", spoil(slotName(9), func([]byte) []byte {
			body := "2 0\n"
			return fmt.Appendf(nil, "weir slot %08x %s", crc32.Checksum([]byte(body), castagnoli), body)
		}), []string{"09.slot", `version 2 of the format "slot"`, "the release that wrote it"}},
		{"an entry of another kind", spoil(slotName(9), func(b []byte) []byte {
			return rewritten(t, b, `{"plan":`, `{"dance":`)
		}), []string{"09.slot", `of the kind "dance"`}},
		{"a field that is not known", spoil(slotName(9), func(b []byte) []byte {
			return rewritten(t, b, `{"plan":{`, `{"plan":{"colour":"red",`)
		}), []string{"09.slot", "colour"}},
		{"a slot that does not follow", spoil(slotName(10), func(b []byte) []byte {
			return rewritten(t, b, `"sequence":4`, `"sequence":3`)
		}), []string{"10.slot", "commit of batch 3"}},
		{"a slot of another writer", spoil(slotName(10), func(b []byte) []byte {
			return rewritten(t, b, `"writer":"`, `"writer":"x`)
		}), []string{"10.slot", "is not the owner of epoch 1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := logged(t, 6, 5)
				tt.do(t, disk)
				_, err := Read(t.Context(), disk.Mount(nil), dir)
				if err == nil || !contains(err, tt.says...) {
					t.Errorf("%v, want %q", err, tt.says)
				}
				l, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{})
				if err == nil {
					t.Error("it is opened")
					mustClose(t, l)
				}
			})
		})
	}
}

// TestOlderCopy: a log that an older copy took the place of goes on from there when its lease is removed, as the error
// says.
func TestOlderCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := logged(t, 6, 5)
		remove(folder{dir: dir}.slotName(10))(t, disk)
		remove(folder{dir: dir}.slotName(9))(t, disk)
		_, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{})
		if err == nil || !contains(err, "09.slot", dir+"/lease tells of slot 10", "remove the lease") {
			t.Errorf("an older copy: %v", err)
		}
		remove(folder{dir: dir}.lease())(t, disk)
		l, r := mustOpen(t, disk.Mount(nil), "b", 6)
		if r.Committed.Sequence != 3 {
			t.Errorf("it goes on behind batch %d", r.Committed.Sequence)
		}
		mustClose(t, l)
	})
}

func remove(name string) func(*testing.T, *vfs.Disk) {
	return func(t *testing.T, d *vfs.Disk) {
		if err := d.Mount(nil).Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
}

func spoil(name string, f func([]byte) []byte) func(*testing.T, *vfs.Disk) {
	return func(t *testing.T, d *vfs.Disk) {
		if err := d.Spoil(name, f); err != nil {
			t.Fatal(err)
		}
	}
}

// rewritten changes the body of a slot and gives it a right checksum.
func rewritten(t *testing.T, data []byte, from, to string) []byte {
	lines, err := DecodeRecord("slot", "slot", data)
	if err != nil {
		t.Fatal(err)
	}
	var changed []any
	found := false
	for _, line := range lines {
		found = found || bytes.Contains(line, []byte(from))
		changed = append(changed, append(line[:0:0], bytes.Replace(line, []byte(from), []byte(to), 1)...))
	}
	if !found {
		t.Fatalf("%s does not hold %s", data, from)
	}
	again, err := EncodeRecord("slot", changed...)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestEveryByte: no byte of a slot can change unseen.
func TestEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := logged(t, 4, 2)
		for _, n := range []int64{0, 4} {
			name := folder{dir: dir}.slotName(n)
			data := disk.Files()[name]
			if _, err := decodeSlot(name, data); err != nil {
				t.Fatal(err)
			}
			for i := range data {
				bad := bytes.Clone(data)
				bad[i] ^= 4
				if _, err := decodeSlot(name, bad); err == nil {
					t.Errorf("another byte at %d of slot %d is not seen", i, n)
				}
			}
		}
	})
}

// blind is a file system whose listings show what they like, as those of object stores did for years.
type blind struct {
	*vfs.Mount
	shows func(name string) bool
}

func (b blind) List(ctx context.Context, dir string) ([]vfs.Info, error) {
	infos, err := b.Mount.List(ctx, dir)
	var shown []vfs.Info
	for _, i := range infos {
		if b.shows(i.Name) {
			shown = append(shown, i)
		}
	}
	return shown, err
}

// TestBlind: a listing that is not complete changes nothing, while it shows one state of the log or the lease does.
func TestBlind(t *testing.T) {
	for name, shows := range map[string]func(string) bool{
		"nothing":          func(string) bool { return false },
		"the oldest state": func(name string) bool { return strings.HasSuffix(name, "32.slot") },
		"every third slot": func(name string) bool { return strings.ContainsAny(name[len(name)-6:len(name)-5], "258") },
	} {
		synctest.Test(t, func(t *testing.T) {
			disk := logged(t, 4, 20)
			for epoch := int64(2); epoch < 5; epoch++ {
				l, r := mustOpen(t, blind{disk.Mount(nil), shows}, "b", 4)
				if r.Epoch != epoch || r.Committed.Sequence != 19 {
					t.Errorf("%s: epoch %d, batch %d", name, r.Epoch, r.Committed.Sequence)
				}
				mustClose(t, l)
			}
		})
	}
}

// TestVersions: files of states live as long as a batch may need them.
func TestVersions(t *testing.T) {
	s := newState("", 0)
	file := func(name string) []File { return []File{{Name: name, Length: 1}} }
	for i := range int64(6) {
		change := StateChange{Operator: "op", Delta: file(fmt.Sprint("d", i))}
		if i == 3 { // It was begun at batch 1 and is ready now.
			change.Snapshot, change.SnapshotAt = file("s1"), 1
		}
		s.apply(Plan{Sequence: i, Time: i + 1})
		s.apply(Commit{Sequence: i, Time: i + 1, State: []StateChange{change}})
	}
	version := func(n int64) string {
		var names []string
		snapshot, deltas := s.Version("op", n)
		for _, f := range snapshot {
			names = append(names, f.Name)
		}
		for _, d := range deltas {
			names = append(names, d.Files[0].Name)
		}
		return strings.Join(names, " ")
	}
	for n, want := range map[int64]string{0: "d0", 1: "s1", 2: "s1 d2", 5: "s1 d2 d3 d4 d5", -1: ""} {
		if got := version(n); got != want {
			t.Errorf("version %d is %q, want %q", n, got, want)
		}
	}
	for _, tt := range []struct {
		upTo int64
		want []File
	}{{0, nil}, {1, append(file("d0"), file("d1")...)}, {4, nil}} {
		s.dropped = nil
		s.apply(Released{UpTo: tt.upTo})
		if !reflect.DeepEqual(s.dropped, tt.want) {
			t.Errorf("released up to %d: %v can go, want %v", tt.upTo, s.dropped, tt.want)
		}
	}
	s.apply(Rename{From: "op", To: "new"})
	if s.States["op"] != nil || len(s.States["new"]) != 1 {
		t.Errorf("renamed: %v", s.States)
	}
	s.apply(Rename{From: "new"})
	if len(s.States) != 0 || len(s.dropped) != 5 {
		t.Errorf("dropped: %v, %v can go", s.States, s.dropped)
	}
}

// TestDropped: files that no state needs go when that is durable, and those that nobody committed when they are swept.
func TestDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		l, _ := mustOpen(t, m, "a", 4)
		if err := m.MkdirAll(t.Context(), dir+"/state"); err != nil {
			t.Fatal(err)
		}
		for i := range int64(4) {
			for _, name := range []string{"state/s", "state/stray"} {
				if err := vfs.WriteFile(t.Context(), m, fmt.Sprintf("%s/%s%d", dir, name, i), nil); err != nil {
					t.Fatal(err)
				}
			}
			change := StateChange{Operator: "op", Snapshot: []File{{Name: fmt.Sprint("state/s", i)}}, SnapshotAt: i}
			err := l.Append(t.Context(), Plan{Sequence: i, Time: i + 1}, Commit{Sequence: i, Time: i + 1,
				State: []StateChange{change}}, Released{UpTo: i - 1})
			if err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		left := func() (n int) {
			for name := range disk.Files() {
				if strings.Contains(name, "/state/") {
					n++
				}
			}
			return n
		}
		if n := left(); n != 6 {
			t.Errorf("%d files are left, want two states and four strays", n)
		}
		if err := l.Sweep(t.Context(), "state"); err != nil || left() != 2 {
			t.Errorf("%d files are left after sweeping: %v", left(), err)
		}
		mustClose(t, l)
	})
}

// TestDamagedOldSlot: a slot that went bad when nobody needed it any more keeps no other one from going, and is told of
// once.
func TestDamagedOldSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		a, _ := mustOpen(t, disk.Mount(nil), "a", 4)
		batches(t, a, 1)
		mustClose(t, a)
		var told []string
		b, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{Wait: true,
			Report: func(message string, err error) { told = append(told, fmt.Sprint(message, ": ", err)) }})
		if err != nil {
			t.Fatal(err)
		}
		spoilt := folder{dir: dir}.slotName(1)
		if err := disk.Spoil(spoilt, func(data []byte) []byte { data[len(data)/2] ^= 1; return data }); err != nil {
			t.Fatal(err)
		}
		batches(t, b, 40)
		synctest.Wait()
		slots := 0
		for name := range disk.Files() {
			if _, ok := slotNumber(name); ok {
				slots++
			}
		}
		if slots > 12 {
			t.Errorf("%d slots are left", slots)
		}
		if len(told) != 1 || !strings.Contains(told[0], spoilt) {
			t.Errorf("it is told %q", told)
		}
		mustClose(t, b)
		c, r := mustOpen(t, disk.Mount(nil), "c", 4)
		if r.Committed.Sequence != 40 {
			t.Errorf("the log ends with batch %d", r.Committed.Sequence)
		}
		mustClose(t, c)
	})
}

func FuzzSlot(f *testing.F) {
	for seed := range uint64(3) {
		s := &slot{slotHead: slotHead{Job: "j", Number: 4, Every: 4, Epoch: 1, Writer: "w"}, base: newState("j", 1)}
		for _, group := range script(seed, 5) {
			for _, e := range group {
				line, _ := encodeEntry(e)
				s.lines = append(s.lines, line)
			}
		}
		data, err := s.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// A fuzzer finds no checksums: the rest of the head is what it is, and the sum is made right.
		if head, rest, ok := bytes.Cut(data, []byte(" slot ")); ok && len(rest) > 9 {
			sum := fmt.Appendf(nil, "%s slot %08x ", head, crc32.Checksum(rest[9:], castagnoli))
			data = append(sum, rest[9:]...)
		}
		s, err := decodeSlot("slot", data)
		var damage *DamageError
		var version *VersionError
		if err != nil {
			if !errors.As(err, &damage) && !errors.As(err, &version) {
				t.Errorf("an error of another kind: %v", err)
			}
			return
		}
		// What is read can be taken in, or is refused, and never ends the process.
		at := &tail{state: newState(s.Job, 0)}
		if s.base != nil {
			at.state = s.base
		}
		at.last = slotHead{Epoch: s.Epoch, Writer: s.Writer}
		_ = folder{}.take(at, s)
	})
}
