package codec

import (
	"encoding/binary"
	"math/bits"
)

// The five primes of XXH64.
const (
	prime1 uint64 = 0x9E3779B185EBCA87
	prime2 uint64 = 0xC2B2AE3D27D4EB4F
	prime3 uint64 = 0x165667B19E3779F9
	prime4 uint64 = 0x85EBCA77C2B2AE63
	prime5 uint64 = 0x27D4EB2F165667C5
)

// Hash is XXH64 of b under a seed: the hash that deals keys to partitions. docs/FORMAT.md writes it
// out, with test vectors. It is no defence against people who choose keys: tables in memory use a
// hash with a secret seed instead.
func Hash(seed uint64, b []byte) uint64 {
	// The steps and their order are those of docs/FORMAT.md; not one of them may ever change.
	h := seed + prime5
	n := uint64(len(b))
	if len(b) >= 32 {
		h, b = hashBlocks(seed, b)
	}
	h += n
	for ; len(b) >= 8; b = b[8:] {
		h = bits.RotateLeft64(h^lane(0, binary.LittleEndian.Uint64(b)), 27)*prime1 + prime4
	}
	if len(b) >= 4 {
		h = bits.RotateLeft64(h^uint64(binary.LittleEndian.Uint32(b))*prime1, 23)*prime2 + prime3
		b = b[4:]
	}
	for _, c := range b {
		h = bits.RotateLeft64(h^uint64(c)*prime5, 11) * prime1
	}
	return avalanche(h)
}

// hashBlocks folds all whole blocks of 32 bytes, in four independent lanes, and gives the rest.
func hashBlocks(seed uint64, b []byte) (uint64, []byte) {
	v1, v2, v3, v4 := seed+prime1, seed, seed, seed
	v1 += prime2
	v2 += prime2
	v4 -= prime1
	for ; len(b) >= 32; b = b[32:] {
		v1 = lane(v1, binary.LittleEndian.Uint64(b))
		v2 = lane(v2, binary.LittleEndian.Uint64(b[8:]))
		v3 = lane(v3, binary.LittleEndian.Uint64(b[16:]))
		v4 = lane(v4, binary.LittleEndian.Uint64(b[24:]))
	}
	h := bits.RotateLeft64(v1, 1) + bits.RotateLeft64(v2, 7) +
		bits.RotateLeft64(v3, 12) + bits.RotateLeft64(v4, 18)
	for _, v := range [...]uint64{v1, v2, v3, v4} {
		h = (h^lane(0, v))*prime1 + prime4
	}
	return h, b
}

// lane takes eight bytes into a lane.
func lane(v, input uint64) uint64 { return bits.RotateLeft64(v+input*prime2, 31) * prime1 }

// avalanche lets every bit of h touch all others.
func avalanche(h uint64) uint64 {
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// hashInteger is Hash of the eight bytes of x, lowest first.
func hashInteger(seed, x uint64) uint64 {
	h := seed + prime5 + 8
	return avalanche(bits.RotateLeft64(h^lane(0, x), 27)*prime1 + prime4)
}

// Partition deals a hash to one of n partitions, 0 to n-1: the upper half of the product of both. It
// looks at the high bits of the hash, so whoever splits a partition's keys further takes low ones.
// With n below 2 the answer is 0.
func Partition(hash uint64, n int) int {
	hi, _ := bits.Mul64(hash, uint64(max(n, 1)))
	return int(hi)
}
