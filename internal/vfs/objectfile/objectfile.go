// Package objectfile is the file that keeps values: docs/FORMAT.md, "Object files".
package objectfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/pierrec/lz4/v4"

	"github.com/weirstream/weir/codec"
)

// Version is the version of the format.
const Version = 1

const (
	magic      = "WEIROBJ\n"
	fixedBytes = len(magic) + 12 // before the schema
	frameHead  = 16
	endBytes   = 16
	// A frame ends with the record that takes it to this size, or this number.
	frameBytes  = 64 << 10
	frameValues = 1 << 20
	frameMax    = 1 << 30
	schemaMax   = 1 << 20
	// lz4Ratio is how much larger than its lz4 block a frame can be, and a little more.
	lz4Ratio = 256
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Writer writes one file. Equal values give equal bytes.
type Writer struct {
	w      *bufio.Writer
	lz     lz4.Compressor
	raw    []byte
	stored []byte
	count  uint32
	frames uint64
	values uint64
	plain  bool
}

// Plain has the following frames stored as they are.
func (o *Writer) Plain(plain bool) { o.plain = plain }

// NewWriter begins a file of values of the given schema.
func NewWriter(w io.Writer, schema string) (*Writer, error) {
	if len(schema) > schemaMax {
		return nil, fmt.Errorf("the schema has %d bytes; at most %d can be written", len(schema), schemaMax)
	}
	head := []byte(magic)
	head = binary.LittleEndian.AppendUint32(head, Version)
	head = binary.LittleEndian.AppendUint32(head, codec.Version)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(schema)))
	head = append(head, schema...)
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	o := &Writer{w: bufio.NewWriterSize(w, 128<<10)}
	_, err := o.w.Write(head)
	return o, err
}

// Append writes the value that encode appends to its argument.
func (o *Writer) Append(encode func(dst []byte) ([]byte, error)) error {
	raw, err := encode(o.raw)
	if err != nil {
		return err
	}
	o.raw = raw
	o.count++
	if len(raw) >= frameBytes || o.count >= frameValues {
		return o.frame()
	}
	return nil
}

func (o *Writer) frame() error {
	if len(o.raw) > frameMax {
		return fmt.Errorf("a value of %d bytes is too large for an object file: at most %d", len(o.raw), frameMax)
	}
	stored := o.raw
	if !o.plain {
		stored = o.compressed()
	}
	if err := o.write(len(o.raw), o.count, stored); err != nil {
		return err
	}
	o.frames++
	o.values += uint64(o.count)
	o.raw, o.count = o.raw[:0], 0
	return nil
}

// compressed gives the frame's values in lz4, or as they are where that saves nothing.
func (o *Writer) compressed() []byte {
	if need := lz4.CompressBlockBound(len(o.raw)); cap(o.stored) < need {
		o.stored = make([]byte, need)
	}
	n, err := o.lz.CompressBlock(o.raw, o.stored[:cap(o.stored)])
	if err != nil || n == 0 || n >= len(o.raw) {
		return o.raw
	}
	return o.stored[:n]
}

func (o *Writer) write(size int, count uint32, stored []byte) error {
	var head [frameHead]byte
	binary.LittleEndian.PutUint32(head[:], uint32(size))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(stored)))
	binary.LittleEndian.PutUint32(head[8:], count)
	sum := crc32.Update(crc32.Checksum(head[:12], castagnoli), castagnoli, stored)
	binary.LittleEndian.PutUint32(head[12:], sum)
	if _, err := o.w.Write(head[:]); err != nil {
		return err
	}
	_, err := o.w.Write(stored)
	return err
}

// Close writes what is left and the end. It does not close what lies below.
func (o *Writer) Close() error {
	if o.count > 0 {
		if err := o.frame(); err != nil {
			return err
		}
	}
	end := binary.LittleEndian.AppendUint64(nil, o.frames)
	if err := o.write(0, 0, binary.LittleEndian.AppendUint64(end, o.values)); err != nil {
		return err
	}
	return o.w.Flush()
}

// Errors of files that cannot be read; the reader's errors wrap them.
var (
	// ErrDamaged says that a file does not hold what was written to it, or was not written to its end.
	ErrDamaged = errors.New("the object file is damaged")
	// ErrForeign says that a file is no object file, or of another version or schema.
	ErrForeign = errors.New("the object file cannot be read as that")
)

// A Reader reads what a Writer wrote.
type Reader struct {
	r      *bufio.Reader
	size   int64 // of the file
	at     int64 // offset of the next frame
	stored []byte
	frames uint64
	values uint64
}

// NewReader reads a file of size bytes, and refuses one of another schema.
func NewReader(r io.Reader, size int64, schema string) (*Reader, error) {
	o := &Reader{r: bufio.NewReaderSize(r, 128<<10), size: size}
	head, err := o.r.Peek(fixedBytes)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(head) < len(magic) || string(head[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: it does not begin as object files do: is it a text file, or Spark's own?",
			ErrForeign)
	case len(head) < fixedBytes:
		return nil, o.torn("its head")
	}
	version, values := binary.LittleEndian.Uint32(head[len(magic):]), binary.LittleEndian.Uint32(head[len(magic)+4:])
	if version != Version || values != codec.Version {
		return nil, fmt.Errorf("%w: it has version %d with values of version %d, and this release reads version %d "+
			"with values of version %d: read it with the release that wrote it, or a later one",
			ErrForeign, version, values, Version, codec.Version)
	}
	length := int64(binary.LittleEndian.Uint32(head[len(magic)+8:]))
	if length > schemaMax || int64(fixedBytes)+length+4 > size {
		return nil, o.torn("its head")
	}
	whole := make([]byte, int64(fixedBytes)+length+4)
	if _, err := io.ReadFull(o.r, whole); err != nil {
		return nil, o.broken("its head", err)
	}
	body, sum := whole[:len(whole)-4], binary.LittleEndian.Uint32(whole[len(whole)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: the checksum of its head is another", ErrDamaged)
	}
	if is := string(body[fixedBytes:]); is != schema {
		return nil, fmt.Errorf("%w: its values are of schema %s, and %s is asked for: read them as the type that was "+
			"written", ErrForeign, is, schema)
	}
	o.at = int64(len(whole))
	return o, nil
}

// Offset is where the next frame begins.
func (o *Reader) Offset() int64 { return o.at }

func (o *Reader) torn(where string) error {
	return fmt.Errorf("%w: it ends within %s, so it was not written to its end", ErrDamaged, where)
}

// broken tells an end that came too early from a failure to read.
func (o *Reader) broken(where string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return o.torn(where)
	}
	return err
}

// Next gives the values of the next frame, one behind the other in memory of their own, and how many they are; io.EOF
// at the end of the file.
func (o *Reader) Next() (raw []byte, count int, err error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(o.r, head[:]); err != nil {
		return nil, 0, o.broken("a frame", err)
	}
	size, length := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	n := binary.LittleEndian.Uint32(head[8:])
	if int64(length) > o.size-o.at-frameHead {
		return nil, 0, o.torn("a frame")
	}
	if cap(o.stored) < int(length) {
		o.stored = make([]byte, length)
	}
	stored := o.stored[:length]
	if length == size {
		stored = make([]byte, length) // The caller's.
	}
	if _, err := io.ReadFull(o.r, stored); err != nil {
		return nil, 0, o.broken("a frame", err)
	}
	sum := crc32.Update(crc32.Checksum(head[:12], castagnoli), castagnoli, stored)
	if sum != binary.LittleEndian.Uint32(head[12:]) {
		return nil, 0, fmt.Errorf("%w: a frame has another checksum", ErrDamaged)
	}
	if n == 0 {
		return nil, 0, o.end(size, stored)
	}
	if size > frameMax || uint64(size) > lz4Ratio*(uint64(length)+1) || length > size {
		return nil, 0, fmt.Errorf("%w: a frame of %d bytes is said to hold %d", ErrDamaged, length, size)
	}
	if length < size {
		raw = make([]byte, size)
		if got, err := lz4.UncompressBlock(stored, raw); err != nil || got != len(raw) {
			return nil, 0, fmt.Errorf("%w: a frame does not decompress (%v)", ErrDamaged, err)
		}
	} else {
		raw = stored
	}
	o.at += frameHead + int64(length)
	o.frames++
	o.values += uint64(n)
	return raw, int(n), nil
}

// end reads the last frame, behind which there is nothing.
func (o *Reader) end(size uint32, stored []byte) error {
	if size != 0 || len(stored) != endBytes {
		return fmt.Errorf("%w: a frame without values is not its end", ErrDamaged)
	}
	frames, values := binary.LittleEndian.Uint64(stored), binary.LittleEndian.Uint64(stored[8:])
	if frames != o.frames || values != o.values {
		return fmt.Errorf("%w: it should hold %d values in %d frames, and holds %d in %d", ErrDamaged, values, frames,
			o.values, o.frames)
	}
	if _, err := o.r.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is more behind its end", ErrDamaged)
	}
	return io.EOF
}

// Each gives decode the frames, one at a time, until it wants no more or fails, and tells whether it had all. Values
// does it.
func (o *Reader) Each(decode func(raw []byte, count int) (more bool, err error)) (all bool, err error) {
	for {
		raw, count, err := o.Next()
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if more, err := decode(raw, count); err != nil || !more {
			return false, err
		}
	}
}

// Values yields the values of a frame until yield gives false, and tells whether it had all.
func Values[T any](raw []byte, count int, decode func(src []byte) (T, []byte, error), yield func(T) bool,
) (more bool, err error) {
	for range count {
		v, rest, err := decode(raw)
		if err != nil {
			return false, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if raw = rest; !yield(v) {
			return false, nil
		}
	}
	return true, left(raw)
}

// left is the error of a frame that holds more than its values.
func left(raw []byte) error {
	if len(raw) > 0 {
		return fmt.Errorf("%w: %d bytes are left of a frame", ErrDamaged, len(raw))
	}
	return nil
}
