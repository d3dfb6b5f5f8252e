package files

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
)

// A FolderSink is a sink that shows a file for each partition of each batch in a folder: exactly once, in a job with a
// checkpoint. In one without, files of a batch that was shown stay when a later start reads its records again.
//
// Tasks write files that nobody sees. When all of a batch are there, a manifest that lists them is put into the folder
// _weir, and they get their names, one after the other: part-SEQUENCE-PARTITION-..., so that an order by name is the
// order of the batches. What is under such a name is whole, and does not change. Readers may move files away or remove
// them, but in _weir, which directories' readers leave out for its first letter. A partition without records has no
// file. Several jobs and outputs may write to one folder.
type FolderSink[T any] struct {
	sinkOptions
	fs       vfs.FS
	dir      string
	encoding Encoding[T]
	timeout  time.Duration // of what the driver asks of the file system
	retained int64         // manifests that are kept
	owns     func(ctx context.Context) error
	instance string // whose sink it is, with all others of the context
	warn     func(message string, err error, attrs ...any)

	job    string
	epoch  int64
	owner  int64 // its number in the folder
	opened time.Time

	mu      sync.Mutex // never held over I/O
	effects map[[2]string]*effect
	left    map[[2]string][]file // by commits that failed
}

// Sink makes a sink for dstream.WriteTo and dstream.Save that writes files into a folder, which is made if it is not
// there, on the disk of this machine or on a file system that was handed in. It does no I/O. A task holds the buffers
// of one file.
func Sink[T any](ssc *dstream.Context, dir string, encoding Encoding[T], opts ...SinkOption) (*FolderSink[T], error) {
	s := &FolderSink[T]{encoding: encoding, timeout: conf.NetworkTimeout.Get(ssc.Conf()), owns: ssc.Owns,
		instance: ssc.Instance(), warn: ssc.Warn, retained: int64(conf.RetainedInCheckpoint.Get(ssc.Conf()))}
	for _, o := range opts {
		o(&s.sinkOptions)
	}
	var errs []error
	var err error
	if s.fs, s.dir, err = ssc.RDD().FileSystem(dir); err != nil {
		errs = append(errs, err)
	}
	if encoding.write == nil {
		errs = append(errs, errors.New("the encoding is nil: use Text, or give Append or Encode a function"))
	}
	if strings.ContainsAny(s.ending, "/\\\x00") {
		errs = append(errs, fmt.Errorf("WithEnding needs the end of a name, such as .csv, not %q", s.ending))
	}
	if !s.kind.CanWrite() {
		_, err := compress.NewWriter(s.kind, nil)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("files.Sink: %w", err)
	}
	return s, nil
}

// Guarantee implements dstream.SinkGuarantee.
func (s *FolderSink[T]) Guarantee() string {
	if s.epoch > 0 {
		return ""
	}
	return "at-least-once: without a checkpoint, a later start does not know which batches have their files"
}

// A file is one that is finished: what a manifest says of it.
type file struct {
	Name   string `json:"name"`
	Token  string `json:"token"`
	Length int64  `json:"length"`
	Sum    uint32 `json:"sum"`
}

func (s *FolderSink[T]) pending(files []file) (ps []vfs.Pending) {
	for _, f := range files {
		ps = append(ps, vfs.Pending{Name: vfs.Join(s.dir, f.Name), Token: f.Token})
	}
	return ps
}

// trouble marks what the file system said. Of a call that was cut it said nothing, and the log is asked about another
// owner.
func (s *FolderSink[T]) trouble(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, dstream.ErrFenced) {
		return err
	}
	return dstream.SinkTrouble(fmt.Errorf("the folder %s cannot be written: %w (no batch is given up for that: see "+
		"that it is there, with room and with rights to write, and start again)", s.dir, err))
}

// Prepare implements dstream.BatchSink: it writes a file that nobody sees.
func (s *FolderSink[T]) Prepare(ctx context.Context, id dstream.Effect, in iter.Seq[T]) ([]byte, error) {
	name := s.nameOf(id)
	out, err := s.fs.Create(ctx, vfs.Join(s.dir, name))
	if err != nil {
		return nil, s.trouble(ctx, err)
	}
	defer out.Abort() // also when the task unwinds
	records, count, err := 0, &counted{to: out, sum: crc32.New(castagnoli)}, error(nil)
	err = s.encode(count, func(yield func(T) bool) {
		for v := range in {
			if records++; !yield(v) {
				return
			}
		}
	})
	if count.err != nil { // Whatever the encoding has made of it.
		return nil, s.trouble(ctx, count.err)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil || records == 0 {
		return nil, err
	}
	p, err := out.Finish()
	if err != nil {
		return nil, s.trouble(ctx, err)
	}
	return json.Marshal(file{name, p.Token, count.length, count.sum.Sum32()})
}

func (s *FolderSink[T]) encode(to io.Writer, records iter.Seq[T]) error {
	packed, err := compress.NewWriter(s.kind, to)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(packed, 64<<10)
	if err = s.encoding.write(w, records); err == nil {
		err = w.Flush()
	}
	return errors.Join(err, packed.Close())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// counted knows length and checksum of what was written.
type counted struct {
	to     io.Writer
	length int64
	sum    hash.Hash32
	err    error // the first one of the file system
}

// Write implements io.Writer.
func (c *counted) Write(b []byte) (int, error) {
	n, err := c.to.Write(b)
	c.length += int64(n)
	_, _ = c.sum.Write(b[:n]) // It never fails.
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// Drop implements dstream.BatchCommitter.
func (s *FolderSink[T]) Drop(ctx context.Context, made [][]byte) {
	files, err := filesOf(made)
	if err == nil {
		s.drop(ctx, files)
	}
}

func (s *FolderSink[T]) drop(ctx context.Context, files []file) {
	for _, p := range s.pending(files) {
		_ = s.fs.Discard(ctx, p) // What stays is swept when it is old.
	}
}

func filesOf(made [][]byte) ([]file, error) {
	files := make([]file, len(made))
	for i, raw := range made {
		if err := json.Unmarshal(raw, &files[i]); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Write implements dstream.Sink: a partition by itself, and without its identity. Jobs use Prepare and Commit.
func (s *FolderSink[T]) Write(ctx context.Context, id dstream.Effect, in iter.Seq[T]) error {
	made, err := s.Prepare(ctx, id, in)
	if err != nil || made == nil {
		return err
	}
	files, err := filesOf([][]byte{made})
	if err != nil {
		return err
	}
	return s.fs.Publish(ctx, s.pending(files)...)
}

// Close implements dstream.Sink. Nothing is open.
func (s *FolderSink[T]) Close(context.Context) error { return nil }

// patient bounds what the driver waits for.
func (s *FolderSink[T]) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.timeout, errors.New("the file system did not answer within "+
		conf.NetworkTimeout.Name()))
}
