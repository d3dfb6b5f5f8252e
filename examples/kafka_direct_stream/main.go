// Kafka_direct_stream is the direct stream example of "Connecting Spark Streaming to CKafka": every five seconds it
// prints each new value of the topic spark_test, then for each partition "topic partition from until".
//
//	BROKERS=172.16.16.12:9092 go run ./examples/kafka_direct_stream
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Stderr, cmp.Or(os.Getenv("BROKERS"), "172.16.16.12:9092")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out, log io.Writer, brokers string, opts ...kafka.Option) error {
	kafkaParams := kafka.Params{
		"bootstrap.servers":  brokers,
		"key.deserializer":   "org.apache.kafka.common.serialization.StringDeserializer",
		"value.deserializer": "org.apache.kafka.common.serialization.StringDeserializer",
		"group.id":           "spark_stream_test1",
		"auto.offset.reset":  "earliest",
		"enable.auto.commit": "false",
	}
	sparkConf := conf.New().Set("spark.master", "local").Set("spark.app.name", "Kafka")
	// Without a logger nothing tells that a broker is away.
	logger := slog.New(slog.NewTextHandler(log, nil))
	ssc, err := dstream.NewContext(sparkConf, 5*time.Second, rdd.WithLogger(logger))
	if err != nil {
		return err
	}
	stream, err := kafka.DirectStream(ssc, kafka.Subscribe("spark_test"), kafkaParams, kafka.String, kafka.String,
		append(opts, kafka.WithLocation(kafka.PreferConsistent()))...)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "directStream")
	dstream.ForeachRDD(
		stream,
		func(ctx context.Context, r *rdd.RDD[kafka.Record[string, string]], b *dstream.Batch) error {
			// Output the obtained messages.
			err := rdd.Foreach(ctx, r, func(m kafka.Record[string, string]) error {
				_, err := fmt.Fprintln(out, m.Value)
				return err
			})
			if err != nil {
				return err
			}
			// Get the offsets: partition p of the RDD is offsetRanges[p].
			offsetRanges := kafka.OffsetRanges(b, stream)
			return rdd.ForeachPartition(
				ctx,
				r,
				func(tc *rdd.TaskContext, _ iter.Seq[kafka.Record[string, string]]) error {
					o := offsetRanges[tc.PartitionID()]
					_, err := fmt.Fprintln(out, o.Topic, o.Partition, o.FromOffset, o.UntilOffset)
					return err
				},
			)
		},
	)
	// Start the computation.
	if err := ssc.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted during the start")
		}
		return err
	}
	err = ssc.AwaitTermination(ctx)
	if ctx.Err() != nil { // Ctrl-C, or the container ends: finish and commit what is planned.
		return ssc.Stop(context.WithoutCancel(ctx), dstream.Graceful())
	}
	return err
}
