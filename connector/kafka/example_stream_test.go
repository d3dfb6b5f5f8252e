package kafka_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// broker is a Kafka of the example's own with a topic of one partition, and three records in it.
func broker(topic string) (address string, end func()) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		panic(err)
	}
	address = c.ListenAddrs()[0]
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DefaultProduceTopic(topic))
	if err != nil {
		panic(err)
	}
	defer cl.Close()
	for _, v := range []string{"to be", "or not", "to be"} {
		if err := cl.ProduceSync(context.Background(), kgo.StringRecord(v)).FirstErr(); err != nil {
			panic(err)
		}
	}
	return address, c.Close
}

// A receiver brings the records of a topic with one thread. With the write ahead log each of them is in one batch.
func ExampleStream() {
	address, end := broker("lines")
	defer end()
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.receiver.writeAheadLog.enable", "true")
	three := make(chan struct{}, 3)
	ssc, err := dstream.GetOrCreate(dir, c, 50*time.Millisecond, func(ssc *dstream.Context) error {
		lines, err := kafka.Stream(ssc, map[string]int{"lines": 1}, kafka.Params{
			"bootstrap.servers": address, "group.id": "example", "auto.offset.reset": "smallest",
		}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(kafka.Values(lines.Named("lines")), func(ctx context.Context, r *rdd.RDD[string],
			_ *dstream.Batch) error {
			return rdd.Foreach(ctx, rdd.Coalesce(r, 1), func(line string) error {
				fmt.Println(line)
				three <- struct{}{}
				return nil
			})
		}).Named("print")
		return nil
	})
	if err != nil {
		panic(err)
	}
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	for range cap(three) {
		<-three
	}
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
	// Output:
	// to be
	// or not
	// to be
}
