// Package split reads files in parts: which part of which file a task reads, and how the lines or records of a part are
// told from those of its neighbours.
package split

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
)

// A File is one that was listed.
type File struct {
	FS vfs.FS
	vfs.Info
}

// A Split is the part of a file that one task reads: bytes From to To. A compressed file is read whole.
type Split struct {
	File
	From, To int64
	Kind     compress.Kind
}

// BlockBytes is how long a part is at most, as it is of Hadoop's local files.
const BlockBytes = 32 << 20

// slop is by how much the last part of a file may be longer than the others.
const slop = 1.1

// Lines cuts files for reading lines as Hadoop's FileInputFormat does: into at least the given number of parts of about
// the same length where the files can be cut, none of them longer than a block. An empty file is an empty part.
func Lines(files []File, atLeast int) ([]Split, error) {
	var total int64
	for _, f := range files {
		total += f.Length
	}
	goal := total / int64(max(atLeast, 1))
	var splits []Split
	for _, f := range files {
		kind, err := compress.ByName(f.Name)
		if err != nil {
			return nil, err
		}
		if kind != compress.None {
			splits = append(splits, Split{File: f, To: f.Length, Kind: kind})
			continue
		}
		splits = append(splits, cut(f, max(1, min(goal, BlockBytes)))...)
	}
	return splits, nil
}

// Records cuts files of records of one length, none of them compressed, into parts of about a block.
func Records(files []File, length int) []Split {
	var splits []Split
	step := max(BlockBytes/int64(length), 1) * int64(length)
	for _, f := range files {
		splits = append(splits, cut(f, step)...)
	}
	return splits
}

// cut cuts a file into parts of step bytes.
func cut(f File, step int64) []Split {
	var splits []Split
	from := int64(0)
	for ; float64(f.Length-from)/float64(step) > slop; from += step {
		splits = append(splits, Split{File: f, From: from, To: from + step})
	}
	if from < f.Length || f.Length == 0 {
		splits = append(splits, Split{File: f, From: from, To: f.Length})
	}
	return splits
}

// open opens the file of a split from its first byte on: to the end of the file, for the last line may go beyond the
// split. The file must be the one that was listed.
func (s Split) open(ctx context.Context) (vfs.File, io.ReadCloser, error) {
	f, err := vfs.OpenSame(ctx, s.FS, s.Info, s.From, s.Length-s.From)
	if err != nil {
		return nil, nil, err
	}
	r, err := compress.NewReader(s.Kind, stopping{ctx, f})
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("%s: %w", s.Name, err)
	}
	return f, r, nil
}

// stopping is a reader that ends with its context: what lies on a disk is not waited for, but there may be much of it.
type stopping struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (s stopping) Read(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	return s.Reader.Read(b)
}

// EachLine yields the lines of a split, without their ends: those that begin at or before its last byte and are not the
// one that was begun before it. Lines end with \n, \r\n or \r. A byte order mark at the beginning of the file is left
// out. A line of more than limit bytes is an error.
func (s Split) EachLine(ctx context.Context, limit int, yield func(line []byte) bool) error {
	f, r, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	defer r.Close()
	l := &lineReader{r: r, at: s.From, limit: limit, buf: make([]byte, bufferBytes)}
	last := s.To
	if s.Kind != compress.None {
		last = math.MaxInt64
	}
	more, err := l.each(last, yield)
	switch {
	case err != nil:
		return s.failed(f, l.at, err)
	case !more:
		return nil
	}
	return vfs.Same(f, s.Info)
}

// failed says where reading went wrong. That the file was changed meanwhile explains everything else.
func (s Split) failed(f vfs.File, at int64, err error) error {
	if changed := vfs.Same(f, s.Info); changed != nil {
		return changed
	}
	if s.Kind != compress.None {
		return fmt.Errorf("%s, at byte %d of what it is without %s: %w", s.Name, at, s.Kind, err)
	}
	return fmt.Errorf("%s, at byte %d: %w", s.Name, at, err)
}

// EachRecord yields the records of a split, each of length bytes and in memory of its own that nobody writes to again.
func (s Split) EachRecord(ctx context.Context, length int, yield func(record []byte) bool) error {
	if s.Length%int64(length) != 0 {
		return fmt.Errorf("%s has %d bytes, which is no multiple of %d: its last record, at byte %d, has %d: is the "+
			"record length right, and was the file written to its end?", s.Name, s.Length, length,
			s.Length-s.Length%int64(length), s.Length%int64(length))
	}
	f, r, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	defer r.Close()
	chunk := max(recordsBytes/length, 1) * length
	for at := s.From; at < s.To; {
		data := make([]byte, min(int64(chunk), s.To-at))
		if _, err := io.ReadFull(r, data); err != nil {
			return s.failed(f, at, err)
		}
		at += int64(len(data))
		for ; len(data) > 0; data = data[length:] {
			if !yield(data[:length:length]) {
				return nil
			}
		}
	}
	return vfs.Same(f, s.Info)
}

// recordsBytes is about how much is read at a time.
const recordsBytes = 64 << 10

// Content reads a whole file, decompressed, of at most limit bytes.
func Content(ctx context.Context, file File, limit int) ([]byte, error) {
	kind, err := compress.ByName(file.Name)
	if err != nil {
		return nil, err
	}
	s := Split{File: file, To: file.Length, Kind: kind}
	f, r, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, s.failed(f, int64(len(data)), err)
	case len(data) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes, and it is read whole: raise the limit, or read it by lines",
			file.Name, limit)
	case kind == compress.None && int64(len(data)) < file.Length:
		return nil, s.failed(f, int64(len(data)), io.ErrUnexpectedEOF)
	}
	return data, vfs.Same(f, file.Info)
}

// Read hands the content of a file, decompressed, to f, which reads as much of it as it likes.
func Read(ctx context.Context, file File, read func(io.Reader) error) error {
	kind, err := compress.ByName(file.Name)
	if err != nil {
		return err
	}
	s := Split{File: file, To: file.Length, Kind: kind}
	f, r, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer f.Close()
	defer r.Close()
	counted := &counter{r: r}
	if err := read(counted); err != nil {
		return s.failed(f, counted.n, err)
	}
	return vfs.Same(f, file.Info)
}

type counter struct {
	r io.Reader
	n int64
}

// Read implements io.Reader.
func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}
