package files_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/weirtest"
)

// lines are the numbers that the files of a folder hold, each whole: a reader sees nothing else.
func lines(t *testing.T, fsys vfs.FS, dir string) (ns []int) {
	t.Helper()
	ctx := context.Background()
	infos, err := fsys.List(ctx, dir)
	if err != nil {
		t.Error(err)
	}
	for _, info := range infos {
		if info.Dir || vfs.Hidden(info.Name) {
			continue
		}
		data, err := vfs.ReadFile(ctx, fsys, info.Name, 1<<20)
		if err != nil || !strings.HasSuffix(string(data), "\n") {
			t.Errorf("%s holds %q, %v", info.Name, data, err)
		}
		for line := range strings.Lines(string(data)) {
			n, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Errorf("%s holds %q", info.Name, data)
			}
			ns = append(ns, n)
		}
	}
	return ns
}

// A doomed process dies at a step of its way to the disk, and the power fails with it.
type doomed struct {
	mu   sync.Mutex
	at   int // the first step is 1; 0 for never
	late bool
	dead bool
}

func (d *doomed) fault(s vfs.Step) vfs.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.dead:
		return vfs.Die
	case s.Number != d.at:
		return vfs.None
	}
	d.dead = true
	if d.late {
		return vfs.Lose
	}
	return vfs.Die
}

func (d *doomed) isDead() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.dead
}

// diskSuite tests sinks on a disk that crashes; with power, what was not synced is lost when a process dies.
func diskSuite(power bool, seed uint64) weirtest.SinkSuite[int] {
	return weirtest.SinkSuite[int]{
		Bubble: true,
		Record: func(n int) int { return n },
		New: func(t *testing.T) weirtest.SinkStore[int] {
			disk := vfs.NewDisk("disk")
			next := &doomed{}
			var last *doomed
			return weirtest.SinkStore[int]{
				Process: func() dstream.Sink[int] {
					if power && last != nil && last.isDead() {
						disk = disk.Crash(seed)
					}
					p := next
					last, next = p, &doomed{}
					return files.NewFolderSink(disk.Mount(p.fault), "disk:/out", files.Text[int](),
						func(message string) { t.Error(message) })
				},
				Stored: func() []int { return lines(t, disk.Mount(nil), "disk:/out") },
				Cut: func(step int, late bool) func() bool {
					next.at, next.late = step+1, late
					return next.isDead
				},
				Forget: func(string, string, string) {
					m := disk.Mount(nil)
					infos, err := m.List(context.Background(), "disk:/out/_weir")
					for _, info := range infos {
						err = errors.Join(err, m.RemoveAll(context.Background(), info.Name))
					}
					if err != nil {
						t.Error(err)
					}
				},
			}
		},
	}
}

// The sink keeps to its contract when processes die, and when the power fails.
func TestFolderSink(t *testing.T) {
	t.Run("processes die", func(t *testing.T) { weirtest.Sink(t, diskSuite(false, 0)) })
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("power fails, seed ", seed), func(t *testing.T) { weirtest.Sink(t, diskSuite(true, seed)) })
	}
	t.Run("this disk", func(t *testing.T) {
		weirtest.Sink(t, weirtest.SinkSuite[int]{
			Record: func(n int) int { return n },
			New: func(t *testing.T) weirtest.SinkStore[int] {
				dir := t.TempDir() + "/out"
				return weirtest.SinkStore[int]{
					Process: func() dstream.Sink[int] {
						return files.NewFolderSink(vfs.Local{}, dir, files.Text[int](), func(m string) { t.Error(m) })
					},
					Stored: func() []int { return lines(t, vfs.Local{}, dir) },
				}
			},
		})
	})
}

const sinkJob = "2f6c1c5e-8d53-4f43-8d6a-3c1b6b0f5a11"

func effect(seq int64) dstream.Effect {
	return dstream.Effect{Job: sinkJob, Output: "out", Sequence: seq}
}

// A folder is a disk and the sinks of processes over it.
type folder struct {
	t      *testing.T
	disk   *vfs.Disk
	epoch  int64
	warned []string
}

func (f *folder) open() *files.FolderSink[string] {
	f.t.Helper()
	return f.openWith(nil)
}

// openWith opens a sink whose disk has faults.
func (f *folder) openWith(fault func(vfs.Step) vfs.Fault) *files.FolderSink[string] {
	f.t.Helper()
	f.epoch++
	s := files.NewFolderSink(f.disk.Mount(fault), "disk:/out", files.Text[string](),
		func(message string) { f.warned = append(f.warned, message) })
	if err := s.Open(f.t.Context(), sinkJob, f.epoch); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// prepare makes a partition ready.
func (f *folder) prepare(s *files.FolderSink[string], seq int64, records ...string) [][]byte {
	f.t.Helper()
	made, err := s.Prepare(f.t.Context(), effect(seq), slices.Values(records))
	if err != nil {
		f.t.Fatal(err)
	}
	if made == nil {
		return nil
	}
	return [][]byte{made}
}

func (f *folder) write(s *files.FolderSink[string], seq int64, records ...string) {
	f.t.Helper()
	if err := s.Commit(f.t.Context(), effect(seq), f.prepare(s, seq, records...)); err != nil {
		f.t.Fatal(err)
	}
}

// names lists the names on the disk that begin so, without what each owner and process has for its own.
func (f *folder) names(prefix string) (names []string) {
	for name := range f.disk.Files() {
		if rest, ok := strings.CutPrefix(name, "disk:/out/"+prefix); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names
}

func newFolder(t *testing.T) *folder { return &folder{t: t, disk: vfs.NewDisk("disk")} }

// sinkWhile opens a sink whose disk has no room for manifests while full is set, and that must warn of nothing.
func (f *folder) sinkWhile(full *bool) *files.FolderSink[string] {
	f.t.Helper()
	s := files.NewFolderSink(f.disk.Mount(func(s vfs.Step) vfs.Fault {
		if *full && strings.Contains(s.Name, "_weir") {
			return vfs.Full
		}
		return vfs.None
	}), "disk:/out", files.Text[string](), func(message string) { f.t.Error(message) })
	if err := s.Open(f.t.Context(), sinkJob, 1); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// What readers see: names in the order of batches, and no files of partitions without records.
func TestFolderNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		s := f.open()
		f.write(s, 9, "a", "b")
		f.write(s, 10, "c")
		if made := f.prepare(s, 11); made != nil {
			t.Errorf("a partition without records is %q", made)
		}
		want := []string{"0000000009-00000-aad370b6c54a-1", "0000000010-00000-aad370b6c54a-1"}
		if got := f.names("part-"); !slices.Equal(got, want) {
			t.Errorf("files %q, want %q", got, want)
		}
		if got := f.names("."); len(got) > 0 {
			t.Errorf("hidden files %q", got)
		}
	})
}

// Manifests are kept as long as batches may be run again, and owners for a while.
func TestFolderForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		for range 20 {
			f.open()
		}
		s := f.open()
		for seq := range int64(10) {
			f.write(s, seq, "x")
		}
		var manifests, owners int
		for _, name := range f.names("_weir/") {
			if strings.HasSuffix(name, ".manifest") {
				manifests++
			} else if strings.HasSuffix(name, ".owner") {
				owners++
			}
		}
		if manifests != 3 || owners != 16 {
			t.Errorf("%d manifests and %d owners, want 3 and 16: %q", manifests, owners, f.names("_weir/"))
		}
		if got := f.names("part-"); len(got) != 10 {
			t.Errorf("files %q", got)
		}
	})
}

// A process that stood still until the manifest of its batch was there no more shows nothing, nor does one that has
// been followed by another.
func TestFolderLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		old := f.open()
		f.write(old, 0, "a")
		late := f.prepare(old, 1, "b")
		next := f.open()
		err := old.Commit(t.Context(), effect(1), late)
		if !errors.Is(err, dstream.ErrFenced) {
			t.Errorf("error %v, want %v", err, dstream.ErrFenced)
		}
		for seq := range int64(8) {
			f.write(next, seq+1, "b")
		}
		old.SetOwner(2) // It has looked before it stood still.
		if err := old.Commit(t.Context(), effect(1), late); err != nil {
			t.Error(err)
		}
		if got := f.names("part-0000000001"); len(got) != 1 {
			t.Errorf("files of batch 1: %q", got)
		}
		if got := f.names("."); len(got) > 0 {
			t.Errorf("hidden files %q", got)
		}
		if last, _, err := old.Newest(t.Context(), "out", ""); last != 8 || err != nil {
			t.Errorf("newest %d, %v, want 8", last, err)
		}
		if last, _, err := f.open().Newest(t.Context(), "out", ""); last != 8 || err != nil {
			t.Errorf("newest for another process %d, %v, want 8", last, err)
		}
	})
}

// A process whose batch took longer than files that nobody shows are left alone stands still while it puts the
// manifest, and dies before it shows them: the next one, which has begun meanwhile, does.
func TestFolderLateFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write(f.open(), 0, "a")
		var next *files.FolderSink[string]
		dying := f.openWith(func(s vfs.Step) vfs.Fault {
			switch {
			case s.Op == "renameNew" && strings.HasSuffix(s.Name, "1.manifest"):
				next = f.open()
				if last, _, err := next.Newest(t.Context(), "out", ""); last != 0 || err != nil {
					t.Errorf("newest %d, %v", last, err)
				}
			case s.Op == "rename" && strings.Contains(s.Name, "part-0000000001"):
				return vfs.Die
			}
			return vfs.None
		})
		made := f.prepare(dying, 1, "b")
		time.Sleep(2 * time.Hour)
		if err := dying.Commit(t.Context(), effect(1), made); !errors.Is(err, vfs.ErrDead) {
			t.Fatal(err)
		}
		f.write(next, 1, "b")
		if got := f.names("part-0000000001"); len(got) != 1 || len(f.warned) > 0 {
			t.Errorf("files of batch 1: %q; warned of %q", got, f.warned)
		}
		f.write(next, 2, "c")
		if got := f.names(".part"); len(got) > 0 {
			t.Errorf("hidden files %q", got)
		}
	})
}

// What an earlier process left and cannot be removed is warned of once, and no error of the batch, which is shown.
func TestFolderCannotBeSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		old := f.open()
		f.write(old, 0, "a")
		left := f.prepare(old, 1, "b")
		time.Sleep(2 * time.Hour)
		tried := 0
		s := f.openWith(func(s vfs.Step) vfs.Fault {
			if s.Op == "remove" && strings.Contains(s.Name, ".part-0000000001") {
				tried++
				return vfs.Fail
			}
			return vfs.None
		})
		f.write(s, 1, "b")
		f.write(s, 2, "c")
		if len(f.warned) != 1 || tried != 1 || len(left) == 0 {
			t.Errorf("%d tries to remove %q, and warned of %q", tried, left, f.warned)
		}
		if got := f.names("part-000000000"); len(got) < 3 {
			t.Errorf("files %q", got)
		}
	})
}

// A batch that is given up does not come in by who stood still between a look at the owner and the put of its manifest.
func TestFolderBurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		old := f.open()
		f.write(old, 0, "a")
		late := f.prepare(old, 1, "b")
		owner := f.open()
		burns := func(seq int64, want int) {
			t.Helper()
			if in, err := owner.Burn(t.Context(), effect(seq), 0); in != want || err != nil {
				t.Errorf("burn batch %d: %d, %v, want %d", seq, in, err, want)
			}
		}
		burns(0, 1)
		burns(1, 0)
		old.SetOwner(2) // It has looked before it stood still.
		if err := old.Commit(t.Context(), effect(1), late); err != nil {
			t.Error(err)
		}
		burns(1, 0)
		f.write(owner, 2, "c")
		burns(2, 1)
		burns(1, 0)
		if got := f.names("part-"); len(got) != 2 || len(f.names(".")) > 0 {
			t.Errorf("files %q, hidden ones %q", got, f.names("."))
		}
		if last, _, err := f.open().Newest(t.Context(), "out", ""); last != 2 || err != nil {
			t.Errorf("newest %d, %v, want 2", last, err)
		}
	})
}

// Readers may take files away; what a process left that died is swept when it is old.
func TestFolderReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		s := f.open()
		f.prepare(s, 0, "of an attempt that died")
		f.write(s, 0, "a")
		m := f.disk.Mount(nil)
		if err := m.Remove(t.Context(), "disk:/out/part-"+f.names("part-")[0]); err != nil {
			t.Fatal(err)
		}
		next := f.open()
		f.write(next, 0, "a")
		if got := f.names("part-"); len(got) > 0 {
			t.Errorf("a file that was taken away is there again: %q", got)
		}
		if len(f.warned) != 1 || !strings.Contains(f.warned[0], "readers have taken it away, or it was lost") {
			t.Errorf("warned of %q", f.warned)
		}
		if got := f.names(".part"); len(got) != 1 {
			t.Errorf("hidden files %q, want the young one", got)
		}
		time.Sleep(2 * time.Hour)
		f.write(f.open(), 1, "b")
		if got := f.names(".part"); len(got) != 0 {
			t.Errorf("hidden files %q, want none", got)
		}
	})
}

// A batch whose commit failed is committed later with the files that were prepared: sweeping leaves them, however old
// they are, and one that is gone is an error before the batch counts as stored.
func TestFolderKeepsPrepared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		full := false
		s := f.sinkWhile(&full)
		f.write(s, 0, "a")
		made := f.prepare(s, 1, "b")
		full = true
		if err := s.Commit(t.Context(), effect(1), made); err == nil {
			t.Fatal("a full disk is no error")
		}
		full = false
		time.Sleep(2 * time.Hour)
		if err := s.Commit(t.Context(), effect(1), made); err != nil {
			t.Error(err)
		}
		if got := f.names("part-"); len(got) != 2 {
			t.Errorf("files %q, want those of two batches", got)
		}
		made = f.prepare(s, 2, "c")
		hidden := f.names(".part")
		if err := f.disk.Mount(nil).Remove(t.Context(), "disk:/out/.part"+hidden[0]); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), effect(2), made); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file is gone: %v", err)
		}
		if last, _, err := s.Newest(t.Context(), "out", ""); last != 1 || err != nil {
			t.Errorf("newest %d, %v, want 1", last, err)
		}
		f.write(s, 2, "c")
	})
}

// What commits that failed have left goes when a later one of the effect did not fail, not with the next process.
func TestFolderDropsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		full := false
		s := f.sinkWhile(&full)
		for _, seq := range []int64{0, 1, 3} {
			full = true
			for range 3 { // The batch is run again each time.
				if err := s.Commit(t.Context(), effect(seq), f.prepare(s, seq, "a")); err == nil {
					t.Fatal("a full disk is no error")
				}
			}
			if got := f.names(".part"); len(got) != 3 {
				t.Errorf("batch %d: hidden files %q, want those of three tries", seq, got)
			}
			full = false
			if seq == 1 { // The batch is given up.
				seq++
			}
			f.write(s, seq, "a")
			if got := f.names(".part"); len(got) != 0 {
				t.Errorf("batch %d: hidden files %q, want none", seq, got)
			}
		}
		if got := f.names("part-"); len(got) != 3 {
			t.Errorf("files %q, want those of three batches", got)
		}
	})
}

// A folder that has moved is what it was: a file whose batch is in, and that had no time to get its name, gets it. The
// token may be a path, as earlier releases wrote it, also one under which something else lies now.
func TestFolderMoved(t *testing.T) {
	for _, old := range []bool{false, true} {
		base := t.TempDir()
		var warned []string
		open := func(name string, epoch int64) *files.FolderSink[string] {
			s := files.NewFolderSink(vfs.Local{}, base+name, files.Text[string](),
				func(m string) { warned = append(warned, m) })
			if err := s.Open(t.Context(), sinkJob, epoch); err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open("/one", 1)
		made, err := s.Prepare(t.Context(), effect(0), slices.Values([]string{"x"}))
		if err != nil {
			t.Fatal(err)
		}
		var p struct{ Name, Token string }
		if err := json.Unmarshal(made, &p); err != nil {
			t.Fatal(err)
		}
		hidden := base + "/one/" + filepath.Base(p.Token)
		if old {
			made = []byte(strings.Replace(string(made), p.Token, hidden, 1))
		}
		if err := s.Commit(t.Context(), effect(0), [][]byte{made}); err != nil {
			t.Fatal(err)
		}
		err = os.Rename(base+"/one/"+p.Name, hidden) // As if the process had died before.
		if err = errors.Join(err, os.CopyFS(base+"/two", os.DirFS(base+"/one"))); err != nil {
			t.Fatal(err)
		}
		last, _, err := open("/two", 2).Newest(t.Context(), "out", "")
		got, readErr := os.ReadFile(base + "/two/" + p.Name)
		if last != 0 || err != nil || string(got) != "x\n" || readErr != nil || len(warned) > 0 {
			t.Errorf("batch %d, %v, holds %q, %v; warned of %q", last, err, got, readErr, warned)
		}
		if _, err := os.Stat(hidden); err != nil {
			t.Errorf("the folder that was copied: %v", err)
		}
	}
}

// What is damaged is named.
func TestFolderDamage(t *testing.T) {
	for _, kind := range []string{".owner", ".manifest"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t)
			f.write(f.open(), 0, "a")
			spoilt := ""
			for _, name := range f.names("_weir/") {
				if !strings.HasSuffix(name, kind) {
					continue
				}
				spoilt = "disk:/out/_weir/" + name
				err := f.disk.Spoil(spoilt, func(data []byte) []byte {
					data[len(data)-2] ^= 1
					return data
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			s := files.NewFolderSink(f.disk.Mount(nil), "disk:/out", files.Text[string](), func(string) {})
			err := s.Open(t.Context(), sinkJob, 2)
			if err == nil {
				_, _, err = s.Newest(t.Context(), "out", "")
			}
			if err == nil || !strings.Contains(err.Error(), spoilt) || !strings.Contains(err.Error(), "checksum") {
				t.Errorf("error %v, want one that names %s", err, spoilt)
			}
		})
	}
}

// Who comes with an epoch that is not above that of the last owner asks the log whose the job is.
func TestFolderOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.epoch = 4
		later := f.open()
		f.epoch = 2
		late := files.NewFolderSink(f.disk.Mount(nil), "disk:/out", files.Text[string](), func(string) {})
		lost := errors.New("another process owns the log")
		late.SetOwns(func(context.Context) error { return lost })
		if err := late.Open(t.Context(), sinkJob, 3); !errors.Is(err, lost) ||
			!strings.Contains(err.Error(), "a later owner of the job, of epoch 5") {
			t.Errorf("error %v", err)
		}
		f.write(later, 0, "a")
	})
}

// The page of formats has what is written.
func TestFolderFormat(t *testing.T) {
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	owner, manifest, err := files.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	for what, raw := range map[string][]byte{"owner 1 of job `j`": owner, "manifest": manifest} {
		if row := fmt.Sprintf("| %s | `%q` |", what, raw); !strings.Contains(string(page), row) {
			t.Errorf("docs/FORMAT.md does not have the row\n%s", row)
		}
	}
}

// TestRangeFormat: the page of formats has the range that is written, and it is read.
func TestRangeFormat(t *testing.T) {
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	rng := files.RangeVector()
	if row := fmt.Sprintf("| range | `%s` |", rng); !strings.Contains(string(page), row) {
		t.Errorf("docs/FORMAT.md does not have the row\n%s", row)
	}
	if again, err := files.ReadRange(rng); err != nil || string(again) != string(rng) {
		t.Errorf("it is read as %s, %v", again, err)
	}
	if _, err := files.ReadRange([]byte(`{"version":2}`)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("version 2: %v", err)
	}
}

// Who finds the manifest of another process that died before it showed its files shows them, and drops its own.
func TestFolderHelps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		dying := f.openWith(func(s vfs.Step) vfs.Fault {
			if s.Op == "rename" {
				return vfs.Die
			}
			return vfs.None
		})
		first := f.prepare(dying, 0, "a")
		s := f.open()
		if _, ok, err := s.Newest(t.Context(), "out", ""); ok || err != nil {
			t.Fatal(ok, err)
		}
		dying.SetOwner(2) // It has looked before that.
		if err := dying.Commit(t.Context(), effect(0), first); !errors.Is(err, vfs.ErrDead) {
			t.Fatal(err)
		}
		f.write(s, 0, "a")
		if got := f.names("part-"); len(got) != 1 || !strings.HasSuffix(got[0], "-1") {
			t.Errorf("files %q, want that of the first process", got)
		}
		if got := f.names(".part-"); len(got) > 0 {
			t.Errorf("hidden files %q", got)
		}
	})
}

// TestFolderManifestIsSure: who shows the files of a manifest that another one has put, or itself by a call that
// failed, has made it durable: a power failure takes no manifest away and leaves the files, beside which the next
// process would show its own.
func TestFolderManifestIsSure(t *testing.T) {
	type sink = files.FolderSink[string]
	again := func(f *folder, s, _ *sink, made [][]byte) error { return s.Commit(f.t.Context(), effect(0), made) }
	another := func(f *folder, _, _ *sink, _ [][]byte) error {
		last, _, err := f.open().Newest(f.t.Context(), "out", "")
		if last != 0 {
			err = fmt.Errorf("the newest batch is %d", last)
		}
		return err
	}
	commits := func(f *folder, _, other *sink, _ [][]byte) error {
		return other.Commit(f.t.Context(), effect(0), f.prepare(other, 0, "a"))
	}
	burns := func(f *folder, _, other *sink, _ [][]byte) error {
		in, err := other.Burn(f.t.Context(), effect(0), 0)
		if in != 1 {
			err = fmt.Errorf("%d are in", in)
		}
		return err
	}
	for name, tt := range map[string]struct {
		fault vfs.Fault
		times int // PutOnce asks up to three times
		then  func(f *folder, s, other *sink, made [][]byte) error
	}{
		"its process dies, and another starts":            {vfs.Die, 1, another},
		"its process dies, and another runs the batch":    {vfs.Die, 1, commits},
		"its process dies, and another gives it up":       {vfs.Die, 1, burns},
		"it cannot be synced, and is committed again":     {vfs.Fail, 3, again},
		"it cannot be synced, and another process starts": {vfs.Fail, 3, another},
	} {
		for seed := range uint64(16) {
			t.Run(fmt.Sprint(name, ", seed ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFolder(t)
					left := tt.times
					s := f.openWith(func(s vfs.Step) vfs.Fault {
						if left == 0 || s.Op != "syncdir" || !strings.HasSuffix(s.Name, "/aad370b6c54a") {
							return vfs.None
						}
						left--
						return tt.fault
					})
					made := f.prepare(s, 0, "a")
					other := f.open()
					if last, _, err := other.Newest(t.Context(), "out", ""); last != -1 || err != nil {
						t.Fatal(last, err)
					}
					s.SetOwner(2) // It has looked before that.
					if err := again(f, s, other, made); err == nil || left > 0 {
						t.Fatalf("error %v, %d faults are left", err, left)
					}
					if err := tt.then(f, s, other, made); err != nil {
						t.Fatal(err)
					}
					f.disk = f.disk.Crash(seed)
					f.write(f.open(), 0, "a")
					if got := f.names("part-"); len(got) != 1 || len(f.warned) > 0 {
						t.Errorf("files %q, want one of the batch; warned of %q", got, f.warned)
					}
				})
			})
		}
	}
}
