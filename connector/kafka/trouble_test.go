package kafka_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// marked is what an error says that no batch is given up for.
const marked = "no batch is given up for that"

// What any batch would meet is told apart from what is wrong with a record, in a transaction and without.
func TestSinkTrouble(t *testing.T) {
	refuse := func(key kmsg.Key, code *kerr.Error) func(*testing.T, *kafkatest.Cluster) {
		return func(_ *testing.T, c *kafkatest.Cluster) {
			c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: code, Count: -1})
		}
	}
	deleted := func(t *testing.T, c *kafkatest.Cluster) {
		if _, err := kadm.NewClient(c.Client()).DeleteTopics(t.Context(), "out"); err != nil {
			t.Fatal(err)
		}
	}
	away := func(_ *testing.T, c *kafkatest.Cluster) { c.Cut(0, 1, 2) }
	none := func(*testing.T, *kafkatest.Cluster) {}
	good := texts("a", "b")
	far := textRecord{Value: "b", Partition: 7, HasPartition: true}
	for name, row := range map[string]struct {
		befall  func(t *testing.T, c *kafkatest.Cluster)
		records []textRecord
		exactly bool // without a transaction it does not come to that
		marked  bool
	}{
		"the topic is deleted":  {deleted, good, false, true},
		"no right to the topic": {refuse(kmsg.Produce, kerr.TopicAuthorizationFailed), good, false, true},
		"too few replicas":      {refuse(kmsg.Produce, kerr.NotEnoughReplicas), good, false, true},
		"the brokers are away":  {away, good, false, true},
		"no right to the id":    {refuse(kmsg.InitProducerID, kerr.TransactionalIDAuthorizationFailed), good, true, true},
		"no right to the group": {refuse(kmsg.TxnOffsetCommit, kerr.GroupAuthorizationFailed), good, true, true},
		"fenced":                {refuse(kmsg.EndTxn, kerr.ProducerFenced), good, true, false},
		"in doubt":              {refuse(kmsg.EndTxn, kerr.UnknownServerError), good, true, false},
		"too large for brokers": {refuse(kmsg.Produce, kerr.MessageTooLarge), good, false, false},
		"not valid":             {refuse(kmsg.Produce, kerr.InvalidRecord), good, false, false},
		"too large":             {none, texts("a", strings.Repeat("b", 5000)), false, false},
		"another topic":         {none, append(texts("a"), textRecord{Topic: "none", Value: "b"}), false, false},
		"a partition too many":  {none, append(texts("a"), far), false, false},
	} {
		for _, exactly := range []bool{true, false} {
			if row.exactly && !exactly {
				continue
			}
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "out"))
					s := openExact(t, c, "max.request.size", "4096", "max.block.ms", "10000")
					row.befall(t, c)
					var err error
					if exactly {
						err = s.put(0, nil, row.records...)
					} else {
						err = s.Write(t.Context(), effectOf(0), slices.Values(row.records))
					}
					if err == nil || strings.Contains(err.Error(), marked) != row.marked {
						t.Errorf("by a transaction: %v: %v, want it marked: %v", exactly, err, row.marked)
					}
					c.Mend()
				})
			})
		}
	}
}

// A key or value that cannot be serialized is the record's own, and a task that has ended says nothing of brokers.
func TestSinkNoTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "out"))
		none := func(kafka.SerializeMeta, string) ([]byte, error) { return nil, errors.New("it has no form") }
		s, err := kafka.Sink("out", c.Params(), kafka.StringSerializer, kafka.Serializer[string](none), c.Dialer())
		if err == nil {
			err = s.Open(t.Context(), "job", 1)
		}
		if err != nil {
			t.Fatal(err)
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ctx := range []context.Context{t.Context(), over} {
			err := s.Write(ctx, effectOf(0), slices.Values(texts("a")))
			if err == nil || strings.Contains(err.Error(), marked) {
				t.Error(err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A program that skips batches which fail does not skip the stream while it may not write to its topic: it ends, and
// the next one writes what is lacking.
func TestProgramMayNotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "in", "out"))
		disk := vfs.NewDisk("disk")
		run := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			build := func(ssc *dstream.Context) error {
				in, err := kafka.DirectStream(ssc, kafka.Subscribe("in"), c.Params("auto.offset.reset", "earliest"),
					kafka.String, kafka.String, c.Dialer())
				if err != nil {
					return err
				}
				out, err := kafka.Sink("out", c.Params(patience...), kafka.StringSerializer, kafka.StringSerializer,
					c.Dialer())
				if err != nil {
					return err
				}
				values := dstream.Map(kafka.Values(in.Named("in")), func(v string) textRecord {
					return textRecord{Value: v}
				})
				dstream.WriteTo(values, out).Named("out")
				return nil
			}
			settings := conf.New().Set("spark.streaming.checkpoint.directory", "disk:/ck").
				Set("weir.streaming.failedBatch", "skip")
			return weir.Run(ctx, build, weir.Interval(time.Second), weir.Conf(settings), weir.Output(io.Discard),
				weir.WithFileSystem(disk.Mount(nil)))
		}
		c.Produce("in", 0, "a")
		var revoked atomic.Bool
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.TopicAuthorizationFailed, Count: -1,
			When: func(req kmsg.Request) bool {
				r, ok := req.(*kmsg.ProduceRequest)
				return ok && r.TransactionID != nil && revoked.Load()
			}})
		go func() {
			time.Sleep(2500 * time.Millisecond)
			revoked.Store(true)
			c.Produce("in", 0, "b")
		}()
		says(t, run(10*time.Minute), "has no right to the topic", marked)
		sc, err := rdd.NewContext(nil, rdd.WithFileSystem(disk.Mount(nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(t.Context())
		info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
		if err != nil || len(info.Skipped) > 0 {
			t.Errorf("%v, given up are %+v", err, info.Skipped)
		}
		revoked.Store(false)
		c.Produce("in", 0, "c")
		if err := run(time.Minute); err != nil {
			t.Error(err)
		}
		same(t, "records", values(c), []string{"a", "b", "c"})
	})
}
