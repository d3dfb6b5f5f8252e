package recordbatch

import (
	"encoding/binary"
	"math"
	"testing"
)

func TestVarint(t *testing.T) {
	values := []int64{0, 1, -1, 63, 64, -64, -65, 8191, 8192, -8192, -8193, 1 << 20, math.MaxInt32, math.MinInt32,
		math.MaxInt64, math.MinInt64 + 1, math.MinInt64}
	for _, want := range values {
		b := binary.AppendVarint([]byte{0xff}, want)
		if v, next := varint(b, 1); v != want || next != len(b) {
			t.Errorf("varint of %d: %d, next %d of %d", want, v, next, len(b))
		}
		var w [8]byte
		copy(w[:], b[1:])
		v, bits := short(binary.LittleEndian.Uint64(w[:]))
		if len(b) <= 3 && (v != want || bits != 8*(len(b)-1)) || len(b) > 3 && bits != 0 {
			t.Errorf("short of %d in %d bytes: %d in %d bits", want, len(b)-1, v, bits)
		}
		for n := 1; n < len(b); n++ {
			if v, next := varint(b[:n], 1); v != math.MinInt64 || next != overrun {
				t.Errorf("varint of %d cut at %d: %d, next %d", want, n, v, next)
			}
		}
	}
	for _, s := range []string{
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",         // more than 64 bits
		"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", // longer than any
	} {
		if v, next := varint([]byte(s), 0); v != math.MinInt64 || next != overrun {
			t.Errorf("varint of % x: %d, next %d", s, v, next)
		}
	}
	if _, next := varint([]byte{1}, overrun); next != overrun {
		t.Error("varint after an overrun is not an overrun")
	}
}

// TestHead has both ways through head, which must agree: starts with and without room for one load.
func TestHead(t *testing.T) {
	for _, size := range []int64{0, 6, 63, 64, 8191, 8192} {
		for _, stamp := range []int64{0, -1, 5000, 100_000, -1 << 40} {
			for _, delta := range []int64{0, 70, 9000} {
				b := binary.AppendVarint([]byte{9, 9}, size)
				at := len(b)
				b = binary.AppendVarint(binary.AppendVarint(append(b, 0), stamp), delta)
				want := [5]int64{size, int64(at), stamp, delta, int64(len(b))}
				for _, b := range [][]byte{b, append(b, make([]byte, 9)...)} {
					s, a, st, d, next := head(b, 2)
					if got := [5]int64{s, int64(a), st, d, int64(next)}; got != want {
						t.Errorf("head of %d bytes: %v, want %v", len(b), got, want)
					}
				}
				if _, _, _, _, next := head(b[:len(b)-1], 2); next != overrun {
					t.Errorf("head of %v cut: next %d", want, next)
				}
			}
		}
	}
}
