package rdd

import (
	"github.com/weirstream/weir/internal/vfs/split"
)

// WholeTextFiles makes an RDD of the names of files and of their whole content, as it is but decompressed. It is for
// many small files: a partition takes several, up to an equal share of all bytes. Each file must fit into memory and
// have at most [MaxLength] bytes. Paths, compression and errors are those of [TextFile].
func WholeTextFiles(sc *Context, path string, opts ...FileOption) *RDD[Pair[string, string]] {
	return fromFiles(sc, "wholeTextFiles", path, opts, func(files []split.File, o fileOptions) ([][]split.File, error) {
		share := (bytesOf(files) + int64(o.partitions) - 1) / int64(max(o.partitions, 1))
		return pack(files, max(share, 1)), nil
	}, func(tc *TaskContext, files []split.File, o fileOptions, yield func(Pair[string, string]) bool) error {
		for _, f := range files {
			data, err := split.Content(tc, f, lengthOr(o, fileBytesMax))
			if err != nil {
				return err
			}
			if !yield(KV(f.Name, string(data))) {
				break
			}
		}
		return nil
	})
}

func bytesOf(files []split.File) (n int64) {
	for _, f := range files {
		n += f.Length
	}
	return n
}

// pack puts files, in their order, into parts that are full with size bytes.
func pack(files []split.File, size int64) [][]split.File {
	var (
		parts [][]split.File
		full  = size
	)
	for _, f := range files {
		if full >= size {
			parts = append(parts, nil)
			full = 0
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], f)
		full += f.Length
	}
	return parts
}
