package kafka_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// Brokers of 3.1 and later whose inter.broker.protocol.version is older offer fetches by topic id and give no ids.
func TestNoTopicIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "v0")
		host, _, _ := strings.Cut(c.ListenAddrs()[0], ":")
		c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			resp := req.ResponseKind().(*kmsg.MetadataResponse)
			b := kmsg.NewMetadataResponseBroker()
			b.Host, b.Port = host, 9092
			resp.Brokers = append(resp.Brokers, b)
			rt := kmsg.NewMetadataResponseTopic()
			rt.Topic = kmsg.StringPtr("t")
			rp := kmsg.NewMetadataResponseTopicPartition()
			rp.Replicas, rp.ISR = []int32{0}, []int32{0}
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
			return resp, nil, true
		})
		j := run(t, c, plan{})
		pass(3 * time.Second)
		j.stop()
		same(t, "records", j.records(), at("t-0", "v", 0, 1))
	})
}

// What is fetched ahead, and fails before anybody wants it, is fetched again when the batch runs: an outage that is
// over by then is none.
func TestPrefetchFailedLongAgo(t *testing.T) {
	for _, row := range []struct {
		name string
		ends time.Duration // when the outage does, after the prefetch began
		runs time.Duration // when the batch does
	}{
		{"over when the batch runs", 3 * time.Minute, 4 * time.Minute},
		{"not over when the batch runs", 2 * time.Minute, 100 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0")
				running := make(chan struct{})
				first := sync.OnceFunc(func() { <-running })
				j := run(t, c, plan{
					settings: []string{"weir.streaming.maxQueuedBatches", "1"},
					body: func(context.Context, *textRDD, *dstream.Batch, stream) error {
						first()
						return nil
					},
				})
				pass(1500 * time.Millisecond)
				c.Produce("t", 0, "v1")
				c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
					return nil, nil, true // No answer: then the connection breaks.
				})
				pass(10 * time.Second) // Until no more batches are planned.
				c.Cut()
				time.AfterFunc(row.ends, c.Mend)
				pass(row.runs)
				close(running)
				pass(3 * time.Minute)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 2))
			})
		})
	}
}

// A counter counts connections.
type counter struct{ made, gone atomic.Int64 }

func (c *counter) OnBrokerConnect(kgo.BrokerMetadata, time.Duration, net.Conn, error) { c.made.Add(1) }
func (c *counter) OnBrokerDisconnect(kgo.BrokerMetadata, net.Conn)                    { c.gone.Add(1) }

// Fetches that are not wanted any more cost no connection: others are under way on it.
func TestTakeKeepsConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(4, "t"))
		ssc, err := dstream.NewContext(nil, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(io.Discard)
		ssc.Conf().Set("weir.kafka.fetchBytes", "1k")
		var seen counter
		d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), c.Params("auto.offset.reset", "earliest"),
			kafka.String, kafka.String, c.Dialer(), kafka.WithClientOptions(kgo.WithHooks(&seen)))
		if err != nil {
			t.Fatal(err)
		}
		dstream.ForeachRDD(d, func(ctx context.Context, r *textRDD, _ *dstream.Batch) error {
			_, err := rdd.Take(ctx, r, 2)
			return err
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			c.SleepControl(func() { time.Sleep(20 * time.Millisecond) })
			return nil, nil, false
		})
		pad := strings.Repeat("x", 2000)
		for range 10 {
			for p := range int32(4) {
				for range 4 {
					c.Produce("t", p, pad)
				}
			}
			pass(time.Second)
		}
		pass(time.Second)
		if made, gone := seen.made.Load(), seen.gone.Load(); made > 4 || gone > 0 {
			t.Errorf("%d connections were made and %d lost", made, gone)
		}
		if err := ssc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		pass(time.Second)
	})
}

// Time in which a broker holds the client back does not count against its patience, but it ends.
func TestThrottledForLong(t *testing.T) {
	for _, row := range []struct {
		name  string
		times int // 20 s each
		err   []string
	}{
		{"longer than the patience", 10, nil},
		{"for ever", 1000, []string{"t-0 at offset 0: for 20m0s", "the quota of this client is used up", "consumer_byte_rate"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				times := row.times
				c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if times--; times < 0 {
						return nil, nil, false
					}
					resp := req.ResponseKind().(*kmsg.FetchResponse)
					resp.ThrottleMillis = 20_000
					return resp, nil, true
				})
				j := run(t, c, plan{})
				c.Produce("t", 0, "v0")
				if row.err != nil {
					says(t, j.failure(30*time.Minute), row.err...)
					return
				}
				pass(400 * time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 1))
			})
		})
	}
}

// A broker that names no reason, or one that we do not know, is asked again.
func TestUnknownServerError(t *testing.T) {
	for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch} {
		t.Run(key.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				j := run(t, c, plan{})
				pass(2500 * time.Millisecond)
				c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: "t", Err: kerr.UnknownServerError, Count: 8})
				c.Produce("t", 0, "v0")
				pass(30 * time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 1))
			})
		})
	}
}
