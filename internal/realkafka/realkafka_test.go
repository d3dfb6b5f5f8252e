package realkafka

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/pkg/sr"
)

// all widens the tests of the clusters themselves from the newest release to every one of Versions. It takes minutes.
var all = flag.Bool("all", false, "try every release of Versions, and three brokers")

func TestProduceAndConsume(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			if !*all {
				t.Skip("only with -all; TestReleases writes and reads with weir's programs")
			}
			c := Start(t, version)
			c.Topic("numbers", 2, 1, nil)
			produce(t, c.ClientOpts(PlaintextListener, ""), "numbers", 100)
			if got := consume(t, c.ClientOpts(PlaintextListener, ""), "numbers", 100); !slices.Equal(got, numbers(100)) {
				t.Errorf("got %d records that differ from the 100 that were written: %q", len(got), got)
			}
		})
	}
}

// TestSecured goes through all that one secured cluster offers, for starting it costs most of the time.
func TestSecured(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			if !*all && version != "4.4.0" || !atLeast(version, "0.10.2") {
				t.Skip("only with -all, and from 0.10.2 on")
			}
			c := Start(t, version, TLS(), ACL(), Set("message.max.bytes", "13000000"))
			c.Topic("open", 3, 1, nil)
			c.Topic("shut", 1, 1, nil)
			produce(t, c.ClientOpts(PlaintextListener, ""), "open", 100)
			t.Run("listeners", func(t *testing.T) { testListeners(t, c.In(t)) })
			t.Run("rights", func(t *testing.T) { testRights(t, c.In(t)) })
			t.Run("passwords", func(t *testing.T) { testPasswords(t, c.In(t)) })
			t.Run("large", func(t *testing.T) { testLarge(t, c.In(t)) })
			t.Run("java", func(t *testing.T) { testJava(t, c.In(t)) })
			t.Run("kcat", func(t *testing.T) { testKcat(t, c.In(t)) })
		})
	}
}

// testListeners reads the same 100 records by each way in.
func testListeners(t *testing.T, c *Cluster) {
	ways := []struct {
		listener Listener
		user     string
	}{
		{PlaintextListener, ""}, {TLSListener, ""}, {SASLListener, AdminUser}, {SASLTLSListener, AdminUser},
	}
	for _, w := range ways {
		if got := consume(t, c.ClientOpts(w.listener, w.user), "open", 100); !slices.Equal(got, numbers(100)) {
			t.Errorf("%s: got %d records that differ from the 100 that were written", w.listener, len(got))
		}
	}
	// With a certificate a client has a name, and so, unlike one without, no rights. 0.10.2 never asks for one.
	if !atLeast(c.Version(), "0.11") {
		return
	}
	if err := metadata(t, c.ClientOpts(MTLSListener, ""), "open"); !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("MTLS: got error %v, want %v", err, kerr.TopicAuthorizationFailed)
	}
}

// testRights gives a user with an instance name two rights and tries what is beside them.
func testRights(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	hidden := kerr.TopicAuthorizationFailed
	if !atLeast(c.Version(), "0.11") {
		hidden = kerr.UnknownTopicOrPartition // 0.10 does not even say that the topic exists
	}
	if err := metadata(t, c.ClientOpts(SASLListener, CKafkaUser), "open"); !errors.Is(err, hidden) {
		t.Errorf("before the grant: got error %v, want %v", err, hidden)
	}
	c.GrantRead(CKafkaUser, "open", "readers")
	opts := c.ClientOpts(SASLListener, CKafkaUser)
	if got := consume(t, append(opts, kgo.ConsumerGroup("readers")), "open", 100); !slices.Equal(got, numbers(100)) {
		t.Errorf("got %d records that differ from the 100 that were written", len(got))
	}
	if err := metadata(t, opts, "shut"); !errors.Is(err, hidden) {
		t.Errorf("another topic: got error %v, want %v", err, hidden)
	}
	if err := metadata(t, c.ClientOpts(SASLListener, AliceUser), "open"); !errors.Is(err, hidden) {
		t.Errorf("another user: got error %v, want %v", err, hidden)
	}
	cl := client(t, append(opts, kgo.DisableIdempotentWrite()))
	err := cl.ProduceSync(ctx, &kgo.Record{Topic: "open", Value: []byte("x")}).FirstErr()
	if !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("writing: got error %v, want %v", err, kerr.TopicAuthorizationFailed)
	}
	_, err = kadm.NewClient(cl).FetchOffsetsForTopics(ctx, "strangers", "open")
	if !errors.Is(err, kerr.GroupAuthorizationFailed) {
		t.Errorf("another group: got error %v, want %v", err, kerr.GroupAuthorizationFailed)
	}
}

// testPasswords logs the user with an instance name in by every mechanism, and with a wrong password.
func testPasswords(t *testing.T, c *Cluster) {
	c.GrantRead(CKafkaUser, "open", "readers")
	right := scram.Auth{User: CKafkaUser, Pass: Password(CKafkaUser)}
	wrong := scram.Auth{User: CKafkaUser, Pass: "wrong"}
	tests := []struct {
		name string
		opt  kgo.Opt
		ok   bool
	}{
		{"PLAIN", kgo.SASL(plain.Auth{User: right.User, Pass: right.Pass}.AsMechanism()), true},
		{"SCRAM-SHA-256", kgo.SASL(right.AsSha256Mechanism()), true},
		{"SCRAM-SHA-512", kgo.SASL(right.AsSha512Mechanism()), true},
		{"PLAIN, wrong", kgo.SASL(plain.Auth{User: wrong.User, Pass: wrong.Pass}.AsMechanism()), false},
		{"SCRAM-SHA-256, wrong", kgo.SASL(wrong.AsSha256Mechanism()), false},
		{"SCRAM-SHA-512, wrong", kgo.SASL(wrong.AsSha512Mechanism()), false},
	}
	for _, tt := range tests {
		for _, l := range []Listener{SASLListener, SASLTLSListener} {
			err := metadata(t, append(c.ClientOpts(l, ""), tt.opt), "open")
			if (err == nil) != tt.ok {
				t.Errorf("%s by %s: got error %v", tt.name, l, err)
			}
		}
	}
}

// testLarge writes a record of 12 MB, which Kafka's default settings refuse.
func testLarge(t *testing.T, c *Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c.Topic("large", 1, 1, nil)
	cl := client(t, append(c.ClientOpts(PlaintextListener, ""),
		kgo.ProducerBatchMaxBytes(13_000_000), kgo.ProducerBatchCompression(kgo.NoCompression())))
	record := &kgo.Record{Topic: "large", Value: make([]byte, 12_000_000)}
	if err := cl.ProduceSync(ctx, record).FirstErr(); err != nil {
		t.Fatalf("12 MB: %v", err)
	}
}

// testJava lets Java's producer deal keys to partitions, and its consumer resume from what it committed.
func testJava(t *testing.T, c *Cluster) {
	c.Topic("keys", 3, 1, nil)
	keys := []string{"", "a", "b", "key", "größe", "鍵", "key with words"}
	for i := range 100 {
		keys = append(keys, fmt.Sprint("key-", i))
	}
	var settings []string
	if !atLeast(c.Version(), "0.11") {
		settings = append(settings, "enable.idempotence=false")
	}
	args := append([]string{c.Bootstrap(PlaintextListener), "keys"}, settings...)
	out := c.Java("KeyPartitions", strings.NewReader(strings.Join(keys, "\n")+"\n"), args...)
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	want := make(map[string]int)
	for i, line := range lines {
		var p int
		if _, err := fmt.Sscanf(line, "%d", &p); err != nil || i >= len(keys) || line != fmt.Sprintf("%d\t%s", p, keys[i]) {
			t.Fatalf("line %d is %q, want PARTITION<tab>%q", i, line, keys[min(i, len(keys)-1)])
		}
		want[fmt.Sprintf("%d\t%s\t%s", p, keys[i], keys[i])]++
	}
	if len(lines) != len(keys) {
		t.Fatalf("got %d lines for %d keys", len(lines), len(keys))
	}
	// Two consumers one after the other read each record once: the second goes on where the first has committed.
	got := make(map[string]int)
	for _, n := range []int{40, len(keys) - 40} {
		out := c.Java("GroupConsumer", nil, c.Bootstrap(PlaintextListener), "keys", "movers", fmt.Sprint(n))
		for line := range strings.SplitSeq(string(out), "\n") {
			if f := strings.Split(line, "\t"); f[0] == "record" && len(f) == 5 {
				got[f[1]+"\t"+f[3]+"\t"+f[4]]++
			}
		}
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%q was read %d times, want %d", k, got[k], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d different records were read, %d written", len(got), len(want))
	}
}

// testKcat reads by librdkafka what franz-go has written.
func testKcat(t *testing.T, c *Cluster) {
	out := Kcat(t, nil, "-b", c.Bootstrap(PlaintextListener), "-C", "-t", "open", "-o", "beginning", "-e", "-q")
	got := strings.Fields(string(out))
	slices.Sort(got)
	if !slices.Equal(got, numbers(100)) {
		t.Errorf("kcat read %d records that differ from the 100 that were written", len(got))
	}
}

// TestRegistry stores a schema and asks for it.
func TestRegistry(t *testing.T) {
	if !*all {
		t.Skip("only with -all")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := sr.NewClient(sr.URLs(StartRegistry(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"record","name":"order","fields":[{"name":"id","type":"string"}]}`
	stored, err := cl.CreateSchema(ctx, "orders-value", sr.Schema{Schema: want})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cl.SchemaByID(ctx, stored.ID)
	if err != nil || got.Schema != want {
		t.Errorf("schema %d is %q, %v; want %q", stored.ID, got.Schema, err, want)
	}
}

func TestThreeNodes(t *testing.T) {
	for _, version := range []string{"2.8.1", "4.4.0"} {
		t.Run(version, func(t *testing.T) {
			if !*all {
				t.Skip("only with -all")
			}
			c := Start(t, version, Nodes(3))
			c.Topic("safe", 3, 3, map[string]string{"min.insync.replicas": "2"})
			opts := c.ClientOpts(PlaintextListener, "")
			produce(t, opts, "safe", 50)
			c.Kill(1)
			produce(t, opts, "safe", 50)
			c.Topic("later", 1, 2, nil)
			c.Up(1)
			c.Stop(2)
			produce(t, opts, "safe", 50)
			c.Up(2)
			want := slices.Concat(numbers(50), numbers(50), numbers(50))
			slices.Sort(want)
			if got := consume(t, opts, "safe", 150); !slices.Equal(got, want) {
				t.Errorf("got %d records that differ from the 150 that were written", len(got))
			}
		})
	}
}

// TestKillAndUp restarts single brokers of every age at once after a crash, with their data.
func TestKillAndUp(t *testing.T) {
	for _, version := range Versions() {
		t.Run(version, func(t *testing.T) {
			if !*all {
				t.Skip("only with -all")
			}
			c := Start(t, version)
			c.Topic("kept", 1, 1, nil)
			opts := c.ClientOpts(PlaintextListener, "")
			produce(t, opts, "kept", 10)
			c.Kill(1)
			c.Up(1)
			if got := consume(t, opts, "kept", 10); !slices.Equal(got, numbers(10)) {
				t.Errorf("got %q, want the 10 records that were written before the crash", got)
			}
			produce(t, opts, "kept", 10)
		})
	}
}

// numbers returns the values of n records in sorted order.
func numbers(n int) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%05d", i)
	}
	return values
}

func client(t *testing.T, opts []kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func produce(t *testing.T, opts []kgo.Opt, topic string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl := client(t, append(slices.Clip(opts), kgo.RecordPartitioner(kgo.RoundRobinPartitioner())))
	var records []*kgo.Record
	for _, v := range numbers(n) {
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(v)})
	}
	if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce to %s: %v", topic, err)
	}
}

// consume returns the values of the first n records from the start, sorted.
func consume(t *testing.T, opts []kgo.Opt, topic string, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl := client(t, append(slices.Clip(opts), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())))
	var values []string
	for len(values) < n {
		fs := cl.PollFetches(ctx)
		if err := fs.Err(); err != nil {
			t.Fatalf("%d of %d records read from %s: %v", len(values), n, topic, err)
		}
		fs.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	slices.Sort(values)
	return values
}

// metadata returns the error with which the first broker answers a question about a topic.
func metadata(t *testing.T, opts []kgo.Opt, topic string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return leaders(ctx, client(t, opts).SeedBrokers()[0], topic, 0)
}
