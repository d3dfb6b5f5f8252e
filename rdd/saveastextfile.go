package rdd

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/weirstream/weir/internal/vfs/compress"
)

// A Compression of files that are written.
type Compression string

// The compressions. The names of the files end in .gz, .zst and .deflate.
const (
	Gzip    = Compression(compress.Gzip)
	Zstd    = Compression(compress.Zstd)
	Deflate = Compression(compress.Deflate)
)

// A SaveOption of SaveAsTextFile.
type SaveOption func(*saveOptions)

type saveOptions struct{ kind compress.Kind }

// Compressed has the files be compressed.
func Compressed(c Compression) SaveOption {
	return func(o *saveOptions) { o.kind = compress.Kind(c) }
}

// SaveAsTextFile writes the elements of r, by fmt's %v on a line each, into a directory of files part-00000 and so on,
// one for each partition, and an empty file _SUCCESS when all are there.
//
// A file is written under a name that readers of directories leave out, and moved to its own when all partitions have
// been written: no half file is ever seen, and nothing of a job that failed. The directory must not be there; within a
// batch of a stream it is overwritten, so that a batch that is run again gives the same files, and files of more
// partitions than there are now are removed. A task holds the buffers of one file.
func SaveAsTextFile[T any](ctx context.Context, r *RDD[T], path string, opts ...SaveOption) error {
	var o saveOptions
	for _, opt := range opts {
		opt(&o)
	}
	return r.sc.save(ctx, r.node, "saveAsTextFile", path, o.kind, func(tc *TaskContext, p int, w io.Writer) error {
		b := bufio.NewWriterSize(w, 64<<10)
		r.iterate(tc, p)(func(v T) bool {
			if s, ok := any(v).(string); ok {
				_, _ = b.WriteString(s)
			} else {
				_, _ = fmt.Fprint(b, v)
			}
			return b.WriteByte('\n') == nil // The first error of a bufio.Writer stays.
		})
		return b.Flush()
	})
}
