// Package vfstest is what every file system must pass.
package vfstest

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
)

// Run holds a file system against the contract of [vfs.FS]. dir is an empty directory of it.
func Run(t *testing.T, fsys vfs.FS, dir string) {
	s := suite{T: t, fs: fsys, dir: dir}
	t.Run("create and publish", s.publish)
	t.Run("ranges", s.ranges)
	t.Run("versions", s.versions)
	t.Run("put if absent", s.put)
	t.Run("replace", s.replace)
	t.Run("segments", s.segments)
	t.Run("list, rename, remove", s.list)
	t.Run("a context that has ended", s.cancelled)
}

type suite struct {
	*testing.T
	fs  vfs.FS
	dir string
}

func (s suite) name(parts ...string) string { return vfs.Join(s.dir, strings.Join(parts, "/")) }

func read(t *testing.T, fsys vfs.FS, name string, from, length int64) string {
	t.Helper()
	f, err := fsys.Open(t.Context(), name, from, length)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (s suite) write(t *testing.T, name, data string) {
	t.Helper()
	if err := vfs.WriteFile(t.Context(), s.fs, name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func absent(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want that it does not exist", what, err)
	}
}

// publish: nobody sees a file before it is published, and its name takes a new content at once.
func (s suite) publish(t *testing.T) {
	name := s.name("a")
	w, err := s.fs.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "one"); err != nil {
		t.Fatal(err)
	}
	_, err = s.fs.Stat(t.Context(), name)
	absent(t, "a file that is being written", err)
	p, err := w.Finish()
	if err != nil || p.Name != name {
		t.Fatalf("finish: %v, %v", p, err)
	}
	if _, err := w.Finish(); err == nil {
		t.Error("a second Finish succeeds")
	}
	w.Abort()
	_, err = s.fs.Stat(t.Context(), name)
	absent(t, "a file that is not published", err)
	if err := vfs.Keep(t.Context(), s.fs, p); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.fs.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	s.write(t, name, "two")
	if got := read(t, s.fs, name, 0, -1); got != "two" {
		t.Errorf("%s holds %q, want what was published last", name, got)
	}
	aborted, err := s.fs.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	if _, err := aborted.Finish(); err == nil {
		t.Error("what was aborted is finished")
	}
	dropped, err := s.fs.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = dropped.Finish(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.fs.Discard(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	if got := read(t, s.fs, name, 0, -1); got != "two" {
		t.Errorf("%s holds %q after an abort and a discard", name, got)
	}
	if infos, err := s.fs.List(t.Context(), s.dir); err != nil || len(infos) != 1 {
		t.Errorf("%s holds %v, %v, want one file", s.dir, infos, err)
	}
	if _, err := s.fs.Open(t.Context(), s.name("none"), 0, -1); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "none") {
		t.Errorf("open a file that is not there: %v", err)
	}
}

func (s suite) ranges(t *testing.T) {
	s.write(t, s.name("r"), "0123456789")
	for _, tt := range []struct {
		from, length int64
		want         string
	}{{0, -1, "0123456789"}, {3, 4, "3456"}, {8, 9, "89"}, {10, -1, ""}, {11, 5, ""}, {4, 0, ""}} {
		if got := read(t, s.fs, s.name("r"), tt.from, tt.length); got != tt.want {
			t.Errorf("from %d, %d bytes: %q, want %q", tt.from, tt.length, got, tt.want)
		}
	}
}

// versions: another content is another version, and whoever holds an Info finds out.
func (s suite) versions(t *testing.T) {
	name := s.name("v")
	s.write(t, name, "abc")
	before, err := s.fs.Stat(t.Context(), name)
	if err != nil || before.Length != 3 || before.Dir || before.ModTime.IsZero() || before.Name != name {
		t.Fatalf("stat: %+v, %v", before, err)
	}
	f, err := vfs.OpenSame(t.Context(), s.fs, before, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := vfs.Same(f, before); err != nil {
		t.Error(err)
	}
	_ = f.Close()
	s.write(t, name, "abcd")
	if _, err := vfs.OpenSame(t.Context(), s.fs, before, 0, -1); !errors.Is(err, vfs.ErrChanged) {
		t.Errorf("another content is opened: %v", err)
	}
	if err := s.fs.Remove(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	_, err = vfs.OpenSame(t.Context(), s.fs, before, 0, -1)
	if !errors.Is(err, vfs.ErrChanged) || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("what has vanished: %v", err)
	}
}

func (s suite) put(t *testing.T) {
	name := s.name("slot")
	for _, tt := range []struct {
		data string
		want vfs.Answer
	}{{"first", vfs.Ours}, {"second", vfs.Theirs}, {"first", vfs.Ours}} {
		if got, err := s.fs.PutIfAbsent(t.Context(), name, []byte(tt.data)); got != tt.want || err != nil {
			t.Errorf("put %s: %v, %v, want %v", tt.data, got, err, tt.want)
		}
	}
	if got := read(t, s.fs, name, 0, -1); got != "first" {
		t.Errorf("the slot holds %q", got)
	}
	if got, err := s.fs.PutIfAbsent(t.Context(), s.name("no directory", "slot"), nil); got == vfs.Theirs ||
		(got == vfs.Unknown) != (err != nil) {
		t.Errorf("without a directory: %v, %v", got, err)
	}
}

func (s suite) replace(t *testing.T) {
	for _, data := range []string{"one", "two"} {
		if err := vfs.Replace(t.Context(), s.fs, s.name("lease"), []byte(data)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s.fs, s.name("lease"), 0, -1); got != data {
			t.Errorf("the file holds %q, want %q", got, data)
		}
	}
}

// segments: what is synced is seen by others, and a name is given once.
func (s suite) segments(t *testing.T) {
	a, ok := s.fs.(vfs.Appender)
	if !ok {
		t.Skip("the file system has no segments")
	}
	name := s.name("segment")
	seg, err := a.Segment(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, data := range []string{"one", "", "two"} {
		if _, err := io.WriteString(seg, data); err != nil {
			t.Fatal(err)
		}
		if err := seg.Sync(); err != nil {
			t.Fatal(err)
		}
		want += data
		if got := read(t, s.fs, name, 0, -1); got != want {
			t.Errorf("the segment holds %q, want %q", got, want)
		}
	}
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Segment(t.Context(), name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second segment of that name: %v", err)
	}
}

func (s suite) list(t *testing.T) {
	for range 2 {
		if err := s.fs.MkdirAll(t.Context(), s.name("d", "e")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"d/2", "d/1", "d/e/3"} {
		s.write(t, s.name(name), name)
	}
	s.listed(t, "d", "1", "2", "e/")
	if err := s.fs.Rename(t.Context(), s.name("d/1"), s.name("d/2")); err != nil {
		t.Fatal(err)
	}
	s.listed(t, "d", "2", "e/")
	if got := read(t, s.fs, s.name("d/2"), 0, -1); got != "d/1" {
		t.Errorf("what was renamed holds %q", got)
	}
	absent(t, "rename what is not there", s.fs.Rename(t.Context(), s.name("d/1"), s.name("d/2")))
	absent(t, "remove what is not there", s.fs.Remove(t.Context(), s.name("d/1")))
	if err := s.fs.Remove(t.Context(), s.name("d")); err == nil {
		t.Error("a directory that is not empty was removed")
	}
	if err := s.fs.Remove(t.Context(), s.name("d/2")); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := s.fs.RemoveAll(t.Context(), s.name("d")); err != nil {
			t.Error(err)
		}
	}
	_, err := s.fs.List(t.Context(), s.name("d"))
	absent(t, "list what is not there", err)
}

func (s suite) listed(t *testing.T, dir string, want ...string) {
	t.Helper()
	infos, err := s.fs.List(t.Context(), s.name(dir))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range infos {
		name, ok := strings.CutPrefix(i.Name, s.name(dir)+"/")
		if !ok {
			t.Errorf("the entry %s is not named with its directory %s", i.Name, s.name(dir))
		}
		if i.Dir {
			name += "/"
		}
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func (s suite) cancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, open := s.fs.Open(ctx, s.name("a"), 0, -1)
	_, create := s.fs.Create(ctx, s.name("a"))
	_, stat := s.fs.Stat(ctx, s.name("a"))
	_, list := s.fs.List(ctx, s.dir)
	answer, put := s.fs.PutIfAbsent(ctx, s.name("b"), nil)
	for _, err := range []error{open, create, stat, list, put, s.fs.Rename(ctx, s.name("a"), s.name("b")),
		s.fs.Remove(ctx, s.name("a")), s.fs.RemoveAll(ctx, s.dir), s.fs.MkdirAll(ctx, s.name("c"))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	}
	if answer != vfs.Unknown {
		t.Errorf("a put that was cancelled answers %v", answer)
	}
}
