package block

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestDiskError: whatever the system does not let be done with a file of a disk says where that was and what helps, and
// what it is.
func TestDiskError(t *testing.T) {
	root := t.TempDir()
	disk := NewDisk([]string{root})
	missing := filepath.Join(root, "missing")
	kept, err := disk.Create("cache")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Write([]byte("cut")); err != nil {
		t.Fatal(err)
	}
	file, full := filepath.Join(root, "file"), "/dev/full" // which Linux has
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		try   func() error
		cause error
		says  string
	}{
		"no folder": {func() error {
			_, err := NewDisk([]string{missing, file}).Create("cache")
			return err
		}, syscall.ENOTDIR, "mkdir " + file},
		"no room": {func() error {
			f, err := os.OpenFile(full, os.O_RDWR, 0)
			if err != nil {
				return &DiskError{syscall.ENOSPC} // another system
			}
			w := NewFrameWriter(&File{f})
			_, err = w.Frame(bytes.Repeat([]byte("abc"), 100))
			return errors.Join(err, w.Flush(), f.Close())
		}, syscall.ENOSPC, "no space left on device"},
		"gone": {func() error {
			_, err := Open(missing)
			return err
		}, fs.ErrNotExist, "open " + missing},
		"no file": {func() error {
			f, err := Open(root)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = NewFrameReader(f).Next()
			return err
		}, syscall.EISDIR, "read " + root},
		"damaged": {func() error {
			_, err := NewFrameReader(io.NewSectionReader(kept, 0, 100)).Next()
			return Damaged(kept.Name(), err)
		}, ErrDamaged, "read " + kept.Name() + ": the file is damaged: it ends within a frame"},
	} {
		err := tt.try()
		of, marked := errors.AsType[*DiskError](fmt.Errorf("a task: %w", err))
		if !marked || !errors.Is(err, tt.cause) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := fmt.Sprintf("the disk of spark.local.dir has failed: %v; see that the folders of spark.local.dir are "+
			"there, can be written to and have room, or set it to others", of.cause)
		if of.Error() != want || !bytes.Contains([]byte(want), []byte(tt.says)) {
			t.Errorf("%s: %v, want %s", name, of, want)
		}
	}
}

// TestNoDiskError: the end of a file is none of its disk's errors, nor is what its users do with it.
func TestNoDiskError(t *testing.T) {
	disk := NewDisk([]string{t.TempDir()})
	f, err := disk.Create("cache")
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("a codec fails")
	if err := NewFrameWriter(f).Append(func([]byte) ([]byte, error) { return nil, broken }); err != broken {
		t.Errorf("a record without an encoding: %v", err)
	}
	if _, err := NewFrameReader(f).Next(); err != io.EOF {
		t.Errorf("the end: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	_, write := f.Write([]byte("late"))
	_, read := f.ReadAt(make([]byte, 1), 0)
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
	_, create := disk.Create("cache")
	for _, err := range []error{write, read, Damaged(f.Name(), read), f.Close(), create} {
		if _, marked := errors.AsType[*DiskError](err); err == nil || marked {
			t.Errorf("what is over: %v", err)
		}
	}
}
