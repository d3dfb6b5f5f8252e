package codec

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

// The tables of docs/FORMAT.md are the expectations here: each row is looked up by its first column,
// and each case of the code must have a row.
const formatPage = "../docs/FORMAT.md"

// TestFormatVersion: the page and the code mean the same version.
func TestFormatVersion(t *testing.T) {
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("**codec version %d**", Version); !strings.Contains(string(page), want) {
		t.Errorf("%s does not name %s", formatPage, want)
	}
}

// vectors reads the table under the heading "### Vectors: name", less its head, without back quotes.
func vectors(t *testing.T, name string) [][]string {
	t.Helper()
	page, err := os.ReadFile(formatPage)
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "### Vectors: "+name+"\n")
	if !ok {
		t.Fatalf("%s has no vectors for %s", formatPage, name)
	}
	section, _, _ = strings.Cut(section, "\n#")
	var rows [][]string
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i, c := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(c), "`")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 2 {
		t.Fatalf("%s has no rows for %s", formatPage, name)
	}
	return rows[1:]
}

// compare holds the rows of a page against what the code gives for each name.
func compare(t *testing.T, table string, got [][]string) {
	t.Helper()
	want := make(map[string]string)
	for _, row := range vectors(t, table) {
		want[row[0]] = strings.Join(row[1:], " | ")
	}
	for _, row := range got {
		g := strings.Join(row[1:], " | ")
		if w, ok := want[row[0]]; !ok || w != g {
			t.Errorf("%s: the code gives\n| `%s` | %s |\nwant %q", table, row[0], g, w)
		}
		delete(want, row[0])
	}
	for name := range want {
		t.Errorf("%s has the row %q under %s, and the test has no such case", formatPage, name, table)
	}
}

// encoded gives a row: the bytes of v, which must also be decoded to v.
func encoded[T any](t *testing.T, name string, v T) []string {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	got, rest, err := c.Decode(b)
	if err != nil || len(rest) > 0 || !same(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&got).Elem()) {
		t.Errorf("%s is decoded to %#v, error %v", name, got, err)
	}
	return []string{name, spaced(b)}
}

// spaced writes bytes in hexadecimal.
func spaced(b []byte) string {
	if len(b) == 0 {
		return "none"
	}
	return hex.EncodeToString(b)
}

func TestFormatValues(t *testing.T) {
	at := time.Date(2024, 2, 29, 12, 30, 15, 5, time.UTC)
	one := 1
	compare(t, "values", [][]string{
		encoded(t, `true`, true),
		encoded(t, `int8(-1)`, int8(-1)),
		encoded(t, `uint8(200)`, uint8(200)),
		encoded(t, `int(0)`, 0),
		encoded(t, `int(-1)`, -1),
		encoded(t, `int(63)`, 63),
		encoded(t, `int(64)`, 64),
		encoded(t, `int16(-300)`, int16(-300)),
		encoded(t, `int64(math.MinInt64)`, int64(math.MinInt64)),
		encoded(t, `uint32(300)`, uint32(300)),
		encoded(t, `uint64(math.MaxUint64)`, uint64(math.MaxUint64)),
		encoded(t, `float32(1.5)`, float32(1.5)),
		encoded(t, `float64(-2)`, float64(-2)),
		encoded(t, `complex128(1+2i)`, 1+2i),
		encoded(t, `""`, ""),
		encoded(t, `"héllo"`, "héllo"),
		encoded(t, `[]byte(nil)`, []byte(nil)),
		encoded(t, `[]byte{}`, []byte{}),
		encoded(t, `[]byte{1, 2}`, []byte{1, 2}),
		encoded(t, `[2]byte{1, 2}`, [2]byte{1, 2}),
		encoded(t, `[]int(nil)`, []int(nil)),
		encoded(t, `[]int{}`, []int{}),
		encoded(t, `[]int{1, -1}`, []int{1, -1}),
		encoded(t, `[2]string{"a", "b"}`, [2]string{"a", "b"}),
		encoded(t, `map[string]int(nil)`, map[string]int(nil)),
		encoded(t, `map[string]int{"b": 1, "a": 2, "aa": 3}`, map[string]int{"b": 1, "a": 2, "aa": 3}),
		encoded(t, `map[float64]bool{-0.0: true}`, map[float64]bool{0: true}),
		encoded(t, `(*int)(nil)`, (*int)(nil)),
		encoded(t, `new(1)`, &one),
		encoded(t, `struct{}{}`, struct{}{}),
		encoded(t, `struct{Key string; Value int}{"a", 1}`, pair[string, int]{"a", 1}),
		encoded(t, `time.Time{}`, time.Time{}),
		encoded(t, `time.Unix(0, 1).UTC()`, time.Unix(0, 1).UTC()),
		encoded(t, `2024-02-29T12:30:15.000000005Z`, at),
		encoded(t, `2024-02-29T20:30:15.000000005+08:00`, at.In(time.FixedZone("", 8*3600))),
		encoded(t, `2024-02-29T07:30:15.000000005-05:00`, at.In(time.FixedZone("", -5*3600))),
		encoded(t, `netip.Addr{}`, netip.Addr{}),
		encoded(t, `netip.MustParseAddr("10.0.0.1")`, netip.MustParseAddr("10.0.0.1")),
		encoded(t, `netip.MustParseAddr("fe80::1%eth0")`, netip.MustParseAddr("fe80::1%eth0")),
		encoded(t, `netip.MustParseAddrPort("10.0.0.1:80")`, netip.MustParseAddrPort("10.0.0.1:80")),
		encoded(t, `netip.MustParsePrefix("10.0.0.0/8")`, netip.MustParsePrefix("10.0.0.0/8")),
		encoded(t, `big.NewInt(1000)`, big.NewInt(1000)),
		encoded(t, `&timestamppb.Timestamp{Seconds: 5}`, &timestamppb.Timestamp{Seconds: 5}),
	})
}

// described gives a row of the schemas.
func described[T any](t *testing.T, name string) []string {
	t.Helper()
	c, err := For[T]()
	if err != nil {
		t.Fatal(err)
	}
	return []string{name, c.Schema()}
}

func TestFormatSchemas(t *testing.T) {
	compare(t, "schemas", [][]string{
		described[string](t, `string`),
		described[[]byte](t, `[]byte`),
		described[[]int](t, `[]int`),
		described[pair[word, int]](t, `struct{Key word; Value int}`),
		described[pair[string, point]](t, `struct{Key string; Value struct{X, Y int32}}`),
		described[map[point][]octet](t, `map[struct{X, Y int32}][]octet`),
		described[pair[*point, [2]*point]](t, `struct{Key *point; Value [2]*point}`),
		described[tree](t, `type tree struct{Left, Right *tree; Name string; N int}`),
		described[pair[uuid, time.Time]](t, `struct{Key [16]byte; Value time.Time}`),
		described[pair[netip.Addr, *timestamppb.Timestamp]](t, `struct{Key netip.Addr; Value *timestamppb.Timestamp}`),
		described[big.Int](t, `big.Int`),
	})
}

// hashed gives a row of the keys.
func hashed[K comparable](t *testing.T, name string, key K) []string {
	t.Helper()
	k, err := ForKey[K]()
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Append(nil, key)
	if err != nil {
		t.Fatal(err)
	}
	row := []string{name, spaced(b)}
	for _, seed := range []uint64{0, 42} {
		h, err := k.Hash(seed, key)
		if err != nil {
			t.Fatal(err)
		}
		row = append(row, fmt.Sprintf("%016x", h))
	}
	return row
}

func TestFormatKeys(t *testing.T) {
	compare(t, "keys", [][]string{
		hashed(t, `""`, ""),
		hashed(t, `"a"`, "a"),
		hashed(t, `"hello"`, "hello"),
		hashed(t, `"héllo wörld"`, "héllo wörld"),
		hashed(t, `"the quick brown fox jumps over the lazy dog"`, "the quick brown fox jumps over the lazy dog"),
		hashed(t, `int(0)`, 0),
		hashed(t, `int32(1)`, int32(1)),
		hashed(t, `int(-1)`, -1),
		hashed(t, `uint8(255)`, uint8(255)),
		hashed(t, `int64(math.MinInt64)`, int64(math.MinInt64)),
		hashed(t, `true`, true),
		hashed(t, `float64(0)`, float64(0)),
		hashed(t, `float64(-0)`, math.Copysign(0, -1)),
		hashed(t, `float32(1.5)`, float32(1.5)),
		hashed(t, `complex64(1-2i)`, complex64(1-2i)),
		hashed(t, `[2]int{1, -1}`, [2]int{1, -1}),
		hashed(t, `[3]byte{1, 2, 3}`, [3]byte{1, 2, 3}),
		hashed(t, `[1]string{"a"}`, [1]string{"a"}),
		hashed(t, `struct{Key string; Value int}{"a", 1}`, pair[string, int]{"a", 1}),
		hashed(t, `struct{}{}`, struct{}{}),
		hashed(t, `netip.MustParseAddr("10.0.0.1")`, netip.MustParseAddr("10.0.0.1")),
	})
}

func TestFormatHash(t *testing.T) {
	rows := vectors(t, "hash")
	for _, row := range rows {
		n, err := strconv.Atoi(row[0])
		if err != nil {
			t.Fatal(err)
		}
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i)
		}
		for i, seed := range []uint64{0, 1, 0x9e3779b97f4a7c15} {
			if got := fmt.Sprintf("%016x", Hash(seed, in)); got != row[i+1] {
				t.Errorf("hash of %d bytes with seed %x is %s, want %s", n, seed, got, row[i+1])
			}
		}
	}
	if len(rows) < 16 {
		t.Errorf("%d vectors of the hash are left", len(rows))
	}
}

func TestFormatDealing(t *testing.T) {
	for _, row := range vectors(t, "dealing") {
		h, err1 := strconv.ParseUint(row[0], 16, 64)
		n, err2 := strconv.Atoi(row[1])
		want, err3 := strconv.Atoi(row[2])
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatalf("the row %q is not of numbers", row)
		}
		if got := Partition(h, n); got != want {
			t.Errorf("Partition(%x, %d) = %d, want %d", h, n, got, want)
		}
	}
}
