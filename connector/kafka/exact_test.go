package kafka_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/weirtest"
)

type textRecord = kafka.ProducerRecord[string, string]

// patience are parameters with which a producer gives up soon.
var patience = []string{"delivery.timeout.ms", "30000", "request.timeout.ms", "5000"}

// exactSuite tests sinks over a Kafka in memory; each process has a network of its own.
func exactSuite(opts ...kfake.Opt) weirtest.SinkSuite[textRecord] {
	return weirtest.SinkSuite[textRecord]{
		Bubble: true,
		Record: func(n int) textRecord { return textRecord{Key: fmt.Sprint(n % 7), Value: fmt.Sprint(n)} },
		New: func(t *testing.T) weirtest.SinkStore[textRecord] {
			c := kafkatest.Start(t, append([]kfake.Opt{kfake.SeedTopics(3, "out")}, opts...)...)
			next := c.Process()
			return weirtest.SinkStore[textRecord]{
				Process: func() dstream.Sink[textRecord] {
					p := next
					next = c.Process()
					return exactSink(t, c, p)
				},
				Stored: func() []int { return stored(c, "out") },
				Cut: func(step int, late bool) func() bool {
					next.DieAt(step, late, nil)
					return next.Dead
				},
				Forget: func(job, output, effect string) { forget(t, c, kafka.TransactionName("", job, output, effect)) },
			}
		},
	}
}

func exactSink(t *testing.T, c *kafkatest.Cluster, p *kafkatest.Process) *kafka.ProducerSink[string, string] {
	t.Helper()
	s, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer,
		p.Dialer())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored are the numbers that the values of the committed records of a topic are.
func stored(c *kafkatest.Cluster, topic string) (ns []int) {
	for _, r := range c.Records(topic) {
		n, err := strconv.Atoi(string(r.Value))
		if err != nil {
			n = -1
		}
		ns = append(ns, n)
	}
	return ns
}

// forget deletes a group, as brokers do when its offsets expire.
func forget(t *testing.T, c *kafkatest.Cluster, group string) {
	t.Helper()
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	if _, err := req.RequestWith(context.Background(), c.Client()); err != nil {
		t.Fatal(err)
	}
}

// The sink keeps to its contract.
func TestExactSink(t *testing.T) { weirtest.Sink(t, exactSuite()) }
