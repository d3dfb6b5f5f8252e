package checkpoint

import (
	"context"
	"encoding/json"

	"github.com/weirstream/weir/internal/vfs"
)

// TakeSegments opens a series for its next owner. All frames before the sequence before must be there; visit is called
// for each one from that on. It differs from [OpenSegments] in what becomes of the owner before, who may be alive and
// write, and of frames that were read but may not outlive a power failure, for their writer had not synced them: the
// new owner begins a file at once, and what it read of the last file behind before is copied to its beginning. So
// nothing counts that is written to a file of the owner before from now on, and all that counts is durable.
func TakeSegments(ctx context.Context, fsys vfs.FS, dir, series string, o SegmentsOptions, before int64,
	visit func(Frame) error) (*Segments, error) {
	read, err := OpenSegments(ctx, fsys, dir, series, o, before, before, nil)
	if err != nil {
		return nil, err
	}
	if err := read.begin(ctx, before); err != nil {
		return nil, err
	}
	return OpenSegments(ctx, fsys, dir, series, o, before, before, visit)
}

// begin publishes the first file of this owner, whole, with the frames of the last file from the sequence from on.
func (s *Segments) begin(ctx context.Context, from int64) error {
	head := SegmentHead{Kind: s.opts.Kind, Number: s.number, First: from, About: s.opts.About}
	copied := func(func(payload []byte) error) error { return nil }
	if s.last.name != "" {
		head.First = max(from, s.last.first)
		about, err := s.aboutOf(ctx, s.last)
		if err != nil {
			return err
		}
		if head.First < s.next {
			head.About = about // They were encoded by who wrote them.
		}
		until := s.next
		copied = func(frame func(payload []byte) error) error {
			source := &Segments{fs: s.fs, dir: s.dir, series: s.series, opts: s.opts, next: s.last.first}
			source.opts.Check = nil
			visit := func(f Frame) error { return frame(f.Payload) }
			return source.readFile(ctx, s.last, until, head.First, until, visit)
		}
	}
	name := vfs.Join(s.series, segmentName(s.opts.Epoch, s.number))
	_, err := WriteSegment(ctx, s.fs, s.dir, name, head, copied)
	return err
}

// aboutOf gives what the head of a file says about it.
func (s *Segments) aboutOf(ctx context.Context, f segmentFile) (json.RawMessage, error) {
	r, err := OpenSegment(ctx, s.fs, f.name, s.opts.Kind, Need{})
	if err != nil {
		return nil, err
	}
	return r.Head.About, r.Close()
}
