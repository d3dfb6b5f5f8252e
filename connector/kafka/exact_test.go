package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

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

// A mortal is the network of one process, which dies at a request.
type mortal struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	at   int // -1 for never
	late bool

	mu    sync.Mutex
	sent  int
	dying bool
}

var errDied = errors.New("the process has died")

func (m *mortal) dead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dying
}

// next counts a request; pass tells whether it still goes out.
func (m *mortal) next() (pass bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dying {
		return false
	}
	m.dying = m.sent == m.at
	m.sent++
	return !m.dying || m.late
}

func (m *mortal) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if m.dead() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errDied}
	}
	conn, err := m.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &mortalConn{conn, m}, nil
}

type mortalConn struct {
	net.Conn
	of *mortal
}

func (c *mortalConn) Write(b []byte) (int, error) {
	if !c.of.next() {
		return 0, errDied
	}
	return c.Conn.Write(b)
}

func (c *mortalConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.of.dead() {
		return 0, errDied
	}
	return n, err
}

// Close leaves a dead process's connection to the broker for a while, which may not have read all of it yet.
func (c *mortalConn) Close() error {
	if c.of.dead() {
		time.AfterFunc(time.Second, func() { _ = c.Conn.Close() })
		return nil
	}
	return c.Conn.Close()
}

// exactSuite tests sinks over a Kafka in memory; each process has a network of its own.
func exactSuite(opts ...kfake.Opt) weirtest.SinkSuite[textRecord] {
	return weirtest.SinkSuite[textRecord]{
		Bubble: true,
		Record: func(n int) textRecord { return textRecord{Key: fmt.Sprint(n % 7), Value: fmt.Sprint(n)} },
		New: func(t *testing.T) weirtest.SinkStore[textRecord] {
			c := kafkatest.Start(t, append([]kfake.Opt{kfake.SeedTopics(3, "out")}, opts...)...)
			next := &mortal{dial: c.Dial, at: -1}
			return weirtest.SinkStore[textRecord]{
				Process: func() dstream.Sink[textRecord] {
					net := next
					next = &mortal{dial: c.Dial, at: -1}
					return exactSink(t, c, net)
				},
				Stored: func() []int { return stored(c, "out") },
				Cut: func(step int, late bool) func() bool {
					next.at, next.late = step, late
					return next.dead
				},
				Forget: func(job, output, effect string) { forget(t, c, kafka.TransactionName(job, output, effect)) },
			}
		},
	}
}

func exactSink(t *testing.T, c *kafkatest.Cluster, net *mortal) *kafka.ProducerSink[string, string] {
	t.Helper()
	s, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer,
		kafka.WithDialer(net.Dial))
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
