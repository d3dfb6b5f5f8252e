package rdd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/compress"
	"github.com/weirstream/weir/internal/vfs/objectfile"
)

// checkpointFiles are the files of a checkpoint: object files, one for each partition.
type checkpointFiles struct {
	fs     vfs.FS
	dir    string
	schema string
}

// write writes all partitions of an RDD. The directory may be there, for a checkpoint that failed is tried again.
func (c checkpointFiles) write(ctx context.Context, sc *Context, of *exec.Node, content part) error {
	s := &saving{fs: c.fs, dir: c.dir, again: true}
	if err := c.fs.MkdirAll(ctx, c.dir); err != nil {
		return err
	}
	return s.saveParts(ctx, sc, of, "checkpoint", compress.None, content)
}

// read gives decode the frames of partition p.
func (c checkpointFiles) read(tc *TaskContext, p int, decode func(raw []byte, count int) (more bool, err error)) {
	name := (&saving{dir: c.dir}).part(p)
	err := c.readPart(tc, name, decode)
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

func (c checkpointFiles) readPart(tc *TaskContext, name string, decode func([]byte, int) (bool, error)) error {
	file, err := c.fs.Open(tc, name, 0, -1)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Info()
	if err != nil {
		return err
	}
	o, err := objectfile.NewReader(file, info.Length, c.schema)
	if err == nil {
		_, err = o.Each(decode)
	}
	return err
}

// remove removes the files, in the background: nobody waits for that.
func (c checkpointFiles) remove() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = c.fs.RemoveAll(ctx, c.dir)
	}()
}
