package kafka_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// What a record has besides its value arrives: key, nulls, headers, time, leader epoch.
func TestRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		when := time.UnixMilli(1_500_000_000_123)
		c.ProduceRecords(
			&kgo.Record{
				Topic:     "t",
				Key:       []byte("k"),
				Value:     []byte("v"),
				Timestamp: when,
				Headers: []kgo.RecordHeader{
					{Key: "a", Value: []byte("1")},
					{Key: "a", Value: nil},
					{Key: "", Value: []byte{}},
				},
			},
			&kgo.Record{Topic: "t", Key: []byte("k"), Timestamp: when.Add(time.Millisecond)},
			&kgo.Record{Topic: "t", Key: []byte{}, Value: []byte{}, Timestamp: when},
		)
		if err := c.MoveTopicPartition("t", 0, 0); err != nil { // A new epoch.
			t.Fatal(err)
		}
		c.ProduceRecords(&kgo.Record{Topic: "t", Value: []byte("v"), Timestamp: when})
		var got []string
		j := run(t, c, plan{
			body: func(ctx context.Context, r *textRDD, _ *dstream.Batch, _ stream) error {
				records, err := rdd.Collect(ctx, r)
				for _, r := range records {
					got = append(
						got,
						fmt.Sprintf(
							"%s@%d key=%q,%v value=%q,%v time=%d,%v epoch=%d headers=%+q",
							r.Topic,
							r.Offset,
							r.Key,
							r.KeyNull,
							r.Value,
							r.Null,
							r.Timestamp-when.UnixMilli(),
							r.TimestampType,
							r.LeaderEpoch,
							r.Headers,
						),
					)
				}
				return err
			},
		})
		pass(1500 * time.Millisecond)
		j.stop()
		same(t, "records", got, []string{
			`t@0 key="k",false value="v",false time=0,CreateTime epoch=0 headers=[{"a" "1"} {"a" ""} {"" ""}]`,
			`t@1 key="k",false value="",true time=1,CreateTime epoch=0 headers=[]`,
			`t@2 key="",false value="",false time=0,CreateTime epoch=0 headers=[]`,
			`t@3 key="",true value="v",false time=0,CreateTime epoch=1 headers=[]`,
		})
	})
}

// A time that the broker has set is told from one that the producer has.
func TestLogAppendTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, "v0", "v1")
		set := fetchRaw(t, c, "t", 0)
		set[22] |= 8 // Of the attributes: the batch's largest timestamp is that of all of its records.
		binary.BigEndian.PutUint64(set[35:], 1_500_000_000_123)
		sum := crc32.Checksum(set[21:], crc32.MakeTable(crc32.Castagnoli))
		binary.BigEndian.PutUint32(set[17:], sum)
		answerFetches(c, 100, func() []byte { return set })
		var got []string
		j := run(t, c, plan{body: func(ctx context.Context, r *textRDD, b *dstream.Batch, _ stream) error {
			all, err := rdd.Collect(ctx, r)
			for _, r := range all {
				got = append(got, fmt.Sprint(r.Value, " ", r.TimestampType, " ", r.Time().UnixMilli()))
			}
			return err
		}})
		pass(1500 * time.Millisecond)
		j.stop()
		same(t, "records", got, []string{"v0 LogAppendTime 1500000000123", "v1 LogAppendTime 1500000000123"})
	})
}

// A record that does not decode fails its batch and says which one it is.
func TestRecordsThatDoNotDecode(t *testing.T) {
	number := func(m kafka.Meta, data []byte) (string, error) {
		n, err := kafka.Int64(m, data)
		return fmt.Sprint(n), err
	}
	broken := func(kafka.Meta, []byte) (string, error) { panic("a mistake of the user's") }
	for _, row := range []struct {
		name       string
		key, value kafka.Deserializer[string]
		says       []string
	}{
		{"value", kafka.String, number, []string{"t-0 at offset 1: the value does not decode", "kafka.Int64"}},
		{"key", number, kafka.String, []string{"t-0 at offset 1: the key does not decode", "kafka.Int64"}},
		{"panic", kafka.String, broken, []string{"t-0 at offset 0", "panic", "a mistake of the user's"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.ProduceRecords(&kgo.Record{Topic: "t", Key: make([]byte, 8), Value: make([]byte, 8)},
					&kgo.Record{Topic: "t", Key: make([]byte, 9), Value: make([]byte, 9)})
				ssc, err := dstream.NewContext(nil, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				d, err := kafka.DirectStream(ssc, kafka.Subscribe("t"), c.Params("auto.offset.reset", "earliest"),
					row.key, row.value, c.Dialer())
				if err != nil {
					t.Fatal(err)
				}
				dstream.Foreach(d, func(kafka.Record[string, string]) error { return nil })
				if err := ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				says(t, ssc.AwaitTermination(ctx), append(row.says, "batch 0", "kafka.DirectStream")...)
			})
		})
	}
}

// A batch that a broker delivers corrupt fails the batch with its place; one that arrives whole the next time does
// not.
func TestCorruptBatch(t *testing.T) {
	flip := func(set []byte) []byte { set[len(set)-2] ^= 1; return set } // In the value v1.
	for _, row := range []struct {
		name   string
		damage func(set []byte) []byte
		times  int
		params []string
		err    string
	}{
		{"a flipped bit", flip, 100, nil, "t-0: record batch at offset 0 (byte 0 of the fetched set): bad CRC"},
		{"a flipped bit, once", flip, 1, nil, ""},
		{"a flipped bit, unchecked", flip, 100, []string{"check.crcs", "false"}, ""},
		{"an unknown format", func(set []byte) []byte { set[16] = 9; return set }, 100, nil,
			"t-0: record batch at offset 0 (byte 0 of the fetched set): unknown message format"},
		{"a length that cannot be", func(set []byte) []byte { set[8] = 0xff; return set }, 100, nil,
			"t-0: record batch at offset 0 (byte 0 of the fetched set): bad length"},
		{"a cut batch", func(set []byte) []byte { return set[:len(set)-5] }, 100, nil, "t-0 at offset 0"},
		{"nothing but zeros", func(set []byte) []byte { clear(set); return set }, 100, nil, "t-0: record batch at offset 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0", "v1")
				set := fetchRaw(t, c, "t", 0)
				answerFetches(c, row.times, func() []byte { return row.damage(slices.Clone(set)) })
				j := run(
					t,
					c,
					plan{params: row.params, settings: []string{"spark.streaming.kafka.consumer.poll.ms", "5000"}},
				)
				if row.err != "" {
					says(t, j.failure(2*time.Minute), row.err, "batch 0")
					return
				}
				pass(5 * time.Second)
				j.stop()
				if n := len(j.records()); n != 2 {
					t.Errorf("%d records", n)
				}
			})
		})
	}
}

// A new leader that lags behind what was planned is waited for; what it does not give yet is no gap.
func TestLeaderCatchesUp(t *testing.T) {
	for _, row := range []struct {
		name         string
		high, stable int64
		level        string
	}{
		{"its high watermark lags", 1, 1, "read_uncommitted"},
		{"its last stable offset lags", 2, 1, "read_committed"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0", "v1")
				answerFetchesUpTo(c, 10, row.high, row.stable, func() []byte { return []byte{} })
				j := run(t, c, plan{params: []string{"isolation.level", row.level}})
				pass(20 * time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 2))
			})
		})
	}
}

// answerFetches answers the next fetches, from a partition 0 whose log ends at 2.
func answerFetches(c *kafkatest.Cluster, times int, set func() []byte) {
	answerFetchesUpTo(c, times, 2, 2, set)
}

func answerFetchesUpTo(c *kafkatest.Cluster, times int, high, stable int64, set func() []byte) {
	c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if times--; times < 0 {
			return nil, nil, false
		}
		resp := emptyAnswer(req, high, stable)
		resp.Topics[0].Partitions[0].RecordBatches = set()
		return resp, nil, true
	})
}

// emptyAnswer is a leader's that has no records of partition 0.
func emptyAnswer(req kmsg.Request, high, stable int64) *kmsg.FetchResponse {
	asked := req.(*kmsg.FetchRequest).Topics[0]
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
	p := kmsg.NewFetchResponseTopicPartition()
	p.HighWatermark, p.LastStableOffset, p.RecordBatches = high, stable, []byte{}
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// fetchRaw is the record set of a partition as a broker sends it.
func fetchRaw(t *testing.T, c *kafkatest.Cluster, topic string, partition int32) []byte {
	t.Helper()
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 100, 1, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, c.TopicInfo(topic).TopicID
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.PartitionMaxBytes = partition, 1<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	kresp, err := c.Client().Broker(int(c.LeaderFor(topic, partition))).Request(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return kresp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
}

// A compacted topic has gaps wherever they please: the end of a range is known by position.
func TestCompacted(t *testing.T) {
	for _, row := range []struct {
		name string
		keys string // of the records v0, v1 ...: of each key only the last is kept
		want []int
	}{
		{"at the start", "aaabbc", []int{2, 4, 5, 6}},
		{"in the middle", "abcbadd", []int{2, 3, 4, 6, 7}},
		{"none", "abcdef", []int{0, 1, 2, 3, 4, 5, 6}},
		{"a long one", "abbbbbbbbbbb", []int{0, 11, 12}},
		{"nothing but gaps", "aaaaaaaaaaaa", []int{11, 12}},
	} {
		for size := range 4 { // records in a batch of the log, so that gaps lie within batches and between them
			t.Run(fmt.Sprint(row.name, " ", size+1), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t)
					if err := c.CreateTopic("t", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
						t.Fatal(err)
					}
					var records []*kgo.Record
					for i, key := range row.keys {
						records = append(
							records,
							&kgo.Record{Topic: "t", Key: []byte(string(key)), Value: fmt.Append(nil, "v", i)},
						)
					}
					for chunk := range slices.Chunk(records, size+1) {
						c.ProduceRecords(chunk...)
					}
					c.ProduceRecords(&kgo.Record{Topic: "t", Key: []byte("last"), Value: fmt.Append(nil, "v", len(records))})
					c.Compact() // All but the last batch; what is gone at the start is gone for good.
					begin, end := c.PartitionInfo("t", 0).LogStartOffset, int64(len(records)+1)
					// Two offsets a batch, so that ranges begin and end in gaps, and some hold no record at all.
					j := run(t, c, plan{settings: []string{"spark.streaming.kafka.maxRatePerPartition", "2"}})
					pass(20 * time.Second)
					j.stop()
					var want []string
					for _, i := range row.want {
						want = append(want, fmt.Sprintf("t-0@%d v%d", i, i))
					}
					same(t, "records", j.records(), want)
					var ranges []string
					for at := begin; at < end; at += 2 {
						ranges = append(ranges, fmt.Sprintf("t-0 [%d,%d)", at, min(at+2, end)))
					}
					same(t, "ranges", j.planned(), ranges)
				})
			})
		}
	}
}

// A range that holds no record and that nothing comes after, as it is when a topic's end was compacted away, ends
// all the same: soon, and at once where that stretch was looked at before.
func TestRangeWithoutRecords(t *testing.T) {
	for _, row := range []struct {
		name    string
		version *kversion.Versions
		within  time.Duration
	}{
		{"a leader that says that it has read its own log", kversion.V3_8_0(), 2 * time.Second},
		{"one that cannot be asked", kversion.V3_2_0(), 8 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"), kfake.MaxVersions(row.version))
				c.Produce("t", 0, numbered("v", 0, 6)...)
				answerFetchesUpTo(c, 1000, 6, 6, func() []byte { return []byte{} })
				j := run(t, c, plan{settings: []string{"spark.streaming.kafka.maxRatePerPartition", "2"}})
				pass(row.within + 2*time.Second) // The batches after the first one have nothing to prove.
				same(t, "ranges", j.planned(), []string{"t-0 [0,2)", "t-0 [2,4)", "t-0 [4,6)"})
				j.stop()
				same(t, "records", j.records(), nil)
			})
		})
	}
}

// A leader that gets records from remote storage answers without any, and with the real end of the log, until they
// are there. It is given more and more time, and that it never has them is no proof that there are none.
func TestRemoteRecords(t *testing.T) {
	for _, row := range []struct {
		name  string
		empty int // answers, one of them to the start's check
		fails bool
	}{
		{"a few times", 4, false}, {"many times", 10, false}, {"for ever", 10_000, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "v0", "v1")
				var waits []int32
				left := row.empty
				c.ControlKey(int16(kmsg.Fetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					waits = append(waits, req.(*kmsg.FetchRequest).MaxWaitMillis)
					if left--; left < 0 {
						return nil, nil, false
					}
					return emptyAnswer(req, 2, 2), nil, true
				})
				c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp != -4 {
						return nil, nil, false
					}
					return listed(req, 2, 0), nil, true // All but the end of the log is remote.
				})
				j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", "false"}})
				if row.fails {
					says(t, j.failure(4*time.Minute), "t-0 at offset 0", "for 2m0s", "without records, although its log ends at 2",
						"remote.fetch.max.wait.ms", "spark.streaming.kafka.consumer.poll.ms")
					if got := fmt.Sprint(waits[1:8]); got != "[250 500 1000 2000 4000 5000 5000]" {
						t.Errorf("the leader may wait for %s ms", got)
					}
					return
				}
				pass(20 * time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 2))
				for _, w := range j.warned() {
					says(t, w, "waiting for a broker to give records: the leader gives no records, although its log ends at 2")
				}
			})
		})
	}
}

// listed is an answer to a question about an offset of t-0.
func listed(req kmsg.Request, offset int64, epoch int32) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	topic := kmsg.NewListOffsetsResponseTopic()
	topic.Topic = "t"
	p := kmsg.NewListOffsetsResponseTopicPartition()
	p.Offset, p.LeaderEpoch = offset, epoch
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp
}

// A batch that grows to more than the limit fails the job, which names the setting; under it the batch is read.
func TestMaxDecompressedBatch(t *testing.T) {
	for limit, err := range map[string]string{
		"64k": "t-0: record batch at offset 0 (byte 0 of the fetched set): too large when decompressed",
		"1m":  "",
	} {
		t.Run(limit, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				p := openProducer(t, c, "t", []string{"compression.type", "gzip"})
				send := p.Send(t.Context(), message{Value: strings.Repeat("x", 100_000)}, nil)
				if err := errors.Join(send, p.Close(t.Context())); err != nil {
					t.Fatal(err)
				}
				j := run(t, c, plan{settings: []string{"weir.kafka.maxDecompressedBatch", limit}})
				if err != "" {
					says(t, j.failure(time.Minute), err, "raise weir.kafka.maxDecompressedBatch")
					return
				}
				pass(3 * time.Second)
				j.stop()
				if n := len(j.records()); n != 1 {
					t.Errorf("%d records", n)
				}
			})
		})
	}
}

// Records larger than what is asked for at a time are read all the same, and the smaller ones between them.
func TestLargeRecords(t *testing.T) {
	for _, prefetch := range []string{"true", "false"} {
		t.Run(prefetch, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				var want []string
				for i := range 12 {
					v := fmt.Sprint(i)
					if i%3 == 0 {
						v += strings.Repeat("x", 300_000)
					}
					c.Produce("t", 0, v)
					want = append(want, fmt.Sprintf("t-0@%d %s", i, v))
				}
				j := run(
					t,
					c,
					plan{settings: []string{"weir.kafka.fetchBytes", "1k", "weir.kafka.prefetch", prefetch}},
				)
				pass(3 * time.Second)
				j.stop()
				if !slices.Equal(j.records(), want) {
					t.Error("the records differ")
				}
			})
		})
	}
}

// The same data whether or not it is fetched ahead, and whatever the limits.
func TestPrefetchChangesNothing(t *testing.T) {
	for _, settings := range [][]string{
		{"weir.kafka.prefetch", "true"}, {"weir.kafka.prefetch", "false"},
		{"weir.kafka.prefetch", "true", "weir.kafka.fetchBytes", "1k"},
		{"weir.kafka.prefetch", "true", "spark.streaming.kafka.maxRatePerPartition", "37"},
		{"weir.kafka.prefetch", "false", "spark.streaming.kafka.maxRatePerPartition", "37", "weir.kafka.fetchBytes", "1k"},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(2, "t"))
				for p := range int32(2) {
					for i := 0; i < 200; i += 20 {
						c.Produce("t", p, numbered("v", i, i+20)...)
					}
				}
				j := run(t, c, plan{settings: settings})
				pass(8 * time.Second)
				j.stop()
				sameSet(t, "records", j.records(), append(at("t-0", "v", 0, 200), at("t-1", "v", 0, 200)...))
			})
		})
	}
}

// Several tasks may read a range at a time, and a batch may be read more than once.
func TestOneRangeReadTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		c.Produce("t", 0, numbered("v", 0, 100)...)
		read := 0
		j := run(t, c, plan{
			settings: []string{"weir.kafka.fetchBytes", "1k"},
			body: func(ctx context.Context, r *textRDD, _ *dstream.Batch, _ stream) error {
				n, err := rdd.Count(ctx, rdd.Union(r, r, r))
				if n != 0 {
					read = int(n)
				}
				first, err2 := rdd.Take(ctx, r, 3)
				if n != 0 && (len(first) != 3 || first[2].Value != "v2") {
					t.Errorf("the first three are %v", first)
				}
				return errors.Join(err, err2)
			},
		})
		pass(2500 * time.Millisecond)
		j.stop()
		if read != 300 {
			t.Errorf("three readings give %d records", read)
		}
		same(t, "records", j.records(), at("t-0", "v", 0, 100))
	})
}
