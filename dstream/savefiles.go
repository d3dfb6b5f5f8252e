package dstream

import (
	"context"
	"strconv"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/rdd"
)

// SaveAsTextFiles has each batch be written by [rdd.SaveAsTextFile] into a directory of its own, prefix-TIME.suffix,
// where TIME is the batch's in milliseconds: one file for each partition, for batches without records, too. An empty
// prefix or suffix is left out, with the sign that joins it. A batch that is run again overwrites its directory with
// the same files; half a file is never seen, and _SUCCESS tells that a directory is complete. A task holds the buffers
// of one file. A prefix whose file system was not handed in, or that does not answer, fails the start or the batch.
func SaveAsTextFiles[T any](d *DStream[T], prefix, suffix string, opts ...rdd.SaveOption) *Output {
	return saveFiles(d, "saveAsTextFiles", prefix, suffix, func(ctx context.Context, r *rdd.RDD[T], dir string) error {
		return rdd.SaveAsTextFile(ctx, r, dir, opts...)
	})
}

// SaveAsObjectFiles is [SaveAsTextFiles] by [rdd.SaveAsObjectFile], for [rdd.ObjectFile] to read. A type without a
// codec fails the start.
func SaveAsObjectFiles[T any](d *DStream[T], prefix, suffix string) *Output {
	o := saveFiles(d, "saveAsObjectFiles", prefix, suffix, rdd.SaveAsObjectFile[T])
	if _, err := codec.For[T](); err != nil {
		o.node.refuse("saveAsObjectFiles: %w", err)
	}
	return o
}

func saveFiles[T any](d *DStream[T], op, prefix, suffix string,
	save func(ctx context.Context, r *rdd.RDD[T], dir string) error,
) *Output {
	o := register(d, op, func(g *generation) func(ctx context.Context) error {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return func(ctx context.Context) error { return save(ctx, r, batchPath(prefix, suffix, g.batch.Time)) }
	})
	if _, _, err := d.node.ssc.sc.FileSystem(batchPath(prefix, suffix, 0)); err != nil {
		o.node.refuse("%s: %w", op, err)
	}
	return o
}

// batchPath names a batch's directory as Spark does.
func batchPath(prefix, suffix string, t Time) string {
	name := strconv.FormatInt(int64(t), 10)
	if prefix != "" {
		name = prefix + "-" + name
	}
	if suffix != "" {
		name += "." + suffix
	}
	return name
}
