package shuffle

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"
)

// TestProbes: whatever regular form keys have, and under any seed, a look-up passes few slots. A table whose hash
// were the identity, or looked at few bits, would need hundreds on some of these rows.
func TestProbes(t *testing.T) {
	rows := map[string]func(i uint64) uint64{
		"dense":         func(i uint64) uint64 { return i },
		"negative":      func(i uint64) uint64 { return -i },
		"times 1000":    func(i uint64) uint64 { return i * 1000 },
		"high half":     func(i uint64) uint64 { return i << 32 },
		"highest bits":  func(i uint64) uint64 { return i << 48 },
		"both halves":   func(i uint64) uint64 { return i<<32 | i },
		"reversed pair": func(i uint64) uint64 { return i<<32 | (1<<32 - 1 - i) },
		"grid":          func(i uint64) uint64 { return i>>7<<32 | i&127 },
	}
	const n = 12_000
	for name, of := range rows {
		for s := range uint64(8) {
			ints, strs := NewTable[uint64, struct{}](nil), NewTable[string, struct{}](nil)
			decs := NewTable[string, struct{}](nil)
			ints.seed, strs.seed, decs.seed = fixed(s), fixed(s), fixed(s)
			var b [8]byte
			for i := range uint64(n) {
				ints.Slot(of(i))
				binary.LittleEndian.PutUint64(b[:], of(i))
				strs.Slot(string(b[:]))
				decs.Slot("user-" + strconv.FormatUint(of(i), 10))
			}
			checkProbes(t, fmt.Sprintf("%s, seed %d, words", name, s), ints)
			checkProbes(t, fmt.Sprintf("%s, seed %d, bytes", name, s), strs)
			checkProbes(t, fmt.Sprintf("%s, seed %d, digits", name, s), decs)
		}
	}
}

func checkProbes[K comparable](t *testing.T, name string, table *Table[K, struct{}]) {
	mask := uint64(len(table.index) - 1)
	total := uint64(0)
	for i, x := range table.index {
		if x != 0 {
			total += (uint64(i) - x>>table.shift) & mask
		}
	}
	// Random slots at the load of 0.73 that 12,000 keys make would take 1.4 steps on average.
	if mean := float64(total) / float64(table.Len()); mean > 2 {
		t.Errorf("%s: %.1f steps a look-up", name, mean)
	}
}

// TestPack: for keys of at most 16 bytes, words and length are the key: changing any byte changes the words.
func TestPack(t *testing.T) {
	for n := range 17 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i + 1)
		}
		lo, hi := pack(b)
		for i := range b {
			for bit := range 8 {
				b[i] ^= 1 << bit
				if lo2, hi2 := pack(b); lo == lo2 && hi == hi2 {
					t.Errorf("length %d: bit %d of byte %d is not in the words", n, bit, i)
				}
				b[i] ^= 1 << bit
			}
		}
	}
}

// TestLongHash: every byte of a long key counts.
func TestLongHash(t *testing.T) {
	s := fixed(3)
	for _, n := range []int{17, 24, 31, 32, 33, 48, 100} {
		b := make([]byte, n)
		seen := map[uint64]string{s.bytes(b): "zeros"}
		for i := range b {
			b[i] = 1
			h := s.bytes(b)
			if other, ok := seen[h]; ok {
				t.Errorf("length %d: byte %d collides with %s", n, i, other)
			}
			seen[h] = fmt.Sprintf("byte %d", i)
			b[i] = 0
		}
	}
}
