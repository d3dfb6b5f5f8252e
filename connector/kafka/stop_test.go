package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A job that is stopped leaves no connection, whatever the brokers do; a goroutine that is left would keep the bubble
// from ending.
func TestStopLeavesNothing(t *testing.T) {
	silent := func(c *kafkatest.Cluster, keys ...kmsg.Key) {
		for _, key := range keys {
			c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				return nil, nil, true
			})
		}
	}
	for _, row := range []struct {
		name    string
		trouble func(c *kafkatest.Cluster)
	}{
		{"all is well", func(*kafkatest.Cluster) {}},
		{"all brokers are away", func(c *kafkatest.Cluster) { c.Cut() }},
		{"one broker is away", func(c *kafkatest.Cluster) { c.Cut(1) }},
		{"nobody answers a fetch", func(c *kafkatest.Cluster) { silent(c, kmsg.Fetch) }},
		{"nobody says where a log ends", func(c *kafkatest.Cluster) { silent(c, kmsg.ListOffsets) }},
		{"nobody answers a commit", func(c *kafkatest.Cluster) { silent(c, kmsg.OffsetCommit) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(4, "t"))
				j := run(t, c, plan{params: []string{"enable.auto.commit", "true"}})
				for p := range int32(4) {
					c.Produce("t", p, "v0")
				}
				pass(1500 * time.Millisecond)
				row.trouble(c)
				for p := range int32(4) {
					c.Produce("t", p, "v1")
				}
				pass(1700 * time.Millisecond)
				began := time.Now()
				if err := j.ssc.Stop(context.Background()); err != nil {
					t.Errorf("Stop: %v", err)
				}
				if d := time.Since(began); d > 10*time.Second {
					t.Errorf("Stop took %v", d)
				}
				synctest.Wait()
				if n := c.Connections(); n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// A right that is taken away while the job runs fails it, and is named.
func TestRightTakenAway(t *testing.T) {
	for _, row := range []struct {
		key  kmsg.Key
		says []string
	}{
		{kmsg.Fetch, []string{"t-0 at offset 1", "no right to the topic", "grant READ"}},
		{kmsg.ListOffsets, []string{"no right to the topic", "t/0"}},
	} {
		t.Run(row.key.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0")
				j := run(t, c, plan{})
				pass(1500 * time.Millisecond)
				c.Fault(
					kfake.Fault{Keys: []kmsg.Key{row.key}, Topic: "t", Err: kerr.TopicAuthorizationFailed, Count: -1},
				)
				c.Produce("t", 0, "v1")
				says(t, j.failure(time.Minute), row.says...)
			})
		})
	}
}

// Several streams of one program may share a group: nothing is joined, so nothing is taken away.
func TestStreamsShareGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "a", "b"))
		ssc, err := dstream.NewContext(nil, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int64{}
		for _, topic := range []string{"a", "b", "a"} {
			d, err := kafka.DirectStream(ssc, kafka.Subscribe(topic),
				c.Params("group.id", "g", "auto.offset.reset", "earliest"), kafka.String, kafka.String, c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			dstream.ForeachRDD(d, func(ctx context.Context, r *textRDD, _ *dstream.Batch) error {
				n, err := rdd.Count(ctx, r)
				counts[topic] += n
				return err
			})
		}
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			c.Produce("a", 0, "x")
			c.Produce("b", 1, "x", "y")
			pass(time.Second)
		}
		pass(time.Second)
		if err := errors.Join(
			ssc.Stop(t.Context(), dstream.Graceful()),
			ssc.AwaitTermination(t.Context()),
		); err != nil {
			t.Error(err)
		}
		if got := fmt.Sprint(counts); got != "map[a:10 b:10]" {
			t.Errorf("read %s", got)
		}
		if a, b := c.Committed("g", "a"), c.Committed("g", "b"); a[0] != 5 || b[1] != 10 {
			t.Errorf("committed %v and %v", a, b)
		}
	})
}

// What a batch took is told to listeners, the largest range first, and without the empty ones.
func TestDescription(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "t"))
		c.Produce("t", 0, "x")
		c.Produce("t", 2, "x", "y")
		j := run(t, c, plan{})
		pass(1500 * time.Millisecond)
		j.stop()
		in := j.batches[0].Inputs[0]
		same(t, "lines", in.Description, []string{
			"topic: t\tpartition: 2\toffsets: 0 to 2\tcount: 2", "topic: t\tpartition: 0\toffsets: 0 to 1\tcount: 1"})
		if in.Records != 3 || in.Name != "kafka.DirectStream [0]" {
			t.Errorf("%d records of %s", in.Records, in.Name)
		}
	})
}
