package split_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
	"github.com/weirstream/weir/internal/vfs/split"
)

// stored makes a file in memory.
func stored(t *testing.T, m *vfs.Memory, name string, data []byte) split.File {
	t.Helper()
	if err := vfs.WriteFile(t.Context(), m, name, data); err != nil {
		t.Fatal(err)
	}
	info, err := m.Stat(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return split.File{FS: m, Info: info}
}

// TestCut holds the parts against those of Hadoop's FileInputFormat.
func TestCut(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name    string
		lengths []int64
		atLeast int
		want    string
	}{
		{"two parts of a small file", []int64{10}, 2, "[0 5) [5 10)"},
		{"one byte more", []int64{11}, 2, "[0 5) [5 10) [10 11)"},
		{"a little more than a part", []int64{21}, 2, "[0 10) [10 21)"},
		{"one part", []int64{10}, 1, "[0 10)"},
		{"none asked for", []int64{10}, 0, "[0 10)"},
		{"an empty file", []int64{0}, 2, "[0 0)"},
		{"several files", []int64{10, 0, 30}, 2, "[0 10) [0 0) [0 20) [20 30)"},
		{"blocks", []int64{80 * mib}, 1, "[0 33554432) [33554432 67108864) [67108864 83886080)"},
		{"more parts than bytes", []int64{2}, 9, "[0 1) [1 2)"},
	} {
		var files []split.File
		for i, n := range tt.lengths {
			files = append(files, split.File{Info: vfs.Info{Name: fmt.Sprint(i), Length: n}})
		}
		splits, err := split.Lines(files, tt.atLeast)
		if err != nil {
			t.Fatal(err)
		}
		if got := bounds(splits); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	packed := split.File{Info: vfs.Info{Name: "a.gz", Length: 100}}
	splits, err := split.Lines([]split.File{packed}, 7)
	if err != nil || bounds(splits) != "[0 100)" || splits[0].Kind != compress.Gzip {
		t.Errorf("a compressed file is cut: %v, %v", splits, err)
	}
	if _, err := split.Lines([]split.File{{Info: vfs.Info{Name: "a.snappy"}}}, 1); err == nil {
		t.Error("a file that nobody can read is accepted")
	}
	records := split.Records([]split.File{{Info: vfs.Info{Length: 70_000_002}}}, 3)
	if got, want := bounds(records), "[0 33554430) [33554430 70000002)"; got != want {
		t.Errorf("records: %s, want %s", got, want)
	}
}

func bounds(splits []split.Split) string {
	var parts []string
	for _, s := range splits {
		parts = append(parts, fmt.Sprintf("[%d %d)", s.From, s.To))
	}
	return strings.Join(parts, " ")
}

func packed(t *testing.T, k compress.Kind, texts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		w, err := compress.NewWriter(k, &b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// helloBzip2 is "hello\nworld" as the bzip2 command compresses it.
const helloBzip2 = "BZh91AY&SY\xc3\xa5\xeb\x91\x00\x00\x01\xc1\x80\x00\x10\x06D\x90\x80 \x00\"" +
	"\x034\x840!\xb6\x81T'\x8b\xb9\"\x9c(Ha\xd2\xf5\xc8\x80"

// TestCompressed: several streams in a file are one text; a file that was cut fails by name.
func TestCompressed(t *testing.T) {
	m := vfs.NewMemory("mem")
	for _, k := range []compress.Kind{compress.None, compress.Gzip, compress.Zstd, compress.Deflate} {
		text := strings.Repeat("0123456789\n", 1000)
		data := packed(t, k, text)
		if k == compress.Gzip || k == compress.Zstd {
			data = packed(t, k, text[:5000], text[5000:])
		}
		f := stored(t, m, "mem:/x"+k.Suffix(), data)
		if got, err := lines(t.Context(), f, 1000); err != nil || got != text {
			t.Errorf("%s: %d bytes, %v", k, len(got), err)
		}
		if k == compress.None {
			continue
		}
		f = stored(t, m, "mem:/cut"+k.Suffix(), data[:len(data)-3])
		if _, err := lines(t.Context(), f, 1000); err == nil || !strings.Contains(err.Error(), "mem:/cut"+k.Suffix()) {
			t.Errorf("%s, cut: %v", k, err)
		}
		f = stored(t, m, "mem:/none"+k.Suffix(), nil)
		if got, err := lines(t.Context(), f, 1000); err != nil || got != "" {
			t.Errorf("%s, empty: %q, %v", k, got, err)
		}
		f = stored(t, m, "mem:/plain"+k.Suffix(), []byte("plain text"))
		if _, err := lines(t.Context(), f, 1000); err == nil {
			t.Errorf("%s: what is not compressed is read", k)
		}
	}
	f := stored(t, m, "mem:/x.BZ2", []byte(helloBzip2+helloBzip2))
	if got, err := lines(t.Context(), f, 1000); err != nil || got != "hello\nworldhello\nworld\n" {
		t.Errorf("bzip2: %q, %v", got, err)
	}
	if _, err := compress.NewWriter(compress.Bzip2, io.Discard); err == nil || compress.Bzip2.CanWrite() {
		t.Error("bzip2 is written")
	}
}

func lines(ctx context.Context, f split.File, limit int) (string, error) {
	splits, err := split.Lines([]split.File{f}, 3)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, s := range splits {
		err := s.EachLine(ctx, limit, func(line []byte) bool {
			b.Write(line)
			b.WriteByte('\n')
			return true
		})
		if err != nil {
			return b.String(), err
		}
	}
	return b.String(), nil
}

// TestRecords: a file whose length does not fit, or that has changed, fails by name and place.
func TestRecords(t *testing.T) {
	m := vfs.NewMemory("mem")
	read := func(f split.File, n int) string {
		var got []string
		for _, s := range split.Records([]split.File{f}, n) {
			err := s.EachRecord(t.Context(), n, func(r []byte) bool {
				if cap(r) != n {
					t.Errorf("a record of capacity %d", cap(r))
				}
				got = append(got, string(r))
				return true
			})
			if err != nil {
				got = append(got, "! "+err.Error())
			}
		}
		return strings.Join(got, " ")
	}
	f := stored(t, m, "mem:/r", []byte("aabbccd"))
	if got := read(f, 7); got != "aabbccd" {
		t.Errorf("one record: %s", got)
	}
	if got, want := read(f, 2), "! mem:/r has 7 bytes, which is no multiple of 2: its last record, at byte 6, has 1"; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	f = stored(t, m, "mem:/r", []byte("aabbcc"))
	if got := read(f, 2); got != "aa bb cc" {
		t.Errorf("three records: %s", got)
	}
	stored(t, m, "mem:/r", []byte("xxyyzz"))
	if got := read(f, 2); !strings.Contains(got, "the file has changed: mem:/r") {
		t.Errorf("a changed file: %s", got)
	}
}

// TestContent reads whole files within a limit.
func TestContent(t *testing.T) {
	m := vfs.NewMemory("mem")
	f := stored(t, m, "mem:/f.gz", packed(t, compress.Gzip, "0123456789"))
	if got, err := split.Content(t.Context(), f, 10); err != nil || string(got) != "0123456789" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := split.Content(t.Context(), f, 9); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("beyond the limit: %v", err)
	}
	err := split.Read(t.Context(), f, func(r io.Reader) error {
		_, err := io.CopyN(io.Discard, r, 4)
		return errors.Join(err, errors.New("no more"))
	})
	if err == nil || !strings.HasPrefix(err.Error(), "mem:/f.gz, at byte 4 of what it is without gzip: no more") {
		t.Errorf("a reader that fails: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped"))
	if _, err := split.Content(ctx, f, 10); err == nil {
		t.Error("a context that has ended reads")
	}
}
