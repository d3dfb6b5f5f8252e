package kafka_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/internal/vfs"
)

// addPartitions raises the number of partitions of a topic.
func addPartitions(t *testing.T, c *kafkatest.Cluster, topic string, n int32) {
	t.Helper()
	req := kmsg.NewPtrCreatePartitionsRequest()
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, n
	req.Topics = append(req.Topics, rt)
	req.TimeoutMillis = 1000
	resp, err := req.RequestWith(context.Background(), c.Client())
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Partitions and topics that appear while a job runs are read from their beginning, also under latest.
func TestPartitionsAppear(t *testing.T) {
	for _, row := range []struct {
		name     string
		strategy kafka.Strategy
		want     []string
	}{
		{"subscribe", kafka.Subscribe("t"), []string{"t-1@0 early", "t-1@1 late"}},
		{"pattern", kafka.SubscribePattern(regexp.MustCompile("t.*")), []string{"t-1@0 early", "t-1@1 late", "t2-0@0 early"}},
		{"assign", kafka.Assign(tp("t", 0)), nil},
		{"custom", evenOnes{}, []string{"t2-0@0 early"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, "old")
				j := run(t, c, plan{strategy: row.strategy, params: []string{"auto.offset.reset", "latest"}})
				pass(2500 * time.Millisecond)
				addPartitions(t, c, "t", 2)
				if err := c.CreateTopic("t2", 1, nil); err != nil {
					t.Fatal(err)
				}
				c.Produce("t", 1, "early")
				c.Produce("t2", 0, "early")
				pass(20 * time.Second)
				c.Produce("t", 1, "late")
				pass(2 * time.Second)
				j.stop()
				sameSet(t, "records", j.records(), row.want)
			})
		})
	}
}

// A program that goes on from a checkpoint with other topics reads these from its first batch on, and no record more of
// those that it has left; what it reads still goes on where it was.
func TestOtherTopicsAtRestart(t *testing.T) {
	for _, row := range []struct {
		name     string
		strategy kafka.Strategy
		want     []string
	}{
		{"another one", kafka.Subscribe("u"), []string{"u-0@0 u0"}},
		{"one more", kafka.Subscribe("t", "u"), []string{"t-0@1 t1", "u-0@0 u0"}},
		{"another pattern", kafka.SubscribePattern(regexp.MustCompile("u.*")), []string{"u-0@0 u0"}},
		{"the same", kafka.Subscribe("t"), []string{"t-0@1 t1"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, disk := kafkatest.Start(t, kfake.SeedTopics(1, "t", "u")), vfs.NewDisk("disk")
				c.Produce("t", 0, "t0")
				j := run(t, c, plan{disk: disk})
				pass(1500 * time.Millisecond)
				j.stop()
				same(t, "records before", j.records(), []string{"t-0@0 t0"})
				c.Produce("t", 0, "t1")
				c.Produce("u", 0, "u0")
				j = run(t, c, plan{disk: disk, strategy: row.strategy})
				pass(1500 * time.Millisecond)
				j.stop()
				sameSet(t, "records after", j.records(), row.want)
			})
		})
	}
}

// metadata.max.age.ms says how often partitions are looked for.
func TestPartitionsAppearSooner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		j := run(t, c, plan{params: []string{"metadata.max.age.ms", "1000"}})
		addPartitions(t, c, "t", 2)
		c.Produce("t", 1, "x")
		pass(3 * time.Second)
		j.stop()
		same(t, "records", j.records(), []string{"t-1@0 x"})
	})
}

// A topic that is deleted stops the job with the place, or is left, as weir.kafka.failOnDataLoss says.
func TestTopicDeleted(t *testing.T) {
	for _, row := range []struct {
		name     string
		strategy kafka.Strategy
	}{
		{"subscribe", kafka.Subscribe("t", "u")},
		{"pattern", kafka.SubscribePattern(regexp.MustCompile("."))},
		{"assign", kafka.Assign(tp("t", 0), tp("u", 0))},
		{"custom", evenOnes{}},
	} {
		for _, fail := range []string{"true", "false"} {
			t.Run(row.name+"/"+fail, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "u"))
					c.Produce("t", 0, "v0", "v1")
					j := run(
						t,
						c,
						plan{strategy: row.strategy, settings: []string{"weir.kafka.failOnDataLoss", fail}},
					)
					pass(2500 * time.Millisecond)
					if err := c.DeleteTopic("t"); err != nil {
						t.Fatal(err)
					}
					c.Produce("u", 0, "v0")
					if fail == "true" {
						err := j.failure(30 * time.Second)
						says(
							t,
							err,
							"t-0: what it held from offset 2 on is lost: the topic was deleted",
							"weir.kafka.failOnDataLoss=false",
						)
						var loss *kafka.DataLossError
						if !errors.As(err, &loss) || loss.From != 2 || loss.Until != -1 {
							t.Errorf("the error holds %+v", loss)
						}
						return
					}
					pass(30 * time.Second)
					c.Produce("u", 0, "v1")
					pass(2 * time.Second)
					j.stop()
					same(t, "records", j.records(), []string{"t-0@0 v0", "t-0@1 v1", "u-0@0 v0", "u-0@1 v1"})
					says(
						t,
						errors.Join(j.warned()...),
						"t-0: what it held from offset 2 on is lost: the topic was deleted",
						"set weir.kafka.failOnDataLoss=true to stop at the next loss",
					)
					var loss *kafka.DataLossError
					if w := errors.Join(j.warned()...); !errors.As(w, &loss) || loss.Count() != -1 ||
						strings.Contains(w.Error(), "or set weir.kafka.failOnDataLoss=false") {
						t.Errorf("the warning holds %+v: %v", loss, w)
					}
				})
			})
		}
	}
}

// A topic that is deleted and created again is another topic, although its partitions may hold the old offsets.
func TestTopicCreatedAgain(t *testing.T) {
	recreate := func(t *testing.T, c *kafkatest.Cluster, n int) {
		t.Helper()
		if err := errors.Join(c.DeleteTopic("t"), c.CreateTopic("t", 1, nil)); err != nil {
			t.Fatal(err)
		}
		c.Produce("t", 0, numbered("new", 0, n)...)
	}
	for _, row := range []struct {
		name  string
		count int // records of the new topic
	}{
		{"shorter", 1}, {"empty", 0}, {"as long", 3}, {"longer", 5},
	} {
		for _, fail := range []string{"true", "false"} {
			t.Run(row.name+"/"+fail, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
					c.Produce("t", 0, numbered("old", 0, 3)...)
					j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", fail}})
					pass(2500 * time.Millisecond)
					same(t, "records before", j.records(), at("t-0", "old", 0, 3))
					recreate(t, c, row.count)
					if fail == "true" {
						says(t, j.failure(time.Minute), "t-0:", "the topic was deleted and created again")
						same(t, "records after", j.records(), nil)
						return
					}
					pass(40 * time.Second)
					c.Produce("t", 0, numbered("new", row.count, row.count+2)...)
					pass(2 * time.Second)
					j.stop()
					same(t, "records after", j.records(), at("t-0", "new", 0, row.count+2))
					says(t, errors.Join(j.warned()...), "the topic was deleted and created again")
				})
			})
		}
	}
}

// unknown has the brokers not know a topic until it is removed.
func unknown(c *kafkatest.Cluster, topic string) *kfake.FaultHandle {
	return c.Fault(kfake.Fault{
		Keys:  []kmsg.Key{kmsg.Metadata, kmsg.ListOffsets},
		Topic: topic,
		Err:   kerr.UnknownTopicOrPartition,
		Count: -1,
	})
}

// A topic that is deleted and created again where brokers give no ids is another one if its records are others, or if
// its leaders' epochs have begun anew.
func TestTopicCreatedAgainWithoutIDs(t *testing.T) {
	for _, row := range []struct {
		name    string
		version *kversion.Versions
		moved   bool // the old topic has had two leaders
		missing bool // nobody knows it for a while
		skip    int  // of the old topic's records, so that no record of the new one stands in the place of one read
		count   int  // records of the new topic
	}{
		{"lower epoch, empty", kversion.V2_4_0(), true, false, 0, 0},
		{"lower epoch, shorter", kversion.V2_4_0(), true, false, 0, 1},
		{"lower epoch, as long", kversion.V2_4_0(), true, false, 0, 3},
		{"lower epoch, longer", kversion.V2_4_0(), true, false, 0, 5},
		{"lower epoch, nothing to compare", kversion.V2_4_0(), true, false, 3, 5},
		{"same epoch, empty", kversion.V2_4_0(), false, false, 0, 0},
		{"same epoch, shorter", kversion.V2_4_0(), false, false, 0, 1},
		{"same epoch, was missing, longer", kversion.V2_4_0(), false, true, 0, 5},
		{"no epochs, shorter", kversion.V1_1_0(), false, false, 0, 1},
		{"no epochs, was missing, longer", kversion.V1_1_0(), false, true, 0, 5},
		{"no epochs, was missing, nothing to compare", kversion.V1_1_0(), false, true, 3, 5},
	} {
		for _, fail := range []string{"true", "false"} {
			t.Run(row.name+"/"+fail, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := kafkatest.Start(t, kfake.SeedTopics(1, "t"), kfake.MaxVersions(row.version))
					c.Produce("t", 0, numbered("old", 0, 3)...)
					if row.moved {
						if err := c.MoveTopicPartition("t", 0, 0); err != nil {
							t.Fatal(err)
						}
					}
					j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", fail},
						strategy: kafka.Subscribe("t").From(map[kafka.TopicPartition]int64{tp("t", 0): int64(row.skip)})})
					pass(2500 * time.Millisecond)
					same(t, "records before", j.records(), at("t-0", "old", row.skip, 3))
					if err := errors.Join(c.DeleteTopic("t"), c.CreateTopic("t", 1, nil)); err != nil {
						t.Fatal(err)
					}
					c.Produce("t", 0, numbered("new", 0, row.count)...)
					if row.missing {
						gone := unknown(c, "t")
						pass(8 * time.Second)
						gone.Remove()
					}
					if fail == "true" {
						says(t, j.failure(time.Minute), "t-0: what it held from offset 3 on is lost",
							"the topic was deleted and created again")
						return
					}
					pass(30 * time.Second)
					c.Produce("t", 0, numbered("new", row.count, row.count+2)...)
					pass(2 * time.Second)
					j.stop()
					same(t, "records after", j.records(), at("t-0", "new", 0, row.count+2))
					if n := strings.Count(errors.Join(j.warned()...).Error(), "records were lost"); n != 1 {
						t.Errorf("the loss is told %d times: %v", n, j.warned())
					}
				})
			})
		}
	}
}

// A partition that some brokers do not know for a while, as one that has just started does, is no deleted one:
// nothing is lost and nothing read twice.
func TestTopicForgottenForAWhile(t *testing.T) {
	for _, version := range []*kversion.Versions{kversion.Stable(), kversion.V2_4_0(), kversion.V1_1_0()} {
		t.Run(version.VersionGuess(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"), kfake.MaxVersions(version))
				j := run(t, c, plan{})
				c.Produce("t", 0, numbered("v", 0, 3)...)
				pass(2500 * time.Millisecond)
				forget := unknown(c, "t")
				pass(8 * time.Second)
				forget.Remove()
				c.Produce("t", 0, numbered("v", 3, 6)...)
				pass(10 * time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", 0, 6))
				if forget.Hits() == 0 {
					t.Error("the broker was not asked meanwhile")
				}
			})
		})
	}
}

// Topics that are deleted one after the other, each while the one before is in doubt, are left one with the other, and
// each is told of once.
func TestTopicsDeletedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t", "u", "w"))
		j := run(t, c, plan{strategy: kafka.Subscribe("t", "u", "w"), settings: []string{"weir.kafka.failOnDataLoss", "false"}})
		pass(9500 * time.Millisecond)
		if err := c.DeleteTopic("t"); err != nil {
			t.Fatal(err)
		}
		pass(5 * time.Second)
		if err := c.DeleteTopic("u"); err != nil {
			t.Fatal(err)
		}
		c.Produce("w", 0, "v0")
		pass(30 * time.Second)
		j.stop()
		same(t, "records", j.records(), at("w-0", "v", 0, 1))
		warned := errors.Join(j.warned()...).Error()
		for _, lost := range []string{"t-0: what it held from offset 0 on is lost", "u-0: what it held from offset 0 on is lost"} {
			if n := strings.Count(warned, lost); n != 1 {
				t.Errorf("%q is told %d times", lost, n)
			}
		}
	})
}

// A topic that was left because it could not be seen any more, and is seen again, goes on where it was left.
func TestTopicIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
		j := run(t, c, plan{settings: []string{"weir.kafka.failOnDataLoss", "false"}})
		c.Produce("t", 0, numbered("v", 0, 3)...)
		pass(2500 * time.Millisecond)
		forget := unknown(c, "t")
		pass(time.Minute)
		forget.Remove()
		c.Produce("t", 0, numbered("v", 3, 6)...)
		pass(20 * time.Second)
		j.stop()
		same(t, "records", j.records(), at("t-0", "v", 0, 6))
		says(t, errors.Join(j.warned()...), "what it held from offset 3 on is lost")
	})
}

// A topic that a program does not choose for a while, and then again, goes on where it was left, whatever processes
// there were in between.
func TestTopicIsChosenAgain(t *testing.T) {
	for _, row := range []struct {
		name  string
		away  time.Duration
		lives int // without it, after that
	}{
		{"soon", time.Minute, 0},
		{"after several starts", time.Hour, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, disk := kafkatest.Start(t, kfake.SeedTopics(1, "t", "u")), vfs.NewDisk("disk")
				start := func(topics ...string) *job {
					return run(t, c, plan{disk: disk, strategy: kafka.Subscribe(topics...), interval: 5 * time.Second})
				}
				c.Produce("t", 0, numbered("v", 0, 3)...)
				c.Produce("u", 0, numbered("v", 0, 2)...)
				j := start("t", "u")
				pass(11 * time.Second)
				j.stop()
				sameSet(t, "records at first", j.records(), append(at("t-0", "v", 0, 3), at("u-0", "v", 0, 2)...))
				for life := range row.lives + 1 {
					j = start("u")
					pass(21 * time.Second)
					j.stop()
					if life == 0 {
						<-time.After(row.away)
					}
				}
				c.Produce("t", 0, numbered("v", 3, 6)...)
				j = start("t", "u")
				pass(31 * time.Second)
				j.stop()
				same(t, "records when it is back", j.records(), at("t-0", "v", 3, 6))
			})
		})
	}
}
