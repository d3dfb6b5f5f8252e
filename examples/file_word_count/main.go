// File_word_count counts the words of the text files that appear in a directory, and keeps the counts of each batch
// that has any words as a file, if it is told where. Move files into the directory; do not write them there.
//
//	DIRECTORY=/data/in OUTPUT=/data/counts go run ./examples/file_word_count --master 'local[2]' --interval 10s
//	cp words.txt /data/.words.txt && mv /data/.words.txt /data/in/words.txt
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func main() {
	weir.Main("FileWordCount", build(cmp.Or(os.Getenv("DIRECTORY"), "."), os.Getenv("OUTPUT")))
}

func build(directory, output string) weir.Build {
	return func(ssc *dstream.Context) error {
		lines := files.TextStream(ssc, directory)
		words := dstream.FlatMap(lines, strings.FieldsSeq)
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		counts := dstream.ReduceByKey(ones, func(a, b int) int { return a + b })
		dstream.Print(counts, 10)
		if output != "" {
			dstream.ForeachRDD(counts, save(output))
		}
		return nil
	}
}

// save writes the counts of a batch into a directory named for the batch's time, as dstream.SaveAsTextFiles does for
// all batches.
func save(output string) func(context.Context, *rdd.RDD[rdd.Pair[string, int]], *dstream.Batch) error {
	return func(ctx context.Context, counts *rdd.RDD[rdd.Pair[string, int]], b *dstream.Batch) error {
		if empty, err := rdd.IsEmpty(ctx, counts); empty || err != nil {
			return err
		}
		one := rdd.Coalesce(counts, 1)
		return rdd.SaveAsTextFile(ctx, one, fmt.Sprintf("%s-%d.txt", output, b.Time))
	}
}
