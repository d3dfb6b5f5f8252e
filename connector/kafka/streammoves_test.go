package kafka_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// moving receives, with a write ahead log or without, and goes on behind losses.
func moving(t *testing.T, c *kafkatest.Cluster, logs bool, w *receivedRows) *dstream.Context {
	t.Helper()
	ssc, _ := receive(t, c, vfs.NewDisk("disk").Mount(nil), w, "weir.kafka.failOnDataLoss", "false",
		"spark.streaming.receiver.writeAheadLog.enable", fmt.Sprint(logs))
	return ssc
}

// TestStreamTruncated: where a log was truncated, all that the new leader has from there on is received, although it
// stands at offsets that were stored before.
func TestStreamTruncated(t *testing.T) {
	for _, logs := range []bool{true, false} {
		t.Run(fmt.Sprint("log ", logs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"))
				c.Produce("a", 0, numbered("v", 0, 6)...)
				var w receivedRows
				ssc := moving(t, c, logs, &w)
				time.Sleep(2500 * time.Millisecond)
				truncate(t, c, "a", 4)
				time.Sleep(30 * time.Second)
				c.Produce("a", 0, "v6")
				time.Sleep(2500 * time.Millisecond)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
				sameSet(t, "records", w.sorted(), append(at("a-0", "v", 0, 6), at("a-0", "v", 4, 7)...))
				movedTo(t, c, 7)
			})
		})
	}
}

// endsAt answers a question for the ends of topics.
func endsAt(req kmsg.Request, ends map[string]int64) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ListOffsetsResponse)
	for _, asked := range req.(*kmsg.ListOffsetsRequest).Topics {
		topic := kmsg.NewListOffsetsResponseTopic()
		topic.Topic = asked.Topic
		for _, of := range asked.Partitions {
			p := kmsg.NewListOffsetsResponseTopicPartition()
			p.Partition, p.Offset, p.LeaderEpoch = of.Partition, ends[asked.Topic], -1
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// TestStreamTruncatedUnseen: where brokers give no epochs, the new records may reach up to the same offset as the old
// ones, and so to the same position. A process that dies before it has read them goes on where the log was truncated:
// the next one could not see any more that it was.
func TestStreamTruncatedUnseen(t *testing.T) {
	for _, row := range []struct{ logs, dies bool }{{true, false}, {false, false}, {true, true}} {
		t.Run(fmt.Sprintf("log %v, dies %v", row.logs, row.dies), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"),
					kfake.MaxVersions(kversion.V1_1_0()))
				c.Produce("a", 0, numbered("v", 0, 6)...)
				var w receivedRows
				disk := vfs.NewDisk("disk")
				settings := []string{"weir.kafka.failOnDataLoss", "false",
					"spark.streaming.receiver.writeAheadLog.enable", fmt.Sprint(row.logs)}
				m := disk.Mount(nil)
				ssc, _ := receive(t, c, m, &w, settings...)
				time.Sleep(2500 * time.Millisecond)
				truncated := true
				c.ControlKey(int16(kmsg.ListOffsets), func(req kmsg.Request) (kmsg.Response, error, bool) {
					c.KeepControl()
					if !truncated {
						return nil, nil, false
					}
					return endsAt(req, map[string]int64{"a": 4}), nil, true
				})
				time.Sleep(time.Minute)
				if row.dies {
					m.Kill()
					_ = ssc.Stop(t.Context())
				}
				truncated = false
				if row.dies {
					ssc, _ = receive(t, c, disk.Mount(nil), &w, settings...)
				}
				time.Sleep(5 * time.Second)
				if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
					t.Fatal(err)
				}
				sameSet(t, "records", w.sorted(), append(at("a-0", "v", 0, 6), at("a-0", "v", 4, 6)...))
				movedTo(t, c, 6)
			})
		})
	}
}

// TestStreamCreatedAgain: a topic that was deleted and created again, where brokers give no ids, is received from its
// beginning, however many records of the old one were stored.
func TestStreamCreatedAgain(t *testing.T) {
	for _, row := range []struct {
		name    string
		missing bool // nobody knows it for a while
		count   int  // records of the new topic before it is seen
	}{{"empty", false, 0}, {"shorter", false, 1}, {"missing, as long", true, 3}, {"missing, longer", true, 5}} {
		for _, logs := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, log %v", row.name, logs), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t, kfake.SeedTopics(1, "a"), kfake.SeedTopics(1, "b"),
						kfake.MaxVersions(kversion.V2_4_0()))
					c.Produce("a", 0, numbered("old", 0, 3)...)
					var w receivedRows
					ssc := moving(t, c, logs, &w)
					time.Sleep(2500 * time.Millisecond)
					if err := errors.Join(c.DeleteTopic("a"), c.CreateTopic("a", 1, nil)); err != nil {
						t.Fatal(err)
					}
					c.Produce("a", 0, numbered("new", 0, row.count)...)
					if row.missing {
						gone := unknown(c, "a")
						time.Sleep(8 * time.Second)
						gone.Remove()
					}
					time.Sleep(30 * time.Second)
					c.Produce("a", 0, numbered("new", row.count, row.count+2)...)
					time.Sleep(2500 * time.Millisecond)
					if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
						t.Fatal(err)
					}
					all := append(at("a-0", "old", 0, 3), at("a-0", "new", 0, row.count+2)...)
					sameSet(t, "records", w.sorted(), all)
					movedTo(t, c, int64(row.count+2))
				})
			})
		}
	}
}
