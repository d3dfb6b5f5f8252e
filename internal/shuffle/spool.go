package shuffle

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/weirstream/weir/internal/block"
)

// frameLen is about how many bytes of rows lie in one frame of a file. A merge holds one frame of each file that it
// reads.
const frameLen = 32 << 10

// A spool is a file that rows are written to, several streams of them at the same time.
type spool struct {
	sp   *Space
	disk *block.Disk
	f    *block.File
	w    *block.FrameWriter
	at   int64
}

// spool makes a file that goes with the space.
func (sp *Space) spool() *spool {
	s, err := newSpool(sp.Disk)
	sp.must(err)
	s.sp = sp
	sp.holds(s)
	return s
}

func newSpool(disk *block.Disk) (*spool, error) {
	f, err := disk.Create("shuffle")
	if err != nil {
		return nil, spoolError(err)
	}
	return &spool{disk: disk, f: f, w: block.NewFrameWriter(f)}, nil
}

func spoolError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write what does not fit into weir.memory.budget: %w", err)
}

// frame writes a frame and gives its place.
func (s *spool) frame(raw []byte, rows int) (span, error) {
	from := s.at
	end, err := s.w.Frame(raw)
	s.at = end
	s.disk.Count(end - from)
	return span{from, end, rows}, spoolError(err)
}

// flush makes all frames readable and lets the writer's memory go.
func (s *spool) flush() error {
	if s.w == nil {
		return nil
	}
	err := s.w.Flush()
	s.w = nil
	return spoolError(err)
}

// keep ends the writing and gives the file's name to somebody who removes it.
func (s *spool) keep() (string, error) {
	err := errors.Join(s.flush(), s.f.Close())
	if err != nil {
		_ = os.Remove(s.f.Name())
	}
	s.sp.lets(s)
	return s.f.Name(), err
}

// Close removes the file.
func (s *spool) Close() error {
	s.sp.lets(s)
	_ = s.f.Close()
	return os.Remove(s.f.Name())
}

// A span is a piece of a spool.
type span struct {
	from, to int64
	rows     int
}

// A stream is rows of a spool that are read in the order in which they were written. A row is written by appending it
// to what begin gives and handing the result to end. A frame begins with its number of rows, for rows of empty types
// take no bytes.
type stream struct {
	to    *spool
	raw   []byte
	n     int // rows in raw
	rows  int
	bytes int64
	spans []span
}

const frameHead = 4

func (s *stream) begin() []byte {
	if s.n == 0 {
		s.raw = append(s.raw[:0], 0, 0, 0, 0)
	}
	return s.raw
}

func (s *stream) end(raw []byte) error {
	s.raw = raw
	s.n++
	s.rows++
	if len(raw) >= frameLen {
		return s.flush()
	}
	return nil
}

// flush writes what was begun.
func (s *stream) flush() error {
	if s.n == 0 {
		return nil
	}
	binary.LittleEndian.PutUint32(s.raw, uint32(s.n))
	at, err := s.to.frame(s.raw, s.n)
	if err != nil {
		return err
	}
	s.bytes += int64(len(s.raw))
	s.n, s.spans = 0, joinSpan(s.spans, at)
	return nil
}

// finish flushes and lets the buffer go.
func (s *stream) finish() error {
	err := s.flush()
	s.raw = nil
	return err
}

// joinSpan appends a span, or makes the last one longer.
func joinSpan(spans []span, s span) []span {
	if last := len(spans) - 1; last >= 0 && spans[last].to == s.from {
		spans[last].to = s.to
		spans[last].rows += s.rows
		return spans
	}
	return append(spans, s)
}

// A spanReader reads the frames of spans one after the other.
type spanReader struct {
	f      *block.File
	spans  []span
	frames *block.FrameReader
	open   bool // the first span is being read
}

// next gives the rows of the next frame and their number, which is 0 at the end. Their memory is their own.
func (r *spanReader) next() (src []byte, rows int, err error) {
	for len(r.spans) > 0 {
		if !r.open {
			in := io.NewSectionReader(r.f, r.spans[0].from, r.spans[0].to-r.spans[0].from)
			if r.open = true; r.frames == nil {
				r.frames = block.NewFrameReader(in)
			} else {
				r.frames.Reset(in)
			}
		}
		src, err = r.frames.Next()
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, block.ErrDamaged):
			r.open, r.spans = false, r.spans[1:]
			continue
		case err != nil:
			return nil, 0, fmt.Errorf("read a shuffle's file: %w", block.Damaged(r.f.Name(), err))
		case len(src) < frameHead:
			return nil, 0, fmt.Errorf("read a shuffle's file: %w", block.Damaged(r.f.Name(),
				fmt.Errorf("%w: a frame of %d bytes", block.ErrDamaged, len(src))))
		}
		return src[frameHead:], int(binary.LittleEndian.Uint32(src)), nil
	}
	return nil, 0, nil
}
