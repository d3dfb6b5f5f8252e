package rdd

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/split"
)

// A BinaryFile is a file as it was when it was listed: plain data, which may be shuffled, saved, and opened by whoever
// has it.
type BinaryFile struct {
	Path    string
	Length  int64
	ModTime time.Time
	// Version changes when the content does.
	Version string
}

// Open opens the file for reading, as it is. It fails if the file is not the one any more that was listed. In a task
// ctx is its TaskContext. The caller closes what it is given.
func (f BinaryFile) Open(ctx context.Context, sc *Context) (io.ReadCloser, error) {
	fsys, name, err := sc.FileSystem(f.Path)
	if err != nil {
		return nil, err
	}
	info := vfs.Info{Name: name, Length: f.Length, ModTime: f.ModTime, Version: f.Version}
	return vfs.OpenSame(ctx, fsys, info, 0, f.Length)
}

// Bytes reads the whole file, which must fit into memory.
func (f BinaryFile) Bytes(ctx context.Context, sc *Context) ([]byte, error) {
	r, err := f.Open(ctx, sc)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data := make([]byte, f.Length)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return data, nil
}

// Spark's spark.files.maxPartitionBytes and spark.files.openCostInBytes.
const (
	filesPartitionBytes = 128 << 20
	filesOpenCost       = 4 << 20
)

// BinaryFiles makes an RDD of the names of files and of what opens them: nothing is read before a function does so. A
// partition takes several files, up to a share of all bytes for each slot, at least 4 MiB and at most 128 MiB, as in
// Spark. Nothing is decompressed. Narrow; no memory. Paths and errors are those of [TextFile].
func BinaryFiles(sc *Context, path string, opts ...FileOption) *RDD[Pair[string, BinaryFile]] {
	return fromFiles(sc, "binaryFiles", path, opts, func(files []split.File, o fileOptions) ([][]split.File, error) {
		slots := int64(max(sc.DefaultParallelism(), o.partitions))
		share := (bytesOf(files) + int64(len(files))*filesOpenCost) / slots
		return pack(files, min(filesPartitionBytes, max(filesOpenCost, share))), nil
	}, func(tc *TaskContext, files []split.File, _ fileOptions, yield func(Pair[string, BinaryFile]) bool) error {
		give := checked(tc, yield)
		for _, f := range files {
			b := BinaryFile{Path: f.Name, Length: f.Length, ModTime: f.ModTime, Version: f.Version}
			if !give(KV(f.Name, b)) {
				break
			}
		}
		return nil
	})
}
