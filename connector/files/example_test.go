package files_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// show puts a file into a directory, runs a program over it and prints what the first batch with elements holds.
func show[T any](content string, build func(ssc *dstream.Context, dir string) *dstream.DStream[T]) {
	dir, err := os.MkdirTemp("", "weir-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte(content), 0o600); err != nil {
		panic(err)
	}
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), 5*time.Millisecond)
	if err != nil {
		panic(err)
	}
	done := make(chan []T, 1)
	dstream.ForeachRDD(build(ssc, filepath.ToSlash(dir)),
		func(ctx context.Context, r *rdd.RDD[T], _ *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			if len(vs) > 0 {
				done <- vs
			}
			return err
		})
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(<-done)
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
}

func ExampleTextStream() {
	show("to be or\nnot to be\n", func(ssc *dstream.Context, dir string) *dstream.DStream[string] {
		lines := files.TextStream(ssc, dir, files.NewFilesOnly(false))
		return dstream.FlatMap(lines, strings.FieldsSeq)
	})
	// Output: [to be or not to be]
}

func ExampleStream() {
	type order struct{ Item string }
	orders := func(r io.Reader) iter.Seq2[order, error] {
		return func(yield func(order, error) bool) {
			for d := json.NewDecoder(r); d.More(); {
				var o order
				err := d.Decode(&o)
				if !yield(o, err) || err != nil {
					return
				}
			}
		}
	}
	show(`{"Item": "apple"} {"Item": "pear"}`, func(ssc *dstream.Context, dir string) *dstream.DStream[order] {
		return files.Stream(ssc, dir, orders, files.NewFilesOnly(false))
	})
	// Output: [{apple} {pear}]
}

func ExampleBinaryRecords() {
	show("\x01\x02\x03\x04", func(ssc *dstream.Context, dir string) *dstream.DStream[[]byte] {
		return files.BinaryRecords(ssc, dir, 2, files.NewFilesOnly(false))
	})
	// Output: [[1 2] [3 4]]
}
