package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

type message = kafka.ProducerRecord[string, string]

// contentsOf are the records of a topic's partitions.
func contentsOf(t *testing.T, c *kafkatest.Cluster, topic string) (out []kafka.Record[string, string]) {
	t.Helper()
	sc, err := rdd.NewContext(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Stop(context.Background())
	var ranges []kafka.OffsetRange
	for _, p := range c.PartitionInfos(topic) {
		ranges = append(ranges, kafka.OffsetRange{Topic: topic, Partition: p.Partition, UntilOffset: p.HighWatermark})
	}
	r, err := kafka.CreateRDD(sc, c.Params(), ranges, kafka.String, kafka.String, c.Dialer())
	if err == nil {
		out, err = rdd.Collect(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func openProducer(
	t *testing.T,
	c *kafkatest.Cluster,
	topic string,
	params []string,
	opts ...kafka.Option,
) *kafka.Producer[string, string] {
	t.Helper()
	p, err := kafka.OpenProducer(
		t.Context(),
		topic,
		c.Params(params...),
		kafka.StringSerializer,
		kafka.StringSerializer,
		append([]kafka.Option{c.Dialer()}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

// Keys go where Java's clients send them. The hashes are those that Kafka's own tests expect of its murmur2; a
// partition is the hash without its sign, modulo their number.
func TestKeysGoWhereJavaSendsThem(t *testing.T) {
	hashes := map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	}
	const partitions = 97
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(partitions, "t"))
		p := openProducer(t, c, "t", nil)
		for key := range hashes {
			if err := p.Send(t.Context(), message{Key: key, Value: "v"}, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		found := contentsOf(t, c, "t")
		if len(found) != len(hashes) {
			t.Fatalf("%d records", len(found))
		}
		for _, r := range found {
			if want := (hashes[r.Key] & 0x7fffffff) % partitions; r.Partition != want {
				t.Errorf("key %q is in partition %d, Java's is %d", r.Key, r.Partition, want)
			}
		}
	})
}

// A record's own partition is kept, whatever its key, and leaves the others where they go.
func TestExplicitPartition(t *testing.T) {
	for _, row := range []struct {
		name   string
		params []string
	}{
		{"by key", nil},
		{"sticky", []string{"partitioner.ignore.keys", "true"}},
		{"round robin", []string{"partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(5, "t"))
				p := openProducer(t, c, "t", row.params)
				told := make(chan string, 1)
				for i := range 50 {
					to := int32(i % 5)
					err := p.Send(
						t.Context(),
						message{Key: "key", Value: fmt.Sprint(to), Partition: to, HasPartition: true},
						func(partition int32, _ int64, err error) {
							if partition != to || err != nil {
								told <- fmt.Sprintf("record %d: partition %d, %v", i, partition, err)
							}
						},
					)
					if err == nil {
						err = p.Send(t.Context(), message{Key: "key", Value: "free"}, nil)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				select {
				case text := <-told:
					t.Error(text)
				default:
				}
				free := map[int32]int{}
				for _, r := range contentsOf(t, c, "t") {
					if r.Value == "free" {
						free[r.Partition]++
					} else if r.Value != fmt.Sprint(r.Partition) {
						t.Errorf("a record for partition %s is in %d", r.Value, r.Partition)
					}
				}
				switch {
				case row.name != "round robin" && len(free) != 1:
					t.Errorf("50 short records of one key went to %v", free)
				case row.name == "round robin" && (len(free) != 5 || free[0] != 10):
					t.Errorf("records went to %v", free)
				}
			})
		})
	}
}

// Headers, times and nulls arrive as they were given.
func TestProducedRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "u"))
		p, err := kafka.OpenProducer(t.Context(), "t", c.Params(), kafka.NullableSerializer(kafka.StringSerializer),
			kafka.BytesSerializer, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		key, when, now := "k", time.UnixMilli(1_500_000_000_123), time.Now()
		for _, r := range []kafka.ProducerRecord[*string, []byte]{
			{Key: &key, Value: []byte("v"), Time: when,
				Headers: []kafka.Header{{Key: "a", Value: []byte("1")}, {Key: "a"}, {Key: "b", Value: []byte{}}}},
			{Key: &key, Value: nil},
			{Value: []byte{}},
			{Topic: "u", Value: []byte("elsewhere")},
		} {
			if err := p.Send(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range slices.Concat(contentsOf(t, c, "t"), contentsOf(t, c, "u")) {
			nulls := ""
			for _, h := range r.Headers {
				nulls += fmt.Sprint(h.Value == nil, " ")
			}
			got = append(
				got,
				fmt.Sprintf(
					"%s key=%q,%v value=%q,%v %+q %s%v",
					r.Topic,
					r.Key,
					r.KeyNull,
					r.Value,
					r.Null,
					r.Headers,
					nulls,
					r.Time().Sub(now),
				),
			)
		}
		same(t, "records", got, []string{
			`t key="k",false value="v",false [{"a" "1"} {"a" ""} {"b" ""}] false true false ` + when.Sub(now).
				String(),
			`t key="k",false value="",true [] 0s`,
			`t key="",true value="",false [] 0s`,
			`u key="",true value="elsewhere",false [] 0s`,
		})
	})
}

// What a producer refuses: before it is open, with a record, or when the record is written.
func TestProducerErrors(t *testing.T) {
	t.Run("parameters", func(t *testing.T) {
		for _, row := range []struct {
			params []string
			says   []string
		}{
			{[]string{"acks", "1"}, []string{"acks", "set all or remove it"}},
			{[]string{"batch.sise", "1"}, []string{"batch.sise", "batch.size"}},
			{[]string{"transactional.id", "x"}, []string{"transactional.id", "without transactions"}},
			{[]string{"key.serializer", "org.apache.kafka.common.serialization.DoubleSerializer"},
				[]string{"kafka.Float64Serializer", "kafka.StringSerializer", "make them agree"}},
		} {
			p := kafka.Params{"bootstrap.servers": "localhost:1"}
			p[row.params[0]] = row.params[1]
			_, err := kafka.OpenProducer(t.Context(), "t", p, kafka.StringSerializer, kafka.StringSerializer)
			says(t, err, append(row.says, "kafka.OpenProducer")...)
			if row.params[0] == "transactional.id" {
				continue // A sink's transactional ids begin with it.
			}
			_, err = kafka.Sink("t", p, kafka.StringSerializer, kafka.StringSerializer)
			says(t, err, append(row.says, "kafka.Sink")...)
		}
		_, err := kafka.OpenProducer[string, string](
			t.Context(),
			"t",
			kafka.Params{"bootstrap.servers": "x:1"},
			nil,
			kafka.StringSerializer,
		)
		says(t, err, "the serializer for key is nil")
	})
	for _, row := range []struct {
		name   string
		topic  string
		params []string
		send   message
		before func(c *kafkatest.Cluster)
		says   []string
		open   bool // whether it is the opening that fails
	}{
		{name: "missing topic", topic: "x", says: []string{`topic "x" does not exist`, "a job never creates topics"}, open: true},
		{name: "missing topic in a record", topic: "", send: message{Topic: "x"}, says: []string{`topic "x" does not exist`}},
		{name: "no topic at all", topic: "", says: []string{"a record without a topic"}},
		{name: "negative partition", topic: "t", send: message{Partition: -1, HasPartition: true}, says: []string{"partition -1", `topic "t"`}},
		{name: "missing partition", topic: "t", send: message{Partition: 7, HasPartition: true}, says: []string{`write to topic "t": it has no partition 7`}},
		{name: "too large", topic: "t", params: []string{"max.request.size", "1000"}, send: message{Value: strings.Repeat("x", 2000)},
			says: []string{`write to topic "t"`, "a value of 2000 bytes is too large", "raise max.request.size, which is 1000"}},
		{name: "too large for the broker", topic: "t", params: []string{"max.request.size", "5000000"},
			send: message{Value: strings.Repeat("x", 2_000_000)}, says: []string{"too large", "max.message.bytes"}},
		{name: "no right to write", topic: "t", send: message{},
			before: func(c *kafkatest.Cluster) {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1})
			}, says: []string{`write to topic "t"`, "no right to the topic", "WRITE"}},
		{name: "nobody there", topic: "t", params: []string{"delivery.timeout.ms", "5000", "request.timeout.ms", "1000"}, send: message{},
			before: func(c *kafkatest.Cluster) { c.Cut() }, says: []string{`write to topic "t"`, "delivery.timeout.ms is over"}},
		{name: "nobody answers", topic: "t", params: []string{"delivery.timeout.ms", "5000", "request.timeout.ms", "1000"}, send: message{},
			before: func(c *kafkatest.Cluster) {
				c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					return nil, nil, true
				})
			}, says: []string{`write to topic "t"`, "delivery.timeout.ms is over"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(2, "t"), kfake.AllowAutoTopicCreation())
				p, err := kafka.OpenProducer(t.Context(), row.topic, c.Params(row.params...), kafka.StringSerializer,
					kafka.StringSerializer, c.Dialer())
				if row.open {
					says(t, err, row.says...)
				} else {
					if err != nil {
						t.Fatal(err)
					}
					if row.before != nil {
						row.before(c)
					}
					began := time.Now()
					err = p.Send(t.Context(), row.send, nil)
					if err == nil {
						err = p.Flush(t.Context())
					}
					says(t, err, row.says...)
					if d := time.Since(began); d > 15*time.Second {
						t.Errorf("it took %v", d)
					}
					_ = p.Close(t.Context()) // It says the same again if nothing was flushed.
				}
				if c.TopicInfo("x") != nil {
					t.Error("a topic was created")
				}
				synctest.Wait()
				if n := c.Connections(); n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// A producer that is closed, or never was opened, gives an error.
func TestProducerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", nil)
		if err := errors.Join(
			p.Send(t.Context(), message{Value: "v"}, nil),
			p.Close(t.Context()),
			p.Close(t.Context()),
		); err != nil {
			t.Error(err)
		}
		says(t, p.Send(t.Context(), message{Value: "v"}, nil), "the producer is not open")
		says(t, p.Flush(t.Context()), "the producer is not open")
		if n := len(contentsOf(t, c, "t")); n != 1 {
			t.Errorf("%d records", n)
		}
		s, err := kafka.Sink("t", c.Params(), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		says(
			t,
			s.Write(t.Context(), dstream.Effect{}, slices.Values([]message{{Value: "v"}})),
			"the producer is not open",
		)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A write whose task is cancelled says so, also if nothing of it was sent yet: what is missing must not look written.
func TestSinkWriteCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		s, err := kafka.Sink("t", c.Params(), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Open(t.Context(), "job", 0); err != nil {
			t.Fatal(err)
		}
		for _, after := range []int{0, 1, 3} {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			err := s.Write(ctx, dstream.Effect{}, func(yield func(message) bool) {
				for ; n < 5; n++ {
					if n == after {
						cancel()
					}
					if !yield(message{Value: fmt.Sprint(n)}) {
						return
					}
				}
			})
			if cancel(); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled after %d records: %v", after, err)
			}
		}
		if err := s.Write(t.Context(), dstream.Effect{}, slices.Values([]message{{Value: "after"}})); err != nil {
			t.Errorf("the next write: %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// While buffer.memory is full Send waits as long as its own context, not as long as the records before it. It goes on
// when there is room again, in the order of the calls.
func TestSendWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", []string{"buffer.memory", "4096", "linger.ms", "60000"})
		send := func(ctx context.Context, value string) error { return p.Send(ctx, message{Value: value}, nil) }
		if err := errors.Join(send(t.Context(), "first"), p.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		c.Cut()
		kept := []string{"first"}
		for full := false; !full; {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			began, value := time.Now(), strings.Repeat("v", 500)+fmt.Sprint(len(kept))
			err := send(ctx, value)
			switch cancel(); {
			case err == nil:
				kept = append(kept, value)
			case !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 2*time.Second:
				t.Fatalf("after %v: %v", time.Since(began), err)
			default:
				says(t, err, `write to topic "t"`, "buffer.memory is full")
				full = true
			}
		}
		if len(kept) != 5 {
			t.Errorf("%d records fit", len(kept)-1)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		waiting := make(chan error)
		go func() { waiting <- send(ctx, "cancelled") }()
		synctest.Wait()
		next := make(chan error)
		go func() { next <- send(t.Context(), "next") }()
		synctest.Wait()
		why := errors.New("no more")
		cancel(why)
		if err := <-waiting; !errors.Is(err, why) {
			t.Errorf("cancelled while it waits: %v", err)
		}
		c.Mend()
		if err := errors.Join(<-next, p.Flush(t.Context())); err != nil {
			t.Error(err)
		}
		var found []string
		for _, r := range contentsOf(t, c, "t") {
			found = append(found, r.Value)
		}
		same(t, "records", found, append(kept, "next"))
	})
}

// A record that no buffer of this size ever has room for is refused, not waited for.
func TestSendLargerThanBuffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", []string{"buffer.memory", "100"})
		says(t, p.Send(t.Context(), message{Value: strings.Repeat("v", 101)}, nil), `topic "t"`, "101 bytes",
			"buffer.memory, which is 100")
		if err := errors.Join(p.Send(t.Context(), message{Value: "v"}, nil),
			p.Send(t.Context(), message{Value: strings.Repeat("v", 100)}, nil), p.Flush(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// WithProduceBytesPerSecond holds for keys and values.
func TestProduceBytesPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		p := openProducer(t, c, "t", nil, kafka.WithProduceBytesPerSecond(1000))
		began := time.Now()
		for range 10 {
			if err := p.Send(
				t.Context(),
				message{Key: strings.Repeat("k", 100), Value: strings.Repeat("v", 400)},
				nil,
			); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Send(t.Context(), message{Value: strings.Repeat("v", 3000)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first thousand bytes of eight thousand go at once.
		if d := time.Since(began); d < 7*time.Second || d > 8*time.Second {
			t.Errorf("8000 bytes took %v", d)
		}
	})
}

// A stream from Kafka through a map back to Kafka, with brokers that come and go.
func TestKafkaToKafka(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "in", "out"))
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[4]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		in, err := kafka.DirectStream(
			ssc,
			kafka.Subscribe("in"),
			c.Params("group.id", "g", "auto.offset.reset", "earliest"),
			kafka.String,
			kafka.String,
			c.Dialer(),
		)
		if err != nil {
			t.Fatal(err)
		}
		out, err := kafka.Sink("out", c.Params(), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		dstream.WriteTo(dstream.Map(in, func(r kafka.Record[string, string]) message {
			return message{
				Key:     r.Key,
				Value:   strings.ToUpper(r.Value),
				Time:    r.Time(),
				Headers: []kafka.Header{{Key: "from", Value: []byte(r.TopicPartition().String())}},
			}
		}), dstream.Sink[message](out))
		var failed []error
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.TaskEnded); ok && e.Err != nil {
				failed = append(failed, e.Err)
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		var want []string
		for i := range 30 {
			key, value := fmt.Sprint("key", i%7), fmt.Sprint("v", i)
			c.ProduceRecords(
				&kgo.Record{Topic: "in", Partition: int32(i % 3), Key: []byte(key), Value: []byte(value)},
			)
			want = append(want, fmt.Sprintf("%s %s in-%d", key, strings.ToUpper(value), i%3))
			if i == 10 {
				c.Cut(1)
			}
			if i == 20 {
				c.Mend()
			}
			pass(time.Second)
		}
		pass(15 * time.Second)
		if err := errors.Join(
			ssc.Stop(t.Context(), dstream.Graceful()),
			ssc.AwaitTermination(t.Context()),
		); err != nil {
			t.Fatal(err)
		}
		var got []string
		where := map[string]int32{}
		for _, r := range contentsOf(t, c, "out") {
			got = append(got, fmt.Sprintf("%s %s %s", r.Key, r.Value, r.Headers[0].Value))
			if p, ok := where[r.Key]; ok && p != r.Partition {
				t.Errorf("key %s is in partitions %d and %d", r.Key, p, r.Partition)
			}
			where[r.Key] = r.Partition
		}
		sameSet(t, "records", got, want)
		if len(failed) > 0 {
			t.Errorf("tasks failed: %v", failed)
		}
		if n := c.Committed("g", "in"); n[0] != 10 || n[1] != 10 || n[2] != 10 {
			t.Errorf("committed %v", n)
		}
		synctest.Wait()
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// A sink that cannot write fails its batch, whose offsets are then not committed, and names the record's fault.
func TestSinkFails(t *testing.T) {
	for _, row := range []struct {
		name   string
		topic  string
		value  func(kafka.SerializeMeta, string) ([]byte, error)
		before func(c *kafkatest.Cluster)
		says   []string
		start  bool // whether the start fails
	}{
		{name: "missing topic", topic: "x", says: []string{`topic "x" does not exist`}, start: true},
		{name: "no right", topic: "out", says: []string{`write to topic "out"`, "no right to the topic"},
			before: func(c *kafkatest.Cluster) {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce},
					Topic: "out", Err: kerr.TopicAuthorizationFailed, Count: -1})
			}},
		{name: "serializer", topic: "out", says: []string{`topic "out": the value cannot be serialized: odd`},
			value: func(kafka.SerializeMeta, string) ([]byte, error) { return nil, errors.New("odd") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "in", "out"))
				c.Produce("in", 0, "v0")
				ssc, err := dstream.NewContext(nil, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				in, err := kafka.DirectStream(
					ssc,
					kafka.Subscribe("in"),
					c.Params("group.id", "g", "auto.offset.reset", "earliest"),
					kafka.String,
					kafka.String,
					c.Dialer(),
				)
				if err != nil {
					t.Fatal(err)
				}
				if row.value == nil {
					row.value = kafka.StringSerializer
				}
				out, err := kafka.Sink(row.topic, c.Params(), kafka.StringSerializer, row.value, c.Dialer())
				if err != nil {
					t.Fatal(err)
				}
				if g := out.Guarantee(); !strings.HasPrefix(g, "at-least-once") {
					t.Errorf("it promises %s", g)
				}
				if row.before != nil {
					row.before(c)
				}
				dstream.WriteTo(
					dstream.Map(in, func(r kafka.Record[string, string]) message { return message{Value: r.Value} }),
					dstream.Sink[message](out),
				)
				err = ssc.Start(t.Context())
				if (err != nil) != row.start {
					t.Fatalf("Start: %v", err)
				}
				if !row.start {
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					err = ssc.AwaitTermination(ctx)
				}
				says(t, err, row.says...)
				if got := c.Committed("g", "in"); got != nil {
					t.Errorf("committed %v", got)
				}
				if n := len(contentsOf(t, c, "out")); n != 0 {
					t.Errorf("%d records are written", n)
				}
			})
		})
	}
}
