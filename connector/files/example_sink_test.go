package files_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

type sale struct {
	Item string `json:"item"`
	N    int    `json:"n"`
}

// shelve runs a program over a batch of sales, and prints the files that it leaves.
func shelve(build func(ssc *dstream.Context, sales *dstream.DStream[sale], dir string) error) {
	dir, err := os.MkdirTemp("", "weir-example-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[1]"), 5*time.Millisecond)
	if err != nil {
		panic(err)
	}
	done := make(chan struct{}, 100)
	ssc.AddListener(func(e dstream.Event) {
		if _, ok := e.(dstream.BatchCompleted); ok {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	queue := dstream.NewQueue([]sale{{"apple", 2}, {"pear", 1}})
	if err := build(ssc, dstream.QueueStream(ssc, queue), dir); err != nil {
		fmt.Println(err)
	}
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	<-done
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "part-*")) // The pattern is a good one.
	for _, name := range names {
		text, _ := os.ReadFile(name) // It is printed.
		fmt.Printf("%.21s..%s:\n%s", filepath.Base(name), filepath.Ext(name), text)
	}
}

// A line of JSON for each record.
func ExampleAppend() {
	shelve(func(ssc *dstream.Context, sales *dstream.DStream[sale], dir string) error {
		lines := files.Append(func(dst []byte, s sale) ([]byte, error) {
			raw, err := json.Marshal(s)
			return append(append(dst, raw...), '\n'), err
		})
		sink, err := files.Sink(ssc, dir, lines, files.WithEnding(".json"))
		if err != nil {
			return err
		}
		dstream.WriteTo(sales, sink).Named("sales")
		return nil
	})
	// Output:
	// part-0000000000-00000...json:
	// {"item":"apple","n":2}
	// {"item":"pear","n":1}
}

// Files of CSV whose first line has the names of the columns.
func ExampleEncode() {
	shelve(func(ssc *dstream.Context, sales *dstream.DStream[sale], dir string) error {
		table := files.Encode(func(w io.Writer, records iter.Seq[sale]) error {
			out := csv.NewWriter(w)
			if err := out.Write([]string{"item", "n"}); err != nil {
				return err
			}
			for s := range records {
				if err := out.Write([]string{s.Item, strconv.Itoa(s.N)}); err != nil {
					return err
				}
			}
			out.Flush()
			return out.Error()
		})
		sink, err := files.Sink(ssc, dir, table, files.WithEnding(".csv"))
		if err != nil {
			return err
		}
		dstream.WriteTo(sales, sink).Named("sales")
		return nil
	})
	// Output:
	// part-0000000000-00000...csv:
	// item,n
	// apple,2
	// pear,1
}

// Compressed files of text, of two effects of a body.
func ExampleSink() {
	build := func(ssc *dstream.Context, items *dstream.DStream[string], dir string) error {
		sink, err := files.Sink(ssc, dir, files.Text[string](), files.Compressed(rdd.Gzip))
		if err != nil {
			return err
		}
		dstream.ForeachRDD(items, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			if err := dstream.Save(ctx, b, "all", r, sink); err != nil {
				return err
			}
			return dstream.Save(ctx, b, "distinct", rdd.Distinct(r), sink)
		}).Named("items")
		return nil
	}
	_ = build
}
