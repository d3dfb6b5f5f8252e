package recordbatch

import (
	"bytes"
	"encoding/binary"
	"iter"

	"github.com/klauspost/compress/snappy"
)

// snappyFrame begins the frame of the Java library; a version and the least compatible one, int32 each,
// follow. No plain block begins like this: after a length the first element would be a copy of nothing.
var snappyFrame = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

// snappyFrameHeader is the size of the frame's header with both versions.
const snappyFrameHeader = 16

// unsnappy decompresses either the plain block that most clients send, or the frame of the Java client's
// library: a header, then blocks with their lengths before them.
func unsnappy(src []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(src, snappyFrame) {
		n, err := snappySize(src)
		if err != nil {
			return nil, err
		}
		if n > limit {
			return nil, errTooLarge
		}
		return snappy.Decode(make([]byte, n), src)
	}
	// Two walks: one for the size of all blocks, one to decompress each to its place.
	total := 0
	for block, err := range snappyBlocks(src) {
		if err != nil {
			return nil, err
		}
		n, err := snappySize(block)
		if err != nil {
			return nil, err
		}
		if total += n; total > limit {
			return nil, errTooLarge
		}
	}
	buf, at := make([]byte, total), 0
	for block := range snappyBlocks(src) {
		n, _ := snappy.DecodedLen(block) // the first walk has seen it
		if _, err := snappy.Decode(buf[at:at+n:at+n], block); err != nil {
			return nil, err
		}
		at += n
	}
	return buf, nil
}

// snappyBlocks gives the blocks of a Java frame.
func snappyBlocks(src []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(src) < snappyFrameHeader {
			yield(nil, errCut)
			return
		}
		for rest := src[snappyFrameHeader:]; len(rest) > 0; {
			if len(rest) < 4 {
				yield(nil, errCut)
				return
			}
			n := int64(binary.BigEndian.Uint32(rest))
			if n > int64(len(rest)-4) {
				yield(nil, errCut)
				return
			}
			if !yield(rest[4:4+n], nil) {
				return
			}
			rest = rest[4+n:]
		}
	}
}

// snappySize is the decompressed size that a block declares. The most that snappy can do is a copy of
// 64 bytes from an element of 3: a block that declares more is forged, and gets no memory.
func snappySize(block []byte) (int, error) {
	n, err := snappy.DecodedLen(block)
	if err == nil && n > 22*len(block) {
		err = snappy.ErrCorrupt
	}
	return n, err
}
