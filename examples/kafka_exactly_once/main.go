// Kafka_exactly_once keeps count and sum of the integer values of each key of a topic, and writes one record to another
// topic for each that it reads: the same key, and the value "count sum" up to and with that record. With a checkpoint
// each record counts exactly once, and each answer is there exactly once for readers of committed records, whatever
// dies when.
//
//	go run ./examples/kafka_exactly_once --brokers localhost:9092 --in numbers --out sums --checkpoint ./ckpt
package main

import (
	"flag"
	"fmt"
	"strconv"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// settings are the program's own flags.
type settings struct{ brokers, in, out string }

func (s *settings) define(set *flag.FlagSet) {
	set.StringVar(&s.brokers, "brokers", "localhost:9092", "the `addresses` of brokers, HOST:PORT,HOST:PORT")
	set.StringVar(&s.in, "in", "numbers", "the `topic` that is read: string keys, integers as text")
	set.StringVar(&s.out, "out", "sums", "the `topic` that is written")
}

func main() {
	var s settings
	weir.Main("KafkaExactlyOnce", build(&s), weir.Flags(s.define))
}

// A total is what is known of a key.
type total struct{ Count, Sum int64 }

func build(s *settings, opts ...kafka.Option) weir.Build {
	return func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, kafka.Subscribe(s.in), kafka.Params{
			"bootstrap.servers": s.brokers, "auto.offset.reset": "earliest", "isolation.level": "read_committed",
		}, kafka.String, kafka.String, opts...)
		if err != nil {
			return err
		}
		sink, err := kafka.Sink(s.out, kafka.Params{"bootstrap.servers": s.brokers}, kafka.StringSerializer,
			kafka.StringSerializer, opts...)
		if err != nil {
			return err
		}
		numbers := dstream.MapTry(records.Named("records"), number)
		answers, _ := dstream.MapWithState(numbers, dstream.Spec(add))
		dstream.WriteTo(answers.Named("totals"), sink).Named("answers")
		return nil
	}
}

// number reads a record. One that is no number fails its batch, and says where it lies.
func number(r kafka.Record[string, string]) (rdd.Pair[string, int64], error) {
	n, err := strconv.ParseInt(r.Value, 10, 64)
	if err != nil {
		err = fmt.Errorf("%v, offset %d: %w", r.TopicPartition(), r.Offset, err)
	}
	return rdd.KV(r.Key, n), err
}

// add counts a record and gives the answer to it.
func add(key string, n rdd.Optional[int64], state *dstream.State[total]) kafka.ProducerRecord[string, string] {
	t, _ := state.Option().Get()
	t.Count, t.Sum = t.Count+1, t.Sum+n.Value
	state.Update(t)
	return kafka.ProducerRecord[string, string]{Key: key, Value: fmt.Sprint(t.Count, " ", t.Sum)}
}
