package dstream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// saved runs a program on a stream of two batches that saves them below dir, and collects what read makes of that.
func saved[T any](save func(d *stream, dir string), read func(sc *rdd.Context, dir string) *rdd.RDD[T]) {
	dir, err := os.MkdirTemp("", "weir-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	dir = filepath.ToSlash(dir)
	run(func(d *stream) *stream { save(d, dir); return dstream.Filter(d, func(int) bool { return false }) })
	sc, err := rdd.NewContext(conf.New())
	if err != nil {
		panic(err)
	}
	defer sc.Stop(context.Background())
	fmt.Println(rdd.Collect(context.Background(), read(sc, dir)))
}

func ExampleSaveAsTextFiles() {
	saved(func(d *stream, dir string) { dstream.SaveAsTextFiles(d, dir+"/numbers", "txt") },
		func(sc *rdd.Context, dir string) *rdd.RDD[string] { return rdd.TextFile(sc, dir+"/numbers-*.txt") })
	// Output:
	// [] <nil>
	// [] <nil>
	// [1 2 3 4 4] <nil>
}

func ExampleSaveAsObjectFiles() {
	saved(func(d *stream, dir string) { dstream.SaveAsObjectFiles(d, dir+"/numbers", "") },
		func(sc *rdd.Context, dir string) *rdd.RDD[int] { return rdd.ObjectFile[int](sc, dir+"/numbers-*") })
	// Output:
	// [] <nil>
	// [] <nil>
	// [1 2 3 4 4] <nil>
}
