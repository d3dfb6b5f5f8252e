// Kafka_rdd is the RDD example of "Connecting Spark Streaming to CKafka": it reads the offsets 0 to 5 of three
// partitions of the topic spark_test, prints each value, and ends.
//
//	BROKERS=172.16.16.12:9092 go run ./examples/kafka_rdd
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/rdd"
)

func main() {
	brokers := cmp.Or(os.Getenv("BROKERS"), "172.16.16.12:9092")
	if err := run(context.Background(), os.Stdout, os.Stderr, brokers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, log io.Writer, brokers string, opts ...kafka.Option) (err error) {
	kafkaParams := kafka.Params{
		"bootstrap.servers":  brokers,
		"key.deserializer":   "org.apache.kafka.common.serialization.StringDeserializer",
		"value.deserializer": "org.apache.kafka.common.serialization.StringDeserializer",
		"group.id":           "spark_stream",
		"auto.offset.reset":  "earliest",
		"enable.auto.commit": "false",
	}
	// Without a logger nothing tells that a broker is away.
	logger := slog.New(slog.NewTextHandler(log, nil))
	sparkConf := conf.New().Set("spark.master", "local").Set("spark.app.name", "Kafka")
	sc, err := rdd.NewContext(sparkConf, rdd.WithLogger(logger))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sc.Stop(ctx)) }()
	// The task of each range reads its offsets in order, and waits for them as long as
	// spark.streaming.kafka.consumer.poll.ms says.
	offsetRanges := []kafka.OffsetRange{
		{Topic: "spark_test", Partition: 0, FromOffset: 0, UntilOffset: 5},
		{Topic: "spark_test", Partition: 1, FromOffset: 0, UntilOffset: 5},
		{Topic: "spark_test", Partition: 2, FromOffset: 0, UntilOffset: 5},
	}
	messages, err := kafka.CreateRDD(sc, kafkaParams, offsetRanges, kafka.String, kafka.String,
		append(opts, kafka.WithLocation(kafka.PreferConsistent()))...)
	if err != nil {
		return err
	}
	return rdd.Foreach(ctx, messages, func(m kafka.Record[string, string]) error {
		_, err := fmt.Fprintln(out, m.Value)
		return err
	})
}
