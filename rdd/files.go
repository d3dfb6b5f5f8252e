package rdd

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/internal/vfs/split"
)

// WithFileSystem hands in a file system other than this machine's disk: the value that its package gives. Names that
// begin with one of its schemes belong to it.
func WithFileSystem(f vfs.FS) Option {
	return func(sc *Context) { sc.systems = append(sc.systems, f) }
}

// FileSystem finds the file system of a name, and the name as that file system knows it: for connectors. The type of
// the file system is known only within the module.
func (sc *Context) FileSystem(name string) (vfs.FS, string, error) {
	return vfs.NewSystems(sc.systems...).Find(name)
}

// A FileOption of TextFile and the other functions that read files.
type FileOption func(*fileOptions)

type fileOptions struct {
	partitions int
	length     int
	err        error
}

// MinPartitions has files that can be cut be read in at least n partitions; otherwise two, or one if there is no more
// than one slot, as in Spark.
func MinPartitions(n int) FileOption {
	return func(o *fileOptions) {
		switch {
		case n < 1:
			o.err = fmt.Errorf("MinPartitions needs at least 1, not %d", n)
		case n > maxPartitions:
			o.err = fmt.Errorf("MinPartitions may be at most %d, not %d: each is a task", maxPartitions, n)
			return
		}
		o.partitions = n
	}
}

// MaxLength bounds what is one element and thus lies in memory whole: a line of TextFile (64 MiB otherwise), a file of
// WholeTextFiles (1 GiB).
func MaxLength(bytes int) FileOption {
	return func(o *fileOptions) {
		if bytes < 1 {
			o.err = fmt.Errorf("MaxLength needs at least 1, not %d", bytes)
		}
		o.length = bytes
	}
}

const (
	lineBytesMax = 64 << 20
	fileBytesMax = 1 << 30
)

// list finds the files of a list of paths and patterns: those that are named, and those directly in directories that
// are named, in the order of their names. What is hidden is left out, unless it is named itself.
func (sc *Context) list(paths string) ([]split.File, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), conf.NetworkTimeout.Get(sc.conf),
		errors.New("the file system did not answer within spark.network.timeout"))
	defer cancel()
	var files []split.File
	patterns := vfs.Patterns(paths)
	if len(patterns) == 0 {
		return nil, errors.New("the path is empty: name files, directories or patterns, separated by commas")
	}
	for _, p := range patterns {
		fsys, name, err := sc.FileSystem(p)
		if err != nil {
			return nil, err
		}
		found, err := listOne(ctx, fsys, name)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

func listOne(ctx context.Context, fsys vfs.FS, pattern string) ([]split.File, error) {
	found, err := vfs.Glob(ctx, fsys, pattern)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", pattern, err)
	}
	if len(found) == 0 {
		if escaped, there := vfs.Literally(ctx, fsys, pattern); there {
			return nil, fmt.Errorf("%s is a pattern that nothing matches, and the name of what is there: write %s",
				pattern, escaped)
		}
		return nil, fmt.Errorf("there is no file or directory %s: is the path right, and seen from the machine and "+
			"the working directory of this process?", pattern)
	}
	var files []split.File
	for _, info := range found {
		switch {
		case info.Dir:
			entries, err := fsys.List(ctx, info.Name)
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", info.Name, err)
			}
			for _, e := range entries {
				if !e.Dir && !vfs.Hidden(e.Name) {
					files = append(files, split.File{FS: fsys, Info: e})
				}
			}
		case !vfs.IsPattern(pattern) || !vfs.Hidden(info.Name):
			files = append(files, split.File{FS: fsys, Info: info})
		}
	}
	return files, nil
}

// fromFiles makes the RDD of files that were listed: parts cuts them, each reads a part. What is wrong is the RDD's
// error, which its actions return.
func fromFiles[T, P any](sc *Context, op, paths string, opts []FileOption,
	parts func(files []split.File, o fileOptions) ([]P, error),
	each func(tc *TaskContext, part P, o fileOptions, yield func(T) bool) error,
) *RDD[T] {
	o := fileOptions{partitions: min(sc.DefaultParallelism(), 2)}
	for _, opt := range opts {
		opt(&o)
	}
	var list []P
	files, err := sc.list(paths)
	if err == nil {
		list, err = parts(files, o)
	}
	r := FromPartitions(sc, op, len(list), func(tc *TaskContext, p int) iter.Seq[T] {
		return func(yield func(T) bool) {
			if err := each(tc, list[p], o, yield); err != nil {
				tc.Fail(lasting(err))
			}
		}
	}).Named(paths)
	if err = errors.Join(o.err, err); err != nil {
		r.refuse("%s: %w", op, err)
	}
	return r
}

// lasting keeps a task from being tried again that reads a file which is not the one any more that was listed.
func lasting(err error) error {
	if errors.Is(err, vfs.ErrChanged) {
		return exec.Permanent(err)
	}
	return err
}

// checked is yield that looks at the task every 1,024 elements.
func checked[T any](tc *TaskContext, yield func(T) bool) func(T) bool {
	n := 0
	return func(v T) bool {
		if n++; n&1023 == 0 {
			tc.Check()
		}
		return yield(v)
	}
}
