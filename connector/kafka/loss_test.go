package kafka_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// Retention that overtakes the job between the plan and the reading fails it with the exact range, or shortens the
// batch and is told once, however often the range is read.
func TestRetentionOvertakes(t *testing.T) {
	for _, row := range []struct {
		name     string
		settings []string
		until    int64 // up to where retention deletes
		err      string
		want     []string
		warns    string
	}{
		{"part of the range", []string{"weir.kafka.failOnDataLoss", "true"}, 7, "t-0: offsets 3 to 6 are lost: retention", nil, ""},
		{"part of the range, to go on", []string{"weir.kafka.failOnDataLoss", "false"}, 7, "", at("t-0", "v", 7, 10),
			"t-0: offsets 3 to 6 are lost: retention deleted them before they were read"},
		{"all of the range", nil, 10, "t-0: offsets 3 to 9 are lost: retention", nil, ""},
		{"all of the range, to go on", []string{"weir.kafka.failOnDataLoss", "false"}, 10, "", nil,
			"t-0: offsets 3 to 9 are lost"},
		{"one record, to go on", []string{"weir.kafka.failOnDataLoss", "false"}, 4, "", at("t-0", "v", 4, 10),
			"t-0: offset 3 is lost"},
		{"without prefetch", []string{"weir.kafka.failOnDataLoss", "false", "weir.kafka.prefetch", "false"}, 7, "",
			at("t-0", "v", 7, 10), "t-0: offsets 3 to 6 are lost"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 3)...)
				// The second batch is planned while the first one runs; what is fetched ahead waits until the records
				// are gone.
				running := make(chan struct{})
				first := sync.OnceFunc(func() { <-running })
				j := run(t, c, plan{
					settings: row.settings,
					body: func(ctx context.Context, r *textRDD, _ *dstream.Batch, _ stream) error {
						_, err := rdd.Count(ctx, r) // A second reading loses nothing more.
						first()
						return err
					},
				})
				pass(1500 * time.Millisecond)
				c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
					c.SleepControl(func() { <-running })
					return nil, nil, false
				})
				c.Produce("t", 0, numbered("v", 3, 10)...)
				pass(time.Second)
				if err := c.DeleteRecords("t", 0, row.until); err != nil {
					t.Fatal(err)
				}
				same(t, "records before", j.records(), at("t-0", "v", 0, 3))
				close(running)
				if row.err != "" {
					err := j.failure(10 * time.Second)
					says(t, err, row.err, "batch 1")
					var loss *kafka.DataLossError
					if !errors.As(err, &loss) || loss.From != 3 || loss.Until != row.until {
						t.Errorf("the error holds %+v", loss)
					}
					return
				}
				pass(5 * time.Second)
				j.stop()
				same(t, "records", j.records(), row.want)
				if w := j.warned(); len(w) != 1 {
					t.Errorf("warnings %v", w)
				}
				says(t, errors.Join(j.warned()...), row.warns)
			})
		})
	}
}

// truncate elects a leader of partition 0 that lacks what lies behind an offset. The log of kfake is not truncated; the
// new leader says that the old epoch ended there, so what follows is as if it had been written by it.
func truncate(t *testing.T, c *kafkatest.Cluster, name string, end int64) {
	t.Helper()
	c.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		resp := req.ResponseKind().(*kmsg.OffsetForLeaderEpochResponse)
		topic := kmsg.NewOffsetForLeaderEpochResponseTopic()
		topic.Topic = name
		p := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
		p.LeaderEpoch, p.EndOffset = 0, end
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	if err := c.MoveTopicPartition(name, 0, 1-c.LeaderFor(name, 0)); err != nil {
		t.Fatal(err)
	}
}

// A new leader that lacks what was read, and has written other records in its place since: the stream says so, and
// goes on where the logs part.
func TestLogTruncated(t *testing.T) {
	for _, fail := range []string{"true", "false"} {
		t.Run(fail, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 6)...)
				j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", fail}})
				pass(1500 * time.Millisecond)
				truncate(t, c, "t", 4)
				c.Produce("t", 0, "v6")
				const lost = "t-0: offsets 4 to 5 are lost: they were read, and then a leader without them was elected"
				if fail == "true" {
					says(t, j.failure(10*time.Second), lost)
					return
				}
				pass(5 * time.Second)
				j.stop()
				same(t, "records", j.records(), append(at("t-0", "v", 0, 6), at("t-0", "v", 4, 7)...))
				says(t, errors.Join(j.warned()...), lost)
			})
		})
	}
}

// Where brokers give no epochs, a log that is seen to end before the position for long was truncated: a new leader
// may give an old high watermark for a while. It was not while the epoch reaches up to the position.
func TestLogEndsBefore(t *testing.T) {
	for _, row := range []struct {
		name  string
		epoch int32
		lies  int // how often the leader says that its log ends at 2
		want  []string
		err   string
	}{
		{"a leader that lags behind", -1, 25, at("t-0", "v", 0, 9), ""},
		{"one that lags behind for longer, and whose epoch reaches further", 0, 50, at("t-0", "v", 0, 9), ""},
		{"truncated", -1, 1000, nil, "t-0: offsets 2 to 5 are lost: they were read, and now the log ends before"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 6)...)
				j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", "true"}})
				pass(1500 * time.Millisecond)
				lies := row.lies
				c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if lies--; lies < 0 {
						return nil, nil, false
					}
					return listed(req, 2, row.epoch), nil, true
				})
				if row.err != "" {
					says(t, j.failure(2*time.Minute), row.err)
					return
				}
				c.Produce("t", 0, numbered("v", 6, 9)...)
				pass(60 * time.Second)
				j.stop()
				same(t, "records", j.records(), row.want)
			})
		})
	}
}

// Retention that overtakes two batches, of which the later one is fetched ahead and found to be short first, loses the
// records of both, and both are told.
func TestRetentionOvertakesTwoBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, numbered("v", 0, 3)...)
		running := make(chan struct{})
		var over atomic.Bool
		first := sync.OnceFunc(func() { <-running })
		j := run(t, c, plan{
			settings: []string{"weir.kafka.failOnDataLoss", "false", "weir.streaming.maxQueuedBatches", "5"},
			body: func(context.Context, *textRDD, *dstream.Batch, stream) error {
				first()
				return nil
			},
		})
		pass(1500 * time.Millisecond)
		// What is fetched ahead for the first of the two brings nothing, and is asked for again when its batch runs.
		c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			if req.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset == 3 && !over.Load() {
				return emptyAnswer(req, 20, 20), nil, true
			}
			return nil, nil, false
		})
		c.Produce("t", 0, numbered("v", 3, 10)...)
		pass(time.Second)
		c.Produce("t", 0, numbered("v", 10, 20)...)
		if err := c.DeleteRecords("t", 0, 15); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		says(t, errors.Join(j.warned()...), "t-0: offsets 10 to 14 are lost")
		over.Store(true)
		close(running)
		pass(10 * time.Second)
		j.stop()
		same(t, "records", j.records(), append(at("t-0", "v", 0, 3), at("t-0", "v", 15, 20)...))
		says(t, errors.Join(j.warned()...), "t-0: offsets 3 to 9 are lost", "t-0: offsets 10 to 14 are lost")
		if w := j.warned(); len(w) != 2 {
			t.Errorf("warnings %v", w)
		}
	})
}

// A leader's word that its log begins later, without an error and without records, is no proof of a loss.
func TestForgedLogStart(t *testing.T) {
	for _, row := range []struct {
		name   string
		times  int
		begin  int64 // where the log begins in truth
		fail   string
		want   []string
		err    string
		warned string
	}{
		{"once", 1, 0, "true", at("t-0", "v", 0, 10), "", ""},
		{"always", 10000, 0, "true", nil, "t-0 at offset 0: for 5s the leader has answered without records", ""},
		{"always, to go on", 10000, 0, "false", nil, "t-0 at offset 0: for 5s the leader has answered without records", ""},
		{"true", 1, 7, "true", nil, "t-0: offsets 0 to 6 are lost: retention", ""},
		{"true, to go on", 1, 7, "false", at("t-0", "v", 7, 10), "", "t-0: offsets 0 to 6 are lost: retention"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", row.fail,
					"spark.streaming.kafka.consumer.poll.ms", "5000"}})
				deleted, times := make(chan struct{}), row.times
				c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					c.SleepControl(func() { <-deleted })
					times--
					if times < 0 || req.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset >= 7 {
						return nil, nil, false
					}
					answer := emptyAnswer(req, 10, 10)
					answer.Topics[0].Partitions[0].LogStartOffset = 7
					return answer, nil, true
				})
				c.Produce("t", 0, numbered("v", 0, 10)...)
				pass(1100 * time.Millisecond)
				if err := c.DeleteRecords("t", 0, row.begin); err != nil {
					t.Fatal(err)
				}
				close(deleted)
				if row.err != "" {
					says(t, j.failure(time.Minute), row.err)
				} else {
					pass(10 * time.Second)
					j.stop()
				}
				same(t, "records", j.records(), row.want)
				if w := errors.Join(j.warned()...); row.warned != "" {
					says(t, w, row.warned)
				} else if w != nil && row.err == "" {
					t.Errorf("warnings %v", w)
				}
			})
		})
	}
}
