package recordbatch

import (
	"errors"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// The decoder takes its fast path only where it has room for a whole block and may write some bytes too
// many after it.
const (
	zstdBlock = 128 << 10
	zstdSlack = 16
)

// zstdChecksum is what may follow the last block of a frame.
const zstdChecksum = 4

var errZstdSize = errors.New("zstd: the frames hold more than their headers say")

func (d *decompressor) unzstd(src []byte, limit int) ([]byte, error) {
	size, exact, err := zstdSize(src)
	if err != nil {
		return nil, err
	}
	if exact && size > limit {
		return nil, errTooLarge
	}
	if d.zstd == nil {
		// One decoder each: with a concurrency of 1 there are no goroutines. Its own limit is off, for
		// that refuses a frame with a large window whatever the size of its content.
		dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			return nil, err
		}
		d.zstd = dec
	}
	if exact {
		buf, err := d.zstd.DecodeAll(src, make([]byte, 0, size+zstdSlack))
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			err = errZstdSize
		}
		return buf, err
	}
	room := min(size, limit) + zstdBlock + zstdSlack
	buf, err := d.zstd.DecodeAll(src, slices.Grow(d.scratch[:0], room))
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || len(buf) > limit {
		return nil, errTooLarge
	}
	if err != nil {
		return nil, err
	}
	return d.exact(buf), nil
}

// zstdSize adds up what the frames of src decompress to. The Java client writes no size into its frames;
// their blocks bound it then, all but the last of which are full as a rule, and exact is false. Growing
// while decoding costs a third more.
func zstdSize(src []byte) (size int, exact bool, err error) {
	exact = true
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, false, err
		}
		// Not a record's data by definition; pzstd writes such frames.
		if h.Skippable {
			if int64(h.SkippableSize) > int64(len(src)-h.HeaderSize) {
				return 0, false, errCut
			}
			src = src[h.HeaderSize+int(h.SkippableSize):]
			continue
		}
		room, rest, err := zstdBlocks(src[h.HeaderSize:])
		if err != nil {
			return 0, false, err
		}
		if h.HasCheckSum {
			if len(rest) < zstdChecksum {
				return 0, false, errCut
			}
			rest = rest[zstdChecksum:]
		}
		if !h.HasFCS {
			exact = false
		} else if h.FrameContentSize > uint64(room) {
			return 0, false, errZstdSize // forged: the blocks cannot hold so much
		} else {
			room = int(h.FrameContentSize)
		}
		size += room
		src = rest
	}
	return size, exact, nil
}

// zstdBlocks bounds what the blocks of a frame can decompress to and gives what follows them.
func zstdBlocks(src []byte) (room int, rest []byte, err error) {
	const lastBlock, typeRaw, typeRLE = 1, 0, 1
	for {
		if len(src) < 3 {
			return 0, nil, errCut
		}
		// Three bytes: whether it is the last block, its type, its size.
		header := int(src[0]) | int(src[1])<<8 | int(src[2])<<16
		size := header >> 3 // of the block's bytes here, but for a byte that is repeated
		skip := size
		switch header >> 1 & 3 {
		case typeRaw:
		case typeRLE:
			skip = 1
		default:
			size = zstdBlock
		}
		if skip > len(src)-3 {
			return 0, nil, errCut
		}
		room += min(size, zstdBlock)
		src = src[3+skip:]
		if header&lastBlock != 0 {
			return room, src, nil
		}
	}
}
