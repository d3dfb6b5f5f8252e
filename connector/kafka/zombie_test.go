package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A sleeper is a process that sleeps and wakes up again: first its network, then its disk.
type sleeper struct {
	mu            sync.Mutex
	network, disk time.Time // when they wake up
}

// sleep has the process sleep from now on.
func (s *sleeper) sleep(network, disk time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.network, s.disk = time.Now().Add(network), time.Now().Add(disk)
}

func (s *sleeper) awaken(disk bool) {
	s.mu.Lock()
	until := s.network
	if disk {
		until = s.disk
	}
	s.mu.Unlock()
	if wait := time.Until(until); wait > 0 {
		<-time.After(wait)
	}
}

// fault is what a step of the disk waits for.
func (s *sleeper) fault(vfs.Step) vfs.Fault {
	s.awaken(true)
	return vfs.None
}

// dialer is the network of the process.
func (s *sleeper) dialer(c *kafkatest.Cluster) kafka.Option {
	return kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.awaken(false)
		conn, err := c.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &sleepyConn{conn, s}, nil
	})
}

type sleepyConn struct {
	net.Conn
	s *sleeper
}

// Write implements net.Conn.
func (c *sleepyConn) Write(b []byte) (int, error) {
	c.s.awaken(false)
	return c.Conn.Write(b)
}

// copies starts a program that copies the topic "t" to "out", exactly once. It keeps the last batch that had records.
func copies(t *testing.T, c *kafkatest.Cluster, disk *vfs.Disk, s *sleeper, last *atomic.Int64, settings ...string,
) *dstream.Context {
	t.Helper()
	set := conf.New().Set("spark.master", "local[2]")
	for i := 0; i+1 < len(settings); i += 2 {
		set.Set(settings[i], settings[i+1])
	}
	ssc, err := dstream.NewContext(set, time.Second, rdd.WithFileSystem(disk.Mount(s.fault)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssc.Stop(context.Background()) })
	ssc.Checkpoint("disk:/ck")
	ssc.AddListener(func(e dstream.Event) {
		if b, ok := e.(dstream.BatchStarted); ok && b.Records() > 0 {
			last.Store(b.Sequence)
		}
	})
	d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), c.Params("group.id", "g", "auto.offset.reset", "earliest"),
		kafka.String, kafka.String, s.dialer(c))
	if err != nil {
		t.Fatal(err)
	}
	out, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer, s.dialer(c))
	if err != nil {
		t.Fatal(err)
	}
	dstream.WriteTo(dstream.Map(kafka.Values(d.Named("in")), func(v string) textRecord {
		return textRecord{Value: v}
	}), out).Named("out")
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ssc
}

// TestZombieWritesNothing: a process whose transaction failed falls asleep before it tries the batch again. Another one
// takes over and gives the batch up, as its user says. When the first wakes up, and its sink sooner than its sign of
// life, it does not write what the log says was never written.
func TestZombieWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "out"))
		disk, asleep := vfs.NewDisk("disk"), &sleeper{}
		var last atomic.Int64
		zombie := copies(t, c, disk, asleep, &last, "weir.streaming.failedBatch.backoff", "3s",
			"weir.streaming.failedBatch.maxRetries", "100") // For its clock does not sleep.
		c.Produce("t", 0, "v0")
		time.Sleep(2500 * time.Millisecond)
		refused := make(chan struct{})
		c.ControlKey(int16(kmsg.AddOffsetsToTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
			close(refused)
			resp := req.ResponseKind().(*kmsg.AddOffsetsToTxnResponse)
			resp.ErrorCode = kerr.GroupAuthorizationFailed.Code
			return resp, nil, true
		})
		c.Produce("t", 0, "v1")
		select {
		case <-refused:
		case <-time.After(time.Minute):
			t.Fatal("the batch did not fail")
		}
		time.Sleep(500 * time.Millisecond)
		asleep.sleep(time.Minute, time.Minute+time.Second)
		time.Sleep(20 * time.Second)
		next := copies(t, c, disk, &sleeper{}, &last, "weir.checkpoint.skip", fmt.Sprint(last.Load()))
		time.Sleep(time.Minute)
		c.Produce("t", 0, "v2")
		time.Sleep(3 * time.Second)
		if err := next.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		var lost *dstream.FencedError
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := zombie.AwaitTermination(ctx); !errors.As(err, &lost) {
			t.Errorf("the zombie ends with %v", err)
		}
		if got := values(c); !slices.Equal(got, []string{"v0", "v2"}) {
			t.Errorf("written are %q", strings.Join(got, " "))
		}
	})
}
