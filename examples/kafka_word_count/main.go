// Kafka_word_count counts the words of the lines in a topic, batch by batch. Addresses come from the
// environment, everything else from flags.
//
//	BROKERS=localhost:9092 TOPIC=spark_test go run ./examples/kafka_word_count --master 'local[4]' --interval 1s
package main

import (
	"cmp"
	"os"
	"strings"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func main() {
	weir.Main(
		"KafkaWordCount",
		build(cmp.Or(os.Getenv("BROKERS"), "localhost:9092"), cmp.Or(os.Getenv("TOPIC"), "spark_test")),
	)
}

func build(brokers, topic string, opts ...kafka.Option) weir.Build {
	return func(ssc *dstream.Context) error {
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe(topic), kafka.Params{
			"bootstrap.servers": brokers, "group.id": "kafka_word_count", "auto.offset.reset": "earliest",
		}, kafka.String, kafka.String, opts...)
		if err != nil {
			return err
		}
		words := dstream.FlatMap(kafka.Values(lines), strings.FieldsSeq)
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		dstream.Print(dstream.ReduceByKey(ones, func(a, b int) int { return a + b }), 10)
		return nil
	}
}
