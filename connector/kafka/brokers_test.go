package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
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

// whatever happens to the brokers while a record a second is written to each of three partitions for a
// minute: nothing
// is lost, nothing is read twice, each partition is read in order, and the batches go on.
func TestBrokersInTrouble(t *testing.T) {
	for _, row := range []struct {
		name    string
		trouble func(t *testing.T, c *kafkatest.Cluster, second int)
	}{
		{"none", func(*testing.T, *kafkatest.Cluster, int) {}},
		{"one is away for 30 s", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			switch second {
			case 10:
				c.Cut(c.LeaderFor("t", 0))
			case 40:
				c.Mend()
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
		{"fetches are not answered", func(_ *testing.T, c *kafkatest.Cluster, second int) {
			if second != 10 {
				return
			}
			left := 5
			c.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				left--
				return nil, nil, left >= 0
			})
		}},
		{"leaders move", func(t *testing.T, c *kafkatest.Cluster, second int) {
			if err := c.MoveTopicPartition("t", int32(second%3), int32(second/3%3)); err != nil {
				t.Fatal(err)
			}
		}},
		{"leaders move, and the old one dies", func(t *testing.T, c *kafkatest.Cluster, second int) {
			// A dead coordinator would stay one here, where a real cluster moves it; the old leader is another node.
			old := (c.CoordinatorFor("g") + 1) % 3
			if second == 5 {
				for p := range int32(3) {
					if err := c.MoveTopicPartition("t", p, old); err != nil {
						t.Fatal(err)
					}
				}
			}
			if second != 10 {
				return
			}
			for p := range int32(3) {
				if err := c.MoveTopicPartition("t", p, (old+1)%3); err != nil {
					t.Fatal(err)
				}
			}
			c.Cut(old)
		}},
		{"all are replaced one after the other", func(t *testing.T, c *kafkatest.Cluster, second int) {
			if second%10 != 9 || second > 30 {
				return
			}
			if _, _, err := c.AddNode(-1, 0); err != nil {
				t.Fatal(err)
			}
			if err := c.RemoveNode(int32(second / 10)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
				j := run(t, c, plan{params: []string{"enable.auto.commit", "true"}})
				const seconds = 60
				for second := range seconds {
					row.trouble(t, c, second)
					for p := range int32(3) {
						c.Produce("t", p, fmt.Sprint("v", second))
					}
					pass(time.Second)
				}
				batches := len(j.counts())
				pass(10 * time.Second)
				if n := len(j.counts()) - batches; n < 9 {
					t.Errorf("%d batches in the 10 s afterwards", n)
				}
				j.stop()
				got := j.records()
				for p := range int32(3) {
					part := fmt.Sprint("t-", p)
					mine := slices.DeleteFunc(slices.Clone(got), func(r string) bool { return r[:3] != part })
					same(t, part, mine, at(part, "v", 0, seconds))
				}
				for p, offset := range c.Committed("g", "t") {
					if offset != seconds {
						t.Errorf("offset %d is committed for partition %d", offset, p)
					}
				}
			})
		})
	}
}

// A leader that moves between the plan and the reading, or while the range is read, is followed.
func TestLeaderMovesWithinRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
		// Each fetch brings one record batch, for they are larger than what is asked for.
		pad := fmt.Sprintf("%02000d", 0)
		for i := range 20 {
			c.Produce("t", 0, fmt.Sprint(i, " ", pad))
		}
		var once sync.Once
		j, err := newJob(t, c, plan{
			settings: []string{"weir.kafka.fetchBytes", "1k", "weir.kafka.prefetch", "false"},
			body: func(ctx context.Context, r *textRDD, _ *dstream.Batch, _ stream) error {
				n := 0
				err := rdd.Foreach(ctx, r, func(r kafka.Record[string, string]) error {
					if want := fmt.Sprint(n, " ", pad); r.Value != want {
						return fmt.Errorf("record %d holds %.10s", n, r.Value)
					}
					if n++; n == 7 {
						once.Do(func() {
							if err := c.MoveTopicPartition("t", 0, 1-c.LeaderFor("t", 0)); err != nil {
								t.Error(err)
							}
						})
					}
					return nil
				})
				if n != 20 && n != 0 {
					t.Errorf("read %d records", n)
				}
				return err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		j.stop()
		if n := len(j.records()); n != 20 {
			t.Errorf("read %d records", n)
		}
	})
}
