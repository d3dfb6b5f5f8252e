package kafka_test

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/weirtest"
)

// beside gives f a Kafka in memory whose topic words has two partitions: "to" and "be" lie in the first one, "or" in
// the second.
func beside(f func(t *testing.T, k *kafkatest.Cluster)) {
	synctest.Test(new(testing.T), func(t *testing.T) { // a test hands its own
		k := kafkatest.Start(t, kfake.SeedTopics(2, "words"), kfake.SeedTopics(1, "counts", "dead"))
		k.Produce("words", 0, "to", "be")
		k.Produce("words", 1, "or")
		f(t, k)
	})
}

// wordsOf runs a batch of a direct stream and prints its records in their order.
func wordsOf(s kafka.Strategy, more ...string) {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, s, k.Params(more...), kafka.Ignore, kafka.String, k.Dialer())
			if err != nil {
				return err
			}
			dstream.ForeachRDD(records, func(ctx context.Context, r *rdd.RDD[kafka.Record[struct{}, string]],
				_ *dstream.Batch) error {
				read, err := rdd.Collect(ctx, r)
				for _, r := range read {
					fmt.Println(r.TopicPartition(), r.Offset, r.Value)
				}
				return err
			})
			return nil
		}).Advance(1)
	})
}

// A stream of all records of a topic; what a batch has read is committed when it is done.
func ExampleDirectStream() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		params := k.Params("group.id", "example", "auto.offset.reset", "earliest") // and "bootstrap.servers", where it is
		program := weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), params, kafka.String, kafka.String, k.Dialer())
			if err != nil {
				return err
			}
			dstream.Print(dstream.Count(records), 10)
			return nil
		})
		program.Advance(2)
		fmt.Print(program.Printed())
		fmt.Println("committed:", k.Committed("example", "words"))
	})
	// Output:
	// -------------------------------------------
	// Time: 946684801000 ms
	// -------------------------------------------
	// 3
	//
	// -------------------------------------------
	// Time: 946684802000 ms
	// -------------------------------------------
	// 0
	//
	// committed: map[0:2 1:1]
}

// First offsets of one's own count more than those that the group has committed, at the first start.
func ExampleSubscribe() {
	from := map[kafka.TopicPartition]int64{{Topic: "words", Partition: 0}: 1}
	wordsOf(kafka.Subscribe("words").From(from), "auto.offset.reset", "earliest")
	// Output:
	// words-0 1 be
	// words-1 0 or
}

// Topics that match and appear later are taken in, from their beginning.
func ExampleSubscribePattern() {
	wordsOf(kafka.SubscribePattern(regexp.MustCompile(`wor.*`)), "auto.offset.reset", "earliest")
	// Output:
	// words-0 0 to
	// words-0 1 be
	// words-1 0 or
}

func ExampleAssign() {
	first := kafka.TopicPartition{Topic: "words", Partition: 0}
	wordsOf(kafka.Assign(first).From(map[kafka.TopicPartition]int64{first: 0}))
	// Output:
	// words-0 0 to
	// words-0 1 be
}

// Offsets that a program commits itself, when it has done with them: Spark's commitAsync.
func ExampleCommit() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		params := k.Params("group.id", "mine", "auto.offset.reset", "earliest", "enable.auto.commit", "false")
		weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), params, kafka.String, kafka.String, k.Dialer())
			if err != nil {
				return err
			}
			words := kafka.Values(records)
			dstream.ForeachRDD(words, func(_ context.Context, _ *rdd.RDD[string], b *dstream.Batch) error {
				for _, r := range kafka.OffsetRanges(b, records) { // whatever operators lie between
					fmt.Println("read:", r)
				}
				kafka.Commit(b, records, kafka.OnCommit(func(ranges []kafka.OffsetRange, err error) {
					fmt.Println("committed:", len(ranges), err)
				}))
				return nil
			})
			return nil
		}).Advance(1)
		fmt.Println(k.Committed("mine", "words"))
	})
	// Output:
	// read: OffsetRange(topic: 'words', partition: 0, range: [0 -> 2])
	// read: OffsetRange(topic: 'words', partition: 1, range: [0 -> 1])
	// committed: 2 <nil>
	// map[0:2 1:1]
}

// At most one record a second of each partition, however much there is.
func ExampleWithRatePerPartition() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		one := func(kafka.TopicPartition) int64 { return 1 }
		params := k.Params("group.id", "slow", "auto.offset.reset", "earliest")
		program := weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), params, kafka.String, kafka.String, k.Dialer(),
				kafka.WithRatePerPartition(one, one))
			if err != nil {
				return err
			}
			dstream.Foreach(records, func(kafka.Record[string, string]) error { return nil })
			return nil
		})
		for range 2 {
			program.Advance(1)
			fmt.Println(k.Committed("slow", "words"))
		}
	})
	// Output:
	// map[0:1 1:1]
	// map[0:2 1:1]
}

// Ranges as an RDD, without a stream: what a batch has read can be read again.
func ExampleCreateRDD() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2]"))
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(t.Context())
		records, err := kafka.CreateRDD(sc, k.Params(), []kafka.OffsetRange{
			{Topic: "words", Partition: 1, FromOffset: 0, UntilOffset: 1},
			{Topic: "words", Partition: 0, FromOffset: 1, UntilOffset: 2},
		}, kafka.String, kafka.String, k.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		words := rdd.Map(records, func(r kafka.Record[string, string]) string { return r.Value })
		fmt.Println(rdd.Collect(t.Context(), words))
	})
	// Output: [or be] <nil>
}

// A sink writes a batch in a transaction, with a checkpoint; without one, as here, it writes at least once.
func ExampleSink() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), k.Params("auto.offset.reset", "earliest"),
				kafka.String, kafka.String, k.Dialer())
			if err != nil {
				return err
			}
			sink, err := kafka.Sink("counts", k.Params(), kafka.StringSerializer, kafka.Int64Serializer, k.Dialer())
			if err != nil {
				return err
			}
			rows := dstream.Map(dstream.CountByValue(kafka.Values(records)), func(c rdd.Pair[string, int64],
			) kafka.ProducerRecord[string, int64] {
				return kafka.ProducerRecord[string, int64]{Key: c.Key, Value: c.Value}
			})
			dstream.WriteTo(rows, sink).Named("counts")
			return nil
		}).Advance(1)
		var lines []string
		for _, r := range k.Records("counts") {
			n, err := kafka.Int64(kafka.Meta{}, r.Value)
			lines = append(lines, fmt.Sprint(string(r.Key), " ", n, " ", err))
		}
		slices.Sort(lines)
		fmt.Println(lines)
	})
	// Output: [be 1 <nil> or 1 <nil> to 1 <nil>]
}

// Records that do not decode go to a topic of their own instead of failing their batch.
func ExampleToDeadLetters() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		k.Produce("words", 1, `{"Word": "not", "N": 2}`)
		type entry struct {
			Word string
			N    int
		}
		weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), k.Params("auto.offset.reset", "earliest"),
				kafka.Ignore, kafka.JSON[entry], k.Dialer(), kafka.ToDeadLetters())
			if err != nil {
				return err
			}
			dead, err := kafka.Sink("dead", k.Params(), kafka.BytesSerializer, kafka.BytesSerializer, k.Dialer())
			if err != nil {
				return err
			}
			dstream.WriteTo(dstream.Map(dstream.DeadLetters(ssc), kafka.DeadLetterRecord), dead).Named("dead letters")
			dstream.Foreach(kafka.Values(records), func(e entry) error { fmt.Println(e); return nil })
			return nil
		}).Advance(1)
		for _, r := range k.Records("dead") {
			fmt.Println(string(r.Value))
		}
	})
	// Unordered output:
	// {not 2}
	// to
	// be
	// or
}

// A producer of one's own, for what is no output of a batch.
func ExampleOpenProducer() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		p, err := kafka.OpenProducer(t.Context(), "counts", k.Params(), kafka.StringSerializer, kafka.JSONSerializer[[]int],
			k.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		err = p.Send(t.Context(), kafka.ProducerRecord[string, []int]{Key: "primes", Value: []int{2, 3, 5}}, nil)
		fmt.Println(err, p.Flush(t.Context()), p.Close(t.Context()))
		for _, r := range k.Records("counts") {
			fmt.Println(string(r.Key), string(r.Value))
		}
	})
	// Output:
	// <nil> <nil> <nil>
	// primes [2,3,5]
}

// What a cluster holds, and where a group goes on: Spark's KafkaCluster.
func ExampleOpenAdmin() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		admin, err := kafka.OpenAdmin(t.Context(), k.Params(), k.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		first := kafka.TopicPartition{Topic: "words", Partition: 0}
		latest, err := admin.ListOffsets(t.Context(), kafka.LatestOffset, first)
		fmt.Println(latest[first], err)
		fmt.Println(admin.CommitGroupOffsets(t.Context(), "example", map[kafka.TopicPartition]int64{first: 1}))
		fmt.Println(k.Committed("example", "words")[0])
	})
	// Output:
	// 2 <nil>
	// <nil>
	// 1
}

func ExamplePairs() {
	beside(func(t *testing.T, k *kafkatest.Cluster) {
		var pairs [][]rdd.Pair[*string, string]
		weirtest.Start(t, func(ssc *dstream.Context) error {
			records, err := kafka.DirectStream(ssc, kafka.Subscribe("words"), k.Params("auto.offset.reset", "earliest"),
				kafka.Nullable(kafka.String), kafka.String, k.Dialer())
			if err != nil {
				return err
			}
			kafka.Pairs(records).Named("pairs")
			dstream.Print(kafka.Values(records), 1)
			return nil
		}, weirtest.Collect("pairs", &pairs)).Advance(1)
		slices.SortFunc(pairs[0], func(a, b rdd.Pair[*string, string]) int { return cmp.Compare(a.Value, b.Value) })
		for _, p := range pairs[0] {
			fmt.Println(p.Key == nil, p.Value)
		}
	})
	// Output:
	// true be
	// true or
	// true to
}

// Decoders are plain functions: one's own stands beside those of the package.
func ExampleDeserializer() {
	type temperature float64
	celsius := func(m kafka.Meta, data []byte) (temperature, error) {
		v, err := strconv.ParseFloat(string(data), 64)
		return temperature(v), err
	}
	fmt.Println(celsius(kafka.Meta{}, []byte("21.5")))
	fmt.Println(kafka.Int32(kafka.Meta{}, []byte{0, 0, 1, 0}))
	fmt.Println(kafka.JSON[map[string]int](kafka.Meta{}, []byte(`{"a": 1}`)))
	null, err := kafka.Nullable(kafka.Int32)(kafka.Meta{Null: true}, nil) // a tombstone
	fmt.Println(null, err)
	// Output:
	// 21.5 <nil>
	// 256 <nil>
	// map[a:1] <nil>
	// <nil> <nil>
}

func ExampleParseRange() {
	rng, err := kafka.MoveRange(nil, []kafka.TopicInfo{{Name: "words"}},
		map[kafka.TopicPartition]int64{{Topic: "words", Partition: 0}: 2}) // as a source's range, in a listener's events
	if err != nil {
		fmt.Println(err)
		return
	}
	ranges, ok := kafka.ParseRange(rng)
	fmt.Println(ranges, ok)
	_, ok = kafka.ParseRange([]byte("of another source"))
	fmt.Println(ok)
	// Output:
	// [OffsetRange(topic: 'words', partition: 0, range: [2 -> 2])] true
	// false
}
