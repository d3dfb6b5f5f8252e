package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/rdd"
)

// newRDD makes a context that logs into log, and an RDD of ranges.
func newRDD(
	t *testing.T,
	c *kafkatest.Cluster,
	log *bytes.Buffer,
	settings []string,
	ranges []kafka.OffsetRange,
	opts ...kafka.Option,
) (
	*rdd.Context, records, error,
) {
	t.Helper()
	set := conf.New().Set("spark.master", "local[4]")
	for i := 0; i+1 < len(settings); i += 2 {
		set.Set(settings[i], settings[i+1])
	}
	var options []rdd.Option
	if log != nil {
		options = append(options, rdd.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	}
	sc, err := rdd.NewContext(set, options...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := kafka.CreateRDD(
		sc,
		c.Params(),
		ranges,
		kafka.String,
		kafka.String,
		append([]kafka.Option{c.Dialer()}, opts...)...)
	t.Cleanup(func() {
		if err := sc.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return sc, r, err
}

func offsets(partition int32, from, until int64) kafka.OffsetRange {
	return kafka.OffsetRange{Topic: "t", Partition: partition, FromOffset: from, UntilOffset: until}
}

// What an RDD of given ranges holds: partition i has range i, in order. Each partition of the topic has the records
// v0 to v9, of partition 1 the first five are deleted.
func TestCreateRDD(t *testing.T) {
	short := []string{"spark.streaming.kafka.consumer.poll.ms", "3000"}
	keepOn := []string{"weir.kafka.failOnDataLoss", "false", "spark.streaming.kafka.consumer.poll.ms", "3000"}
	for _, row := range []struct {
		name     string
		ranges   []kafka.OffsetRange
		settings []string
		want     string // the number of records in each partition
		first    string // of the records
		err      []string
		within   time.Duration // in which the error must come
		logged   string
	}{
		{name: "none", want: "[]"},
		{name: "whole partitions", ranges: []kafka.OffsetRange{offsets(0, 0, 10), offsets(2, 0, 10)}, want: "[10 10]", first: "t-0@0 v0"},
		{name: "pieces, in the order given", ranges: []kafka.OffsetRange{offsets(2, 7, 9), offsets(0, 3, 4), offsets(2, 0, 2)},
			want: "[2 1 2]", first: "t-2@7 v7"},
		{name: "overlapping", ranges: []kafka.OffsetRange{offsets(0, 4, 8), offsets(0, 4, 8)}, want: "[4 4]", first: "t-0@4 v4"},
		{name: "empty", ranges: []kafka.OffsetRange{offsets(0, 5, 5), offsets(0, 10, 10), offsets(2, 0, 1)}, want: "[0 0 1]", first: "t-2@0 v0"},
		{name: "beyond the end", ranges: []kafka.OffsetRange{offsets(0, 8, 12)}, settings: short, within: 5 * time.Second,
			err: []string{"t-0 at offset 10", "the leader holds offsets 0 to 9 only", "spark.streaming.kafka.consumer.poll.ms", "3s",
				"the range asks for offsets 10 to 11, which are not there: correct the range, or lower that setting"}},
		{name: "all beyond the end", ranges: []kafka.OffsetRange{offsets(0, 20, 22)}, settings: short, within: 5 * time.Second,
			err: []string{"t-0 at offset 20", "the leader holds offsets 0 to 9 only", "tried for 3s, spark.streaming.kafka.consumer.poll.ms",
				"the range asks for offsets 20 to 21, which are not there"}},
		{name: "beyond the end, to go on", ranges: []kafka.OffsetRange{offsets(0, 8, 12)}, settings: keepOn, within: 5 * time.Second,
			err: []string{"t-0 at offset 10"}},
		{name: "lost", ranges: []kafka.OffsetRange{offsets(1, 2, 8)}, within: time.Second,
			err: []string{"t-1: offsets 2 to 4 are lost: retention deleted them before they were read"}},
		{name: "lost, to go on", ranges: []kafka.OffsetRange{offsets(1, 2, 8)}, settings: keepOn, want: "[3]", first: "t-1@5 v5",
			logged: "partition=t-1 from=2 until=5 count=3 total=3"},
		{name: "missing partition", ranges: []kafka.OffsetRange{offsets(7, 0, 1)}, within: 5 * time.Second,
			err: []string{`t-7 at offset 0: topic "t" has no partition 7, only 0 to 2`}},
		{name: "missing topic", ranges: []kafka.OffsetRange{{Topic: "u", UntilOffset: 1}}, within: 5 * time.Second,
			err: []string{`topic "u" does not exist`, "a job never creates topics"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(3, "t"))
				for p := range int32(3) {
					c.Produce("t", p, numbered("v", 0, 10)...)
				}
				if err := c.DeleteRecords("t", 1, 5); err != nil {
					t.Fatal(err)
				}
				var log bytes.Buffer
				_, r, err := newRDD(t, c, &log, row.settings, row.ranges)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for range 2 { // Each action reads again.
					counts, first, err := contents(t.Context(), r)
					if row.err != nil {
						says(t, err, row.err...)
						if d := time.Since(began); d > row.within {
							t.Errorf("the error came after %v", d)
						}
						break
					}
					if err != nil || fmt.Sprint(counts) != row.want || first != row.first {
						t.Errorf("%v %s %v, want %s %s", counts, first, err, row.want, row.first)
					}
				}
				if n := bytes.Count(
					log.Bytes(),
					[]byte("records were lost"),
				); !bytes.Contains(
					log.Bytes(),
					[]byte(row.logged),
				) ||
					(n == 1) != (row.logged != "") {
					t.Errorf("the log holds %s, want %q once", log.Bytes(), row.logged)
				}
			})
		})
	}
}

// A range that waits for what is not there says so long before it gives up.
func TestCreateRDDWaits(t *testing.T) {
	for _, r := range []kafka.OffsetRange{offsets(0, 8, 12), offsets(0, 20, 22)} {
		t.Run(r.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 10)...)
				var log bytes.Buffer
				_, all, err := newRDD(t, c, &log, nil, []kafka.OffsetRange{r})
				if err != nil {
					t.Fatal(err)
				}
				_, err = rdd.Count(t.Context(), all)
				says(t, err, "which are not there: correct the range")
				says(t, errors.New(log.String()), "waiting for a broker to give records", "the leader holds offsets 0 to 9 only",
					"partition=t-0", "patience=2m0s", "time=2000-01-01T00:00:0")
			})
		})
	}
}

// contents are how many records each partition of an RDD has, and the first of all.
func contents(ctx context.Context, r records) (counts []int64, first string, err error) {
	perPartition := rdd.MapPartitions(
		r,
		func(_ *rdd.TaskContext, in iter.Seq[kafka.Record[string, string]]) iter.Seq[int64] {
			return func(yield func(int64) bool) {
				var n int64
				for range in {
					n++
				}
				yield(n)
			}
		},
	)
	if counts, err = rdd.Collect(ctx, perPartition); err != nil {
		return nil, "", err
	}
	all, err := rdd.Collect(ctx, r)
	if err == nil && len(all) > 0 {
		first = fmt.Sprintf("%v@%d %s", all[0].TopicPartition(), all[0].Offset, all[0].Value)
	}
	return counts, first, err
}

// What CreateRDD refuses without asking anybody.
func TestCreateRDDArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t)
		for _, row := range []struct {
			name   string
			ranges []kafka.OffsetRange
			opts   []kafka.Option
			err    string
		}{
			{"backwards", []kafka.OffsetRange{offsets(0, 5, 4)}, nil, "OffsetRange(topic: 't', partition: 0, range: [5 -> 4]): the offsets must be"},
			{"negative", []kafka.OffsetRange{offsets(0, -1, 4)}, nil, "at least 0 and in order"},
			{"negative partition", []kafka.OffsetRange{offsets(-2, 0, 4)}, nil, "a partition of at least 0"},
			{"no topic", []kafka.OffsetRange{{UntilOffset: 4}}, nil, "the name of a topic"},
			{"PreferBrokers", nil, []kafka.Option{kafka.WithLocation(kafka.PreferBrokers())}, "use PreferFixed or PreferConsistent"},
		} {
			_, _, err := newRDD(t, c, nil, nil, row.ranges, row.opts...)
			says(t, err, "kafka.CreateRDD", row.err)
		}
		sc, err := rdd.NewContext(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(context.Background())
		_, err = kafka.CreateRDD[string, string](
			sc,
			c.Params("value.deserializer", "DoubleDeserializer"),
			nil,
			kafka.String,
			nil,
		)
		says(t, err, "the decoder for value is nil")
		_, err = kafka.CreateRDD(sc, kafka.Params{}, nil, kafka.String, kafka.String)
		says(t, err, "bootstrap.servers")
		if _, err = kafka.CreateRDD(
			sc,
			c.Params("value.deserializer", "DoubleDeserializer", "key.deserializer", "FloatDeserializer"),
			nil,
			kafka.Float32,
			kafka.Float64,
		); err != nil {
			t.Error(err)
		}
	})
}

// Stopping the context closes the connections, also while a task waits for a broker; goroutines that are left would
// keep the bubble from ending.
func TestCreateRDDStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "v0")
		sc, r, err := newRDD(t, c, nil, nil, []kafka.OffsetRange{offsets(0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections before the first action", n)
		}
		if n, err := rdd.Count(t.Context(), r); n != 1 || err != nil {
			t.Errorf("%d records, %v", n, err)
		}
		if n := c.Connections(); n == 0 {
			t.Error("no connections after an action")
		}
		c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			return nil, nil, true // The broker never answers.
		})
		failed := make(chan error)
		go func() {
			_, err := rdd.Count(context.Background(), r)
			failed <- err
		}()
		pass(time.Second)
		if err := sc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-failed; err == nil {
			t.Error("an action went on after the context was stopped")
		}
		synctest.Wait()
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections after Stop", n)
		}
		if _, err := rdd.Count(t.Context(), r); err == nil {
			t.Error("an action of a stopped context gives no error")
		}
	})
}

// A program may make any number of RDDs: the connections of each are closed soon after its last task, and are made
// again by the next one.
func TestCreateRDDsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "v0")
		sc, first, err := newRDD(t, c, nil, nil, []kafka.OffsetRange{offsets(0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		count := func(r records) {
			if n, err := rdd.Count(t.Context(), r); n != 1 || err != nil {
				t.Errorf("%d records, %v", n, err)
			}
		}
		count(first)
		for range 30 {
			r, err := kafka.CreateRDD(sc, c.Params(), []kafka.OffsetRange{offsets(0, 0, 1)}, kafka.String, kafka.String,
				c.Dialer())
			if err != nil {
				t.Fatal(err)
			}
			count(r)
		}
		pass(2 * time.Second)
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
		before := c.Connections()
		for range 5 { // Actions in quick succession share what is open.
			count(first)
			if n := c.Connections(); before != 0 && n != before {
				t.Errorf("%d connections after %d", n, before)
			}
			before = c.Connections()
			pass(500 * time.Millisecond)
		}
		pass(2 * time.Second)
		if n := c.Connections(); n != 0 {
			t.Errorf("%d connections are left by the second round", n)
		}
	})
}

// A task whose job is cancelled while it connects for all does not fail those that wait for it.
func TestCreateRDDConnectCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "v0")
		reachable := make(chan struct{})
		slow := kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			select {
			case <-reachable:
				return c.Dial(ctx, network, addr)
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		})
		once := []string{"spark.task.maxFailures", "1"}
		_, r, err := newRDD(t, c, nil, once, []kafka.OffsetRange{offsets(0, 0, 1)}, slow)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error), make(chan error)
		go func() {
			_, err := rdd.Count(ctx, r)
			first <- err
		}()
		pass(time.Second)
		go func() {
			_, err := rdd.Count(context.Background(), r)
			second <- err
		}()
		pass(time.Second)
		cancel()
		close(reachable)
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("the cancelled action gives %v", err)
		}
		if err := <-second; err != nil {
			t.Errorf("the other action gives %v", err)
		}
	})
}

// Ranges of one partition that are lost in part, in any order, are counted whole.
func TestCreateRDDLosesTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, numbered("v", 0, 10)...)
		if err := c.DeleteRecords("t", 0, 5); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		_, r, err := newRDD(t, c, &log, []string{"weir.kafka.failOnDataLoss", "false", "spark.master", "local"},
			[]kafka.OffsetRange{offsets(0, 3, 7), offsets(0, 0, 3), offsets(0, 1, 4)})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := rdd.Count(t.Context(), r); n != 2 || err != nil {
			t.Errorf("%d records, %v", n, err)
		}
		says(t, errors.New(log.String()), "from=3 until=5 count=2 total=2", "from=0 until=3 count=3 total=5")
		if n := bytes.Count(log.Bytes(), []byte("records were lost")); n != 2 {
			t.Errorf("told %d times: %s", n, log.Bytes())
		}
	})
}

// What keeps the tasks from connecting ends the job: at once if it cannot pass, else after one limit for all attempts.
func TestCreateRDDCannotConnect(t *testing.T) {
	jaas := `org.apache.kafka.common.security.plain.PlainLoginModule required username="bob" password="wrong";`
	for _, row := range []struct {
		name   string
		opts   []kfake.Opt
		params []string
		before func(c *kafkatest.Cluster)
		silent bool // who is connected to says nothing
		says   string
		from   time.Duration // how long it takes
		until  time.Duration
		dials  [2]int64 // how often a connection is made, at least and at most
	}{
		{name: "wrong password", opts: []kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "bob", "hunter2")},
			params: []string{"security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN", "sasl.jaas.config", jaas},
			says:   "password", until: time.Second, dials: [2]int64{1, 3}},
		{name: "refused", before: func(c *kafkatest.Cluster) { c.Cut() }, says: "connection refused",
			from: 10 * time.Second, until: 15 * time.Second, dials: [2]int64{5, 100}},
		{name: "silent", silent: true, says: "answer", from: 10 * time.Second, until: 15 * time.Second,
			dials: [2]int64{1, 100}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, append(row.opts, kfake.SeedTopics(1, "t"))...)
				if row.before != nil {
					row.before(c)
				}
				sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[4]"))
				if err != nil {
					t.Fatal(err)
				}
				defer sc.Stop(context.Background())
				var dials atomic.Int64
				counted := kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
					dials.Add(1)
					if row.silent {
						conn, other := net.Pipe()
						go io.Copy(io.Discard, other)
						return conn, nil
					}
					return c.Dial(ctx, network, addr)
				})
				ranges := []kafka.OffsetRange{offsets(0, 0, 1), offsets(0, 1, 2), offsets(0, 2, 3)}
				r, err := kafka.CreateRDD(sc, c.Params(row.params...), ranges, kafka.String, kafka.String, counted)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_, err = rdd.Count(t.Context(), r)
				says(t, err, row.says)
				if d := time.Since(began); d < row.from || d > row.until {
					t.Errorf("it took %v", d)
				}
				if n := dials.Load(); n < row.dials[0] || n > row.dials[1] {
					t.Errorf("%d connections were made", n)
				}
			})
		})
	}
}
