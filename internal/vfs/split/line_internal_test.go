package split

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var lineEnd = regexp.MustCompile("\r\n|\r|\n")

// naive splits a text at its line ends.
func naive(text string) []string {
	parts := lineEnd.Split(strings.TrimPrefix(text, "\ufeff"), -1)
	if parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// cutAt reads a text in parts of the given length, in buffers of the given length.
func cutAt(t *testing.T, text string, step, buffer int, slowly bool) []string {
	var got []string
	for from := 0; from < max(len(text), 1); from += step {
		var r io.Reader = bytes.NewReader([]byte(text[from:]))
		if slowly {
			r = iotest.OneByteReader(r)
		}
		l := &lineReader{r: r, at: int64(from), limit: 1 << 20, buf: make([]byte, buffer)}
		_, err := l.each(int64(min(from+step, len(text))), func(line []byte) bool {
			got = append(got, string(line))
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// TestLinesOfParts: however a text is cut, each of its lines is read once and in order.
func TestLinesOfParts(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	texts := []string{"", "a", "\n", "\r", "\r\n", "a\r\nb", "\n\n\r\r\r\n\r\n", "\ufeffa\nb", "\ufeff", "ab\r"}
	for range 300 {
		var b strings.Builder
		for range random.IntN(40) {
			b.WriteString([]string{"a", "bc", "\r", "\n", "\r\n", "ü", "\ufeff"}[random.IntN(7)])
		}
		texts = append(texts, b.String())
	}
	for _, text := range texts {
		want := naive(text)
		for step := 1; step <= len(text)+1; step++ {
			for _, buffer := range []int{3, 4, 7, 64} {
				if got := cutAt(t, text, step, buffer, step%2 == 0); !slices.Equal(got, want) {
					t.Fatalf("seed %d: %q in parts of %d, buffer %d: %q, want %q", seed, text, step, buffer, got, want)
				}
			}
		}
	}
}

// TestLineLimit: a line may have as many bytes as the limit says, whatever the buffer's length.
func TestLineLimit(t *testing.T) {
	for _, buffer := range []int{3, 5, 6, 64} {
		for length, want := range map[int]string{
			9: "", 10: "", 11: "a line is longer than 10 bytes", 200: "a line is longer than 10 bytes",
		} {
			text := "ab\n" + strings.Repeat("x", length) + "\nc"
			l := &lineReader{r: strings.NewReader(text), limit: 10, buf: make([]byte, buffer)}
			_, err := l.each(int64(len(text)), func([]byte) bool { return true })
			if (err == nil) != (want == "") || err != nil && (l.at != 3 || !strings.Contains(err.Error(), want)) {
				t.Errorf("%d bytes, buffer %d: %v, want %q", length, buffer, err, want)
			}
		}
	}
}

// TestLineMemory: the line that another part reads is passed over in a buffer of one length, and not past the part.
func TestLineMemory(t *testing.T) {
	read := 0
	endless := readerFunc(func(b []byte) (int, error) {
		for i := range b {
			b[i] = 'x'
		}
		read += len(b)
		return len(b), nil
	})
	l := &lineReader{r: endless, at: 5, limit: 10, buf: make([]byte, 1000)}
	more, err := l.each(1_000_000, func([]byte) bool { t.Error("a line"); return false })
	if !more || err != nil || cap(l.long) > 0 || read > 1_010_000 {
		t.Errorf("%v, %v, %d bytes kept, %d read", more, err, cap(l.long), read)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

func TestLineErrors(t *testing.T) {
	for _, at := range []int64{0, 1} {
		for want, r := range map[error]io.Reader{
			iotest.ErrTimeout: iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))),
			io.ErrNoProgress:  readerFunc(func([]byte) (int, error) { return 0, nil }),
		} {
			l := &lineReader{r: r, at: at, limit: 10, buf: make([]byte, 8)}
			if _, err := l.each(100, func([]byte) bool { return true }); !errors.Is(err, want) {
				t.Errorf("from byte %d: %v, want %v", at, err, want)
			}
		}
	}
}

func BenchmarkLines(b *testing.B) {
	var text bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&text, "%d the quick brown fox jumps over the lazy dog\n", i)
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		l := &lineReader{r: bytes.NewReader(text.Bytes()), limit: 1 << 20, buf: make([]byte, bufferBytes)}
		if _, err := l.each(int64(text.Len()), func([]byte) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
