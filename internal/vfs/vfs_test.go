package vfs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/vfstest"
)

func TestLocal(t *testing.T) { vfstest.Run(t, vfs.Local{}, t.TempDir()) }

func TestMemory(t *testing.T) {
	m := vfs.NewMemory("mem")
	if err := m.MkdirAll(t.Context(), "mem://host/dir"); err != nil {
		t.Fatal(err)
	}
	vfstest.Run(t, m, "mem://host/dir")
	if n := m.Pendings(); n != 0 {
		t.Errorf("%d files are pending", n)
	}
}

// lossy is a file system whose puts lose their answer.
type lossy struct {
	vfs.FS
	stores bool
}

var errLost = errors.New("the connection broke")

func (l lossy) PutIfAbsent(ctx context.Context, name string, data []byte) (vfs.Answer, error) {
	if l.stores {
		if _, err := l.FS.PutIfAbsent(ctx, name, data); err != nil {
			return vfs.Unknown, err
		}
	}
	return vfs.Unknown, errLost
}

// TestPutOnce settles what an answer that was lost leaves open.
func TestPutOnce(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stores bool
		before string
		want   vfs.Answer
	}{
		{"ours was stored", true, "", vfs.Ours},
		{"theirs was there", true, "theirs", vfs.Theirs},
		{"theirs was there and ours never came", false, "theirs", vfs.Theirs},
		{"nothing is there", false, "", vfs.Unknown},
	} {
		m := vfs.NewMemory("mem")
		if tt.before != "" {
			if err := vfs.WriteFile(t.Context(), m, "mem:/slot", []byte(tt.before)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := vfs.PutOnce(t.Context(), lossy{m, tt.stores}, "mem:/slot", []byte("ours"))
		if got != tt.want || (got == vfs.Unknown) != errors.Is(err, errLost) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for list, want := range map[string][]string{
		"a":               {"a"},
		"a, b,,c":         {"a", "b", "c"},
		"x/{a,b}/*,y":     {"x/{a,b}/*", "y"},
		"x/{a,{b,c}},y":   {"x/{a,{b,c}}", "y"},
		`a\,b,c`:          {`a\,b`, "c"},
		"":                nil,
		"s3://b/k,/t/u/v": {"s3://b/k", "/t/u/v"},
	} {
		if got := vfs.Patterns(list); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

func TestGlob(t *testing.T) {
	m := vfs.NewMemory("mem")
	for _, name := range []string{"a/1.txt", "a/2.txt", "b/1.txt", "b/c/1.txt", "b/{1}", "d.txt", "b/[x]"} {
		name = "mem://" + name
		if err := m.MkdirAll(t.Context(), vfs.Dir(name)); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(t.Context(), m, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ pattern, want string }{
		{"a/1.txt", "a/1.txt"},
		{"none", ""},
		{"none/*", ""},
		{"a", "a"},
		{"a/*", "a/1.txt a/2.txt"},
		{"*", "a b d.txt"},
		{"*.txt", "d.txt"},
		{"?/1.txt", "a/1.txt b/1.txt"},
		{"[^a]/1.txt", "b/1.txt"},
		{"{a,b}/1.*", "a/1.txt b/1.txt"},
		{"{a,b,{a,b/c}}/1.txt", "a/1.txt b/1.txt b/c/1.txt"},
		{"b/*/1.txt", "b/c/1.txt"},
		{"*/", "a b d.txt"},
		{`b/\[x\]`, "b/[x]"},
		{`b/\{1\}`, "b/{1}"},
		{"b/{[", "! a brace is not closed"},
		{"b/[", "! syntax error in pattern"},
		{strings.Repeat("{a,b,c,d}", 8), "! more than"},
	} {
		infos, err := vfs.Glob(t.Context(), m, "mem://"+tt.pattern)
		var names []string
		for _, i := range infos {
			names = append(names, strings.TrimPrefix(i.Name, "mem://"))
		}
		got := strings.Join(names, " ")
		if want, failing := strings.CutPrefix(tt.want, "! "); failing {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", tt.pattern, err, want)
			}
		} else if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.pattern, got, err, tt.want)
		}
	}
}

// TestGlobLocal: names relative to the working directory stay so, links are followed, and links to nothing left out.
func TestGlobLocal(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"x.txt", "y.txt"} {
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if os.Symlink("x.txt", "z.txt") != nil || os.Symlink("nothing", "w.txt") != nil {
		t.Skip("the system has no links")
	}
	for pattern, want := range map[string]string{
		"*.txt": "x.txt y.txt z.txt", "./*.txt": "./x.txt ./y.txt ./z.txt",
		filepath.ToSlash(dir) + "/x*": filepath.ToSlash(dir) + "/x.txt",
	} {
		infos, err := vfs.Glob(t.Context(), vfs.Local{}, pattern)
		var names []string
		for _, i := range infos {
			names = append(names, i.Name)
			if i.Dir || i.Length != 5 {
				t.Errorf("%+v: no file of 5 bytes", i)
			}
		}
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", pattern, got, err, want)
		}
	}
}

func TestSystems(t *testing.T) {
	s := vfs.NewSystems(vfs.NewMemory("mem"))
	for _, tt := range []struct{ name, scheme, want string }{
		{"/data/x", "file", "/data/x"},
		{"x", "file", "x"},
		{"file:/data/x", "file", "/data/x"},
		{"file:///data/x", "file", "/data/x"},
		{"file://localhost/data/x", "file", "/data/x"},
		{"MEM://h/x", "mem", "MEM://h/x"},
		{"a:b", "file", "a:b"},
		{"12:30/x", "file", "12:30/x"},
	} {
		f, name, err := s.Find(tt.name)
		if err != nil || name != tt.want || !slices.Contains(f.Schemes(), tt.scheme) {
			t.Errorf("%s: %v, %q, %v, want %s of %s", tt.name, f, name, err, tt.want, tt.scheme)
		}
	}
	for name, want := range map[string]string{
		"s3://b/k": `no file system for s3: was handed in: hand in one that knows it by WithFileSystem`,
		"":         "the path is empty",
	} {
		if _, _, err := s.Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", name, err, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name, dir, base string
		hidden          bool
	}{
		{"/a/b", "/a", "b", false},
		{"/a", "/", "a", false},
		{"a", "", "a", false},
		{"a/_b/", "a", "_b", true},
		{"s3://bucket/.key", "s3://bucket", ".key", true},
	} {
		if d, b, h := vfs.Dir(tt.name), vfs.Base(tt.name), vfs.Hidden(tt.name); d != tt.dir || b != tt.base ||
			h != tt.hidden {
			t.Errorf("%s: %q, %q, %v", tt.name, d, b, h)
		}
		if tt.dir != "" && tt.dir != "/" && vfs.Join(tt.dir, tt.base) != strings.TrimSuffix(tt.name, "/") {
			t.Errorf("%s is joined to %s", tt.name, vfs.Join(tt.dir, tt.base))
		}
	}
}

// TestLocalChange: a file that is changed while it is read is found out at the end.
func TestLocalChange(t *testing.T) {
	name := filepath.ToSlash(filepath.Join(t.TempDir(), "f"))
	if err := os.WriteFile(name, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := vfs.Local{}.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := vfs.OpenSame(t.Context(), vfs.Local{}, info, 0, info.Length)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.WriteFile(name, []byte("abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := vfs.Same(f, info); !errors.Is(err, vfs.ErrChanged) || !strings.Contains(err.Error(), name) {
		t.Errorf("the change is not found: %v", err)
	}
	if _, err := vfs.ReadFile(t.Context(), vfs.Local{}, name, 5); err == nil {
		t.Error("more than the limit is read")
	}
	if _, err := vfs.ReadFile(t.Context(), vfs.Local{}, name+"x", 5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}
