package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRenameNew: both ways to rename a file replace nothing.
func TestRenameNew(t *testing.T) {
	for name, rename := range map[string]func(from, to string) error{
		"in one step": renameNew, "by a link": linkNew,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
			put := func(data string) {
				if err := os.WriteFile(from, []byte(data), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			put("first")
			if err := rename(from, to); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the old name: %v", err)
			}
			put("second")
			if err := rename(from, to); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a name that is taken: %v", err)
			}
			if got, err := os.ReadFile(to); string(got) != "first" || err != nil {
				t.Errorf("it holds %q, %v", got, err)
			}
			if got, err := os.ReadFile(from); string(got) != "second" || err != nil {
				t.Errorf("the other holds %q, %v", got, err)
			}
			if err := rename(filepath.Join(dir, "nothing"), filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file that is not there: %v", err)
			}
		})
	}
}

// TestRecycled: a file is used again on the disk of this machine, whole and no longer than what it holds now, unless it
// is gone, or a copy by hard links has it, too.
func TestRecycled(t *testing.T) {
	var l Local
	dir := t.TempDir()
	for _, tt := range []struct {
		name  string
		spoil func(token string) error
		same  bool
	}{
		{"as it is", func(string) error { return nil }, true},
		{"gone", os.Remove, false},
		{"linked", func(token string) error { return os.Link(token, filepath.Join(dir, "copy")) }, false},
	} {
		old, fresh := filepath.Join(dir, "old"), filepath.Join(dir, "fresh")
		if _, err := l.PutIfAbsent(t.Context(), old, []byte("what was there")); err != nil {
			t.Fatal(err)
		}
		held, err := os.Open(old) // Else another file may have its number when it is gone.
		if err != nil {
			t.Fatal(err)
		}
		was, err := held.Stat()
		if err != nil {
			t.Fatal(err)
		}
		token, err := l.Retire(t.Context(), old)
		if err == nil {
			err = tt.spoil(token)
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []Answer{Ours, Theirs} {
			if i == 1 {
				token = filepath.Join(dir, "nothing")
			}
			a, err := l.PutRecycled(t.Context(), token, fresh, []byte(strings.Repeat("new", 1+i)))
			if a != want || err != nil {
				t.Errorf("%s: %v, %v, want %v", tt.name, a, err, want)
			}
		}
		now, err := os.Stat(fresh)
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(fresh); string(data) != "new" || err != nil || os.SameFile(was, now) != tt.same {
			t.Errorf("%s: %q, %v, the same file: %v", tt.name, data, err, os.SameFile(was, now))
		}
		if err := errors.Join(held.Close(), os.Remove(fresh)); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 || names[0].Name() != "copy" {
		t.Errorf("left are %v, %v", names, err)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "copy")); string(data) != "what was there" || err != nil {
		t.Errorf("the copy has %q, %v", data, err)
	}
}
