package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// at is a position to commit whose leader epoch is not known.
func at(offset int64) OffsetToCommit { return OffsetToCommit{Offset: offset, LeaderEpoch: -1} }

// produce writes n records into a partition, at times 1 s apart from the epoch.
func produce(t testing.TB, k *kfake.Cluster, topic string, partition int32, n int, opts ...kgo.Opt) {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		r := &kgo.Record{Topic: topic, Partition: partition, Value: []byte("v"),
			Timestamp: time.Unix(int64(i), 0)}
		if err := cl.ProduceSync(context.Background(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMetadata(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(4, "a", "b"), kfake.AllowAutoTopicCreation())
	c := open(t, to(k))
	m, err := c.Metadata(t.Context(), []string{"a", "absent"})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Topics) != 2 || len(m.Brokers) != 3 || m.Topics["a"].ID == [16]byte{} {
		t.Errorf("got %+v", m)
	}
	wantError(t, m.Topics["absent"].Err, NoTopic, "absent")
	for i, p := range m.Topics["a"].Partitions {
		tp := TopicPartition{"a", p.ID}
		leader, ok := m.Leader(tp)
		if p.ID != int32(i) || !ok || leader.ID != k.LeaderFor("a", p.ID) || leader.Host != "127.0.0.1" ||
			p.LeaderEpoch < 0 {
			t.Errorf("partition %+v, leader %+v", p, leader)
		}
	}
	if _, ok := m.Leader(TopicPartition{"a", 9}); ok {
		t.Error("a partition that is not there has a leader")
	}
	// Asking did not create it.
	if m, err = c.Metadata(t.Context(), nil); err != nil || len(m.Topics) != 2 {
		t.Errorf("all topics: %+v, %v", m, err)
	}
	if m, err = c.Metadata(t.Context(), []string{}); err != nil || len(m.Topics) != 0 || len(m.Brokers) != 3 {
		t.Errorf("brokers only: %+v, %v", m, err)
	}
}

// A topic that was deleted and made again has another id.
func TestTopicMadeAgain(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "t"))
	c := open(t, to(k))
	tp := TopicPartition{"t", 0}
	first, err := c.Metadata(t.Context(), []string{"t"})
	if err != nil {
		t.Fatal(err)
	}
	commit := func(id [16]byte) error {
		position := OffsetToCommit{Offset: 5, LeaderEpoch: -1, TopicID: id}
		return c.CommitOffsets(t.Context(), "g", map[TopicPartition]OffsetToCommit{tp: position})
	}
	if err := commit(first.Topics["t"].ID); err != nil {
		t.Fatal(err)
	}
	if err := k.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	if err := k.CreateTopic("t", 1, nil); err != nil {
		t.Fatal(err)
	}
	// The id that the client remembers is out of date, and it finds that out by itself.
	if got, err := c.FetchOffsets(t.Context(), "g", []TopicPartition{tp}, false); err != nil ||
		got[tp].Err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	second, err := c.Metadata(t.Context(), []string{"t"})
	if err != nil || second.Topics["t"].ID == first.Topics["t"].ID {
		t.Errorf("the same id: %v", err)
	}
	if c.Version().Supports(kmsg.OffsetCommit, 10) {
		wantError(t, commit(first.Topics["t"].ID), NoTopic, "t/0")
	}
	if err := commit([16]byte{}); err != nil {
		t.Error(err)
	}
}

func TestListOffsets(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "t"))
	produce(t, k, "t", 0, 10)
	produce(t, k, "t", 1, 5)
	if err := k.DeleteRecords("t", 0, 3); err != nil {
		t.Fatal(err)
	}
	c := open(t, to(k))
	p0, p1, p2 := TopicPartition{"t", 0}, TopicPartition{"t", 1}, TopicPartition{"t", 2}
	got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{p0: Earliest, p1: Latest,
		p2: Latest}, ReadUncommitted)
	if err != nil || got[p0].Offset != 3 || got[p1].Offset != 5 || got[p2].Offset != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
	got, err = c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{
		p0: AtTime(time.UnixMilli(6500)), p1: AtTime(time.Unix(99, 0))}, ReadUncommitted)
	if err != nil || got[p0].Offset != 7 || got[p0].Timestamp != 7000 || got[p1].Offset != -1 {
		t.Errorf("by time: %+v, %v", got, err)
	}
	if got, err = c.ListOffsets(t.Context(), nil, ReadUncommitted); err != nil || len(got) != 0 {
		t.Errorf("nothing: %+v, %v", got, err)
	}
}

func TestListOffsetsReadCommitted(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "t"))
	produce(t, k, "t", 0, 2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	undecided := &kgo.Record{Topic: "t", Value: []byte("open")}
	if err := cl.ProduceSync(t.Context(), undecided).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c := open(t, to(k))
	tp := TopicPartition{"t", 0}
	for level, want := range map[Isolation]int64{ReadCommitted: 2, ReadUncommitted: 3} {
		got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{tp: Latest}, level)
		if err != nil || got[tp].Offset != want {
			t.Errorf("level %d: %+v, %v, want %d", level, got, err, want)
		}
	}
}

// Leaders that have moved are looked up again; errors that are final are not asked about twice.
func TestListOffsetsRetries(t *testing.T) {
	tp := TopicPartition{"t", 0}
	ask := func(t *testing.T, code *kerr.Error, times int32) (ListedOffset, int32) {
		k := cluster(t, kfake.SeedTopics(1, "t"))
		produce(t, k, "t", 0, 3)
		c := open(t, to(k, "retry.backoff.ms", "1", "retry.backoff.max.ms", "2"))
		var calls atomic.Int32
		k.ControlKey(int16(kmsg.ListOffsets), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			if calls.Add(1) > times {
				return nil, nil, false
			}
			resp := kreq.ResponseKind().(*kmsg.ListOffsetsResponse)
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = "t"
			part := kmsg.NewListOffsetsResponseTopicPartition()
			part.ErrorCode = code.Code
			topic.Partitions = append(topic.Partitions, part)
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{tp: Latest}, ReadUncommitted)
		if err != nil {
			t.Fatal(err)
		}
		return got[tp], calls.Load()
	}
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.FencedLeaderEpoch,
		kerr.UnknownTopicOrPartition, kerr.UnknownLeaderEpoch, kerr.OffsetNotAvailable, kerr.KafkaStorageError} {
		if got, calls := ask(t, code, 3); got.Err != nil || got.Offset != 3 || calls != 4 {
			t.Errorf("%s: %+v after %d calls", code.Message, got, calls)
		}
	}
	got, calls := ask(t, kerr.TopicAuthorizationFailed, 99)
	wantError(t, got.Err, Unauthorized, "t/0", "READ", "DESCRIBE")
	if calls != 1 {
		t.Errorf("asked %d times", calls)
	}
}

// In the middle of a call the leader goes to another broker for real.
func TestListOffsetsFollowsTheLeader(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
	produce(t, k, "t", 0, 3)
	c := open(t, to(k, "retry.backoff.ms", "1"))
	old := k.LeaderFor("t", 0)
	k.ControlKey(int16(kmsg.ListOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.DropControl()
		if err := k.MoveTopicPartition("t", 0, 1-old); err != nil {
			t.Error(err)
		}
		return nil, nil, false
	})
	tp := TopicPartition{"t", 0}
	got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{tp: Latest}, ReadUncommitted)
	if err != nil || got[tp].Err != nil || got[tp].Offset != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestListOffsetsUnknownTopic(t *testing.T) {
	c := open(t, to(cluster(t, kfake.SeedTopics(1, "t")), "default.api.timeout.ms", "300"))
	absent, beyond := TopicPartition{"absent", 0}, TopicPartition{"t", 7}
	got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{absent: Latest, beyond: Latest,
		{"t", 0}: Latest},
		ReadUncommitted)
	if err != nil || got[TopicPartition{"t", 0}].Err != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantError(t, got[absent].Err, NoTopic, "absent")
	wantError(t, got[beyond].Err, NoTopic, "t/7")
}

// The leader of a partition advertises an address that nobody answers at, while the others are fine.
func TestListOffsetsLeaderUnreachable(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(2, "t"))
	c := open(t, to(k, "retry.backoff.ms", "10"))
	dead := closedPort(t)
	k.ControlKey(int16(kmsg.Metadata), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := kreq.ResponseKind().(*kmsg.MetadataResponse)
		for i, addr := range []string{k.ListenAddrs()[0], dead} {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host = int32(i), "127.0.0.1"
			_, _ = fmt.Sscanf(addr, "127.0.0.1:%d", &b.Port)
			resp.Brokers = append(resp.Brokers, b)
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = kmsg.StringPtr("t"), k.TopicInfo("t").TopicID
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Leader = 1
		topic.Partitions = append(topic.Partitions, p)
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	tp := TopicPartition{"t", 0}
	got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{tp: Latest}, ReadUncommitted)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, got[tp].Err, AdvertisedUnreachable, "t/0", "node 1", dead, "refused")
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "t"))
	produce(t, k, "t", 0, 3)
	c := open(t, to(k))
	tp := TopicPartition{"t", 0}
	m, err := c.Metadata(t.Context(), []string{"t"})
	if err != nil {
		t.Fatal(err)
	}
	epoch := m.Topics["t"].Partitions[0].LeaderEpoch
	got, err := c.OffsetForLeaderEpoch(t.Context(), map[TopicPartition]int32{tp: epoch})
	if err != nil || got[tp] != (EpochEnd{LeaderEpoch: epoch, EndOffset: 3}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestGroupOffsets(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(2, "t", "u"))
	c := open(t, to(k))
	t0, t1, u0 := TopicPartition{"t", 0}, TopicPartition{"t", 1}, TopicPartition{"u", 0}
	parts := []TopicPartition{t0, t1, u0, {"absent", 0}}
	none := CommittedOffset{Offset: -1, LeaderEpoch: -1, Stable: true}
	got, err := c.FetchOffsets(t.Context(), "g", parts, true)
	if err != nil || len(got) != 4 || got[t0] != none || got[u0] != none {
		t.Errorf("before: %+v, %v", got, err)
	}
	err = c.CommitOffsets(t.Context(), "g", map[TopicPartition]OffsetToCommit{
		t0: {Offset: 7, LeaderEpoch: -1, Metadata: "note"}, u0: {Offset: 9, LeaderEpoch: 0}})
	if err != nil {
		t.Fatal(err)
	}
	for _, stable := range []bool{true, false} {
		got, err = c.FetchOffsets(t.Context(), "g", parts, stable)
		none.Stable = stable
		if err != nil || got[t0].Offset != 7 || got[t0].Metadata != "note" || got[t1] != none ||
			got[u0].Offset != 9 {
			t.Errorf("after: %+v, %v", got, err)
		}
	}
	if err := c.CommitOffsets(t.Context(), "g", nil); err != nil {
		t.Error(err)
	}
	g, err := c.DescribeGroup(t.Context(), "g")
	if err != nil || g.State != GroupEmpty || g.Live() {
		t.Errorf("group %+v, %v", g, err)
	}
	if g, err = c.DescribeGroup(t.Context(), "nobody"); err != nil || g.State != GroupDead {
		t.Errorf("group %+v, %v", g, err)
	}
}

// join makes a live member of a group, of the classic protocol or of the one of Kafka 4.
func join(t *testing.T, k *kfake.Cluster, group string, opts ...kgo.Opt) {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.ListenAddrs()...), kgo.ClientID("other-app"),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics("t")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := k.WaitGroupStable(ctx, group, 1); err != nil {
		t.Fatal(err)
	}
}

func TestLiveGroup(t *testing.T) {
	t.Run("classic", func(t *testing.T) { testLiveGroup(t) })
	t.Run("of Kafka 4", func(t *testing.T) { testLiveGroup(t, kgo.ServerSideBalancer()) })
}

func testLiveGroup(t *testing.T, opts ...kgo.Opt) {
	k := cluster(t, kfake.SeedTopics(1, "t"))
	join(t, k, "g", opts...)
	c := open(t, to(k))
	g, err := c.DescribeGroup(t.Context(), "g")
	if err != nil || !g.Live() || g.Members[0].ClientID != "other-app" || g.Members[0].Host == "" {
		t.Fatalf("group %+v, %v", g, err)
	}
	text := g.Members[0].String()
	if !strings.Contains(text, "other-app") || !strings.Contains(text, "127.0.0.1") {
		t.Errorf("member %q", text)
	}
	err = c.CommitOffsets(t.Context(), "g", map[TopicPartition]OffsetToCommit{{"t", 0}: at(1)})
	wantError(t, err, GroupLive, "group g", "group.id")
}

func TestCoordinatorMoves(t *testing.T) {
	k := cluster(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	c := open(t, to(k, "retry.backoff.ms", "1"))
	tp := TopicPartition{"t", 0}
	for i := range int64(5) {
		if err := c.CommitOffsets(t.Context(), "g", map[TopicPartition]OffsetToCommit{tp: at(i)}); err != nil {
			t.Fatal(err)
		}
		k.RehashCoordinators()
		if got, err := c.FetchOffsets(t.Context(), "g", []TopicPartition{tp}, true); err != nil ||
			got[tp].Err != nil {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
}

func TestUnstableOffsetsAreWaitedFor(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "t"))
	c := open(t, to(k, "retry.backoff.ms", "1"))
	tp := TopicPartition{"t", 0}
	if err := c.CommitOffsets(t.Context(), "g", map[TopicPartition]OffsetToCommit{tp: at(1)}); err != nil {
		t.Fatal(err)
	}
	h := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Topic: "t", Err: kerr.UnstableOffsetCommit,
		Count: 3})
	if got, err := c.FetchOffsets(t.Context(), "g", []TopicPartition{tp}, true); err != nil ||
		got[tp].Err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if h.Hits() != 3 {
		t.Errorf("%d faults were met, not 3", h.Hits())
	}
}

// Missing rights are named by what they are for.
func TestAuthorization(t *testing.T) {
	const user, pass = "reader", "pw"
	allow := func(resource kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral,
			Operation: op, Allow: true}
	}
	k := cluster(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "mine", "theirs"),
		kfake.User("PLAIN", user, pass, allow(kmsg.ACLResourceTypeTopic, "mine", kmsg.ACLOperationRead),
			allow(kmsg.ACLResourceTypeGroup, "mine", kmsg.ACLOperationRead)))
	c := open(t, to(k, "security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN",
		"default.api.timeout.ms", "5000",
		"sasl.jaas.config", fmt.Sprintf(`x.PlainLoginModule required username=%q password=%q;`, user, pass)))
	ctx := t.Context()
	mine, theirs := TopicPartition{"mine", 0}, TopicPartition{"theirs", 0}
	got, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{mine: Latest, theirs: Latest}, ReadUncommitted)
	if err != nil || got[mine].Err != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	wantError(t, got[theirs].Err, Unauthorized, "theirs", `user "reader"`)
	m, err := c.Metadata(ctx, []string{"theirs"})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, m.Topics["theirs"].Err, Unauthorized, "theirs")
	if err := c.CommitOffsets(ctx, "mine", map[TopicPartition]OffsetToCommit{mine: at(1)}); err != nil {
		t.Error(err)
	}
	if _, err := c.FetchOffsets(ctx, "mine", []TopicPartition{mine}, true); err != nil {
		t.Error(err)
	}
	if _, err := c.DescribeGroup(ctx, "mine"); err != nil {
		t.Error(err)
	}
	_, err = c.FetchOffsets(ctx, "theirs", []TopicPartition{mine}, true)
	wantError(t, err, Unauthorized, "group theirs", "READ on the group")
	err = c.CommitOffsets(ctx, "theirs", map[TopicPartition]OffsetToCommit{mine: {Offset: 1}})
	wantError(t, err, Unauthorized, "group theirs")
	_, err = c.DescribeGroup(ctx, "theirs")
	wantError(t, err, Unauthorized, "group theirs")
}

// A cluster that goes away in the middle: every call ends by its deadline and says which broker is gone.
func TestClusterGoesAway(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "t"))
	c := open(t, to(k, "retry.backoff.ms", "20"))
	addr := k.ListenAddrs()[0]
	k.Close()
	tp := TopicPartition{"t", 0}
	for name, call := range map[string]func(context.Context) error{
		"Metadata": func(ctx context.Context) error { _, err := c.Metadata(ctx, []string{"t"}); return err },
		"ListOffsets": func(ctx context.Context) error {
			_, err := c.ListOffsets(ctx, map[TopicPartition]OffsetSpec{tp: Latest}, ReadCommitted)
			return err
		},
		"FetchOffsets": func(ctx context.Context) error {
			_, err := c.FetchOffsets(ctx, "g", []TopicPartition{tp}, true)
			return err
		},
		"CommitOffsets": func(ctx context.Context) error {
			return c.CommitOffsets(ctx, "g", map[TopicPartition]OffsetToCommit{tp: {}})
		},
		"DescribeGroup": func(ctx context.Context) error { _, err := c.DescribeGroup(ctx, "g"); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		begin := time.Now()
		err := call(ctx)
		cancel()
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("%s took %v", name, d)
		}
		kind := KindOf(err)
		if kind != Unreachable && kind != TimedOut || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %v: %v", name, kind, err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
	}
}

// In virtual time: a broker that asks us to slow down is obeyed.
func TestThrottledCallsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := virtual(t, kfake.SeedTopics(1, "t"))
		tp := TopicPartition{"t", 0}
		k.ControlKey(int16(kmsg.ListOffsets), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			resp := kreq.ResponseKind().(*kmsg.ListOffsetsResponse)
			resp.ThrottleMillis = 4000
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = "t"
			topic.Partitions = append(topic.Partitions, kmsg.NewListOffsetsResponseTopicPartition())
			resp.Topics = append(resp.Topics, topic)
			return resp, nil, true
		})
		begin := time.Now()
		for range 2 {
			got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{tp: Latest}, ReadUncommitted)
			if err != nil || got[tp].Err != nil {
				t.Fatalf("got %+v, %v", got, err)
			}
		}
		if d := time.Since(begin); d < 4*time.Second {
			t.Errorf("the broker asked for 4 s, the second call came after %v", d)
		}
	})
}

// In virtual time: a topic that is not there is given up before the deadline, a partition without a
// leader is waited for until then.
func TestHowLongIsWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, c := virtual(t, kfake.SeedTopics(1, "t"))
		absent, here := TopicPartition{"absent", 0}, TopicPartition{"t", 0}
		begin := time.Now()
		got, err := c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{absent: Latest}, ReadUncommitted)
		if err != nil {
			t.Fatal(err)
		}
		wantError(t, got[absent].Err, NoTopic)
		if d := time.Since(begin); d < unknownPatience || d > 2*unknownPatience {
			t.Errorf("an absent topic was given up after %v", d)
		}
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: -1})
		begin = time.Now()
		if got, err = c.ListOffsets(t.Context(), map[TopicPartition]OffsetSpec{here: Latest},
			ReadUncommitted); err != nil {
			t.Fatal(err)
		}
		wantError(t, got[here].Err, Unavailable, "t/0", "NOT_LEADER")
		if d := time.Since(begin); d < startLimit-2*time.Second || d > startLimit {
			t.Errorf("a partition without leader was given up after %v", d)
		}
	})
}
