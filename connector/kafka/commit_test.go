package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
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

type records = *rdd.RDD[kafka.Record[string, string]]

// Offsets are committed when all outputs of a batch are done, and not before.
func TestCommit(t *testing.T) {
	commit := func(_ context.Context, _ records, b *dstream.Batch, d stream) error {
		kafka.Commit(b, d)
		return nil
	}
	failSecond := func(ctx context.Context, r records, b *dstream.Batch, d stream) error {
		kafka.Commit(b, d)
		if b.Sequence == 1 {
			return errors.New("the second batch fails")
		}
		return nil
	}
	for _, row := range []struct {
		name   string
		params []string
		body   func(context.Context, records, *dstream.Batch, stream) error
		want   string // committed after each of two batches with three records, and after the stop
		fails  bool
	}{
		{"nobody asks", nil, nil, "-1 -1 -1", false},
		{"enable.auto.commit", []string{"enable.auto.commit", "true"}, nil, "3 6 7", false},
		{"enable.auto.commit is Java's default", []string{"enable.auto.commit", ""}, nil, "3 6 7", false},
		{"enable.auto.commit without a group", []string{"enable.auto.commit", "true", "group.id", ""}, nil, "-1 -1 -1", false},
		{"Commit", nil, commit, "3 6 7", false},
		{"Commit beside enable.auto.commit", []string{"enable.auto.commit", "true"}, commit, "3 6 7", false},
		{"Commit in a batch that fails", nil, failSecond, "3 3 3", true},
		{"enable.auto.commit and a batch that fails", []string{"enable.auto.commit", "true"}, failSecond, "3 3 3", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				var got []string
				look := func() {
					offset := int64(-1)
					if at, ok := c.Committed("g", "t")[0]; ok {
						offset = at
					}
					got = append(got, fmt.Sprint(offset))
				}
				j := run(t, c, plan{params: row.params, body: row.body})
				c.Produce("t", 0, numbered("v", 0, 3)...)
				pass(1500 * time.Millisecond)
				look()
				c.Produce("t", 0, numbered("v", 3, 6)...)
				pass(time.Second)
				look()
				if row.fails {
					says(t, j.failure(time.Second), "the second batch fails")
				} else {
					// The last batch is planned before the stop and committed by it.
					c.Produce("t", 0, "v6")
					pass(500*time.Millisecond + time.Nanosecond)
					j.stop()
				}
				look()
				if g := strings.Join(got, " "); g != row.want {
					t.Errorf("committed %s, want %s", g, row.want)
				}
			})
		})
	}
}

// A graceful stop finishes the batch that runs and commits it.
func TestCommitOnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, numbered("v", 0, 3)...)
		j := run(t, c, plan{body: func(_ context.Context, _ records, b *dstream.Batch, d stream) error {
			kafka.Commit(b, d)
			<-time.After(3 * time.Second)
			return nil
		}})
		pass(1500 * time.Millisecond)
		if got := c.Committed("g", "t"); got != nil {
			t.Errorf("committed while the batch runs: %v", got)
		}
		j.stop()
		if got := c.Committed("g", "t"); got[0] != 3 {
			t.Errorf("committed %v", got)
		}
	})
}

// The callback is told what was committed, or why not, once for each batch, before the next one; whatever it
// does, the
// job goes on.
func TestOnCommit(t *testing.T) {
	for _, row := range []struct {
		name   string
		params []string
		before func(t *testing.T, c *kafkatest.Cluster)
		call   func(j *job) // what the callback does at the end
		want   string
		warns  string
	}{
		{name: "committed", want: "[OffsetRange(topic: 't', partition: 0, range: [0 -> 3])] <nil>"},
		{name: "no group", params: []string{"group.id", ""}, want: "there is no group to commit to: set group.id",
			warns: "an input was not told of a commit"},
		{name: "a group with live members", want: `commit the offsets of batch 0: Kafka: the group has live members`,
			before: joinGroup, warns: "the group has live members"},
		{name: "no coordinator", want: "commit the offsets of batch 0", warns: "commit the offsets of batch 0",
			before: func(_ *testing.T, c *kafkatest.Cluster) {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.NotCoordinator, Count: -1})
			}},
		{name: "no right any more", want: "no right to the group", warns: "READ on the group",
			before: func(_ *testing.T, c *kafkatest.Cluster) {
				c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
			}},
		{name: "panics", want: "<nil>", call: func(*job) { panic("a mistake of the user's") },
			warns: "a function given to kafka.OnCommit: panic at"},
		{name: "stops", want: "<nil>", call: func(j *job) { _ = j.ssc.Stop(context.Background(), dstream.Graceful()) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 3)...)
				var got []string
				var j *job
				var err error
				body := func(_ context.Context, _ records, b *dstream.Batch, d stream) error {
					if b.Sequence > 0 {
						return nil
					}
					kafka.Commit(b, d, kafka.OnCommit(func(ranges []kafka.OffsetRange, err error) {
						got = append(got, fmt.Sprint(ranges, " ", err))
						if row.call != nil {
							row.call(j)
						}
					}))
					return nil
				}
				j, err = newJob(t, c, plan{params: row.params, body: body})
				if err == nil {
					err = j.ssc.Start(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				if row.before != nil {
					row.before(t, c)
				}
				pass(20 * time.Second)
				if len(got) != 1 || !strings.Contains(got[0], row.want) {
					t.Errorf("the callback was told %q, want %q", got, row.want)
				}
				c.Produce("t", 0, "v3")
				pass(20 * time.Second)
				j.stop()
				if row.name != "stops" {
					same(t, "records", j.records(), at("t-0", "v", 0, 4))
				}
				warned := fmt.Sprint(j.warned())
				if row.warns == "" && warned != "[]" || !strings.Contains(warned, row.warns) {
					t.Errorf("warnings %s, want %q", warned, row.warns)
				}
			})
		})
	}
}

// A stream that only comes from a direct stream has no ranges, and nothing to commit, which is told.
func TestCommitOfDerivedStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		j := run(t, c, plan{body: func(_ context.Context, _ records, b *dstream.Batch, d stream) error {
			return nil
		}})
		j.stop()
		ssc, err := dstream.NewContext(nil, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var warned []string
		ssc.AddListener(func(e dstream.Event) {
			if w, ok := e.(dstream.Warning); ok {
				warned = append(warned, fmt.Sprint(w.Message, ": ", w.Err))
			}
		})
		d, err := kafka.DirectStream(
			ssc,
			kafka.Subscribe("t"),
			c.Params("group.id", "g"),
			kafka.String,
			kafka.String,
			c.Dialer(),
		)
		if err != nil {
			t.Fatal(err)
		}
		some := dstream.Filter(d, func(kafka.Record[string, string]) bool { return true })
		dstream.ForeachRDD(some, func(_ context.Context, _ records, b *dstream.Batch) error {
			kafka.Commit(b, some)
			if r := kafka.OffsetRanges(b, some); r != nil {
				t.Errorf("it has ranges %v", r)
			}
			return nil
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(1500 * time.Millisecond)
		if err := ssc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		const remedy = "it was given a stream that was derived from a direct stream: " +
			"give it the one that kafka.DirectStream returned (one of kafka.Stream has no ranges, and commits by itself)"
		same(t, "warnings", warned,
			[]string{"kafka.Commit commits nothing: " + remedy, "kafka.OffsetRanges gives no ranges: " + remedy})
	})
}

// The offset ranges of a batch are there at every output, whatever operators lie between, and element i is
// what task i
// of the stream's own RDD reads.
func TestOffsetRangesAtEveryOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(3, "t"))
		for p := range int32(3) {
			c.Produce("t", p, numbered("v", 0, int(p))...)
		}
		var seen []string
		var got []string
		j, err := newJob(t, c, plan{body: func(ctx context.Context, r records, b *dstream.Batch, d stream) error {
			if b.Sequence > 0 {
				return nil
			}
			ranges := kafka.OffsetRanges(b, d)
			counts := rdd.MapPartitions(
				r,
				func(tc *rdd.TaskContext, in iter.Seq[kafka.Record[string, string]]) iter.Seq[string] {
					return func(yield func(string) bool) {
						n := 0
						for range in {
							n++
						}
						yield(
							fmt.Sprint(
								ranges[tc.PartitionID()].TopicPartition(),
								" ",
								ranges[tc.PartitionID()].Count(),
								"=",
								n,
							),
						)
					}
				},
			)
			var err error
			got, err = rdd.Collect(ctx, counts)
			pairs := rdd.MapToPair(r, func(r kafka.Record[string, string]) (string, int) { return r.Value, 1 })
			if _, err := rdd.Collect(ctx, rdd.ReduceByKey(pairs, func(a, b int) int { return a + b })); err != nil {
				return err
			}
			for _, o := range kafka.OffsetRanges(b, d) { // After a shuffle, too.
				seen = append(seen, fmt.Sprint(o.Partition, o.FromOffset, o.UntilOffset))
			}
			return err
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(1500 * time.Millisecond)
		j.stop()
		same(t, "ranges", seen, []string{"0 0 0", "1 0 1", "2 0 2"})
		same(t, "tasks", got, []string{"t-0 0=0", "t-1 1=1", "t-2 2=2"})
	})
}
