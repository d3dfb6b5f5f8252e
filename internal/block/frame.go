package block

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/pierrec/lz4/v4"
)

// What is written to disk is frames: records one behind the other, about frameBytes of them, in one lz4 block. A frame
// begins with three numbers of four bytes, little endian: the length of its records, that of what follows, and the
// CRC-32C of what follows. Where lz4 saves nothing both lengths are equal and the records follow as they are. Files
// live as long as their process, so that the form may change.
const (
	frameBytes  = 64 << 10
	frameHeader = 12
	frameMax    = 1 << 30
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A FrameWriter writes records.
type FrameWriter struct {
	w      *bufio.Writer
	lz     lz4.Compressor
	raw    []byte
	stored []byte
	bytes  int64
}

// NewFrameWriter writes to w. Flush must be called at the end.
func NewFrameWriter(w io.Writer) *FrameWriter {
	return &FrameWriter{w: bufio.NewWriterSize(w, 64<<10)}
}

// Append writes the record that f appends to its argument.
func (f *FrameWriter) Append(record func(dst []byte) ([]byte, error)) error {
	raw, err := record(f.raw)
	if err != nil {
		return err
	}
	f.raw = raw
	if len(raw) >= frameBytes {
		return f.frame(f.raw)
	}
	return nil
}

// Frame writes records that were collected elsewhere as a frame of their own, and gives the offset behind it.
func (f *FrameWriter) Frame(raw []byte) (offset int64, err error) {
	if _, err = f.Cut(); err == nil {
		err = f.frame(raw)
	}
	return f.bytes, err
}

// Cut ends the frame, so that a reader may begin behind it, at the offset that is given.
func (f *FrameWriter) Cut() (offset int64, err error) {
	if len(f.raw) > 0 {
		err = f.frame(f.raw)
	}
	return f.bytes, err
}

func (f *FrameWriter) frame(raw []byte) error {
	if len(raw) > frameMax {
		return fmt.Errorf("a record of %d bytes is too large for the disk: at most %d", len(raw), frameMax)
	}
	stored := raw
	n, err := f.lz.CompressBlock(raw, f.room(len(raw)))
	if err == nil && n > 0 && n < len(raw) { // Otherwise it would save nothing.
		stored = f.stored[:n]
	}
	var header [frameHeader]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(raw)))
	binary.LittleEndian.PutUint32(header[4:], uint32(len(stored)))
	binary.LittleEndian.PutUint32(header[8:], crc32.Checksum(stored, castagnoli))
	f.raw = f.raw[:0]
	f.bytes += int64(frameHeader + len(stored))
	if _, err := f.w.Write(header[:]); err != nil {
		return err
	}
	_, err = f.w.Write(stored)
	return err
}

// room is memory for what lz4 makes of n bytes.
func (f *FrameWriter) room(n int) []byte {
	if need := lz4.CompressBlockBound(n); cap(f.stored) < need {
		f.stored = make([]byte, need)
	}
	return f.stored[:cap(f.stored)]
}

// Flush writes what is left.
func (f *FrameWriter) Flush() error {
	if _, err := f.Cut(); err != nil {
		return err
	}
	return f.w.Flush()
}

// A FrameReader reads what a FrameWriter wrote.
type FrameReader struct {
	r      *bufio.Reader
	stored []byte
}

// NewFrameReader reads from r.
func NewFrameReader(r io.Reader) *FrameReader {
	// A small buffer is enough for headers: what is larger is read past it. Merges have many readers at a time.
	return &FrameReader{r: bufio.NewReaderSize(r, 4<<10)}
}

// Reset goes on with r.
func (f *FrameReader) Reset(r io.Reader) { f.r.Reset(r) }

// ErrDamaged says that a file does not hold what was written to it.
var ErrDamaged = errors.New("the file is damaged")

// Next gives the records of the next frame, in memory of their own, or io.EOF.
func (f *FrameReader) Next() ([]byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(f.r, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends within a frame", ErrDamaged)
		}
		return nil, err
	}
	size, length := binary.LittleEndian.Uint32(header[:]), binary.LittleEndian.Uint32(header[4:])
	if size > frameMax || length > size {
		return nil, fmt.Errorf("%w: a frame of %d bytes for %d", ErrDamaged, length, size)
	}
	if uint32(cap(f.stored)) < length {
		f.stored = make([]byte, length)
	}
	stored := f.stored[:length]
	if length == size {
		stored = make([]byte, length)
	}
	if _, err := io.ReadFull(f.r, stored); err != nil {
		return nil, fmt.Errorf("%w: it ends within a frame (%w)", ErrDamaged, err)
	}
	if sum := crc32.Checksum(stored, castagnoli); sum != binary.LittleEndian.Uint32(header[8:]) {
		return nil, fmt.Errorf("%w: a frame has another checksum", ErrDamaged)
	}
	if length == size {
		return stored, nil
	}
	raw := make([]byte, size)
	if n, err := lz4.UncompressBlock(stored, raw); err != nil || n != len(raw) {
		return nil, fmt.Errorf("%w: a frame does not decompress (%v)", ErrDamaged, err)
	}
	return raw, nil
}
