package objectfile_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/vfs/objectfile"
)

func written[T any](t testing.TB, vs ...T) []byte {
	t.Helper()
	c, err := codec.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := objectfile.NewWriter(&b, c.Schema())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vs {
		if err := w.Append(func(dst []byte) ([]byte, error) { return c.Append(dst, &v) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read[T any](t testing.TB, data []byte) (vs []T, at int64, err error) {
	t.Helper()
	c, err := codec.For[T]()
	if err != nil {
		t.Fatal(err)
	}
	r, err := objectfile.NewReader(bytes.NewReader(data), int64(len(data)), c.Schema())
	if err != nil {
		return nil, 0, err
	}
	_, err = r.Each(func(raw []byte, count int) (bool, error) {
		return objectfile.Values(raw, count, c.DecodeAlias, func(v T) bool { vs = append(vs, v); return true })
	})
	return vs, r.Offset(), err
}

// TestFormat holds the code against the vectors of the page.
func TestFormat(t *testing.T) {
	page, err := os.ReadFile("../../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("**Object file version %d**", objectfile.Version); !strings.Contains(string(page), want) {
		t.Errorf("the page does not name %s", want)
	}
	for _, row := range []string{
		fmt.Sprintf("| `int64` | none | `%s` |", hex.EncodeToString(written[int](t))),
		fmt.Sprintf("| `int64` | 1, -1 | `%s` |", hex.EncodeToString(written(t, 1, -1))),
		fmt.Sprintf("| `{}` | one | `%s` |", hex.EncodeToString(written(t, struct{}{}))),
		fmt.Sprintf("| `string` | 40 times the letter a | `%s` |",
			hex.EncodeToString(written(t, strings.Repeat("a", 40)))),
	} {
		if !strings.Contains(string(page), row) {
			t.Errorf("the page has no row\n%s", row)
		}
	}
}

// TestRoundTrip: many frames, frames of one large value, values without bytes.
func TestRoundTrip(t *testing.T) {
	numbers := make([]int, 300_000)
	for i := range numbers {
		numbers[i] = i * 7919
	}
	if got, _, err := read[int](t, written(t, numbers...)); err != nil || !slices.Equal(got, numbers) {
		t.Errorf("numbers: %d of %d, %v", len(got), len(numbers), err)
	}
	texts := []string{"", strings.Repeat("x", 1<<20), "y"}
	if got, _, err := read[string](t, written(t, texts...)); err != nil || !slices.Equal(got, texts) {
		t.Errorf("texts: %d, %v", len(got), err)
	}
	nothings := make([]struct{}, 1<<20+1)
	if got, _, err := read[struct{}](t, written(t, nothings...)); err != nil || len(got) != len(nothings) {
		t.Errorf("nothings: %d, %v", len(got), err)
	}
	if !bytes.Equal(written(t, numbers...), written(t, numbers...)) {
		t.Error("equal values give other bytes")
	}
}

// TestDamaged: a file that is cut anywhere, or has any byte changed, is refused, and never as a shorter one.
func TestDamaged(t *testing.T) {
	numbers := make([]int, 40_000)
	for i := range numbers {
		numbers[i] = i * i % 10_007
	}
	data := written(t, numbers...)
	step := func(i int) int {
		if i < 100 || i > len(data)-100 {
			return 1
		}
		return 997
	}
	for n := 0; n < len(data); n += step(n) {
		if _, _, err := read[int](t, data[:n]); !refused(err) {
			t.Errorf("cut at byte %d of %d: %v", n, len(data), err)
		}
		spoilt := bytes.Clone(data)
		spoilt[n] ^= 0x10
		if _, at, err := read[int](t, spoilt); !refused(err) || at > int64(n) {
			t.Errorf("byte %d of %d changed: %v at %d", n, len(data), err, at)
		}
	}
	if _, _, err := read[int](t, append(bytes.Clone(data), 0)); !errors.Is(err, objectfile.ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
}

func refused(err error) bool {
	return errors.Is(err, objectfile.ErrDamaged) || errors.Is(err, objectfile.ErrForeign)
}

// TestForeign: another schema, another version and other files are refused by name.
func TestForeign(t *testing.T) {
	type point struct{ X, Y int32 }
	later := written[int](t)
	later[8] = 9
	for _, tt := range []struct {
		data []byte
		want string
	}{
		{written[string](t), "its values are of schema string, and {X int32; Y int32} is asked for"},
		{later, "it has version 9 with values of version 1, and this release reads version 1"},
		{[]byte("SEQ\x06 and so on, for long enough"), "it does not begin as object files do"},
		{nil, "it does not begin as object files do"},
	} {
		_, _, err := read[point](t, tt.data)
		if !errors.Is(err, objectfile.ErrForeign) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if got, _, err := read[struct{ X, Y int32 }](t, written(t, point{1, 2})); err != nil || got[0].Y != 2 {
		t.Errorf("a type of the same schema: %v, %v", got, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(written(f, "one", "two"))
	f.Add(written(f, strings.Repeat("a", 100_000)))
	f.Add(written[string](f))
	f.Fuzz(func(t *testing.T, data []byte) {
		if vs, _, err := read[string](t, data); err != nil && !refused(err) {
			t.Errorf("%d values, %v", len(vs), err)
		}
	})
}
