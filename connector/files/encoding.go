package files

import (
	"bufio"
	"fmt"
	"io"
	"iter"

	"github.com/weirstream/weir/internal/vfs/compress"
	"github.com/weirstream/weir/rdd"
)

// An Encoding says how the records of a partition become a file. w is buffered.
type Encoding[T any] struct {
	write func(w *bufio.Writer, records iter.Seq[T]) error
}

// Text writes each record by fmt's %v on a line of its own, as SaveAsTextFiles does.
func Text[T any]() Encoding[T] {
	return Append(func(dst []byte, v T) ([]byte, error) {
		if s, ok := any(v).(string); ok {
			dst = append(dst, s...)
		} else {
			dst = fmt.Append(dst, v)
		}
		return append(dst, '\n'), nil
	})
}

// Append writes what f appends to dst for each record: lines of JSON, records of a fixed length, and the like. f is
// called in the tasks, several calls at a time. Its error fails the task.
func Append[T any](f func(dst []byte, v T) ([]byte, error)) Encoding[T] {
	if f == nil {
		return Encoding[T]{}
	}
	return Encoding[T]{func(w *bufio.Writer, records iter.Seq[T]) (err error) {
		var raw []byte
		for v := range records {
			if raw, err = f(raw[:0], v); err != nil {
				return err
			}
			if _, err = w.Write(raw); err != nil {
				return err
			}
		}
		return nil
	}}
}

// Encode writes a file by f, which reads the records to their end: for formats with a head or an end, such as CSV with
// names of columns. f is called for partitions without records, too, of which no file is kept. Its error fails the
// task.
func Encode[T any](f func(w io.Writer, records iter.Seq[T]) error) Encoding[T] {
	if f == nil {
		return Encoding[T]{}
	}
	return Encoding[T]{func(w *bufio.Writer, records iter.Seq[T]) error { return f(w, records) }}
}

// A SinkOption of Sink.
type SinkOption func(*sinkOptions)

type sinkOptions struct {
	ending string
	kind   compress.Kind
}

// WithEnding has the names of the files end so, as in ".csv", in front of the ending of a compression.
func WithEnding(ending string) SinkOption { return func(o *sinkOptions) { o.ending = ending } }

// Compressed has the files be compressed.
func Compressed(c rdd.Compression) SinkOption {
	return func(o *sinkOptions) { o.kind = compress.Kind(c) }
}
