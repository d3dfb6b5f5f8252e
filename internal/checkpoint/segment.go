package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/weirstream/weir/internal/vfs"
)

// A segment is a file of frames: docs/FORMAT.md, "Segments".
const (
	segmentMagic   = "WEIRSEG\n"
	segmentVersion = 1
	segmentFixed   = len(segmentMagic) + 4 + 4 + 8 + 8 + 4 // before the text about the segment
	frameHead      = 4 + 4 + 8
	frameMax       = 1 << 30
	aboutMax       = 1 << 20
	endLength      = 0xffffffff
)

// Kinds of segments.
const (
	Received uint32 = 1 + iota // blocks of received records
	Deltas                     // changes of states
	Snapshot                   // a whole state
)

var kindNames = map[uint32]string{Received: "received records", Deltas: "changes of states", Snapshot: "a state"}

// A SegmentHead is what a segment begins with.
type SegmentHead struct {
	Kind uint32
	// Number counts the segments of an owner from 0 on.
	Number int64
	// First is the sequence of the first frame.
	First int64
	// About says more, as JSON: job, epoch, operator, schema.
	About json.RawMessage
}

func (h SegmentHead) append(b []byte) []byte {
	from := len(b)
	b = append(b, segmentMagic...)
	b = binary.LittleEndian.AppendUint32(b, segmentVersion)
	b = binary.LittleEndian.AppendUint32(b, h.Kind)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.Number))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.First))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.About)))
	b = append(b, h.About...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[from:], castagnoli))
}

// appendFrame appends a frame; a length of endLength is the end of a segment.
func appendFrame(b []byte, sequence int64, length uint32, payload []byte) []byte {
	from := len(b)
	b = binary.LittleEndian.AppendUint32(b, length)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(sequence))
	b = append(b, payload...)
	binary.LittleEndian.PutUint32(b[from+4:], frameSum(b[from:from+frameHead], payload))
	return b
}

// frameSum is the checksum of a frame: of all of it but the checksum itself.
func frameSum(head, payload []byte) uint32 {
	sum := crc32.Update(crc32.Checksum(head[:4], castagnoli), castagnoli, head[8:frameHead])
	return crc32.Update(sum, castagnoli, payload)
}

// A SegmentWriter writes a segment to whatever takes it.
type SegmentWriter struct {
	w      io.Writer
	next   int64
	length int64
	sum    uint32
	buf    []byte
}

// NewSegmentWriter writes the head.
func NewSegmentWriter(w io.Writer, h SegmentHead) (*SegmentWriter, error) {
	if len(h.About) > aboutMax {
		return nil, fmt.Errorf("what is said about a segment has %d bytes, and may have %d", len(h.About), aboutMax)
	}
	s := &SegmentWriter{w: w, next: h.First}
	return s, s.write(h.append(nil))
}

func (s *SegmentWriter) write(b []byte) error {
	s.sum = crc32.Update(s.sum, castagnoli, b)
	s.length += int64(len(b))
	_, err := s.w.Write(b)
	return err
}

// Frame writes a frame.
func (s *SegmentWriter) Frame(payload []byte) error {
	if len(payload) > frameMax {
		return tooLarge(payload)
	}
	s.buf = appendFrame(s.buf[:0], s.next, uint32(len(payload)), payload)
	s.next++
	return s.write(s.buf)
}

func tooLarge(payload []byte) error {
	return fmt.Errorf("a frame of %d bytes is too large for a segment: at most %d", len(payload), frameMax)
}

// End writes the end, and tells length and checksum of the segment.
func (s *SegmentWriter) End() (length int64, sum uint32, err error) {
	err = s.write(appendFrame(nil, s.next, endLength, nil))
	return s.length, s.sum, err
}

// WriteSegment writes a segment that is published whole, with its end. frames calls its argument for each frame.
func WriteSegment(ctx context.Context, fsys vfs.FS, dir, name string, h SegmentHead,
	frames func(frame func(payload []byte) error) error) (File, error) {
	w, err := fsys.Create(ctx, vfs.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer w.Abort()
	buffered := bufio.NewWriterSize(w, 64<<10)
	s, err := NewSegmentWriter(buffered, h)
	if err == nil {
		err = frames(s.Frame)
	}
	if err != nil {
		return File{}, err
	}
	f := File{Name: name}
	f.Length, f.Sum, err = s.End()
	if err := errors.Join(err, buffered.Flush()); err != nil {
		return File{}, err
	}
	p, err := w.Finish()
	if err != nil {
		return File{}, err
	}
	if err := fsys.Publish(ctx, p); err != nil {
		_ = fsys.Discard(context.WithoutCancel(ctx), p)
		return File{}, err
	}
	return f, nil
}

// A Frame is one of a segment.
type Frame struct {
	Sequence int64
	// File is the name of its file in the checkpoint's folder, where it was read as one of a series.
	File string
	// Offset is where it begins in its file.
	Offset  int64
	Payload []byte
}

// Length is how many bytes it has in its file.
func (f Frame) Length() int64 { return int64(frameHead + len(f.Payload)) }

// Need says how much of a segment must be there.
type Need struct {
	// Whole asks for a segment with its end.
	Whole bool
	// Before is the sequence up to which, exclusively, all frames must be there.
	Before int64
}

// A SegmentReader reads a segment.
type SegmentReader struct {
	Head SegmentHead
	name string
	file vfs.File
	r    *bufio.Reader
	need Need

	at     int64
	next   int64
	sum    *summing // nil if the checksum of the whole is not asked for
	torn   bool
	ended  bool
	failed error
}

// summing sums what is read.
type summing struct {
	io.Reader
	sum uint32
}

// Read implements io.Reader.
func (s *summing) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.sum = crc32.Update(s.sum, castagnoli, b[:n])
	return n, err
}

// OpenSegment opens a segment for reading. Where nothing of a segment must be there, one whose head was cut is an empty
// one.
func OpenSegment(ctx context.Context, fsys vfs.FS, name string, kind uint32, need Need) (*SegmentReader, error) {
	f, err := fsys.Open(ctx, name, 0, -1)
	if err != nil {
		return nil, err
	}
	s := &SegmentReader{name: name, file: f, need: need}
	if need.Whole {
		s.sum = &summing{Reader: f}
		s.r = bufio.NewReaderSize(s.sum, 64<<10)
	} else {
		s.r = bufio.NewReaderSize(f, 64<<10)
	}
	if err := s.readHead(kind); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, nil
}

// Close closes the file.
func (s *SegmentReader) Close() error { return s.file.Close() }

// Torn tells, at the end, that the segment ended with a part of a frame, which was never said to be there.
func (s *SegmentReader) Torn() bool { return s.torn }

// Next is the sequence that the next frame has, or would have.
func (s *SegmentReader) Next() int64 { return s.next }

func (s *SegmentReader) damage(format string, args ...any) error {
	return &DamageError{File: s.name, Offset: s.at, What: fmt.Sprintf(format, args...), Remedy: fromCopy}
}

func (s *SegmentReader) readHead(kind uint32) error {
	fixed := make([]byte, segmentFixed)
	n, err := io.ReadFull(s.r, fixed)
	if err != nil {
		return s.tornHead(fixed[:n], err)
	}
	if string(fixed[:len(segmentMagic)]) != segmentMagic {
		return s.tornHead(fixed, errors.New("it does not begin as a segment does"))
	}
	b := fixed[len(segmentMagic):]
	size := binary.LittleEndian.Uint32(b[24:])
	if size > aboutMax {
		return s.tornHead(fixed, fmt.Errorf("its head would have %d bytes", size))
	}
	rest := make([]byte, size+4)
	if n, err := io.ReadFull(s.r, rest); err != nil {
		return s.tornHead(append(fixed, rest[:n]...), err)
	}
	all := append(fixed, rest...)
	if crc32.Checksum(all[:len(all)-4], castagnoli) != binary.LittleEndian.Uint32(all[len(all)-4:]) {
		return s.tornHead(all, errors.New("its head has another checksum"))
	}
	if v := binary.LittleEndian.Uint32(b); v != segmentVersion {
		return &VersionError{File: s.name, Kind: "segment", Version: int64(v), Known: segmentVersion}
	}
	s.Head = SegmentHead{Kind: binary.LittleEndian.Uint32(b[4:]), Number: int64(binary.LittleEndian.Uint64(b[8:])),
		First: int64(binary.LittleEndian.Uint64(b[16:])), About: rest[:size]}
	if s.Head.Kind != kind {
		return s.damage("it is a segment of %s (kind %d), not of %s", kindNames[s.Head.Kind], s.Head.Kind,
			kindNames[kind])
	}
	s.next, s.at = s.Head.First, int64(len(all))
	return nil
}

// tornHead takes a segment whose head is not whole for one that nothing was ever written to, if that may be.
func (s *SegmentReader) tornHead(read []byte, why error) error {
	if s.need.Whole || s.need.Before > 0 {
		return s.damage("its head is not whole: %v", why)
	}
	s.next = -1
	return s.cut(read, why)
}

// Read gives the next frame, whose payload is the caller's, or io.EOF at the end.
func (s *SegmentReader) Read() (Frame, error) {
	if s.failed == nil && (s.torn || s.ended) {
		s.failed = io.EOF
	}
	if s.failed != nil {
		return Frame{}, s.failed
	}
	f, err := s.read()
	s.failed = err
	return f, err
}

func (s *SegmentReader) read() (Frame, error) {
	head := make([]byte, frameHead)
	n, err := io.ReadFull(s.r, head)
	switch {
	case err == io.EOF && !s.need.Whole && s.next >= s.need.Before:
		return Frame{}, io.EOF
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		return Frame{}, s.bad(head[:n], "the file ends within frame %d")
	case err != nil:
		return Frame{}, err
	}
	length := binary.LittleEndian.Uint32(head)
	if length == endLength {
		return Frame{}, s.end(head)
	}
	if length > frameMax {
		return Frame{}, s.bad(head, "frame %d has no possible length")
	}
	payload, err := s.payload(int(length))
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return Frame{}, s.bad(append(head, payload...), "the file ends within frame %d")
	}
	if err != nil {
		return Frame{}, err
	}
	if frameSum(head, payload) != binary.LittleEndian.Uint32(head[4:]) {
		return Frame{}, s.bad(append(head, payload...), "frame %d has another checksum")
	}
	if got := int64(binary.LittleEndian.Uint64(head[8:])); got != s.next {
		return Frame{}, s.damage("frame %d is where frame %d should be", got, s.next)
	}
	f := Frame{Sequence: s.next, Offset: s.at, Payload: payload}
	s.at += int64(frameHead + len(payload))
	s.next++
	return f, nil
}

// payload reads as many bytes as are there, and takes no more memory than that.
func (s *SegmentReader) payload(n int) ([]byte, error) {
	if n <= 1<<20 {
		b := make([]byte, n)
		n, err := io.ReadFull(s.r, b)
		return b[:n], err
	}
	var b bytes.Buffer
	_, err := io.CopyN(&b, s.r, int64(n))
	return b.Bytes(), err
}

func (s *SegmentReader) end(head []byte) error {
	if frameSum(head, nil) != binary.LittleEndian.Uint32(head[4:]) {
		return s.bad(head, "the end, at frame %d, has another checksum")
	}
	if got := int64(binary.LittleEndian.Uint64(head[8:])); got != s.next || s.next < s.need.Before {
		return s.damage("it ends at frame %d, and frame %d should be there", got, s.next)
	}
	if _, err := s.r.ReadByte(); err != io.EOF {
		return s.damage("something follows its end")
	}
	s.ended = true
	return io.EOF
}

// bad is what becomes of a frame that is not whole: an error if it must be there, or if it is not the last.
func (s *SegmentReader) bad(read []byte, format string) error {
	if s.need.Whole || s.next < s.need.Before {
		return s.damage(format, s.next)
	}
	if err := s.cut(read, fmt.Errorf(format, s.next)); err != nil {
		return err
	}
	return io.EOF
}

// cut ends the reading at what is not whole, if nothing behind it is.
func (s *SegmentReader) cut(read []byte, why error) error {
	rest, err := io.ReadAll(io.LimitReader(s.r, frameMax))
	if err != nil {
		return err
	}
	rest = append(read, rest...)
	for i := 1; i+frameHead <= len(rest); i++ {
		if s.wholeAt(rest[i:], int64(len(rest))) {
			return s.damage("%v, and there is a whole one behind it, at offset %d", why, s.at+int64(i))
		}
	}
	s.torn = true
	return nil
}

// wholeAt tells whether a frame begins here that may follow the one that is not whole.
func (s *SegmentReader) wholeAt(b []byte, room int64) bool {
	length, sequence := binary.LittleEndian.Uint32(b), int64(binary.LittleEndian.Uint64(b[8:]))
	if sequence < 0 || s.next >= 0 && (sequence <= s.next || sequence > s.next+room) {
		return false
	}
	if length == endLength {
		length = 0
	}
	if int64(length) > int64(len(b)-frameHead) {
		return false
	}
	return frameSum(b, b[frameHead:frameHead+int(length)]) == binary.LittleEndian.Uint32(b[4:])
}

// OpenFrames opens a part of a segment for reading: frames from the sequence first on, all of which before the sequence
// before must be there.
func OpenFrames(ctx context.Context, fsys vfs.FS, dir string, part File, first, before int64) (*SegmentReader, error) {
	name := vfs.Join(dir, part.Name)
	f, err := fsys.Open(ctx, name, part.Offset, part.Length)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{File: name, Offset: part.Offset, Remedy: fromCopy, Cause: err,
			What: fmt.Sprintf("the file is not there, and frame %d of it is needed", first)}
	}
	if err != nil {
		return nil, err
	}
	return &SegmentReader{name: name, file: f, r: bufio.NewReaderSize(f, 64<<10), need: Need{Before: before},
		at: part.Offset, next: first}, nil
}
