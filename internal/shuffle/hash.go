package shuffle

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
)

// A seed holds the secrets of one table's hash. Keys come from strangers, so they must not be able to
// guess which keys collide. The hash folds 128-bit products, as wyhash does; for keys of at most 16 bytes,
// which most are, it is two multiplications and is inlined. One is not enough: under one seed in ten, keys
// in arithmetic progression (counters, times) then fall into few places, hundreds of steps from each other.
type seed struct {
	a, b uint64
	std  maphash.Seed // for kindOther
}

func newSeed() seed {
	// Two odd secrets: an even one would throw away bits of the other factor.
	return seed{a: rand.Uint64(), b: rand.Uint64() | 1, std: maphash.MakeSeed()}
}

// fold multiplies and folds the product, so that each bit of x and y moves the high bits, which place a key.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// golden is the golden ratio's fraction in 64 bits, odd and without pattern.
const golden = 0x9E3779B97F4A7C15

// word hashes a key of one word.
func (s *seed) word(w uint64) uint64 { return fold(fold(w^s.a, s.b), golden) }

// short hashes what pack made of a key of at most 16 bytes.
func (s *seed) short(lo, hi uint64, n int) uint64 {
	// The length is spread over the whole word, so that it does not meet hi's low bits only.
	return fold(fold(lo^s.a, hi^uint64(n)*golden^s.b), golden)
}

// long hashes a key of more than 16 bytes: blocks of 16, the last of which overlaps the one before it.
func (s *seed) long(b []byte) uint64 {
	h := uint64(len(b)) ^ s.b
	for rest := b; len(rest) > 16; rest = rest[16:] {
		h = fold(binary.LittleEndian.Uint64(rest)^s.a, binary.LittleEndian.Uint64(rest[8:])^h)
	}
	tail := b[len(b)-16:]
	h = fold(binary.LittleEndian.Uint64(tail)^s.a, binary.LittleEndian.Uint64(tail[8:])^h)
	return fold(h, golden)
}

// bytes hashes a key of any length.
func (s *seed) bytes(b []byte) uint64 {
	lo, hi := pack(b)
	return s.packed(b, lo, hi)
}

// packed is bytes where b has been packed already.
func (s *seed) packed(b []byte, lo, hi uint64) uint64 {
	if len(b) > 16 {
		return s.long(b)
	}
	return s.short(lo, hi, len(b))
}

// pack puts the first and the last eight bytes of b into two words. For at most 16 bytes, words and length
// together are the key. Which byte lands where does not matter, as long as it is the same for all keys of one
// length.
func pack(b []byte) (lo, hi uint64) {
	n := len(b)
	switch {
	case n >= 8:
		return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32, 0
	case n > 0:
		return uint64(b[0]) | uint64(b[n>>1])<<8 | uint64(b[n-1])<<16, 0
	}
	return 0, 0
}
