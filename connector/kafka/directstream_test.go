package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestWordCount is the main job: words of a topic, counted in each batch, printed.
func TestWordCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "lines"))
		c.Produce("lines", 0, "to be", "or not")
		c.Produce("lines", 1, "to be")
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ssc.SetOutput(&out)
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe("lines"),
			c.Params("group.id", "g", "auto.offset.reset", "earliest", "enable.auto.commit", "false"),
			kafka.String, kafka.String, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		var ranges []string
		dstream.ForeachRDD(
			lines,
			func(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]], b *dstream.Batch) error {
				for _, o := range kafka.OffsetRanges(b, lines) {
					ranges = append(ranges, fmt.Sprint(o.Partition, o.FromOffset, o.UntilOffset))
				}
				kafka.Commit(b, lines)
				return nil
			},
		)
		words := dstream.FlatMap(kafka.Values(lines), strings.FieldsSeq)
		pairs := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		counts := dstream.ReduceByKey(pairs, func(a, b int) int { return a + b }, rdd.Partitions(1))
		dstream.Print(counts, 10)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		c.Produce("lines", 1, "be")
		time.Sleep(time.Second)
		if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "(") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if want := []string{"(to,2)", "(be,2)", "(or,1)", "(not,1)", "(be,1)"}; !slices.Equal(got, want) {
			t.Errorf("counted %v, want %v", got, want)
		}
		if want := []string{"0 0 2", "1 0 1", "0 2 2", "1 1 2"}; !slices.Equal(ranges, want) {
			t.Errorf("ranges %v, want %v", ranges, want)
		}
		info := c.GroupInfo("g")
		if info == nil {
			t.Fatal("nothing was committed")
		}
	})
}
