package dstream_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func TestWordCountOfAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(&out)
		q := dstream.NewQueue([]string{"to be or not", "to be"}, nil, []string{"be"})
		words := dstream.FlatMap(dstream.QueueStream(ssc, q), strings.FieldsSeq)
		pairs := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		counts := dstream.ReduceByKey(pairs, func(a, b int) int { return a + b }, rdd.Partitions(1))
		dstream.Print(counts, 10)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Fatal(err)
		}
		line := "-------------------------------------------\n"
		want := line + "Time: 946684801000 ms\n" + line + "(to,2)\n(be,2)\n(or,1)\n(not,1)\n\n" +
			line + "Time: 946684802000 ms\n" + line + "\n" +
			line + "Time: 946684803000 ms\n" + line + "(be,1)\n\n"
		if out.String() != want {
			t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
		}
	})
}
