package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// What is weak in parameters, or has no effect, is said once by everything that connects.
func TestParametersAreToldOf(t *testing.T) {
	weak := []string{"sasl.mechanism", "PLAIN", "metrics.num.samples", "2"}
	for name, connect := range map[string]func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error{
		"DirectStream": func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error {
			return withStream(t, c, log, c.Params(weak...), nil)
		},
		"CreateRDD": func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error {
			sc, err := rdd.NewContext(nil, rdd.WithLogger(log))
			if err != nil {
				return err
			}
			defer sc.Stop(context.Background())
			r, err := kafka.CreateRDD(sc, c.Params(weak...), []kafka.OffsetRange{offsets(0, 0, 1)}, kafka.String,
				kafka.String, c.Dialer())
			for range 3 { // The connections of the first action are closed by the third.
				if err == nil {
					_, err = rdd.Count(t.Context(), r)
				}
				pass(time.Second)
			}
			return err
		},
		"OpenProducer": func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error {
			p, err := kafka.OpenProducer(t.Context(), "t", c.Params(weak...), kafka.StringSerializer,
				kafka.StringSerializer, c.Dialer(), kafka.WithLogger(log))
			if err == nil {
				err = p.Close(t.Context())
			}
			return err
		},
		"Sink": func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error {
			s, err := kafka.Sink("t", c.Params(weak...), kafka.StringSerializer, kafka.StringSerializer, c.Dialer())
			return errors.Join(err, withStream(t, c, log, c.Params(), s))
		},
		"OpenAdmin": func(t *testing.T, c *kafkatest.Cluster, log *slog.Logger) error {
			a, err := kafka.OpenAdmin(t.Context(), c.Params(weak...), c.Dialer(), kafka.WithLogger(log))
			if err == nil {
				a.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0")
				var log bytes.Buffer
				if err := connect(t, c, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
					t.Fatal(err)
				}
				for _, line := range []string{
					`level=WARN msg="the sasl.* parameters have no effect, because security.protocol is PLAINTEXT"`,
					`level=INFO msg="1 Kafka parameter has no effect here: metrics.num.samples (weir has its own metrics)"`,
				} {
					if strings.Count(log.String(), line) != 1 {
						t.Errorf("the log has not once %s:\n%s", line, &log)
					}
				}
			})
		})
	}
}

// withStream runs a stream for a few batches, with a sink if that is not nil.
func withStream(t *testing.T, c *kafkatest.Cluster, log *slog.Logger, p kafka.Params,
	s *kafka.ProducerSink[string, string],
) error {
	ssc, err := dstream.NewContext(nil, time.Second, rdd.WithLogger(log))
	if err != nil {
		return err
	}
	defer ssc.Stop(context.Background())
	ssc.SetOutput(io.Discard)
	d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), p, kafka.String, kafka.String, c.Dialer())
	if err != nil {
		return err
	}
	dstream.Print(d, 1)
	if s != nil {
		none := dstream.FlatMap(d, func(kafka.Record[string, string]) iter.Seq[message] {
			return slices.Values([]message(nil))
		})
		dstream.WriteTo(none, dstream.Sink[message](s))
	}
	if err := ssc.Start(t.Context()); err != nil {
		return err
	}
	pass(3 * time.Second)
	return errors.Join(ssc.Stop(t.Context(), dstream.Graceful()), ssc.AwaitTermination(t.Context()))
}

// A sink keeps to the job's limit, unless the program gave it one of its own.
func TestSinkBytesPerSecond(t *testing.T) {
	for _, row := range []struct {
		name     string
		opts     []kafka.Option
		min, max time.Duration
	}{
		{"of the job", nil, 3 * time.Second, 4 * time.Second},
		{"its own", []kafka.Option{kafka.WithProduceBytesPerSecond(2000)}, time.Second, 2 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				s, err := kafka.Sink("t", c.Params(), kafka.StringSerializer, kafka.StringSerializer,
					append(row.opts, c.Dialer())...)
				if err != nil {
					t.Fatal(err)
				}
				ssc, err := dstream.NewContext(conf.New().Set("weir.kafka.maxBytesPerSecond", "1000b"), time.Second)
				if err != nil {
					t.Fatal(err)
				}
				defer ssc.Stop(context.Background())
				s.Attach(ssc)
				if err := s.Open(t.Context(), "job", 0); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				records := slices.Repeat([]message{{Value: strings.Repeat("v", 500)}}, 8)
				if err := s.Write(t.Context(), dstream.Effect{}, slices.Values(records)); err != nil {
					t.Error(err)
				}
				if d := time.Since(began); d < row.min || d > row.max {
					t.Errorf("4000 bytes took %v", d)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A producer, too, tells of brokers that throttle it: each once in a while.
func TestProducerThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "t"))
		for p := range int32(2) {
			if err := c.MoveTopicPartition("t", p, p); err != nil {
				t.Fatal(err)
			}
		}
		c.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			resp := req.ResponseKind().(*kmsg.ProduceResponse)
			resp.ThrottleMillis = 100
			for _, from := range req.(*kmsg.ProduceRequest).Topics {
				to := kmsg.NewProduceResponseTopic()
				to.Topic, to.TopicID = from.Topic, from.TopicID
				for _, p := range from.Partitions {
					answer := kmsg.NewProduceResponseTopicPartition()
					answer.Partition = p.Partition
					to.Partitions = append(to.Partitions, answer)
				}
				resp.Topics = append(resp.Topics, to)
			}
			return resp, nil, true
		})
		var log bytes.Buffer
		p := openProducer(t, c, "t", nil, kafka.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for i := range int32(10) {
			r := message{Value: "v", Partition: i % 2, HasPartition: true}
			if err := errors.Join(p.Send(t.Context(), r, nil), p.Flush(t.Context())); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, broker := range []string{"broker 0 at ", "broker 1 at "} {
			if strings.Count(log.String(), broker) != 1 {
				t.Errorf("the log has not once %q:\n%s", broker, &log)
			}
		}
	})
}
