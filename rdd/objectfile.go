package rdd

import (
	"context"
	"fmt"
	"io"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
	"github.com/weirstream/weir/internal/vfs/objectfile"
	"github.com/weirstream/weir/internal/vfs/split"
)

// SaveAsObjectFile writes the elements of r into a directory of object files, one for each partition, which
// [ObjectFile] reads. The format is in docs/FORMAT.md. A type without a codec is refused. The directory, what is seen
// of it meanwhile, and errors are those of [SaveAsTextFile]. A task holds 64 KiB, or one element.
func SaveAsObjectFile[T any](ctx context.Context, r *RDD[T], path string) error {
	c, err := codec.For[T]()
	if err != nil {
		return fmt.Errorf("saveAsObjectFile at %s: %w", exec.Caller(), err)
	}
	write := func(tc *TaskContext, p int, w io.Writer) error { return writeObjects(tc, r, p, c, w, false) }
	return r.sc.save(ctx, r.node, "saveAsObjectFile", path, compress.None, write)
}

// writeObjects writes the elements of a partition, in frames without compression if they are to be plain.
func writeObjects[T any](tc *TaskContext, r *RDD[T], p int, c *codec.Codec[T], w io.Writer, plain bool) error {
	o, err := objectfile.NewWriter(w, c.Schema())
	if err != nil {
		return err
	}
	o.Plain(plain)
	r.iterate(tc, p)(func(v T) bool {
		err = o.Append(func(dst []byte) ([]byte, error) { return c.Append(dst, &v) })
		return err == nil
	})
	if err != nil {
		return err
	}
	return o.Close()
}

// ObjectFile makes an RDD of what [SaveAsObjectFile] wrote, a partition for each file. T must have the schema of the
// type that was written, which is compared and not the name. Files of another schema or of a version that is not known,
// and files that are damaged or not whole, fail the task by name and place. Paths are those of [TextFile]. A task holds
// a frame, which is 64 KiB or one element; strings and byte slices share its memory.
func ObjectFile[T any](sc *Context, path string) *RDD[T] {
	c, err := codec.For[T]()
	wrong := func(o *fileOptions) { o.err = err }
	return fromFiles(sc, "objectFile", path, []FileOption{wrong},
		func(files []split.File, _ fileOptions) ([]split.File, error) { return files, nil },
		func(tc *TaskContext, f split.File, _ fileOptions, yield func(T) bool) error {
			return eachObject(tc, f, c, checked(tc, yield))
		})
}

func eachObject[T any](tc *TaskContext, f split.File, c *codec.Codec[T], yield func(T) bool) error {
	return readObjects(tc, f, c.Schema(), func(raw []byte, count int) (bool, error) {
		return objectfile.Values(raw, count, c.DecodeAlias, yield)
	})
}

// readObjects gives decode the frames of a file until it wants no more.
func readObjects(tc *TaskContext, f split.File, schema string, decode func(raw []byte, count int) (bool, error)) error {
	file, err := vfs.OpenSame(tc, f.FS, f.Info, 0, f.Length)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := objectfile.NewReader(file, f.Length, schema)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	more, err := r.Each(decode)
	switch {
	case err != nil:
		return fmt.Errorf("%s, at byte %d: %w", f.Name, r.Offset(), err)
	case !more:
		return nil
	}
	return vfs.Same(file, f.Info)
}
