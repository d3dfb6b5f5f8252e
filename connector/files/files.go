// Package files feeds a stream from the files that appear in directories, as Spark's textFileStream and fileStream do.
//
// Files must be written elsewhere, closed, and then moved into the directory, for a file is read once, whole, as it was
// when it was found. A batch takes the files that have appeared since the one before, in the order of their last
// change: those that pass the filter, were last changed within the remembered time (see
// spark.streaming.fileStream.minRememberDuration) and not in the future, and have not been taken already. Of very many
// it takes some 30,000; the others wait for the next ones, and where that many come again and again within the
// remembered time, until those that were taken are forgotten. What a batch takes is planned by names, lengths and
// versions, so that it can be read again; a file that is changed or removed before it was read fails the task, by name.
package files

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/split"
	"github.com/weirstream/weir/rdd"
)

// An Option of TextStream, Stream and BinaryRecords.
type Option func(*options)

type options struct {
	filter    func(path string) bool
	newOnly   bool
	recursive bool
	length    int
}

// WithFilter has only those files be read for whose path keep gives true, instead of those whose names do not begin
// with a dot. It is called in the driver, at each listing, and must give the same answer each time.
func WithFilter(keep func(path string) bool) Option { return func(o *options) { o.filter = keep } }

// NewFilesOnly says whether the files that are there when the program starts for the first time are left out, which
// they are otherwise. With false the first batches take them all, however old they are.
func NewFilesOnly(only bool) Option { return func(o *options) { o.newOnly = only } }

// Recursive has the files in the directories below be read, too, but for directories whose names begin with . or _.
func Recursive() Option { return func(o *options) { o.recursive = true } }

// WithMaxLength sets how many bytes a line of TextStream may have; 64 MiB otherwise.
func WithMaxLength(bytes int) Option { return func(o *options) { o.length = bytes } }

const lineBytesMax = 64 << 20

// TextStream makes a stream of the lines of the files that appear in a directory, or in directories that match a
// pattern (*, ?, [a-z], {a,b}), also those that appear later. As in Hadoop a name with one of these characters is
// always a pattern: the directory [x] is written \[x\]. Lines, partitions and compression are those of [rdd.TextFile].
// A listing that fails is tried again, with a warning, until spark.network.timeout is over.
func TextStream(ssc *dstream.Context, dir string, opts ...Option) *dstream.DStream[string] {
	s := newSource[string](ssc, dir, opts)
	s.cut = func(files []split.File) ([]split.Split, error) { return split.Lines(files, 1) }
	s.each = func(tc *rdd.TaskContext, p split.Split, yield func(string) bool) error {
		return p.EachLine(tc, s.length, func(line []byte) bool { return yield(string(line)) })
	}
	return dstream.FromSource(ssc, "textFileStream", dstream.Source[string](s))
}

// Stream makes a stream of what decode reads from each file that appears in a directory. decode gets the content,
// decompressed, and need not read it to its end; an error of it fails the task, which is tried again. A file is one
// partition. What is said of [TextStream] holds.
func Stream[T any](ssc *dstream.Context, dir string, decode func(io.Reader) iter.Seq2[T, error],
	opts ...Option,
) *dstream.DStream[T] {
	s := newSource[T](ssc, dir, opts)
	s.cut = whole
	s.each = func(tc *rdd.TaskContext, p split.Split, yield func(T) bool) error {
		return split.Read(tc, p.File, func(r io.Reader) error {
			vs := decode(r)
			if vs == nil {
				return nil // No elements, as a nil slice has none.
			}
			for v, err := range vs {
				if err != nil {
					return err
				}
				if !yield(v) {
					return nil
				}
			}
			return nil
		})
	}
	if decode == nil {
		s.wrong = errors.Join(s.wrong, errors.New("the function that decodes is nil"))
	}
	return dstream.FromSource(ssc, "fileStream", dstream.Source[T](s))
}

// whole takes each file as one part.
func whole(files []split.File) ([]split.Split, error) {
	splits := make([]split.Split, len(files))
	for i, f := range files {
		splits[i] = split.Split{File: f, To: f.Length}
	}
	return splits, nil
}

// BinaryRecords makes a stream of the records of the files that appear in a directory, each record length bytes; see
// [rdd.BinaryRecords]. What is said of [TextStream] holds, but that nothing is decompressed.
func BinaryRecords(ssc *dstream.Context, dir string, length int, opts ...Option) *dstream.DStream[[]byte] {
	s := newSource[[]byte](ssc, dir, opts)
	if s.record = length; length < 1 {
		s.wrong = errors.Join(s.wrong, fmt.Errorf("the record length must be at least 1, not %d", length))
	}
	s.cut = func(files []split.File) ([]split.Split, error) { return split.Records(files, length), nil }
	s.each = func(tc *rdd.TaskContext, p split.Split, yield func([]byte) bool) error {
		return p.EachRecord(tc, length, yield)
	}
	return dstream.FromSource(ssc, "binaryRecordsStream", dstream.Source[[]byte](s))
}

func newSource[T any](ssc *dstream.Context, dir string, opts []Option) *source[T] {
	s := &source[T]{ssc: ssc, counts: map[int64]*count{}}
	s.newOnly, s.length = true, lineBytesMax
	s.filter = func(path string) bool { return vfs.Base(path)[0] != '.' }
	for _, o := range opts {
		o(&s.options)
	}
	s.fs, s.dir, s.wrong = ssc.RDD().FileSystem(dir)
	switch {
	case s.filter == nil:
		s.wrong = errors.Join(s.wrong, errors.New("files.WithFilter needs a function, not nil"))
	case s.length < 1:
		s.wrong = errors.Join(s.wrong, fmt.Errorf("files.WithMaxLength needs at least 1, not %d", s.length))
	}
	s.window = windowOf(conf.FileMinRememberDuration.Get(ssc.Conf()), ssc.Interval())
	return s
}

// windowOf rounds the time that is remembered up to whole batches.
func windowOf(remember, interval time.Duration) time.Duration {
	return (remember + interval - 1) / interval * interval
}
