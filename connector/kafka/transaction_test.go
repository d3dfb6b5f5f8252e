package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
)

// An exact is a sink of a job with a checkpoint.
type exact struct {
	t *testing.T
	c *kafkatest.Cluster
	*kafka.ProducerSink[string, string]
}

func openExact(t *testing.T, c *kafkatest.Cluster, params ...string) *exact {
	t.Helper()
	return openExactBy(t, c, c.Dialer(), params...)
}

func openExactBy(t *testing.T, c *kafkatest.Cluster, dialer kafka.Option, params ...string) *exact {
	t.Helper()
	s, err := kafka.Sink("out", c.Params(append(slices.Clone(patience), params...)...), kafka.StringSerializer,
		kafka.StringSerializer, dialer)
	if err == nil {
		err = s.Open(t.Context(), "job", 1)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // It was closed, unless the test failed in the middle.
	return &exact{t, c, s}
}

func effectOf(seq int64) dstream.Effect {
	return dstream.Effect{Job: "job", Output: "sums", Sequence: seq, Epoch: 1}
}

// put writes a batch; each, if not nil, is called before each record.
func (s *exact) put(seq int64, each func(), records ...textRecord) error {
	s.t.Helper()
	var raw [][]byte
	for _, r := range records {
		b, err := s.AppendRecord(nil, r)
		if err != nil {
			s.t.Fatal(err)
		}
		raw = append(raw, b)
	}
	in := func(yield func([]byte, error) bool) {
		for _, b := range raw {
			if each != nil {
				each()
			}
			if !yield(b, nil) {
				return
			}
		}
	}
	return s.WriteAll(context.Background(), []dstream.Staged{{ID: effectOf(seq), Records: in}})
}

func texts(values ...string) (out []textRecord) {
	for _, v := range values {
		out = append(out, textRecord{Key: v, Value: v})
	}
	return out
}

// values are those of the committed records of the topic "out".
func values(c *kafkatest.Cluster) (out []string) {
	for _, r := range c.Records("out") {
		out = append(out, string(r.Value))
	}
	slices.Sort(out)
	return out
}

// What a sink promises depends on the checkpoint, on the brokers, and on how it was made.
func TestSinkGuarantee(t *testing.T) {
	const once = "at-least-once: written by an idempotent producer with acks=all, again if a task or batch is run again"
	for _, row := range []struct {
		name   string
		epoch  int64
		topic  string
		params []string
		opts   []kafka.Option
		broker []kfake.Opt
		want   string
	}{
		{name: "no checkpoint", topic: "out", want: once},
		{name: "checkpoint", topic: "out", epoch: 1, want: ""},
		{name: "old brokers", topic: "out", epoch: 1, broker: []kfake.Opt{kfake.MaxVersions(kversion.V0_10_2())},
			params: []string{"enable.idempotence", "false"},
			want: "at-least-once: written with acks=all, again if a task or batch is run again; not exactly-once, for " +
				"brokers of version 0.10.2 have no transactions, which came with 0.11"},
		{name: "no topic", epoch: 1,
			want: once + "; not exactly-once, for the sink has no topic of its own, in which it could keep the batches' " +
				"identities"},
		{name: "not idempotent", topic: "out", epoch: 1, params: []string{"enable.idempotence", "false"},
			want: "at-least-once: written with acks=all, again if a task or batch is run again; not exactly-once, for " +
				"enable.idempotence is false"},
		{name: "asked for", topic: "out", epoch: 1, opts: []kafka.Option{kafka.WithoutTransactions()},
			want: once + "; not exactly-once, for the program asked for no transactions"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, append(row.broker, kfake.SeedTopics(1, "out"))...)
				s, err := kafka.Sink(row.topic, c.Params(row.params...), kafka.StringSerializer, kafka.StringSerializer,
					append(row.opts, c.Dialer())...)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.Open(t.Context(), "job", row.epoch); err != nil {
					t.Fatal(err)
				}
				if got := s.Guarantee(); got != row.want {
					t.Errorf("got  %s\nwant %s", got, row.want)
				}
				if got := s.Transaction(effectOf(0)); (got != "") != (row.want == "") {
					t.Errorf("the transaction is named %q", got)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// What a record says of topic, partition, time and headers holds in a transaction, and its key goes where that of
// every other record goes.
func TestTransactionKeepsRecords(t *testing.T) {
	at := time.UnixMilli(1234567890123)
	records := []textRecord{
		{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "", Value: ""},
		{Key: "c", Value: "3", Partition: 2, HasPartition: true, Time: at},
		{Key: "d", Value: "4", Headers: []kafka.Header{{Key: "h", Value: []byte("v")}, {Key: "", Value: nil}}},
		{Topic: "other", Key: "e", Value: "5"},
	}
	read := func(exactly bool) (got []string) {
		synctest.Test(t, func(t *testing.T) {
			c := kafkatest.Start(t, kfake.SeedTopics(5, "out", "other"))
			s := openExact(t, c)
			if exactly {
				if err := s.put(0, nil, records...); err != nil {
					t.Fatal(err)
				}
			} else {
				err := s.Write(t.Context(), effectOf(0), slices.Values(records))
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			for _, topic := range []string{"out", "other"} {
				for _, r := range c.Records(topic) {
					got = append(got, fmt.Sprintf("%s-%d %q %q %v %v", topic, r.Partition, r.Key, r.Value, r.Headers,
						r.Timestamp.Equal(at)))
				}
			}
		})
		return got
	}
	same(t, "records of a transaction beside those without", read(true), read(false))
}

// TestTransactionIdentity: group and offset, and the words for who looks at them.
func TestTransactionIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(2, "out"))
		s := openExact(t, c)
		for seq := range int64(3) {
			if err := s.put(seq, nil, texts(fmt.Sprint("v", seq))...); err != nil {
				t.Fatal(err)
			}
		}
		group := s.Transaction(effectOf(0))
		if !strings.HasPrefix(group, "weir-job-sums-") || len(group) != len("weir-job-sums-")+12 {
			t.Errorf("the group is %q", group)
		}
		commit := c.GroupInfo(group).Commits["out"][0]
		if commit.Offset != 2 || commit.Metadata != "weir: batch 2, epoch 1, 2000-01-01T00:00:00Z" {
			t.Errorf("committed %d, %q", commit.Offset, commit.Metadata)
		}
		other := openExact(t, c, "transactional.id", "team-7")
		if err := other.put(0, nil, texts("v3")...); err != nil {
			t.Fatal(err)
		}
		if name := other.Transaction(effectOf(0)); name != "team-7"+strings.TrimPrefix(group, "weir") ||
			c.GroupInfo(name).Commits["out"][0].Offset != 0 {
			t.Errorf("with transactional.id the group is %q", name)
		}
		long := effectOf(0)
		long.Output = strings.Repeat("map[(int,日本)](", 40)
		if name := s.Transaction(long); len(name) > 100 || strings.ContainsAny(name, "[(,日") {
			t.Errorf("a long name: %q", name)
		}
	})
}

// A transaction that the brokers refuse for good fails with what is to be done about it; nothing of it is seen, and
// the next one goes through. What passes is waited for within.
func TestTransactionRefused(t *testing.T) {
	for _, row := range []struct {
		name  string
		key   kmsg.Key
		times int
		code  *kerr.Error
		is    error
		says  []string
	}{
		{"the transactional id", kmsg.InitProducerID, -1, kerr.TransactionalIDAuthorizationFailed, nil,
			[]string{"has no right to the transactional id", "grant WRITE and DESCRIBE on the transactional id"}},
		{"the group", kmsg.TxnOffsetCommit, -1, kerr.GroupAuthorizationFailed, nil,
			[]string{"has no right to the group", "group weir-job-sums-", "grant READ on the group"}},
		{"the timeout", kmsg.InitProducerID, -1, kerr.InvalidTransactionTimeout, nil,
			[]string{"transaction.timeout.ms is 1m0s", "transaction.max.timeout.ms"}},
		{"fenced at the start", kmsg.InitProducerID, -1, kerr.ProducerFenced, dstream.ErrFenced, nil},
		{"fenced at the identity", kmsg.TxnOffsetCommit, -1, kerr.InvalidProducerEpoch, dstream.ErrFenced, nil},
		{"fenced at the end", kmsg.EndTxn, -1, kerr.ProducerFenced, dstream.ErrFenced, nil},
		{"in doubt", kmsg.EndTxn, -1, kerr.UnknownServerError, dstream.ErrInDoubt, nil},
		{"another transaction is still ending", kmsg.InitProducerID, 3, kerr.ConcurrentTransactions, nil, nil},
		{"the coordinator loads", kmsg.AddOffsetsToTxn, 3, kerr.CoordinatorLoadInProgress, nil, nil},
		{"the group's coordinator moves", kmsg.TxnOffsetCommit, 3, kerr.NotCoordinator, nil, nil},
		{"the topic's id is not known yet", kmsg.TxnOffsetCommit, 2, kerr.UnknownTopicOrPartition, nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "out"))
				s := openExact(t, c)
				faults := c.Fault(kfake.Fault{Keys: []kmsg.Key{row.key}, Err: row.code, Count: row.times})
				err := s.put(0, nil, texts("a", "b")...)
				if row.times > 0 {
					if err != nil {
						t.Errorf("after %d answers of that kind: %v", row.times, err)
					}
					same(t, "records", values(c), []string{"a", "b"})
					return
				}
				if row.is == nil {
					says(t, err, row.says...)
				}
				for _, is := range []error{dstream.ErrFenced, dstream.ErrInDoubt} {
					if got := errors.Is(err, is); got != (is == row.is) {
						t.Errorf("that it is %q is %v: %v", is, got, err)
					}
				}
				faults.Remove()
				same(t, "records after the error", values(c), nil)
				if err := s.put(0, nil, texts("a", "b")...); err != nil {
					t.Errorf("the next time: %v", err)
				}
				same(t, "records after the next one", values(c), []string{"a", "b"})
			})
		})
	}
}

// A transaction that takes too long says which bound it broke; a record that is too large, too. Nothing of either is
// seen, and what follows goes through.
func TestTransactionBounds(t *testing.T) {
	for _, row := range []struct {
		name   string
		params []string
		each   func()
		value  string
		says   []string
	}{
		{"too long", []string{"transaction.timeout.ms", "10000"}, func() { pass(11 * time.Second) }, "b",
			[]string{"aborted a transaction of topic \"out\" after 2", "longer than transaction.timeout.ms, which is 10s: " +
				"raise it"}},
		{"too large", []string{"max.request.size", "4096"}, nil, strings.Repeat("b", 5000),
			[]string{"too large", "raise max.request.size, which is 4096"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "out"))
				s := openExact(t, c, row.params...)
				err := s.put(0, row.each, texts("a", row.value)...)
				says(t, err, row.says...)
				if errors.Is(err, dstream.ErrFenced) || errors.Is(err, dstream.ErrInDoubt) {
					t.Errorf("it would be tried again: %v", err)
				}
				same(t, "records after the error", values(c), nil)
				if err := s.put(0, nil, texts("a", "c")...); err != nil {
					t.Error(err)
				}
				same(t, "records of the next one", values(c), []string{"a", "c"})
			})
		})
	}
}

// Whatever happens to brokers while batches are written every second for a minute: each record is seen once, and what
// cannot be written now is written as soon as it can be.
func TestTransactionsInTrouble(t *testing.T) {
	for _, row := range []struct {
		name    string
		trouble func(t *testing.T, c *kafkatest.Cluster, second int)
	}{
		{"none", func(*testing.T, *kafkatest.Cluster, int) {}},
		{"commits take 5 s", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			if second == 0 {
				c.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					c.SleepControl(func() { <-time.After(5 * time.Second) })
					return nil, nil, false
				})
			}
		}},
		{"all are away for 30 s", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			switch second {
			case 10:
				c.Cut()
			case 40:
				c.Mend()
			}
		}},
		{"one flickers", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			if c.Cut(1); second%3 != 0 {
				c.Mend()
			}
		}},
		{"leaders move", func(t *testing.T, c *kafkatest.Cluster, second int) {
			if err := c.MoveTopicPartition("out", int32(second%3), int32(second/3%3)); err != nil {
				t.Fatal(err)
			}
		}},
		{"coordinators move", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			if second%5 == 4 {
				c.RehashCoordinators()
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "out"))
				s := openExact(t, c)
				over := make(chan []string)
				go func() {
					var want []string
					for seq := range int64(60) {
						batch := []string{fmt.Sprintf("%03d a", seq), fmt.Sprintf("%03d b", seq)}
						want = append(want, batch...)
						for s.put(seq, nil, texts(batch...)...) != nil {
							<-time.After(time.Second)
						}
						<-time.After(time.Second)
					}
					over <- want
				}()
				for second := range 60 {
					row.trouble(t, c, second)
					<-time.After(time.Second)
				}
				want := <-over
				same(t, "records", values(c), want)
			})
		})
	}
}

// A deafConn loses the answers to EndTxn as long as losing says so.
type deafConn struct {
	net.Conn
	losing *atomic.Bool
	deaf   atomic.Bool
}

func (c *deafConn) Write(b []byte) (int, error) {
	if len(b) > 6 && int16(binary.BigEndian.Uint16(b[4:])) == kmsg.EndTxn.Int16() && c.losing.Load() {
		c.deaf.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.deaf.Load() {
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// A commit that was carried out, and whose answer never came, is in doubt; who asks the identity finds it done.
func TestTransactionInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "out"))
		var losing atomic.Bool
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.Dial(ctx, network, addr)
			return &deafConn{Conn: conn, losing: &losing}, err
		}
		s := openExactBy(t, c, kafka.WithDialer(dial))
		if err := s.put(0, nil, texts("a")...); err != nil {
			t.Fatal(err)
		}
		losing.Store(true)
		if err := s.put(1, nil, texts("b")...); !errors.Is(err, dstream.ErrInDoubt) {
			t.Errorf("got %v, want one in doubt", err)
		}
		losing.Store(false)
		same(t, "records", values(c), []string{"a", "b"})
		for _, seq := range []int64{1, 1, 0} {
			if err := s.put(seq, nil, texts("b")...); err != nil {
				t.Error(err)
			}
		}
		same(t, "records after it was tried again", values(c), []string{"a", "b"})
	})
}

// A transaction's coordinator that refuses connections for a while, from brokers whose transactions must be told of
// their partitions, is asked again and again, but not without a pause; the transaction is written when it is back.
func TestTransactionCoordinatorRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "out"), kfake.MaxVersions(kversion.V2_8_0()))
		var refused atomic.Int64
		s := openExactBy(t, c, kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := c.Dial(ctx, network, addr)
			if err != nil && refused.Add(1) > 10_000 {
				<-time.After(time.Second) // So that the test ends.
			}
			return conn, err
		}))
		if err := s.put(0, nil, texts("a")...); err != nil {
			t.Fatal(err)
		}
		coordinator := c.CoordinatorFor(s.Transaction(effectOf(0)))
		if err := c.MoveTopicPartition("out", 0, 1-coordinator); err != nil {
			t.Fatal(err)
		}
		c.Cut(coordinator)
		time.AfterFunc(10*time.Second, c.Mend)
		if err := s.put(1, nil, texts("b")...); err != nil {
			t.Error(err)
		}
		same(t, "records", values(c), []string{"a", "b"})
		if n := refused.Load(); n == 0 || n > 1000 {
			t.Errorf("%d connections were refused in 10 s", n)
		}
	})
}

// A client that takes a new producer epoch within a transaction aborts what it has written by the old one: nothing of
// the batch is committed then, and the next try writes all of it.
func TestTransactionRenewed(t *testing.T) {
	for _, row := range []struct {
		name    string
		answer  *kerr.Error
		brokers []kfake.Opt
	}{
		{"2.4 knows no such producer", kerr.UnknownProducerID, []kfake.Opt{kfake.MaxVersions(kversion.V2_4_0())}},
		{"2.8 has another epoch", kerr.InvalidProducerEpoch, []kfake.Opt{kfake.MaxVersions(kversion.V2_8_0())}},
		{"the newest misses records", kerr.OutOfOrderSequenceNumber, nil},
		{"the newest has another epoch", kerr.InvalidProducerEpoch, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, append(row.brokers, kfake.NumBrokers(2), kfake.SeedTopics(2, "out"))...)
				for p := range int32(2) { // A request each.
					if err := c.MoveTopicPartition("out", p, p); err != nil {
						t.Fatal(err)
					}
				}
				s := openExact(t, c)
				put := func(seq int64, a, b string) error {
					return s.put(seq, nil, textRecord{Value: a, HasPartition: true},
						textRecord{Value: b, Partition: 1, HasPartition: true})
				}
				if err := put(0, "a0", "b0"); err != nil {
					t.Fatal(err)
				}
				asked := answerOnce(c, 1, row.answer)
				if err := put(1, "a1", "b1"); !errors.Is(err, dstream.ErrFenced) {
					t.Errorf("got %v, want one that was fenced", err)
				}
				if !asked.Load() {
					t.Error("the answer was never given")
				}
				same(t, "records", values(c), []string{"a0", "b0"})
				if err := put(1, "a1", "b1"); err != nil {
					t.Error(err)
				}
				same(t, "records after it was tried again", values(c), []string{"a0", "a1", "b0", "b1"})
				if last, _, err := s.Last(t.Context(), "sums", "", 0); last != 1 || err != nil {
					t.Errorf("the identity is %d, %v", last, err)
				}
			})
		})
	}
}

// answerOnce answers the next write to a partition by an error, and that all before was deleted: given tells when.
func answerOnce(c *kafkatest.Cluster, partition int32, e *kerr.Error) (given *atomic.Bool) {
	given = new(atomic.Bool)
	c.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.ProduceRequest)
		topic := req.Topics[0]
		if topic.Partitions[0].Partition != partition || !given.CompareAndSwap(false, true) {
			return nil, nil, false
		}
		p := kmsg.NewProduceResponseTopicPartition()
		p.Partition, p.ErrorCode, p.LogStartOffset = partition, e.Code, 1000
		t := kmsg.NewProduceResponseTopic()
		t.Topic, t.TopicID, t.Partitions = topic.Topic, topic.TopicID, append(t.Partitions, p)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		resp.Topics = append(resp.Topics, t)
		return resp, nil, true
	})
	return given
}
