package shuffle

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// TestArena puts strings of all sizes and looks at all of them at the end, when their neighbours are written.
func TestArena(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a Arena
	var want, got []string
	for i := range 3000 {
		n := r.IntN(60)
		switch i % 100 {
		case 0:
			n = r.IntN(4 * stride)
		case 1:
			n = loneMin - 1 - r.IntN(3)
		}
		s := strings.Repeat(string(rune('a'+i%26)), n)
		want = append(want, s)
		got = append(got, a.Copy(s))
	}
	total := 0
	for i, s := range want {
		if got[i] != s {
			t.Fatalf("string %d of %d bytes is %.20q, want %.20q", i, len(s), got[i], s)
		}
		if len(s) > 0 && unsafe.StringData(s) == unsafe.StringData(got[i]) {
			t.Fatalf("string %d was not copied", i)
		}
		total += len(s)
	}
	if b := a.Bytes(); b < int64(total) || b > int64(total)*3/2+stride {
		t.Errorf("%d bytes are held for %d", b, total)
	}
}

func TestArenaEmpty(t *testing.T) {
	var a Arena
	if s := a.Copy(""); s != "" || a.Bytes() != 0 {
		t.Errorf("%q, %d bytes", s, a.Bytes())
	}
	pos, ok := a.put("")
	if s := a.at(pos, 0); s != "" || !ok {
		t.Errorf("%q at %d, %v", s, pos, ok)
	}
}

// TestArenaFull: without positions left, Copy still copies.
func TestArenaFull(t *testing.T) {
	a := Arena{chunks: make([][]byte, placesMax)}
	buf := []byte("text")
	s := a.Copy(unsafe.String(unsafe.SliceData(buf), len(buf)))
	buf[0] = '!'
	if s != "text" {
		t.Errorf("%q", s)
	}
}

func TestArenaAllocs(t *testing.T) {
	s := strings.Repeat("x", 10)
	if n := testing.AllocsPerRun(5, func() {
		var a Arena
		for range 100_000 {
			a.Copy(s)
		}
	}); n > 80 {
		t.Errorf("%v allocations for 100,000 strings", n)
	}
}
