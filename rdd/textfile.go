package rdd

import (
	"github.com/weirstream/weir/internal/vfs/split"
)

// TextFile makes an RDD of the lines of files. path is a list, separated by commas, of files, directories and patterns;
// of a directory the files directly in it are read, but those whose names begin with . or _. Patterns are Hadoop's: *,
// ?, [a-z], [^a-z] and {a,b}, within a part of the path. A character that should mean itself follows a \, so that the
// directory [x] is written \[x\]. Lines end with \n, \r\n or \r, as in Spark, and are given as they are, whatever their
// encoding.
//
// Files are cut into partitions of about the same length, at least [MinPartitions] of them and each at most 32 MiB; a
// file whose name ends in .gz, .zst, .bz2 or .deflate is decompressed and is one partition. They are read as a stream:
// a task holds one line, of at most [MaxLength].
//
// The files are listed when TextFile is called, for an RDD's partitions are fixed when it is made. What goes wrong
// then, such as a path where nothing is, is returned by the first action. A file that is changed or removed after it
// was listed fails the task that reads it, by name.
func TextFile(sc *Context, path string, opts ...FileOption) *RDD[string] {
	return fromFiles(sc, "textFile", path, opts, func(files []split.File, o fileOptions) ([]split.Split, error) {
		return split.Lines(files, o.partitions)
	}, func(tc *TaskContext, s split.Split, o fileOptions, yield func(string) bool) error {
		give := checked(tc, yield)
		return s.EachLine(tc, lengthOr(o, lineBytesMax), func(line []byte) bool { return give(string(line)) })
	})
}

func lengthOr(o fileOptions, otherwise int) int {
	if o.length > 0 {
		return o.length
	}
	return otherwise
}
