package kafka_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// Where a partition begins: explicit offsets before committed ones before auto.offset.reset. The topic has a
// partition with the records v0 to v9, of which the first two are deleted.
func TestStartPosition(t *testing.T) {
	t0 := kafka.TopicPartition{Topic: "t"}
	explicit := func(offset int64) kafka.Strategy {
		return kafka.Subscribe("t").From(map[kafka.TopicPartition]int64{t0: offset})
	}
	for _, row := range []struct {
		name      string
		strategy  kafka.Strategy
		committed int64 // -1: nothing
		params    []string
		settings  []string
		from      int    // the first record that is read; 10: none of those that are there
		err       string // why the job does not start
		warns     string
	}{
		{name: "explicit before committed", strategy: explicit(7), committed: 4, from: 7},
		{name: "explicit at the end", strategy: explicit(10), committed: -1, from: 10},
		{name: "explicit before the beginning", strategy: explicit(1), committed: -1,
			err: "t-0: offset 1 is lost: the first offset is given as 1, and retention has deleted records since"},
		{name: "explicit before the beginning, to go on", strategy: explicit(0), committed: -1,
			settings: []string{"weir.kafka.failOnDataLoss", "false"}, from: 2, warns: "t-0: offsets 0 to 1 are lost"},
		{name: "explicit behind the end", strategy: explicit(11), committed: -1,
			err: "t-0 ends at offset 10, but the first offset is given as 11: was the topic deleted and created again"},
		{name: "explicit behind the end, to go on", strategy: explicit(11), committed: -1,
			settings: []string{"weir.kafka.failOnDataLoss", "false"}, from: 10, warns: "beginning at the end"},
		{name: "explicit and negative", strategy: explicit(-1), committed: -1,
			err: "the first offset of t-0 is -1: it must be at least 0; for an end of the partition leave it out"},
		{name: "explicit for another partition", committed: -1,
			strategy: kafka.Subscribe("t").From(map[kafka.TopicPartition]int64{{Topic: "t", Partition: 3}: 0}),
			err:      "a first offset is given for t-3, which Subscribe(t) does not choose"},
		{name: "committed", committed: 4, from: 4},
		{name: "committed before latest", committed: 4, params: []string{"auto.offset.reset", "latest"}, from: 4},
		{name: "committed before none", committed: 4, params: []string{"auto.offset.reset", "none"}, from: 4},
		{name: "committed and lost since", committed: 0,
			err: "t-0: offsets 0 to 1 are lost: group \"g\" has committed offset 0, and retention has deleted records since"},
		{name: "committed and lost since, to go on", committed: 0,
			settings: []string{"weir.kafka.failOnDataLoss", "false"}, from: 2, warns: "t-0: offsets 0 to 1 are lost"},
		{name: "committed behind the end", committed: 12, err: "t-0 ends at offset 10, but group \"g\" has committed offset 12"},
		{name: "earliest", committed: -1, from: 2},
		{name: "latest", committed: -1, params: []string{"auto.offset.reset", "latest"}, from: 10},
		{name: "latest is the default", committed: -1, params: []string{"auto.offset.reset", ""}, from: 10},
		{name: "none", committed: -1, params: []string{"auto.offset.reset", "none"},
			err: "t-0 has no first offset: group \"g\" has committed none, and auto.offset.reset=none: commit one " +
				"(weir offsets reset g --new --topic t --partition 0 --to earliest)"},
		{name: "none without a group", committed: 4, params: []string{"auto.offset.reset", "none", "group.id", ""},
			err: "t-0 has no first offset: no group.id is set"},
		{name: "no group, so what one has committed is not asked", committed: 4, params: []string{"group.id", ""}, from: 2},
		{name: "another group", committed: 4, params: []string{"group.id", "h"}, from: 2},
		// The records v5 to v9 were written an hour after those before.
		{name: "by duration", committed: -1, params: []string{"auto.offset.reset", "by_duration:PT30M"}, from: 5},
		{name: "by duration, all", committed: -1, params: []string{"auto.offset.reset", "by_duration:PT3H"}, from: 2},
		{name: "by duration, none", committed: -1, params: []string{"auto.offset.reset", "by_duration:PT1S"}, from: 10},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(1, "t"))
				c.Produce("t", 0, numbered("v", 0, 5)...)
				pass(time.Hour)
				c.Produce("t", 0, numbered("v", 5, 10)...)
				pass(time.Minute)
				if err := c.DeleteRecords("t", 0, 2); err != nil {
					t.Fatal(err)
				}
				if row.committed >= 0 {
					commitOffset(t, c, "g", "t", 0, row.committed)
				}
				p := plan{strategy: row.strategy, params: row.params, settings: row.settings}
				if row.err != "" {
					says(t, startError(t, c, p), row.err, "kafka.DirectStream")
					return
				}
				j := run(t, c, p)
				pass(1500 * time.Millisecond)
				c.Produce("t", 0, "v10") // So that a job that begins at the end is seen to begin there.
				pass(time.Second)
				j.stop()
				same(t, "records", j.records(), at("t-0", "v", row.from, 11))
				if got := fmt.Sprint(
					j.warned(),
				); row.warns == "" && got != "[]" ||
					!strings.Contains(got, row.warns) {
					t.Errorf("warnings %s, want %q", got, row.warns)
				}
			})
		})
	}
}

// Each way of choosing partitions.
func TestStrategies(t *testing.T) {
	for _, row := range []struct {
		name     string
		strategy kafka.Strategy
		params   []string
		want     []string // partitions read
		err      string
	}{
		{name: "subscribe", strategy: kafka.Subscribe("a", "b1", "a"), want: []string{"a-0", "a-1", "b1-0", "b1-1"}},
		{name: "subscribe to what is missing", strategy: kafka.Subscribe("a", "c"), err: `topic "c" does not exist`},
		{name: "subscribe to nothing", strategy: kafka.Subscribe(), err: "Subscribe(): name at least one topic"},
		{name: "subscribe to no name", strategy: kafka.Subscribe("a", ""), err: "none by an empty name"},
		{name: "pattern", strategy: kafka.SubscribePattern(regexp.MustCompile("b.")), want: []string{"b1-0", "b1-1", "b2-0", "b2-1"}},
		{name: "pattern of alternatives matches whole names", strategy: kafka.SubscribePattern(regexp.MustCompile("a|b")),
			want: []string{"a-0", "a-1"}},
		{name: "pattern with an open quote", strategy: kafka.SubscribePattern(regexp.MustCompile(`\Qb.`)), want: nil},
		{name: "pattern that matches nothing", strategy: kafka.SubscribePattern(regexp.MustCompile("x")), want: nil},
		{name: "pattern leaves Kafka's own out, and not what is named like it",
			strategy: kafka.SubscribePattern(regexp.MustCompile("__.*|a")),
			want:     []string{"__events-0", "__events-1", "a-0", "a-1"}},
		{name: "pattern takes Kafka's own in", strategy: kafka.SubscribePattern(regexp.MustCompile("__.*|a")),
			params: []string{"exclude.internal.topics", "false"}, want: []string{"__events-0", "__events-1", "__own-0", "__own-1", "a-0", "a-1"}},
		{name: "no pattern", strategy: kafka.SubscribePattern(nil), err: "it needs a pattern"},
		{name: "assign", strategy: kafka.Assign(tp("b2", 1), tp("a", 0)), want: []string{"a-0", "b2-1"}},
		{name: "assign nothing", strategy: kafka.Assign(), err: "Assign() needs at least one partition"},
		{name: "assign what is missing", strategy: kafka.Assign(tp("a", 2)), err: `topic "a" has no partition 2, only 0 to 1`},
		{name: "assign in a missing topic", strategy: kafka.Assign(tp("c", 0)), err: `topic "c" does not exist`},
		{name: "assign a negative number", strategy: kafka.Assign(tp("a", -1)), err: "a number of at least 0"},
		{name: "custom", strategy: evenOnes{}, want: []string{"a-0", "b1-0", "b2-0"}},
		{name: "custom that asks for nothing", strategy: fixed{tp("a", 1)}, want: []string{"a-1"}},
		{name: "custom that is wrong", strategy: fixed{tp("a", 7)}, err: `chooses a-7, which does not exist: topic "a" has 2 partitions`},
		{name: "custom that panics", strategy: panics{}, err: "panic at"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, kfake.SeedTopics(2, "a", "b1", "b2", "__events"))
				if err := c.CreateTopic("__own", 2, map[string]string{"kfake.is_internal": "true"}); err != nil {
					t.Fatal(err)
				}
				for _, topic := range []string{"a", "b1", "b2", "__events", "__own"} {
					c.Produce(topic, 0, "x")
					c.Produce(topic, 1, "x")
				}
				p := plan{strategy: row.strategy, params: row.params}
				if row.err != "" {
					says(t, startError(t, c, p), row.err)
					return
				}
				j := run(t, c, p)
				pass(1500 * time.Millisecond)
				j.stop()
				var got []string
				for _, r := range j.records() {
					got = append(got, strings.TrimSuffix(r, "@0 x"))
				}
				same(t, "partitions", got, row.want)
			})
		})
	}
}

// What must stop a job before its first batch, and within 15 s.
func TestStartRefused(t *testing.T) {
	allow := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{
			Resource:  kind,
			Name:      name,
			Pattern:   kmsg.ACLResourcePatternTypeLiteral,
			Operation: op,
			Allow:     true,
		}
	}
	secured := func(acls ...kfake.ACL) []kfake.Opt {
		return []kfake.Opt{kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "secret"),
			kfake.User("PLAIN", "bob", "pass", acls...)}
	}
	as := func(user, password string) []string {
		return []string{
			"security.protocol",
			"SASL_PLAINTEXT",
			"sasl.mechanism",
			"PLAIN",
			"sasl.jaas.config",
			"org.apache.kafka.common.security.plain.PlainLoginModule required username=\"" + user + "\" password=\"" + password + "\";",
		}
	}
	const topic, group = kmsg.ACLResourceTypeTopic, kmsg.ACLResourceTypeGroup
	const read, describe = kmsg.ACLOperationRead, kmsg.ACLOperationDescribe
	for _, row := range []struct {
		name   string
		opts   []kfake.Opt
		params []string
		before func(t *testing.T, c *kafkatest.Cluster)
		says   []string
	}{
		{name: "all brokers away", opts: []kfake.Opt{kfake.NumBrokers(3)},
			before: func(_ *testing.T, c *kafkatest.Cluster) { c.Cut() },
			says:   []string{"localhost:9092", "localhost:9093", "localhost:9094", "cut this broker off"}},
		{name: "wrong password", opts: secured(), params: as("bob", "guess"), says: []string{`user "bob"`, "sasl.jaas.config"}},
		{name: "no right to the topic", opts: secured(allow(group, "g", read)), params: as("bob", "pass"),
			says: []string{`topic "t": `, `user "bob" has no right to the topic`, "DESCRIBE on the topic"}},
		{name: "DESCRIBE on the topic alone", opts: secured(allow(group, "g", read), allow(topic, "t", describe)), params: as("bob", "pass"),
			says: []string{`read topic "t"`, `user "bob" has no right to the topic`, "grant READ"}},
		{name: "no right to the group", opts: secured(allow(topic, "t", read)), params: as("bob", "pass"),
			says: []string{`user "bob" has no right to the group`, "group g", "grant READ on the group"}},
		{name: "missing topic", params: nil, before: func(t *testing.T, c *kafkatest.Cluster) {
			if err := c.DeleteTopic("t"); err != nil {
				t.Fatal(err)
			}
		}, says: []string{`topic "t" does not exist`, "weir topics create t", "a job never creates topics"}},
		{name: "missing topic of a cluster that creates topics", opts: []kfake.Opt{kfake.AllowAutoTopicCreation()},
			before: func(t *testing.T, c *kafkatest.Cluster) {
				if err := c.DeleteTopic("t"); err != nil {
					t.Fatal(err)
				}
			}, says: []string{`topic "t" does not exist`}},
		{name: "group with live members", before: joinGroup, says: []string{`group "g" has live members`, "client other at",
			"stop them, or give the job a group.id of its own"}},
		{name: "unknown parameter", params: []string{"auto.ofset.reset", "earliest"},
			says: []string{`auto.ofset.reset`, "auto.offset.reset"}},
		{name: "another deserializer", params: []string{"value.deserializer", "org.apache.kafka.common.serialization.LongDeserializer"},
			says: []string{"value.deserializer names org.apache.kafka.common.serialization.LongDeserializer, which weir reads with " +
				"kafka.Int64, but the program passes kafka.String: make them agree"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := kafkatest.Start(t, append([]kfake.Opt{kfake.SeedTopics(1, "t")}, row.opts...)...)
				if row.before != nil {
					row.before(t, c)
				}
				began := time.Now()
				says(t, startError(t, c, plan{params: row.params}), row.says...)
				if d := time.Since(began); d > 15*time.Second {
					t.Errorf("it took %v", d)
				}
				if c.TopicInfo("t") != nil && strings.HasPrefix(row.name, "missing topic") {
					t.Error("the topic was created")
				}
				synctest.Wait()
				if n := c.Connections(); n != 0 {
					t.Errorf("%d connections are left open", n)
				}
			})
		})
	}
}

// joinGroup makes another consumer a member of the group "g".
func joinGroup(t *testing.T, c *kafkatest.Cluster) {
	t.Helper()
	opts := []kgo.Opt{kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.ClientID("other")}
	other, err := kgo.NewClient(append(c.Client().Opts(), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	if _, err := c.WaitGroupStable(t.Context(), "g", 1); err != nil {
		t.Fatal(err)
	}
}
