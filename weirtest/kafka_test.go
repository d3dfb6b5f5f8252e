package weirtest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// kafkaCount counts the words of a topic, with a name for where its logic begins.
func kafkaCount(p kafka.Params, opts ...kafka.Option) func(*dstream.Context) error {
	return func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, kafka.Subscribe("lines"), p, kafka.String, kafka.String, opts...)
		if err != nil {
			return err
		}
		lines := kafka.Values(records.Named("records")).Named("lines")
		dstream.Print(wordCount(lines).Named("counts"), 10)
		return nil
	}
}

// TestKafkaReplaced gives a program of Kafka its records in memory: as records, and as what is made from them.
func TestKafkaReplaced(t *testing.T) {
	build := kafkaCount(kafka.Params{"bootstrap.servers": "nowhere:9092", "group.id": "counts"})
	want := weirtest.Want("counts", []count{rdd.KV("to", 1), rdd.KV("be", 1)})
	weirtest.Run(t, build, weirtest.Input("lines", []string{"to be"}), want)
	weirtest.Run(t, build, weirtest.Input("records", []kafka.Record[string, string]{{Value: "to be"}}), want)
}

// TestKafkaInMemory runs all of it, with a Kafka in memory beside it.
func TestKafkaInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := kafkatest.Start(t, kfake.SeedTopics(2, "lines"))
		cluster.Produce("lines", 0, "to be", "or not")
		build := kafkaCount(cluster.Params("group.id", "counts", "auto.offset.reset", "earliest"), cluster.Dialer())
		p := weirtest.Start(t, build, weirtest.Want("counts",
			[]count{rdd.KV("to", 1), rdd.KV("be", 1), rdd.KV("or", 1), rdd.KV("not", 1)}, []count{rdd.KV("be", 1)}))
		p.Advance(1)
		cluster.Produce("lines", 1, "be")
		p.Advance(1)
		if got := fmt.Sprint(cluster.Committed("counts", "lines")); got != "map[0:2 1:1]" {
			t.Errorf("committed %s", got)
		}
		p.Stop()
		// The group goes on where it was.
		cluster.Produce("lines", 0, "that is")
		weirtest.Run(t, build, weirtest.Want("counts", []count{rdd.KV("that", 1), rdd.KV("is", 1)}))
		if !strings.Contains(p.Printed(), "(be,1)") {
			t.Errorf("printed %s", p.Printed())
		}
	})
}
