package codec

import "encoding/binary"

// appendUvarint writes x in groups of seven bits, lowest first.
func appendUvarint(dst []byte, x uint64) []byte {
	if x < 0x80 {
		return append(dst, byte(x))
	}
	return binary.AppendUvarint(dst, x)
}

// appendVarint writes x with its sign in the lowest bit, so that small numbers are short on both
// sides of zero.
func appendVarint(dst []byte, x int64) []byte {
	return appendUvarint(dst, zigzag(x))
}

func zigzag(x int64) uint64   { return uint64(x)<<1 ^ uint64(x>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// decodeUvarint reads what appendUvarint wrote, and nothing that it would have written otherwise.
// Most are one byte, so that part is small enough to be inlined.
func decodeUvarint(src []byte) (x uint64, rest []byte, err error) {
	if len(src) > 0 && src[0] < 0x80 {
		return uint64(src[0]), src[1:], nil
	}
	return decodeLong(src)
}

func decodeLong(src []byte) (x uint64, rest []byte, err error) {
	x, n := binary.Uvarint(src)
	switch {
	case n == 0:
		return 0, src, errShort
	case n < 0, src[n-1] == 0:
		return 0, src, errVarint
	}
	return x, src[n:], nil
}

// decodeVarint reads what appendVarint wrote.
func decodeVarint(src []byte) (x int64, rest []byte, err error) {
	u, rest, err := decodeUvarint(src)
	return unzigzag(u), rest, err
}

// decodeChunk reads a length and so many bytes, which it does not copy.
func decodeChunk(src []byte) (chunk, rest []byte, err error) {
	n, rest, err := decodeUvarint(src)
	if err != nil {
		return nil, src, err
	}
	if n > uint64(len(rest)) {
		return nil, src, errShort
	}
	return rest[:n], rest[n:], nil
}

// decodeCount reads a number of elements of at least least bytes each, which was written as one more
// than it is; it is -1 for nil. A number of elements for which the rest of the input, less its last
// reserve bytes, has no room is an error, so that nothing is allocated for it. With a least of 0,
// where elements take no memory either, every number that is an int will do.
func decodeCount(src []byte, least, reserve int) (n int, rest []byte, err error) {
	u, rest, err := decodeUvarint(src)
	if err != nil {
		return 0, src, err
	}
	if least > 0 && u > 0 && u-1 > uint64(max(len(rest)-reserve, 0)/least) {
		return 0, src, errShort
	}
	if u > 1<<(intBits-1) {
		return 0, src, errRange
	}
	return int(u) - 1, rest, nil
}
