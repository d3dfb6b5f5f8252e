package vfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
