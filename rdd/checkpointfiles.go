package rdd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
	"github.com/weirstream/weir/internal/vfs/objectfile"
)

// checkpointFiles are the files of a checkpoint: object files, one for each partition.
type checkpointFiles[T any] struct {
	fs       vfs.FS
	dir      string
	codec    *codec.Codec[T]
	compress bool
}

// write writes all partitions of r. The directory may be there, for a checkpoint that failed is tried again.
func (c checkpointFiles[T]) write(ctx context.Context, r *RDD[T]) error {
	s := &saving{fs: c.fs, dir: c.dir, again: true}
	err := c.fs.MkdirAll(ctx, c.dir)
	if err == nil {
		err = s.saveParts(ctx, "checkpoint", r.node.Partitions, func(ps []vfs.Pending) error {
			return run(ctx, r, "checkpoint", r.all(), func(tc *TaskContext, in iter.Seq[T]) (vfs.Pending, error) {
				return writePart(tc, s, compress.None, in, c.begin)
			}, func(i int, p vfs.Pending) error { ps[i] = p; return nil })
		})
	}
	return err
}

// begin starts a file.
func (c checkpointFiles[T]) begin(w io.Writer) (func(T) error, func() error, error) {
	o, err := objectfile.NewWriter(w, c.codec.Schema())
	if err != nil {
		return nil, nil, err
	}
	o.Plain(!c.compress)
	write := func(v T) error {
		return o.Append(func(dst []byte) ([]byte, error) { return c.codec.Append(dst, &v) })
	}
	return write, o.Close, nil
}

// read gives the elements of partition p.
func (c checkpointFiles[T]) read(tc *TaskContext, p int) iter.Seq[T] {
	return func(yield func(T) bool) {
		name := (&saving{dir: c.dir}).part(p)
		err := c.readPart(tc, name, checked(tc, yield))
		if err == nil {
			return
		}
		err = fmt.Errorf("read the checkpoint %s, from which alone the partition can be had: %w", name, err)
		for _, lasts := range []error{fs.ErrNotExist, objectfile.ErrDamaged, objectfile.ErrForeign} {
			if errors.Is(err, lasts) {
				err = exec.Permanent(err)
				break
			}
		}
		tc.Fail(err)
	}
}

func (c checkpointFiles[T]) readPart(tc *TaskContext, name string, yield func(T) bool) error {
	file, err := c.fs.Open(tc, name, 0, -1)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Info()
	if err != nil {
		return err
	}
	o, err := objectfile.NewReader(file, info.Length, c.codec.Schema())
	if err != nil {
		return err
	}
	return objectfile.Each(o, c.codec.DecodeAlias, yield)
}

// remove removes the files, in the background: nobody waits for that.
func (c checkpointFiles[T]) remove() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = c.fs.RemoveAll(ctx, c.dir)
	}()
}
