package checkpoint

import (
	"context"
	"io"

	"github.com/weirstream/weir/internal/vfs"
)

// A Place is where rows that follow each other lie in a segment of panes of elements, in which each row is a frame.
type Place struct {
	source         stateSource
	offset, length int64
	first, frames  int64
}

// PlaceRows gives the rows of a run, or of deltas, of panes of elements, in order, each with its place. check looks at
// each segment's head before its rows.
func PlaceRows(ctx context.Context, fsys vfs.FS, dir string, run StateRun, deltas []Delta,
	check func(StateHead) error, take func(StateRow, Place) error) error {
	sources := run.sources()
	for _, d := range deltas {
		sources = append(sources, d.sources()...)
	}
	for _, s := range sources {
		err := s.frames(ctx, fsys, dir, check, func(r *SegmentReader, f Frame) error {
			at := Place{source: s, offset: f.Offset, length: f.Length(), first: f.Sequence, frames: 1}
			return r.rows(f, func(row StateRow) error { return take(row, at) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// And gives the place of the rows of p and those of q, if these follow.
func (p Place) And(q Place) (Place, bool) {
	switch {
	case p.frames == 0:
		return q, true
	case p.source.file != q.source.file || p.first+p.frames != q.first || p.offset+p.length != q.offset,
		p.source.inline != nil && &p.source.inline[0] != &q.source.inline[0]:
		return p, false
	}
	p.length, p.frames = p.length+q.length, p.frames+q.frames
	return p, true
}

// Rows gives the rows that lie there to take. They share memory with nothing that is used again.
func (p Place) Rows(ctx context.Context, fsys vfs.FS, dir string, take func(StateRow) error) error {
	if p.frames == 0 {
		return nil
	}
	r, err := p.open(ctx, fsys, dir)
	if err != nil {
		return err
	}
	defer r.Close()
	for range p.frames {
		f, err := r.Read()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == nil {
			err = r.rows(f, take)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p Place) open(ctx context.Context, fsys vfs.FS, dir string) (*SegmentReader, error) {
	before := p.first + p.frames
	if p.source.inline == nil {
		part := File{Name: p.source.file.Name, Offset: p.offset, Length: p.length}
		return OpenFrames(ctx, fsys, dir, part, p.first, before)
	}
	r := readInline(p.source.name(dir), p.source.inline[p.offset:p.offset+p.length], Need{Before: before})
	r.at, r.next = p.offset, p.first
	return r, nil
}
