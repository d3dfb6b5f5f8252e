// Kafka_producer is the producer example of "Connecting Spark Streaming to CKafka": it writes fifty records and an
// end to the topic test.
//
//	BROKERS=172.16.16.12:9092 go run ./examples/kafka_producer
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/weirstream/weir/connector/kafka"
)

func main() {
	if err := run(context.Background(), cmp.Or(os.Getenv("BROKERS"), "172.16.16.12:9092")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, brokers string, opts ...kafka.Option) error {
	props := kafka.Params{
		"bootstrap.servers": brokers, // private IP and port in the instance information
		"key.serializer":    "org.apache.kafka.common.serialization.StringSerializer",
		"value.serializer":  "org.apache.kafka.common.serialization.StringSerializer",
	}
	const topic = "test" // the topic to produce to
	producer, err := kafka.OpenProducer(ctx, topic, props, kafka.StringSerializer, kafka.StringSerializer, opts...)
	if err != nil {
		return err
	}
	send := func(value string) error {
		return producer.Send(ctx, kafka.ProducerRecord[string, string]{Key: "key", Value: value}, nil)
	}
	for i := 1; i <= 50; i++ { // a record whose key is "key" and whose value is "hello i"
		if err := send(fmt.Sprintf("hello %d", i)); err != nil {
			return err
		}
	}
	if err := send("the end " + time.Now().Format(time.UnixDate)); err != nil {
		return err
	}
	return producer.Close(ctx) // flush and disconnect at the end
}
