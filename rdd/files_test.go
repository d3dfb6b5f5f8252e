package rdd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// onFiles makes a context with a file system in memory that holds the given files.
func onFiles(t testing.TB, files map[string]string) (*rdd.Context, *vfs.Memory) {
	t.Helper()
	m := vfs.NewMemory("mem")
	for name, data := range files {
		put(t, m, name, data)
	}
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[4]"), rdd.WithFileSystem(m))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sc.Stop(context.Background()) })
	return sc, m
}

func put(t testing.TB, m *vfs.Memory, name, data string) {
	t.Helper()
	if err := m.MkdirAll(context.Background(), vfs.Dir(name)); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(context.Background(), m, name, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// parted gives the elements of each partition, or the error.
func parted[T any](r *rdd.RDD[T]) string {
	parts, err := rdd.Collect(context.Background(), rdd.Glom(r))
	if err != nil {
		return "! " + err.Error()
	}
	return fmt.Sprint(parts)
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTextFile(t *testing.T) {
	sc, _ := onFiles(t, map[string]string{
		"mem:/d/1.txt": "a\nbb\r\nccc\rd", "mem:/d/2.txt": "", "mem:/d/3.gz": gzipped(t, "x\ny\n"),
		"mem:/d/_SUCCESS": "no\n", "mem:/d/.hidden": "no\n", "mem:/d/sub/4.txt": "s\n", "mem:/e/_named": "n\n",
		"mem:/[x]/f": "f\n", "mem:/long": "ok\n" + strings.Repeat("x", 100) + "\n", "mem:/bad.gz": "this is no gzip file", "mem:/x.snappy": "?",
	})
	for _, tt := range []struct {
		path string
		opts []rdd.FileOption
		want string
	}{
		{"mem:/d/1.txt", nil, "[[a bb] [ccc d] []]"},
		{"mem:/d/1.txt", []rdd.FileOption{rdd.MinPartitions(1)}, "[[a bb ccc d]]"},
		{"mem:/d/1.txt", []rdd.FileOption{rdd.MinPartitions(4)}, "[[a bb] [] [ccc] [] [d] []]"},
		{"mem:/d", []rdd.FileOption{rdd.MinPartitions(1)}, "[[a bb ccc d] [] [x y]]"},
		{"mem:/d/sub,mem:/d/*.gz", nil, "[[s] [x y]]"},
		{"mem:/d/sub/,mem:/{d,e}/[12].txt", []rdd.FileOption{rdd.MinPartitions(1)}, "[[s] [a bb ccc d] []]"},
		{"mem:/e/_named", nil, "[[n] []]"},
		{"mem:/d/.*,mem:/d/sub", nil, "[[s] []]"},
		{"mem:/long", []rdd.FileOption{rdd.MaxLength(99)}, "! mem:/long, at byte 3: a line is longer than 99 bytes"},
		{"mem:/bad.gz", nil, "! mem:/bad.gz: gzip: invalid header"},
		{"mem:/x.snappy", nil, "! mem:/x.snappy: files that end in .snappy are in a form of Hadoop's own"},
		{"mem:/none", nil, "! there is no file or directory mem:/none: is the path right"},
		{"mem:/none/*.txt", nil, "! there is no file or directory mem:/none/*.txt"},
		{`mem:/\[x\]`, nil, "[[f] []]"},
		{"mem:/[x]", nil, `! mem:/[x] is a pattern that nothing matches, and the name of what is there: write mem:/\[x\]`},
		{"mem:/d/{", nil, "! a brace is not closed"},
		{" , ", nil, "! the path is empty"},
		{"s3://bucket/x", nil, "! no file system for s3: was handed in"},
		{"mem:/d", []rdd.FileOption{rdd.MinPartitions(0)}, "! MinPartitions needs at least 1, not 0"},
		{"mem:/d", []rdd.FileOption{rdd.MaxLength(0)}, "! MaxLength needs at least 1, not 0"},
	} {
		got := parted(rdd.TextFile(sc, tt.path, tt.opts...))
		if want, failing := strings.CutPrefix(tt.want, "! "); failing {
			if !strings.HasPrefix(got, "! ") || !strings.Contains(got, want) {
				t.Errorf("%s: %s, want an error with %s", tt.path, got, want)
			}
			if at := "files_test.go:"; !strings.Contains(got, at) {
				t.Errorf("%s: the error does not name the place: %s", tt.path, got)
			}
		} else if got != want {
			t.Errorf("%s: %s, want %s", tt.path, got, want)
		}
	}
}

// TestTextFileDisk reads from this machine's disk, by a path that is relative to the working directory, too.
func TestTextFileDisk(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("a.txt", []byte("1\n2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sc := newContext(t)
	for _, path := range []string{"a.txt", "*.txt", dir, "file://" + filepath.ToSlash(dir) + "/a.txt"} {
		if got := show(false, rdd.TextFile(sc, path)); got != "1 2" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := parted(rdd.TextFile(sc, "b.txt")); !strings.Contains(got, "there is no file or directory b.txt") {
		t.Error(got)
	}
}

// TestFilesThatChange fail the task that reads them, by name, and at once.
func TestFilesThatChange(t *testing.T) {
	sc, m := onFiles(t, map[string]string{"mem:/a": "1\n2\n", "mem:/b": "1\n2\n"})
	a, b := rdd.TextFile(sc, "mem:/a"), rdd.WholeTextFiles(sc, "mem:/b")
	put(t, m, "mem:/a", "1\n2\n3\n")
	if err := m.Remove(t.Context(), "mem:/b"); err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{parted(a): "mem:/a had 4 bytes", parted(b): "mem:/b has vanished"} {
		if !strings.Contains(got, want) || strings.Contains(got, "failed 4 times") {
			t.Errorf("%s, want %s and no second attempt", got, want)
		}
	}
	if _, err := rdd.Count(t.Context(), a); !errors.Is(err, vfs.ErrChanged) {
		t.Errorf("%v is not ErrChanged", err)
	}
}

func TestWholeTextFiles(t *testing.T) {
	files := map[string]string{"mem:/d/z.gz": gzipped(t, "zipped")}
	for i := range 5 {
		files[fmt.Sprintf("mem:/d/%d", i)] = strings.Repeat("x", 10*i)
	}
	sc, _ := onFiles(t, files)
	r := rdd.WholeTextFiles(sc, "mem:/d")
	lengths := rdd.Map(r, func(f rdd.Pair[string, string]) string {
		return fmt.Sprintf("%s:%d", strings.TrimPrefix(f.Key, "mem:/d/"), len(f.Value))
	})
	if got, want := parted(lengths), "[[0:0 1:10 2:20 3:30 4:40] [z.gz:6]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got := parted(rdd.WholeTextFiles(sc, "mem:/d/4", rdd.MaxLength(39)))
	if !strings.Contains(got, "mem:/d/4 has more than 39 bytes") {
		t.Error(got)
	}
}

func TestBinaryFiles(t *testing.T) {
	sc, m := onFiles(t, map[string]string{"mem:/d/a.gz": "\x00\x01", "mem:/d/b": "\xff"})
	r := rdd.BinaryFiles(sc, "mem:/d")
	if n := r.NumPartitions(); n != 1 {
		t.Errorf("%d partitions, want 1", n)
	}
	type file = rdd.Pair[string, rdd.BinaryFile]
	bytes := rdd.MapPartitions(r, func(tc *rdd.TaskContext, in iter.Seq[file]) iter.Seq[string] {
		return func(yield func(string) bool) {
			in(func(f file) bool {
				data, err := f.Value.Bytes(tc, sc)
				if err != nil {
					tc.Fail(err)
				}
				return yield(fmt.Sprintf("%s=%x", f.Key, data))
			})
		}
	})
	if got, want := parted(bytes), "[[mem:/d/a.gz=0001 mem:/d/b=ff]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	put(t, m, "mem:/d/b", "xx")
	if got := parted(bytes); !strings.Contains(got, "the file has changed: mem:/d/b") {
		t.Error(got)
	}
}

func TestBinaryRecords(t *testing.T) {
	sc, _ := onFiles(t, map[string]string{"mem:/a": "aabbcc", "mem:/b": "aab"})
	for _, tt := range []struct {
		path   string
		length int
		want   string
	}{
		{"mem:/a", 2, "[[aa bb cc]]"},
		{"mem:/a,mem:/b", 3, "[[aab bcc] [aab]]"},
		{"mem:/b", 2, "mem:/b has 3 bytes, which is no multiple of 2: its last record, at byte 2, has 1"},
		{"mem:/b", 0, "the record length must be at least 1, not 0"},
	} {
		texts := rdd.Map(rdd.BinaryRecords(sc, tt.path, tt.length), func(b []byte) string { return string(b) })
		if got := parted(texts); !strings.Contains(got, tt.want) {
			t.Errorf("%s by %d: %s, want %s", tt.path, tt.length, got, tt.want)
		}
	}
}

// listing gives the names in a directory.
func listing(t *testing.T, m *vfs.Memory, dir string) string {
	t.Helper()
	infos, err := m.List(t.Context(), dir)
	if err != nil {
		return "! " + err.Error()
	}
	var names []string
	for _, i := range infos {
		names = append(names, vfs.Base(i.Name))
	}
	return strings.Join(names, " ")
}

func TestSaveAsTextFile(t *testing.T) {
	sc, m := onFiles(t, nil)
	words := rdd.Parallelize(sc, []string{"to be", "or", "not"}, 2)
	ctx := t.Context()
	if err := rdd.SaveAsTextFile(ctx, words, "mem:/out/words"); err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, m, "mem:/out/words"), "_SUCCESS part-00000 part-00001"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := parted(rdd.TextFile(sc, "mem:/out/words", rdd.MinPartitions(1))), "[[to be] [or not]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	err := rdd.SaveAsTextFile(ctx, words, "mem:/out/words")
	if err == nil || !strings.Contains(err.Error(), "files_test.go:") ||
		!strings.Contains(err.Error(), "the directory mem:/out/words is there already") {
		t.Errorf("into a directory that is there: %v", err)
	}
	if err := rdd.SaveAsTextFile(ctx, words, "mem:/out/words/part-00000"); err == nil ||
		!strings.Contains(err.Error(), "is a file") {
		t.Errorf("into a file: %v", err)
	}
	pairs := rdd.Parallelize(sc, []rdd.Pair[string, int]{rdd.KV("a", 1)}, 1)
	for c, want := range map[rdd.Compression]string{
		rdd.Gzip: "part-00000.gz", rdd.Zstd: "part-00000.zst", rdd.Deflate: "part-00000.deflate",
	} {
		dir := "mem:/out/" + string(c)
		if err := rdd.SaveAsTextFile(ctx, pairs, dir, rdd.Compressed(c)); err != nil {
			t.Fatal(err)
		}
		if got := listing(t, m, dir); got != "_SUCCESS "+want {
			t.Errorf("%s: %s", c, got)
		}
		if got := parted(rdd.TextFile(sc, dir)); got != "[[(a,1)]]" {
			t.Errorf("%s: %s", c, got)
		}
	}
	if err := rdd.SaveAsTextFile(ctx, pairs, "mem:/out/x", rdd.Compressed("bzip2")); err == nil ||
		!strings.Contains(err.Error(), "use gzip, zstd or deflate") {
		t.Errorf("bzip2: %v", err)
	}
	if err := rdd.SaveAsTextFile(ctx, rdd.Empty[int](sc), "mem:/out/none"); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, m, "mem:/out/none"); got != "_SUCCESS" {
		t.Errorf("no partition: %s", got)
	}
}

// TestSaveInBatch: a batch that is run again overwrites its directory, and leaves no part of an earlier run there.
func TestSaveInBatch(t *testing.T) {
	sc, m := onFiles(t, map[string]string{"mem:/out/other": "kept", "mem:/out/.part-00007.tmp": "of a process that died"})
	ctx := (&exec.Scope{}).In(t.Context())
	for _, n := range []int{3, 2, 4} {
		want := "_SUCCESS other"
		for p := range n {
			want += fmt.Sprintf(" part-%05d", p)
		}
		for range 2 {
			if err := rdd.SaveAsTextFile(ctx, rdd.Parallelize(sc, []int{1, 2, 3, 4}, n), "mem:/out"); err != nil {
				t.Fatal(err)
			}
			if got := listing(t, m, "mem:/out"); got != want {
				t.Errorf("%d partitions: %s, want %s", n, got, want)
			}
			if got, err := rdd.Count(t.Context(), rdd.TextFile(sc, "mem:/out/part-*")); got != 4 || err != nil {
				t.Errorf("%d partitions: %d lines, %v", n, got, err)
			}
		}
	}
}

// TestSaveThatFails leaves nothing behind: no half file, no directory, nothing that waits to be published.
func TestSaveThatFails(t *testing.T) {
	sc, m := onFiles(t, nil)
	tries := 0
	flaky := rdd.MapTry(rdd.Parallelize(sc, []int{1, 2, 3, 4}, 1), func(v int) (int, error) {
		if tries++; tries == 3 {
			return 0, errors.New("once")
		}
		return v, nil
	})
	if err := rdd.SaveAsTextFile(t.Context(), flaky, "mem:/ok"); err != nil {
		t.Fatal(err)
	}
	if got := parted(rdd.TextFile(sc, "mem:/ok", rdd.MinPartitions(1))); got != "[[1 2 3 4]]" {
		t.Errorf("after a second attempt: %s", got)
	}
	broken := rdd.MapTry(rdd.Parallelize(sc, []int{1, 2, 3, 4}, 4), func(v int) (int, error) {
		if v == 4 {
			return 0, errors.New("always")
		}
		return v, nil
	})
	if err := rdd.SaveAsTextFile(t.Context(), broken, "mem:/no"); err == nil {
		t.Fatal("no error")
	}
	if got := listing(t, m, "mem:/no"); !strings.Contains(got, "not exist") {
		t.Errorf("after a failure there is %s", got)
	}
	if n := m.Pendings(); n != 0 {
		t.Errorf("%d files wait to be published", n)
	}
}

func TestObjectFile(t *testing.T) {
	sc, m := onFiles(t, map[string]string{"mem:/text/part-00000": "a\n"})
	ctx := t.Context()
	if err := rdd.SaveAsObjectFile(ctx, rdd.Parallelize(sc, fruit, 2), "mem:/fruit"); err != nil {
		t.Fatal(err)
	}
	if got, want := listing(t, m, "mem:/fruit"), "_SUCCESS part-00000 part-00001"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	type entry struct {
		Key   string
		Value int64
	}
	if got, want := parted(rdd.ObjectFile[rdd.Pair[string, int]](sc, "mem:/fruit")),
		"[[(apple,3)] [(pear,1) (apple,4)]]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := parted(rdd.ObjectFile[entry](sc, "mem:/fruit/*1")), "[[{pear 1} {apple 4}]]"; got != want {
		t.Errorf("a type of the same schema: %s, want %s", got, want)
	}
	data, err := vfs.ReadFile(ctx, m, "mem:/fruit/part-00001", 1000)
	if err != nil {
		t.Fatal(err)
	}
	put(t, m, "mem:/torn", string(data[:len(data)-20]))
	for got, want := range map[string]string{
		parted(rdd.ObjectFile[string](sc, "mem:/fruit")):               "mem:/fruit/part-0000",
		parted(rdd.ObjectFile[int](sc, "mem:/fruit/part-00000")):       "its values are of schema {Key string; Value int64}, and int64 is asked for",
		parted(rdd.ObjectFile[string](sc, "mem:/text")):                "mem:/text/part-00000: the object file cannot be read as that: it does not begin",
		parted(rdd.ObjectFile[rdd.Pair[string, int]](sc, "mem:/torn")): "mem:/torn, at byte 78: the object file is damaged: it ends within a frame",
		parted(rdd.ObjectFile[chan int](sc, "mem:/fruit")):             "chan int",
		fmt.Sprint(rdd.SaveAsObjectFile(ctx, rdd.Empty[any](sc), "x")): "saveAsObjectFile",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestFilesRoundTrip: what is saved is read again, element by element, whatever the partitions.
func TestFilesRoundTrip(t *testing.T) {
	sc, _ := onFiles(t, nil)
	want := make([]string, 5000)
	for i := range want {
		want[i] = strings.Repeat(fmt.Sprint(i, " "), i%50)
	}
	for _, n := range []int{1, 3, 7} {
		dir := fmt.Sprintf("mem:/%d", n)
		if err := rdd.SaveAsTextFile(t.Context(), rdd.Parallelize(sc, want, n), dir); err != nil {
			t.Fatal(err)
		}
		for _, m := range []int{1, 2, 9} {
			r := rdd.TextFile(sc, dir, rdd.MinPartitions(m))
			got, err := rdd.Collect(t.Context(), r)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%d files in %d partitions: %d lines, %v", n, r.NumPartitions(), len(got), err)
			}
		}
	}
}
