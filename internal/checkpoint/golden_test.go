package checkpoint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
)

var writeGolden = flag.Bool("golden", false, "write the folder of this version's formats anew")

// TestGolden reads checkpoints that earlier versions wrote: a folder for each version of the formats, which is never
// written again once it was released, and what must be found in it.
func TestGolden(t *testing.T) {
	const current = "testdata/v1"
	if *writeGolden {
		golden(t, current)
	}
	folders, err := filepath.Glob("testdata/v*")
	if err != nil || len(folders) == 0 {
		t.Fatal("no folder in testdata", err)
	}
	for _, name := range folders {
		s, err := Read(t.Context(), vfs.Local{}, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(name, "state.json"))
		if err != nil {
			t.Fatal(err)
		}
		if got := describe(s) + "\n"; got != string(want) || s.Owner.Epoch != 3 {
			t.Errorf("%s: epoch %d\n%s\nwant\n%s", name, s.Owner.Epoch, got, want)
		}
		files, err := filepath.Glob(filepath.Join(name, "received/0/*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no segments: %v", name, err)
		}
		found := goldenSegments(t, name, files)
		wantPayloads(t, name, found, 0, 8, 8)
	}
}

// goldenSegments reads the segments of a folder, and writes nothing to it.
func goldenSegments(t *testing.T, name string, files []string) (found []string) {
	m := vfs.NewDisk("disk").Mount(nil)
	if err := m.MkdirAll(t.Context(), dir+"/received/0"); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(t.Context(), m, dir+"/received/0/"+filepath.Base(file), data); err != nil {
			t.Fatal(err)
		}
	}
	_, found, err := series(t, m, 9, 0, 8)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return found
}

// golden writes a checkpoint of three owners.
func golden(t *testing.T, name string) {
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
	groups := script(11, 18)
	for epoch := range 3 {
		l, _, err := Open(t.Context(), vfs.Local{}, name, someone(fmt.Sprint("host", epoch)), Options{Every: 4})
		if err != nil {
			t.Fatal(err)
		}
		for _, group := range groups[6*epoch : 6*epoch+6] {
			if err := l.Append(t.Context(), group...); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, l)
		s, err := OpenSegments(t.Context(), vfs.Local{}, name, "received/0", SegmentsOptions{Kind: Received,
			Epoch: l.Epoch(), Bytes: 50, About: []byte(`{"job":"j"}`)}, 0, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fill(t, s, []int{3, 5, 8}[epoch]); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Read(t.Context(), vfs.Local{}, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(name, "state.json"), []byte(describe(s)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}
