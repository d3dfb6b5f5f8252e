package recordbatch

import (
	"encoding/binary"
	"math"
)

// overrun is the position that a failed varint leaves behind. It lies after every buffer, so that each
// later varint fails too and one check after several of them is enough.
const overrun = math.MaxInt / 2

// varint reads the zigzag varint at b[i] and returns it with the position after it. If there is none it
// returns the smallest int64, which no caller accepts as a length, and overrun.
func varint(b []byte, i int) (v int64, next int) {
	if uint(i) >= uint(len(b)) {
		return math.MinInt64, overrun
	}
	var u uint64
	for n, c := range b[i:] {
		if n == 9 && c > 1 {
			break // the tenth byte has room for one bit only
		}
		u |= uint64(c&0x7f) << (7 * n)
		if c < 0x80 {
			return unzigzag(u), i + n + 1
		}
	}
	return math.MinInt64, overrun
}

// short reads a varint of one or two bytes from the low end of w, and tells how many bits it takes: 0 if
// it is longer. Lengths up to 8 KiB and relative offsets up to 8,191 are short. Unlike varint it is
// small enough to be inlined.
func short(w uint64) (v int64, bits int) {
	if w&0x80 == 0 {
		return unzigzag(w & 0x7f), 8
	}
	if w&0x8000 == 0 {
		return unzigzag(w&0x7f | w>>1&0x3f80), 16
	}
	return 0, 0
}

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// head reads the start of the record at b[i]: its size, which counts from at on, and the two deltas
// that come after its attributes, of which none is in use. next is overrun if the start is cut.
func head(b []byte, i int) (size int64, at int, stamp, delta int64, next int) {
	if uint(i) < uint(len(b)) && len(b)-i >= 8 {
		// Nearly all records have short varints here, 7 bytes at most: one load has them all.
		w := binary.LittleEndian.Uint64(b[i:])
		size, n := short(w)
		w >>= n + 8
		stamp, m := short(w)
		w >>= m
		delta, k := short(w)
		if n != 0 && m != 0 && k != 0 {
			at = i + n/8
			return size, at, stamp, delta, at + 1 + m/8 + k/8
		}
	}
	size, at = varint(b, i)
	stamp, next = varint(b, at+1)
	delta, next = varint(b, next)
	return size, at, stamp, delta, next
}

// field reads bytes with their length before them: -1 is a null. ok is false if they do not fit b.
func field(b []byte, i int) (v []byte, next int, ok bool) {
	var n int64
	bits := 0
	if uint(i) < uint(len(b)) && len(b)-i >= 2 {
		n, bits = short(uint64(binary.LittleEndian.Uint16(b[i:])))
	}
	next = i + bits/8
	if bits == 0 {
		n, next = varint(b, i)
	}
	if n < 0 {
		return nil, next, n == -1
	}
	if n > int64(len(b)-next) {
		return nil, next, false
	}
	end := next + int(n)
	return b[next:end:end], end, true
}
