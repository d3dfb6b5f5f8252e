package rdd

import (
	"fmt"

	"github.com/weirstream/weir/internal/vfs/split"
)

// BinaryRecords makes an RDD of the records of files, each record recordLength bytes. The slices may be kept and must
// not be written to. A file whose length is no multiple of recordLength fails the task that reads it. Files are cut
// into partitions of about 32 MiB and are not decompressed; a task holds 64 KiB, or one record. Paths and errors are
// those of [TextFile].
func BinaryRecords(sc *Context, path string, recordLength int) *RDD[[]byte] {
	var wrong []FileOption
	if recordLength < 1 {
		wrong = append(wrong, func(o *fileOptions) {
			o.err = fmt.Errorf("the record length must be at least 1, not %d", recordLength)
		})
	}
	length := max(recordLength, 1)
	return fromFiles(sc, "binaryRecords", path, wrong, func(files []split.File, _ fileOptions) ([]split.Split, error) {
		return split.Records(files, length), nil
	}, func(tc *TaskContext, s split.Split, _ fileOptions, yield func([]byte) bool) error {
		return s.EachRecord(tc, length, checked(tc, yield))
	})
}
