package checkpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/vfs"
)

// States are runs of rows: docs/FORMAT.md, "States".
const (
	stateVersion = 1
	// StateParts is how many parts a large run is cut into.
	StateParts = 16
	// AllParts is the part of a segment that holds all of them.
	AllParts = -1
	// stateFrame is the size at which a frame is ended.
	stateFrame = 256 << 10
)

// A StateHead is what the head of a segment says about the state that it holds.
type StateHead struct {
	Version  int    `json:"version"`
	Codec    int    `json:"codec"`
	Operator string `json:"operator"`
	// Key and Value are schemas.
	Key   string `json:"key"`
	Value string `json:"value"`
	Seed  uint64 `json:"seed,string"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
	Part  int    `json:"part"`
	Base  bool   `json:"base,omitempty"`
	// Panes tells that the rows are those of a window's panes.
	Panes bool `json:"panes,omitempty"`
}

// OfElements tells that the panes hold elements, which have no keys, and not values by key.
func (h StateHead) OfElements() bool { return h.Panes && h.Key == "" }

// A RowKind says what a row does to its key.
type RowKind byte

// The kinds of rows.
const (
	Removed RowKind = 1 + iota // the key is taken out
	Touched                    // nothing but the time of the last touch changed
	Changed                    // another value
	Came                       // a key that was not there
)

// A StateRow is what a run says of a key.
type StateRow struct {
	Kind  RowKind
	Touch int64
	Key   []byte
	Value []byte
}

// Append writes the row.
func (r StateRow) Append(b []byte) []byte {
	b = append(b, byte(r.Kind))
	b = binary.AppendUvarint(b, uint64(len(r.Key)))
	b = append(b, r.Key...)
	if r.Kind == Removed {
		return b
	}
	b = binary.AppendVarint(b, r.Touch)
	if r.Kind == Touched {
		return b
	}
	b = binary.AppendUvarint(b, uint64(len(r.Value)))
	return append(b, r.Value...)
}

var errRow = fmt.Errorf("%w: it holds no row here", codec.ErrCorrupt)

// cutRow reads a row from the front of b, which it shares.
func cutRow(b []byte) (r StateRow, rest []byte, err error) {
	r.Kind = RowKind(b[0])
	if r.Kind < Removed || r.Kind > Came {
		return r, b, fmt.Errorf("%w: a row of kind %d", errRow, r.Kind)
	}
	if r.Key, b, err = cutBytes(b[1:]); err != nil || r.Kind == Removed {
		return r, b, err
	}
	n := 0
	if r.Touch, n = binary.Varint(b); n <= 0 {
		return r, b, fmt.Errorf("%w: a time that is cut", errRow)
	}
	if b = b[n:]; r.Kind == Touched {
		return r, b, nil
	}
	r.Value, b, err = cutBytes(b)
	return r, b, err
}

func cutBytes(b []byte) (chunk, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, b, fmt.Errorf("%w: a length that is not there", errRow)
	}
	end := n + int(size)
	return b[n:end:end], b[end:], nil
}

// statePart is the part of a key.
func statePart(seed uint64, key []byte) int {
	return codec.Partition(codec.Hash(seed, key), StateParts)
}

// A StateWriter collects rows to frames.
type StateWriter struct {
	frame func(payload []byte) error
	buf   []byte
	err   error
}

// Row writes a row.
func (w *StateWriter) Row(r StateRow) {
	if w.buf = r.Append(w.buf); len(w.buf) >= stateFrame {
		w.flush()
	}
}

// Rows writes rows that were appended before, not too many of them.
func (w *StateWriter) Rows(encoded []byte) {
	if w.buf = append(w.buf, encoded...); len(w.buf) >= stateFrame {
		w.flush()
	}
}

// Cut ends the frame.
func (w *StateWriter) Cut() { w.flush() }

// Fail has the writing end with an error.
func (w *StateWriter) Fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *StateWriter) flush() {
	if w.err == nil && len(w.buf) > 0 {
		w.err = w.frame(w.buf)
	}
	w.buf = w.buf[:0]
}

// about gives the head of a segment.
func (h StateHead) about(kind uint32) (SegmentHead, error) {
	h.Version, h.Codec = stateVersion, codec.Version
	text, err := json.Marshal(h)
	return SegmentHead{Kind: kind, About: text}, err
}

// WriteState writes a segment of a state to a file of the checkpoint in dir.
func WriteState(ctx context.Context, fsys vfs.FS, dir, name string, kind uint32, h StateHead,
	rows func(w *StateWriter)) (File, error) {
	head, err := h.about(kind)
	if err != nil {
		return File{}, err
	}
	return WriteSegment(ctx, fsys, dir, name, head, func(frame func(payload []byte) error) error {
		w := &StateWriter{frame: frame}
		rows(w)
		w.flush()
		return w.err
	})
}

// InlineState gives the bytes of a delta that the commit record itself holds.
func InlineState(h StateHead, rows func(w *StateWriter)) ([]byte, error) {
	head, err := h.about(Deltas)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	s, err := NewSegmentWriter(&out, head)
	if err != nil {
		return nil, err
	}
	w := &StateWriter{frame: s.Frame}
	rows(w)
	if w.flush(); w.err != nil {
		return nil, w.err
	}
	_, _, err = s.End()
	return out.Bytes(), err
}

// A stateSource is a segment of a state: a file or what a commit record holds.
type stateSource struct {
	file   File
	inline []byte
	kind   uint32
	where  string // of what is inline
}

// sources are the segments of a delta.
func (d Delta) sources() (all []stateSource) {
	for _, f := range d.Files {
		all = append(all, stateSource{file: f, kind: Deltas})
	}
	if len(d.Inline) > 0 {
		where := fmt.Sprintf("the changes in the commit record of batch %d", d.Sequence)
		all = append(all, stateSource{inline: d.Inline, kind: Deltas, where: where})
	}
	return all
}

// Bytes is how many bytes the delta has.
func (d Delta) Bytes() (n int64) {
	for _, f := range d.Files {
		n += f.Length
	}
	return n + int64(len(d.Inline))
}

// name is what errors call the segment.
func (s stateSource) name(dir string) string {
	if s.inline != nil {
		return s.where
	}
	return vfs.Join(dir, s.file.Name)
}

// bytes is how many bytes the segment has.
func (s stateSource) bytes() int64 { return s.file.Length + int64(len(s.inline)) }

type inlineFile struct{ io.Reader }

func (inlineFile) Close() error            { return nil }
func (inlineFile) Info() (vfs.Info, error) { return vfs.Info{}, nil }

// readInline reads a segment that is in the log. Each batch has some, so the buffer is no larger than they are.
func readInline(name string, data []byte, need Need) *SegmentReader {
	f := inlineFile{bytes.NewReader(data)}
	return &SegmentReader{name: name, file: f, r: bufio.NewReaderSize(f, min(len(data), 4096)), need: need}
}

func (s stateSource) open(ctx context.Context, fsys vfs.FS, dir string) (*SegmentReader, error) {
	if s.inline != nil {
		r := readInline(s.name(dir), s.inline, Need{Whole: true})
		return r, r.readHead(s.kind)
	}
	r, err := OpenSegment(ctx, fsys, s.name(dir), s.kind, Need{Whole: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{File: s.name(dir), What: "the file is not there, and the log names it",
			Remedy: fromCopy, Cause: err}
	}
	if err != nil {
		return nil, err
	}
	info, err := r.file.Info()
	if err == nil && info.Length != s.file.Length {
		err = r.damage("it has %d bytes, and the log says %d", info.Length, s.file.Length)
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// read gives the head to check, then each row to take, in order. Rows share memory with nothing that is used again.
func (s stateSource) read(ctx context.Context, fsys vfs.FS, dir string, check func(StateHead) error,
	take func(StateRow) error) error {
	return s.frames(ctx, fsys, dir, check, func(r *SegmentReader, f Frame) error { return r.rows(f, take) })
}

// frames gives the head to check, then each frame to take, in order.
func (s stateSource) frames(ctx context.Context, fsys vfs.FS, dir string, check func(StateHead) error,
	take func(*SegmentReader, Frame) error) error {
	r, err := s.open(ctx, fsys, dir)
	if err != nil {
		return err
	}
	defer r.Close()
	h, err := r.stateHead()
	if err != nil {
		return err
	}
	if err := check(h); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	for {
		f, err := r.Read()
		if err == io.EOF {
			return s.same(r)
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := take(r, f); err != nil {
			return err
		}
	}
}

// same compares the checksum of a file that was read to its end with the one in the log: a whole file may be another.
func (s stateSource) same(r *SegmentReader) error {
	if r.sum == nil || r.sum.sum == s.file.Sum {
		return nil
	}
	r.at = 0
	return r.damage("its checksum is %08x, and the log says %08x: it is another file", r.sum.sum, s.file.Sum)
}

// stateHead reads what the head says of the state.
func (s *SegmentReader) stateHead() (h StateHead, err error) {
	if err := json.Unmarshal(s.Head.About, &h); err != nil {
		return h, s.damage("its head says %q: %v", s.Head.About, err)
	}
	if h.Version != stateVersion || h.Codec != codec.Version {
		return h, &VersionError{File: s.name, Kind: "state", Version: int64(h.Version), Known: stateVersion}
	}
	return h, nil
}

// rows gives the rows of a frame.
func (s *SegmentReader) rows(f Frame, take func(StateRow) error) error {
	for b := f.Payload; len(b) > 0; {
		row, rest, err := cutRow(b)
		if err == nil {
			err = take(row)
		}
		if err != nil {
			return atRow(s.name, f.Offset+int64(frameHead+len(f.Payload)-len(b)), err)
		}
		b = rest
	}
	return nil
}

// atRow is the error of a row, by where it lies. The file is damaged if the row is no row, or one that no writer makes;
// who takes rows may have other errors: a disk that is full, or a function of the user's.
func atRow(name string, offset int64, err error) error {
	if errors.Is(err, codec.ErrCorrupt) {
		return &DamageError{File: name, Offset: offset, What: err.Error(), Remedy: fromCopy}
	}
	return fmt.Errorf("%s, offset %d: %w", name, offset, err)
}
