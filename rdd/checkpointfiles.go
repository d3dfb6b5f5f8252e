package rdd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/exec"
)

// checkpointFiles are the files of a checkpoint, one a partition. docs/FORMAT.md fixes their form.
type checkpointFiles[T any] struct {
	dir      string
	codec    *codec.Codec[T]
	compress bool
}

// checkpointMagic begins each file; its last byte is the version.
const checkpointMagic = "weirrdd\x01"

// trailerBytes are the bytes of the last frame: the number of records.
const trailerBytes = 8

func (c checkpointFiles[T]) name(p int) string {
	return filepath.Join(c.dir, fmt.Sprintf("part-%05d", p))
}

// write writes all partitions of r.
func (c checkpointFiles[T]) write(ctx context.Context, r *RDD[T]) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("checkpoint of RDD %d: %w", r.node.ID, err)
	}
	return run(ctx, r, "checkpoint", r.all(), func(tc *TaskContext, in iter.Seq[T]) (nothing, error) {
		return nothing{}, c.writePart(tc, in)
	}, func(int, nothing) error { return nil })
}

// writePart writes to a file of its own first: a reader finds a whole file or none, and of attempts that run beside
// each other each writes the same.
func (c checkpointFiles[T]) writePart(tc *TaskContext, in iter.Seq[T]) (err error) {
	f, err := os.CreateTemp(c.dir, ".part-*")
	if err != nil {
		return fmt.Errorf("write a checkpoint: %w", err)
	}
	tc.OnEnd(func() { _ = os.Remove(f.Name()) })
	tc.OnEnd(func() { _ = f.Close() })
	frames, err := c.begin(f)
	if err != nil {
		return err
	}
	n := 0
	in(func(v T) bool {
		n++
		err = frames.Append(func(dst []byte) ([]byte, error) { return c.codec.Append(dst, &v) })
		return err == nil
	})
	if err == nil {
		err = c.end(f, frames, n)
	}
	if err == nil {
		err = tc.Err()
	}
	if err == nil {
		err = os.Rename(f.Name(), c.name(tc.PartitionID()))
	}
	return err
}

// begin writes the magic and the frame of the schema.
func (c checkpointFiles[T]) begin(f *os.File) (*block.FrameWriter, error) {
	if _, err := f.WriteString(checkpointMagic); err != nil {
		return nil, err
	}
	frames := block.NewPlainFrameWriter(f)
	if c.compress {
		frames = block.NewFrameWriter(f)
	}
	err := frames.Append(func(dst []byte) ([]byte, error) { return append(dst, c.codec.Schema()...), nil })
	if err == nil {
		_, err = frames.Cut()
	}
	return frames, err
}

// end writes the frame of the trailer.
func (c checkpointFiles[T]) end(f *os.File, frames *block.FrameWriter, n int) error {
	if _, err := frames.Cut(); err != nil {
		return err
	}
	count := func(dst []byte) ([]byte, error) { return binary.LittleEndian.AppendUint64(dst, uint64(n)), nil }
	return errors.Join(frames.Append(count), frames.Flush(), f.Sync(), f.Close())
}

// read gives the elements of partition p.
func (c checkpointFiles[T]) read(tc *TaskContext, p int) iter.Seq[T] {
	return func(yield func(T) bool) {
		err := c.readPart(tc, p, yield)
		if err == nil {
			return
		}
		err = fmt.Errorf("read the checkpoint %s, from which alone the partition can be had: %w", c.name(p), err)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, block.ErrDamaged) {
			err = exec.Permanent(err)
		}
		tc.Fail(err)
	}
}

func (c checkpointFiles[T]) readPart(tc *TaskContext, p int, yield func(T) bool) error {
	f, err := os.Open(c.name(p))
	if err != nil {
		return err
	}
	defer f.Close()
	frames, err := c.open(f)
	if err != nil {
		return err
	}
	n := uint64(0)
	counted := func(v T) bool { n++; return yield(v) }
	var last []byte // The last frame is the trailer; whether one is the last shows when the next is asked for.
	for {
		next, err := frames.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		more, err := decodeAll(tc, c.codec, last, counted)
		if err != nil {
			return fmt.Errorf("%w: %w", block.ErrDamaged, err)
		}
		if !more {
			return nil
		}
		last = next
	}
	if len(last) != trailerBytes || binary.LittleEndian.Uint64(last) != n {
		return fmt.Errorf("%w: it is cut off after %d records", block.ErrDamaged, n)
	}
	return nil
}

// open reads the magic and the schema.
func (c checkpointFiles[T]) open(f *os.File) (*block.FrameReader, error) {
	var magic [len(checkpointMagic)]byte
	if _, err := io.ReadFull(f, magic[:]); err != nil || string(magic[:]) != checkpointMagic {
		return nil, fmt.Errorf("%w: it does not begin as the file of a checkpoint of version %d", block.ErrDamaged,
			checkpointMagic[len(checkpointMagic)-1])
	}
	frames := block.NewFrameReader(f)
	schema, err := frames.Next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it has no schema", block.ErrDamaged)
	}
	if err == nil && string(schema) != c.codec.Schema() {
		err = fmt.Errorf("it holds %s, not %s", schema, c.codec.Schema())
	}
	return frames, err
}

// decodeAll yields encoded records.
func decodeAll[T any](tc *TaskContext, c *codec.Codec[T], data []byte, yield func(T) bool) (more bool, err error) {
	for n := 0; len(data) > 0; n++ {
		if n&1023 == 1023 {
			tc.Check()
		}
		v, rest, err := c.Decode(data)
		if err != nil {
			return false, err
		}
		if data = rest; !yield(v) {
			return false, nil
		}
	}
	return true, nil
}
