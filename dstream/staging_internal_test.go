package dstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/block"
)

// TestStagedFilesAreClosed: a job may have more partitions than a process may have open files, and a memory budget that
// is full.
func TestStagedFilesAreClosed(t *testing.T) {
	dir := t.TempDir()
	disk := block.NewDisk([]string{dir})
	g := &staging{budget: block.NewBudget(0), disk: disk}
	attempt := func(fails bool, records int) (*staged, error) {
		s, err := g.begin()
		if err != nil {
			return nil, err
		}
		defer s.unlessSealed()
		for i := range records {
			err := s.add(func(dst []byte) ([]byte, error) { return fmt.Appendf(dst, "%d %0900d", i, 0), nil })
			if err != nil {
				return nil, err
			}
		}
		if fails {
			return nil, errors.New("it fails")
		}
		return s, s.seal()
	}
	var won []*staged
	for i := range 20 {
		if _, err := attempt(true, 200); err == nil || err.Error() != "it fails" {
			t.Fatal(err)
		}
		s, err := attempt(false, i*10)
		if err != nil {
			t.Fatal(err)
		}
		won = append(won, s)
	}
	wantFiles(t, "sealed", dir, 0, 19) // The one without records has none.
	for i, s := range won {
		for range 2 {
			n := 0
			for raw, err := range s.all() {
				if err != nil || !strings.HasPrefix(string(raw), fmt.Sprintf("%d ", n)) {
					t.Fatalf("%q, %v", raw, err)
				}
				if n++; n == 190 {
					wantFiles(t, "being read", dir, 1, 19)
					break
				}
			}
			if n != i*10 {
				t.Fatalf("%d records of %d", n, i*10)
			}
		}
	}
	wantFiles(t, "read", dir, 0, 19)
	late, err := g.begin()
	if err != nil {
		t.Fatal(err)
	}
	err = late.add(func(dst []byte) ([]byte, error) { return append(dst, make([]byte, stagedChunk)...), nil })
	if err != nil {
		t.Fatal(err)
	}
	g.end()
	if err := late.seal(); !errors.Is(err, errStagingOver) {
		t.Errorf("an attempt that ends too late: %v", err)
	}
	wantFiles(t, "over", dir, 0, 0)
	if err := disk.Close(); err != nil {
		t.Error(err)
	}
}

// wantFiles counts the files that this process has open in a folder, where the system tells that, and those that are
// there.
func wantFiles(t *testing.T, when, dir string, open, there int) {
	t.Helper()
	n := 0
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, fd := range fds {
			if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(name, dir) {
				n++
			}
		}
		if n != open {
			t.Errorf("%s: %d files are open, want %d", when, n, open)
		}
	}
	files, err := filepath.Glob(dir + "/*/*")
	if err != nil || len(files) != there {
		t.Errorf("%s: %d files are there, want %d (%v)", when, len(files), there, err)
	}
}
