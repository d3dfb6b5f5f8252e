// Package kafkatest is a Kafka in memory for tests: franz-go's kfake over a network in memory, so that a whole job
// runs in a testing/synctest bubble, in virtual time, without a port or a sleep.
package kafkatest

import (
	"context"
	"net"
	"slices"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/connector/kafka"
)

// A Cluster is a Kafka in memory. It ends with the test.
type Cluster struct {
	*kfake.Cluster
	network kfake.VirtualNetwork
	conns   connections
	t       testing.TB
	client  *kgo.Client
}

// Start makes a cluster; opts are kfake's, such as kfake.SeedTopics(3, "lines") or kfake.NumBrokers(3). In a bubble
// it must be started inside of it.
func Start(t testing.TB, opts ...kfake.Opt) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	port := 9092
	listen := func(network, address string) (net.Listener, error) {
		// The network in memory has no port 0 that would mean any.
		if host, p, err := net.SplitHostPort(address); err == nil && p == "0" {
			address = net.JoinHostPort(host, strconv.Itoa(port))
			port++
		}
		return c.network.Listen(network, address)
	}
	opts = append([]kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(listen)}, opts...)
	var err error
	if c.Cluster, err = kfake.NewCluster(opts...); err != nil {
		t.Fatalf("start a Kafka in memory: %v", err)
	}
	t.Cleanup(c.close)
	return c
}

func (c *Cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	c.Close()
}

// Bootstrap is the value of bootstrap.servers.
func (c *Cluster) Bootstrap() string {
	addrs := c.ListenAddrs()
	out := addrs[0]
	for _, a := range addrs[1:] {
		out += "," + a
	}
	return out
}

// Dialer is the option by which a stream, an RDD or a sink reaches the cluster.
func (c *Cluster) Dialer() kafka.Option { return kafka.WithDialer(c.Dial) }

// Params are parameters with the cluster's address and what else is given, as name, value, name, value ...
func (c *Cluster) Params(more ...string) kafka.Params {
	p := kafka.Params{"bootstrap.servers": c.Bootstrap()}
	for i := 0; i+1 < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// Client is a franz-go client of the cluster, made at the first call.
func (c *Cluster) Client() *kgo.Client {
	c.t.Helper()
	if c.client == nil {
		var err error
		c.client, err = kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(c.network.DialContext),
			kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
		if err != nil {
			c.t.Fatal(err)
		}
	}
	return c.client
}

// Produce writes values without keys to a partition and waits until they are there.
func (c *Cluster) Produce(topic string, partition int32, values ...string) {
	c.t.Helper()
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	c.ProduceRecords(records...)
}

// ProduceRecords writes records, each to the partition that it names, and waits until they are there.
func (c *Cluster) ProduceRecords(records ...*kgo.Record) {
	c.t.Helper()
	left := records
	for range 2 {
		var topics []string
		results := c.Client().ProduceSync(context.Background(), left...)
		left = nil
		for _, r := range results {
			if r.Err != nil {
				left, topics = append(left, r.Record), append(topics, r.Record.Topic)
			}
		}
		if len(left) == 0 {
			return
		}
		// The client may know the topic from before it was made anew or got more partitions.
		c.Client().PurgeTopicsFromProducing(topics...)
	}
	c.t.Fatalf("produce: %d of %d records could not be written, the first of them to %s-%d",
		len(left), len(records), left[0].Topic, left[0].Partition)
}

// Committed is what a group has committed for the partitions of a topic, nil if nothing.
func (c *Cluster) Committed(group, topic string) map[int32]int64 {
	info := c.GroupInfo(group)
	if info == nil || len(info.Commits[topic]) == 0 {
		return nil
	}
	out := make(map[int32]int64, len(info.Commits[topic]))
	for p, commit := range info.Commits[topic] {
		out[p] = commit.Offset
	}
	return out
}

// Records reads all that a topic holds now, partition by partition, transactions' markers and aborted records left
// out.
func (c *Cluster) Records(topic string) []*kgo.Record {
	c.t.Helper()
	ctx := context.Background()
	ends, err := kadm.NewClient(c.Client()).ListCommittedOffsets(ctx, topic)
	if err != nil {
		c.t.Fatal(err)
	}
	at := map[string]map[int32]kgo.Offset{topic: {}}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			at[topic][o.Partition], left[o.Partition] = kgo.NewOffset().AtStart(), o.Offset
		}
	})
	var out []*kgo.Record
	if len(left) == 0 {
		return out
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.Dialer(c.network.DialContext),
		kgo.ConsumePartitions(at), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		c.t.Fatal(err)
	}
	defer reader.Close()
	for len(left) > 0 {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	slices.SortStableFunc(out, func(a, b *kgo.Record) int { return int(a.Partition) - int(b.Partition) })
	return out
}
