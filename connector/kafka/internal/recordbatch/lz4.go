package recordbatch

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/pierrec/lz4/v4"
)

// Layout of an lz4 frame: magic, flags, block descriptor, optionally the content's size, a checksum of
// the header; then blocks with their length before them, up to one of length 0.
const (
	lz4Magic        = 0x184D2204
	lz4HeaderSize   = 7 // without the content's size
	lz4Uncompressed = 1 << 31
	lz4Window       = 64 << 10

	lz4FlagDictionary      = 0x01
	lz4FlagReserved        = 0x02
	lz4FlagContentChecksum = 0x04
	lz4FlagContentSize     = 0x08
	lz4FlagBlockChecksum   = 0x10
	lz4FlagIndependent     = 0x20
)

var (
	errLZ4Magic      = errors.New("lz4: not a frame")
	errLZ4Header     = errors.New("lz4: a frame header that Kafka's clients do not write")
	errLZ4Size       = errors.New("lz4: the frame is not as long as its header says")
	errLZ4Block      = errors.New("lz4: a block is larger than its frame admits")
	errLZ4Dictionary = errors.New("lz4: the frame needs a dictionary")
)

// lz4Frame is a frame's header.
type lz4Frame struct {
	flags    byte
	blockMax int
	size     int // of the content, -1 if the header does not tell
}

// unlz4 decompresses frames by walking their blocks. None of lz4's own checksums is looked at. The entry's
// CRC covers them and all that they cover; and clients before Kafka 0.10 computed the header's wrongly
// (KAFKA-3160), which other readers stumble over.
func (d *decompressor) unlz4(src []byte, limit int) ([]byte, error) {
	f, rest, err := lz4Header(src)
	if err != nil {
		return nil, err
	}
	if f.size > limit {
		return nil, errTooLarge
	}
	// With the size of the only frame known its blocks go where they stay. The bound is lz4's own: a
	// byte gives 255 at most, and a frame that declares more would ask for memory that it cannot fill.
	if f.size >= 0 && f.size <= 255*len(src) {
		buf, rest, err := f.blocks(make([]byte, 0, f.size), rest, f.size)
		if err != nil || len(rest) == 0 {
			return buf, err
		}
	}
	buf := d.scratch[:0]
	for rest = src; len(rest) > 0; {
		if f, rest, err = lz4Header(rest); err != nil {
			return nil, err
		}
		if f.size > limit-len(buf) {
			return nil, errTooLarge
		}
		if buf, rest, err = f.blocks(buf, rest, limit); err != nil {
			return nil, err
		}
	}
	return d.exact(buf), nil
}

// lz4Header reads a frame's header and gives what follows it.
func lz4Header(src []byte) (f lz4Frame, rest []byte, err error) {
	if len(src) < lz4HeaderSize {
		return f, nil, errCut
	}
	if binary.LittleEndian.Uint32(src) != lz4Magic {
		return f, nil, errLZ4Magic
	}
	f.flags = src[4]
	index := src[5] >> 4 & 7
	switch {
	case f.flags>>6 != 1 || f.flags&lz4FlagReserved != 0 || src[5]&0x8f != 0 || index < 4:
		return f, nil, errLZ4Header
	case f.flags&lz4FlagDictionary != 0:
		return f, nil, errLZ4Dictionary
	}
	f.blockMax = 1 << (8 + 2*index) // 64 KiB, 256 KiB, 1 MiB, 4 MiB
	f.size = -1
	if f.flags&lz4FlagContentSize == 0 {
		return f, src[lz4HeaderSize:], nil
	}
	if len(src) < lz4HeaderSize+8 {
		return f, nil, errCut
	}
	size := binary.LittleEndian.Uint64(src[6:])
	if size > math.MaxInt/2 {
		return f, nil, errLZ4Size
	}
	f.size = int(size)
	return f, src[lz4HeaderSize+8:], nil
}

// blocks appends the frame's content to buf, which may grow to limit bytes, and gives what follows the
// frame.
func (f *lz4Frame) blocks(buf, src []byte, limit int) (out, rest []byte, err error) {
	start := len(buf)
	for {
		// A frame ends with a length of 0; one that just stops is cut, whatever was in it.
		if len(src) < 4 {
			return nil, nil, errCut
		}
		word := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if word == 0 {
			break
		}
		n := int(word &^ lz4Uncompressed)
		trailer := 0
		if f.flags&lz4FlagBlockChecksum != 0 {
			trailer = 4
		}
		if n+trailer > len(src) {
			return nil, nil, errCut
		}
		if n > f.blockMax {
			return nil, nil, errLZ4Block
		}
		if buf, err = f.block(buf, src[:n], word&lz4Uncompressed != 0, start, limit); err != nil {
			return nil, nil, err
		}
		src = src[n+trailer:]
	}
	if f.flags&lz4FlagContentChecksum != 0 {
		if len(src) < 4 {
			return nil, nil, errCut
		}
		src = src[4:]
	}
	if f.size >= 0 && len(buf)-start != f.size {
		return nil, nil, errLZ4Size
	}
	return buf, src, nil
}

// block appends one block to buf, in which the frame's content begins at start.
func (f *lz4Frame) block(buf, src []byte, uncompressed bool, start, limit int) ([]byte, error) {
	at := len(buf)
	if uncompressed {
		if len(src) > limit-at {
			return nil, f.over()
		}
		return append(buf, src...), nil
	}
	// The room is what the block can fill, so that a block cannot run over its frame's maximum.
	room := min(f.blockMax, 255*len(src))
	short := room > limit-at
	room = min(room, limit-at)
	buf = slices.Grow(buf, room)
	// Linked blocks, which Python's lz4 writes, refer to the 64 KiB before them, in their own frame.
	var dict []byte
	if f.flags&lz4FlagIndependent == 0 {
		dict = buf[max(start, at-lz4Window):at]
	}
	n, err := lz4.UncompressBlockWithDict(src, buf[at:at+room:at+room], dict)
	if err != nil && short {
		return nil, f.over() // or damaged: the decoder does not tell which
	}
	if err != nil {
		return nil, err
	}
	return buf[:at+n], nil
}

// over is the error for content that does not end where it must: its own size is the nearer bound.
func (f *lz4Frame) over() error {
	if f.size >= 0 {
		return errLZ4Size
	}
	return errTooLarge
}
