package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// TestSpares: the files of old slots are those of new ones, one after the other, and none is left when the log is
// closed. What is there is the log, as without that.
func TestSpares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, created, reused := vfs.NewDisk("disk"), 0, 0
		l, _ := mustOpen(t, disk.Mount(func(s vfs.Step) vfs.Fault {
			switch {
			case !strings.Contains(s.Name, slotSuffix):
			case s.Op == "create":
				created++
			case s.Op == "reuse":
				reused++
			}
			return vfs.None
		}), "one", 5)
		for n := range int64(100) {
			if err := l.Append(t.Context(), Plan{Sequence: n, Time: n + 1}, Commit{Sequence: n, Time: n + 1},
				Released{UpTo: n - 1}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // Old slots are retired meanwhile.
			synctest.Wait()
		}
		if created > 20 || reused < 80 {
			t.Errorf("%d slots were in new files, %d in old ones", created, reused)
		}
		mustClose(t, l)
		for name := range disk.Files() {
			if strings.HasPrefix(vfs.Base(name), ".") && vfs.Base(name) != vfs.SureName {
				t.Errorf("%s is left", name)
			}
		}
		s, err := Read(t.Context(), disk.Mount(nil), dir)
		if err != nil || s.Committed.Sequence != 99 {
			t.Errorf("read %v, %v", s, err)
		}
	})
}

// TestSpareNotYet: a file is not used again before its old name is surely gone: a power failure would give the name
// what is written then.
func TestSpareNotYet(t *testing.T) {
	disk := vfs.NewDisk("disk")
	m := disk.Mount(nil)
	s := newSpares(m)
	for _, name := range []string{"disk:/a", "disk:/b"} {
		if _, err := m.PutIfAbsent(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	_, before := s.begin() // It lists the directory as it was.
	if err := s.remove(t.Context(), m, "disk:/a", 7); err != nil {
		t.Fatal(err)
	}
	before(true)
	token, end := s.begin()
	if token != "" {
		t.Errorf("%s is used before a slot was put", token)
	}
	if end(false); len(s.list) != 1 {
		t.Errorf("%d spares are there", len(s.list))
	}
	if token, end = s.begin(); token != "" {
		t.Errorf("%s is used after a put that failed", token)
	}
	end(true)
	if token, _ = s.begin(); token == "" {
		t.Error("the spare is not used")
	}
	if err := s.remove(t.Context(), m, "disk:/b", spareMax+1); err != nil || len(s.list) != 0 {
		t.Errorf("a large file is kept: %v", err)
	}
}

// stale is a file system on which an old slot was used for another while it was read.
type stale struct {
	vfs.FS
	instead string
}

func (s stale) Open(ctx context.Context, _ string, from, length int64) (vfs.File, error) {
	return s.FS.Open(ctx, s.instead, from, length)
}

// TestReadOfASpare: who reads a slot that is taken away and used again meanwhile finds it gone, not damaged.
func TestReadOfASpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		l, _ := mustOpen(t, disk.Mount(nil), "one", 5)
		batches(t, l, 20)
		synctest.Wait()
		mustClose(t, l)
		f := folder{disk.Mount(nil), dir}
		last := f.slotName(l.next - 1)
		if _, err := (folder{stale{f.fs, last}, dir}).read(t.Context(), 1); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an old slot: %v", err)
		}
		_, err := (folder{stale{f.fs, last}, dir}).read(t.Context(), l.next-2)
		if damage := (*DamageError)(nil); !errors.As(err, &damage) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a slot that is there: %v", err)
		}
		if want := fmt.Sprintf("it holds slot %d", l.next-1); err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	})
}
