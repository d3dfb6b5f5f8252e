package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
)

// admin runs a test in a bubble with a cluster and an Admin of it. params are more parameters, as name, value ...
func admin(t *testing.T, test func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin), params []string,
	opts ...kfake.Opt) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := kafkatest.Start(t, append([]kfake.Opt{kfake.DefaultNumPartitions(2)}, opts...)...)
		a, err := kafka.OpenAdmin(t.Context(), c.Params(params...), c.Dialer())
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		test(t, c, a)
	})
}

// says checks an error's text.
func says(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q lacks %q", err, p)
		}
	}
}

func tp(topic string, partition int32) kafka.TopicPartition {
	return kafka.TopicPartition{Topic: topic, Partition: partition}
}

func TestOpenAdminParams(t *testing.T) {
	_, err := kafka.OpenAdmin(t.Context(), kafka.Params{"bootstrap.servers": "x:1", "gruop.id": "g", "acks": "all"})
	says(t, err, "gruop.id", "did you mean group.id")
	if p, ok := errors.AsType[*kafka.ParamError](err); !ok || p.Name != "gruop.id" {
		t.Errorf("%v is no ParamError of gruop.id", err)
	}
}

func TestAdminTopics(t *testing.T) {
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		ctx := t.Context()
		made, err := a.CreateTopic(ctx, kafka.NewTopic{Name: "b", Partitions: 3, ReplicationFactor: 2,
			Configs: map[string]string{"retention.ms": "60000", "cleanup.policy": "compact"}})
		if err != nil {
			t.Fatal(err)
		}
		if made.Name != "b" || len(made.Partitions) != 3 || made.ReplicationFactor() != 2 || made.ID == [16]byte{} {
			t.Errorf("created %+v", made)
		}
		if p := made.Partitions[2]; p.Partition != 2 || p.Leader < 0 || p.Address == "" || len(p.Replicas) != 2 {
			t.Errorf("partition 2 is %+v", p)
		}
		if made, err = a.CreateTopic(ctx, kafka.NewTopic{Name: "a"}); err != nil || len(made.Partitions) != 2 {
			t.Errorf("created %+v, %v", made, err)
		}
		list, err := a.Topics(ctx)
		if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
			t.Errorf("the topics are %+v, %v", list, err)
		}
		named, err := a.DescribeTopics(ctx, "b", "c", "a")
		if len(named) != 2 || named[0].Name != "b" || named[1].Name != "a" {
			t.Errorf("described %+v", named)
		}
		if missing, ok := errors.AsType[*kafka.MissingTopicError](err); !ok || missing.Topic != "c" {
			t.Errorf("the error is %v", err)
		}
		if none, err := a.DescribeTopics(ctx); err != nil || len(none) != 0 {
			t.Errorf("describing nothing gave %+v, %v", none, err)
		}
		if err := a.DeleteTopic(ctx, "b"); err != nil {
			t.Error(err)
		}
		if _, err := a.DescribeTopics(ctx, "b"); err == nil {
			t.Error("the topic is still there")
		}
		err = a.DeleteTopic(ctx, "b")
		if missing, ok := errors.AsType[*kafka.MissingTopicError](err); !ok || missing.Topic != "b" {
			t.Errorf("deleting it twice gave %v", err)
		}
	}, nil, kfake.NumBrokers(3))
}

func TestAdminTopicConfigs(t *testing.T) {
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		configs := map[string]string{"retention.ms": "60000"}
		if _, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t", Configs: configs}); err != nil {
			t.Fatal(err)
		}
		got, err := a.TopicConfigs(t.Context(), "t")
		if err != nil {
			t.Fatal(err)
		}
		byName := func(a, b kafka.TopicConfig) int { return strings.Compare(a.Name, b.Name) }
		if !slices.IsSortedFunc(got, byName) || len(got) < 2 {
			t.Errorf("the settings are %+v", got)
		}
		for _, c := range got {
			if want := configs[c.Name]; c.Set != (want != "") || c.Set && c.Value != want {
				t.Errorf("a setting is %+v", c)
			}
		}
		_, err = a.TopicConfigs(t.Context(), "other")
		if _, ok := errors.AsType[*kafka.MissingTopicError](err); !ok {
			t.Errorf("the settings of a topic that is not there gave %v", err)
		}
	}, nil)
}

func TestCreateTopicRefused(t *testing.T) {
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		if _, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "a.b"}); err != nil {
			t.Fatal(err)
		}
		_, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "a.b"})
		if exists, ok := errors.AsType[*kafka.TopicExistsError](err); !ok || exists.Topic != "a.b" {
			t.Errorf("creating it twice gave %v", err)
		}
		for _, tt := range []struct {
			topic kafka.NewTopic
			want  []string
		}{
			{kafka.NewTopic{Name: ""}, []string{`topic ""`, "1 to 249 letters"}},
			{kafka.NewTopic{Name: ".."}, []string{`topic ".."`}},
			{kafka.NewTopic{Name: "grüezi"}, []string{`topic "grüezi"`, "letters, digits"}},
			{kafka.NewTopic{Name: strings.Repeat("x", 250)}, []string{"249"}},
			{kafka.NewTopic{Name: "t", Partitions: -1}, []string{"-1 partitions", "from 1 on"}},
			{kafka.NewTopic{Name: "t", ReplicationFactor: -2}, []string{"-2 replicas"}},
			{kafka.NewTopic{Name: "t", ReplicationFactor: 2}, []string{`would not create topic "t"`, "number of brokers"}},
			{kafka.NewTopic{Name: "a_b"}, []string{`would not create topic "a_b"`, "dots and underscores"}},
		} {
			_, err := a.CreateTopic(t.Context(), tt.topic)
			says(t, err, tt.want...)
		}
		if list, err := a.Topics(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("the topics are %+v, %v", list, err)
		}
	}, nil)
}

// What the brokers answer, in their own words where they have some, and the remedy.
func TestTopicRefusals(t *testing.T) {
	for _, tt := range []struct {
		code    *kerr.Error
		message string
		want    []string
	}{
		{kerr.InvalidPartitions, "", []string{"would not create", "another number of partitions"}},
		{kerr.InvalidConfig, "retention.ms is no number", []string{"(retention.ms is no number)", "correct the topic's settings"}},
		{kerr.PolicyViolation, "too many", []string{"(too many)", "correct the topic's settings"}},
		{kerr.TopicAuthorizationFailed, "", []string{"would not create", "grant CREATE on the topic or on the cluster"}},
		{kerr.ClusterAuthorizationFailed, "", []string{"grant CREATE on the topic or on the cluster"}},
		{kerr.UnsupportedForMessageFormat, "", []string{"create topic \"t\"", "upgrade"}},
	} {
		admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
			c.ControlKey(int16(kmsg.CreateTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
				resp := req.ResponseKind().(*kmsg.CreateTopicsResponse)
				topic := kmsg.NewCreateTopicsResponseTopic()
				topic.Topic, topic.ErrorCode = "t", tt.code.Code
				if tt.message != "" {
					topic.ErrorMessage = &tt.message
				}
				resp.Topics = append(resp.Topics, topic)
				return resp, nil, true
			})
			_, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t"})
			says(t, err, append(tt.want, `"t"`)...)
			if !errors.Is(err, tt.code) {
				t.Errorf("%v does not wrap %v", err, tt.code)
			}
		}, nil)
	}
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		c.ControlKey(int16(kmsg.DeleteTopics), func(req kmsg.Request) (kmsg.Response, error, bool) {
			resp := req.ResponseKind().(*kmsg.DeleteTopicsResponse)
			topic := kmsg.NewDeleteTopicsResponseTopic()
			topic.Topic, topic.ErrorCode = kmsg.StringPtr("t"), kerr.TopicDeletionDisabled.Code
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		says(t, a.DeleteTopic(t.Context(), "t"), `would not delete topic "t"`, "delete.topic.enable=true")
	}, nil, kfake.SeedTopics(1, "t"))
}

// leaderless has the cluster show topics without leaders n times, or for ever if n is negative.
func leaderless(t *testing.T, c *kafkatest.Cluster, n int) {
	t.Helper()
	broker := kmsg.NewMetadataResponseBroker()
	host, port, err := net.SplitHostPort(c.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	broker.Host, broker.Port = host, int32(number)
	c.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := kreq.(*kmsg.MetadataRequest)
		if len(req.Topics) == 0 || n == 0 {
			return nil, nil, false
		}
		n--
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.Brokers = append(resp.Brokers, broker)
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = req.Topics[0].Topic
		part := kmsg.NewMetadataResponseTopicPartition()
		part.ErrorCode, part.Leader = kerr.LeaderNotAvailable.Code, -1
		topic.Partitions = append(topic.Partitions, part)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
}

// A topic is returned when it can be used, and waiting for that has a deadline.
func TestCreateTopicWaits(t *testing.T) {
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		leaderless(t, c, 5)
		made, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t"})
		if err != nil || made.Partitions[0].Leader < 0 {
			t.Errorf("created %+v, %v", made, err)
		}
	}, nil)
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		leaderless(t, c, -1)
		began := time.Now()
		_, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t"})
		says(t, err, `topic "t" is created, but not all of its partitions have a leader`, "weir topics describe")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v, with a deadline of 4 s", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := a.CreateTopic(ctx, kafka.NewTopic{Name: "u"}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled, it gave %v", err)
		}
	}, []string{"default.api.timeout.ms", "4000"})
}

// Old brokers have no defaults for new topics, and no answer to some questions.
func TestAdminOldBrokers(t *testing.T) {
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		_, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t"})
		says(t, err, `topic "t"`, "brokers of version", "give the number of partitions and the replication factor")
		made, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1})
		if err != nil || made.ID != [16]byte{} {
			t.Errorf("created %+v, %v", made, err)
		}
		if err := a.DeleteTopic(t.Context(), "t"); err != nil {
			t.Error(err)
		}
	}, nil, kfake.MaxVersions(kversion.V2_0_0()))
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		_, err := a.TopicConfigs(t.Context(), "t")
		says(t, err, "upgrade")
		_, err = a.ListOffsets(t.Context(), kafka.OffsetAt(time.Now()), tp("t", 0))
		says(t, err, "cannot find offsets by time")
	}, nil, kfake.MaxVersions(kversion.V0_10_0()), kfake.SeedTopics(1, "t"))
}

func TestAdminListOffsets(t *testing.T) {
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		at := func(ms int64) time.Time { return time.UnixMilli(ms) }
		for i := range int64(3) {
			c.ProduceRecords(&kgo.Record{Topic: "t", Value: []byte("v"), Timestamp: at(1000 * i)})
		}
		for _, tt := range []struct {
			spec kafka.OffsetSpec
			want int64
		}{
			{kafka.EarliestOffset, 0}, {kafka.LatestOffset, 3}, {kafka.OffsetAt(at(0)), 0}, {kafka.OffsetAt(at(1)), 1},
			{kafka.OffsetAt(at(2000)), 2}, {kafka.OffsetAt(at(2001)), 3},
		} {
			got, err := a.ListOffsets(t.Context(), tt.spec, tp("t", 0), tp("t", 1), tp("t", 0))
			if err != nil || len(got) != 2 || got[tp("t", 0)] != tt.want || got[tp("t", 1)] != 0 {
				t.Errorf("offset %d: %v, %v, want %d", tt.spec, got, err, tt.want)
			}
		}
		got, err := a.ListOffsets(t.Context(), kafka.LatestOffset, tp("t", 0), tp("t", 9), tp("another", 0))
		says(t, err, "t/9", "another")
		if len(got) != 1 || got[tp("t", 0)] != 3 {
			t.Errorf("beside the errors there is %v", got)
		}
		if got, err := a.ListOffsets(t.Context(), kafka.LatestOffset); err != nil || len(got) != 0 {
			t.Errorf("no partitions gave %v, %v", got, err)
		}
	}, nil, kfake.SeedTopics(2, "t"))
}

// With read_committed the latest offset is before an open transaction.
func TestAdminListOffsetsStable(t *testing.T) {
	for level, want := range map[string]int64{"read_uncommitted": 2, "read_committed": 1} {
		admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
			c.Produce("t", 0, "decided")
			writer, err := kafka.OpenAdmin(t.Context(), c.Params(), c.Dialer(),
				kafka.WithClientOptions(kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t")))
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			p := writer.Client()
			if err := p.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := p.ProduceSync(t.Context(), kgo.StringRecord("open")).FirstErr(); err != nil {
				t.Fatal(err)
			}
			got, err := a.ListOffsets(t.Context(), kafka.LatestOffset, tp("t", 0))
			if err != nil || got[tp("t", 0)] != want {
				t.Errorf("%s: %v, %v, want %d", level, got, err, want)
			}
		}, []string{"isolation.level", level}, kfake.SeedTopics(1, "t"))
	}
}

func TestAdminGroups(t *testing.T) {
	admin(t, func(t *testing.T, c *kafkatest.Cluster, a *kafka.Admin) {
		ctx := t.Context()
		show := func(topics ...string) string {
			offsets, err := a.GroupOffsets(ctx, "g", topics...)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(offsets)
		}
		if g, err := a.DescribeGroup(ctx, "g"); err != nil || g.Exists() || g.State != "Dead" {
			t.Errorf("a group that is not there is %+v, %v", g, err)
		}
		if got := show(); got != "[]" {
			t.Errorf("a group that is not there has committed %s", got)
		}
		commit(t, a.Client(), "g", "b", 1, 5, "note")
		if got, want := show(), "[{b 0 -1 } {b 1 5 note}]"; got != want {
			t.Errorf("committed %s, want %s", got, want)
		}
		if got, want := show("b", "a"), "[{a 0 -1 } {b 0 -1 } {b 1 5 note}]"; got != want {
			t.Errorf("committed %s, want %s", got, want)
		}
		if g, err := a.DescribeGroup(ctx, "g"); err != nil || !g.Exists() || g.State != "Empty" || len(g.Members) != 0 {
			t.Errorf("the group is %+v, %v", g, err)
		}
		_, err := a.GroupOffsets(ctx, "g", "c")
		if _, ok := errors.AsType[*kafka.MissingTopicError](err); !ok {
			t.Errorf("a topic that is not there gave %v", err)
		}
	}, nil, kfake.SeedTopics(1, "a"), kfake.SeedTopics(2, "b"))
}

// commit commits an offset for a group from outside.
func commit(t *testing.T, c *kgo.Client, group, topic string, partition int32, offset int64, note string) {
	t.Helper()
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1, Metadata: note})
	if err := kadm.NewClient(c).CommitAllOffsets(t.Context(), group, offsets); err != nil {
		t.Fatal(err)
	}
}

func TestAdminClosed(t *testing.T) {
	admin(t, func(t *testing.T, _ *kafkatest.Cluster, a *kafka.Admin) {
		a.Close()
		a.Close()
		if _, err := a.Topics(t.Context()); !errors.Is(err, kgo.ErrClientClosed) {
			t.Errorf("Topics after Close gave %v", err)
		}
		if _, err := a.CreateTopic(t.Context(), kafka.NewTopic{Name: "t"}); err == nil {
			t.Error("CreateTopic after Close gave no error")
		}
	}, nil)
}
