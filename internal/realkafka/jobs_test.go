package realkafka_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/realkafka"
	"github.com/weirstream/weir/rdd"
)

// stream runs a job over a topic until n values have come or it fails, and gives the values in sorted order.
func stream(t *testing.T, topic string, n int, p kafka.Params, settings ...string) ([]string, error) {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for i := 0; i < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []string
	err := weir.Run(ctx, func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, kafka.Subscribe(topic), p, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(
			kafka.Values(records),
			func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				if got = append(got, vs...); len(got) >= n {
					cancel()
				}
				return err
			},
		)
		return nil
	}, weir.Conf(c), weir.Interval(100*time.Millisecond))
	slices.Sort(got)
	return got, err
}

func values(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%05d", i)
	}
	return out
}

// TestSecurity is one cluster with TLS, SASL and rights, and the ways into it that CKafka's users have.
func TestSecurity(t *testing.T) {
	c := realkafka.Start(t, "2.8.1", realkafka.TLS(), realkafka.ACL(), realkafka.Set("message.max.bytes", "13000000"),
		realkafka.Set("replica.fetch.max.bytes", "13000000"))
	c.Topic("open", 3, 1, nil)
	c.Topic("shut", 1, 1, nil)
	c.Topic("large", 1, 1, map[string]string{"max.message.bytes": "13000000"})
	write(t, c, "open", 1, values(100)...)
	c.GrantRead(realkafka.CKafkaUser, "open", "readers")
	c.GrantRead(realkafka.CertUser, "open", "readers")
	t.Run("ways in", func(t *testing.T) { testWaysIn(t, c.In(t)) })
	t.Run("a certificate for other hosts", func(t *testing.T) { testOtherHosts(t, c.In(t)) })
	t.Run("refusals", func(t *testing.T) { testRefusals(t, c.In(t)) })
	t.Run("large records", func(t *testing.T) { testLargeRecords(t, c.In(t)) })
	t.Run("keys as Java deals them", func(t *testing.T) { testKeysAsJava(t, c.In(t)) })
	t.Run("kcat", func(t *testing.T) { testKcat(t, c.In(t)) })
}

// with makes parameters of a listener.
func with(c *realkafka.Cluster, l realkafka.Listener, more ...string) kafka.Params {
	p := kafka.Params{"bootstrap.servers": c.Bootstrap(l), "auto.offset.reset": "earliest"}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return p
}

// login is a sasl.jaas.config.
func login(module, user string) string {
	return fmt.Sprintf(
		`org.apache.kafka.common.security.%s required username="%s" password="%s";`,
		module,
		user,
		realkafka.Password(user),
	)
}

// A wayIn is a listener with what the parameters say of it, as NAME=VALUE; DIR is the folder of certificates, TOKEN a
// file with a token.
type wayIn struct {
	name     string
	listener realkafka.Listener
	login    string // of the JAAS configuration, "" for none
	params   string
}

const plainLogin, scramLogin = "plain.PlainLoginModule", "scram.ScramLoginModule"

var waysIn = []wayIn{
	{"SASL PLAIN", realkafka.SASLListener, plainLogin, "security.protocol=SASL_PLAINTEXT sasl.mechanism=PLAIN"},
	{"SASL_SSL, host name not checked, PEM", realkafka.SASLTLSListener, plainLogin, "security.protocol=SASL_SSL " +
		"sasl.mechanism=PLAIN ssl.truststore.type=PEM ssl.truststore.location=DIR/ca.pem " +
		"ssl.endpoint.identification.algorithm="},
	{"SCRAM-SHA-256 over TLS, JKS", realkafka.SASLTLSListener, scramLogin, "security.protocol=SASL_SSL " +
		"sasl.mechanism=SCRAM-SHA-256 ssl.truststore.location=DIR/trust.jks " +
		"ssl.truststore.password=" + realkafka.StorePassword},
	{"SCRAM-SHA-512 over TLS, PKCS12", realkafka.SASLTLSListener, scramLogin, "security.protocol=SASL_SSL " +
		"sasl.mechanism=SCRAM-SHA-512 ssl.truststore.type=PKCS12 ssl.truststore.location=DIR/trust.p12 " +
		"ssl.truststore.password=" + realkafka.StorePassword},
	{"TLS", realkafka.TLSListener, "", "security.protocol=SSL ssl.truststore.type=PEM ssl.truststore.location=DIR/ca.pem"},
	{"mTLS, JKS", realkafka.MTLSListener, "", "security.protocol=SSL ssl.truststore.location=DIR/trust.jks " +
		"ssl.truststore.password=" + realkafka.StorePassword + " ssl.keystore.location=DIR/client.jks " +
		"ssl.keystore.password=" + realkafka.StorePassword},
	{"OAUTHBEARER", realkafka.SASLListener, "", "security.protocol=SASL_PLAINTEXT sasl.mechanism=OAUTHBEARER " +
		"sasl.oauthbearer.token.endpoint.url=file://TOKEN"},
}

// tokenFile holds an unsigned token of a user, good for an hour.
func tokenFile(t *testing.T, user string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, user, now, now+3600)
	name := filepath.Join(t.TempDir(), "token")
	token := encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
	if err := os.WriteFile(name, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (w wayIn) with(c *realkafka.Cluster, token string) kafka.Params {
	p := with(c, w.listener, "group.id", "readers", "enable.auto.commit", "false")
	places := strings.NewReplacer("DIR", c.CertDir(), "TOKEN", token)
	for pair := range strings.FieldsSeq(places.Replace(w.params)) {
		name, value, _ := strings.Cut(pair, "=")
		p[name] = value
	}
	if w.login != "" {
		p["sasl.jaas.config"] = login(w.login, realkafka.CKafkaUser)
	}
	return p
}

// testWaysIn reads the same topic by each way in; the user has no right but to read it with one group.
func testWaysIn(t *testing.T, c *realkafka.Cluster) {
	token := tokenFile(t, realkafka.CKafkaUser)
	for _, way := range waysIn {
		if got, err := stream(t, "open", 100, way.with(c, token)); err != nil || !slices.Equal(got, values(100)) {
			t.Errorf("%s: %d values, %v", way.name, len(got), err)
		}
	}
}

// testOtherHosts comes to the broker by a name that its certificate does not have, as CKafka's users do. Only an empty
// ssl.endpoint.identification.algorithm lets them in.
func testOtherHosts(t *testing.T, c *realkafka.Cluster) {
	way := waysIn[slices.IndexFunc(waysIn, func(w wayIn) bool { return strings.Contains(w.name, "host name not checked") })]
	_, port, err := net.SplitHostPort(c.Addr(1, way.listener))
	if err != nil {
		t.Fatal(err)
	}
	const name = "ckafka.example"
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.Replace(addr, name, "127.0.0.1", 1))
	}
	for _, tt := range []struct{ algorithm, says string }{
		{"", ""},
		{"https", "the broker's certificate is for other hosts"},
		{"unset", "the broker's certificate is for other hosts"},
	} {
		params := way.with(c, "")
		params["bootstrap.servers"] = net.JoinHostPort(name, port)
		params["ssl.endpoint.identification.algorithm"] = tt.algorithm
		if tt.algorithm == "unset" {
			delete(params, "ssl.endpoint.identification.algorithm")
		}
		a, err := kafka.OpenAdmin(t.Context(), params, kafka.WithDialer(dial))
		if err == nil {
			_, err = a.DescribeTopics(t.Context(), "open")
			a.Close()
		}
		if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("algorithm %q: %v, want %q", tt.algorithm, err, tt.says)
		}
	}
}

// testRefusals: each stops the job before its first batch, within 15 s, and names what is missing.
func testRefusals(t *testing.T, c *realkafka.Cluster) {
	const user = realkafka.CKafkaUser
	in := func(user, password string, more ...string) kafka.Params {
		jaas := fmt.Sprintf(
			`org.apache.kafka.common.security.plain.PlainLoginModule required username="%s" password="%s";`,
			user,
			password,
		)
		return with(
			c,
			realkafka.SASLListener,
			append(
				more,
				"security.protocol",
				"SASL_PLAINTEXT",
				"sasl.mechanism",
				"PLAIN",
				"sasl.jaas.config",
				jaas,
			)...)
	}
	tests := []struct {
		name, topic string
		params      kafka.Params
		says        []string
	}{
		{"wrong password", "open", in(user, "wrong"), []string{"password"}},
		{"no right to the topic", "shut", in(user, realkafka.Password(user)), []string{"shut"}},
		{
			"no right to the group",
			"open",
			in(user, realkafka.Password(user), "group.id", "strangers"),
			[]string{"strangers"},
		},
		{"no such topic", "opne", with(c, realkafka.PlaintextListener), []string{"opne"}},
		{
			"TLS spoken to a port without",
			"open",
			with(c, realkafka.PlaintextListener, "security.protocol", "SSL"),
			[]string{"TLS"},
		},
		{"no TLS spoken to a port with", "open", with(c, realkafka.TLSListener), []string{"TLS"}},
		{"nobody listens", "open", kafka.Params{"bootstrap.servers": "127.0.0.1:1"}, []string{"127.0.0.1:1"}},
	}
	for _, tt := range tests {
		begin := time.Now()
		got, err := stream(t, tt.topic, 1, tt.params)
		if err == nil || len(got) > 0 {
			t.Errorf("%s: read %v", tt.name, got)
			continue
		}
		for _, want := range tt.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", tt.name, err, want)
			}
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("%s: took %v", tt.name, took)
		}
	}
}

// testLargeRecords writes records of 12 MB by our sink and reads them, with fetches that are smaller.
func testLargeRecords(t *testing.T, c *realkafka.Cluster) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := kafka.OpenProducer(
		ctx,
		"large",
		kafka.Params{"bootstrap.servers": c.Bootstrap(realkafka.PlaintextListener),
			"max.request.size": "12600000", "buffer.memory": "67108864"},
		kafka.StringSerializer,
		kafka.BytesSerializer,
	)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789ab"), 1_000_000)
	for range 2 {
		if err := p.Send(ctx, kafka.ProducerRecord[string, []byte]{Key: "k", Value: want}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := stream(t, "large", 2, with(c, realkafka.PlaintextListener), "weir.kafka.fetchBytes", "1m")
	if err != nil || len(got) != 2 || got[0] != string(want) || got[1] != string(want) {
		t.Errorf("%d records, %v", len(got), err)
	}
}

// testKeysAsJava: Java's producer with its defaults and our sink put 100,000 keys into the same partitions.
func testKeysAsJava(t *testing.T, c *realkafka.Cluster) {
	c.Topic("java", 7, 1, nil)
	c.Topic("ours", 7, 1, nil)
	keys := make([]string, 100_000)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%d-größe-鍵", i*7919)
	}
	out := c.Java(
		"KeyPartitions",
		strings.NewReader(strings.Join(keys, "\n")+"\n"),
		c.Bootstrap(realkafka.PlaintextListener),
		"java",
	)
	java := make(map[string]string, len(keys))
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		partition, key, _ := strings.Cut(line, "\t")
		java[key] = partition
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sink, err := kafka.Sink("ours", kafka.Params{"bootstrap.servers": c.Bootstrap(realkafka.PlaintextListener)},
		kafka.StringSerializer, kafka.StringSerializer)
	if err != nil {
		t.Fatal(err)
	}
	err = weir.Run(ctx, func(ssc *dstream.Context) error {
		d := dstream.QueueStream(ssc, dstream.NewQueue(keys))
		dstream.WriteTo(dstream.Map(d, func(k string) kafka.ProducerRecord[string, string] {
			return kafka.ProducerRecord[string, string]{Key: k, Value: k}
		}), sink)
		return nil
	}, weir.Interval(100*time.Millisecond), weir.Listener(func(e dstream.Event) {
		if e, ok := e.(dstream.BatchCommitted); ok && e.Sequence == 0 {
			cancel()
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, r := range readAll(t, c.ClientOpts(realkafka.PlaintextListener, ""), "ours", len(keys)) {
		if java[string(r.Key)] != fmt.Sprint(r.Partition) {
			wrong++
		}
	}
	if wrong > 0 || len(java) != len(keys) {
		t.Errorf("%d of %d keys lie in another partition than Java's", wrong, len(java))
	}
}

// testKcat reads what librdkafka wrote with every codec, and lets it read what our sink wrote with every codec.
func testKcat(t *testing.T, c *realkafka.Cluster) {
	brokers := c.Bootstrap(realkafka.PlaintextListener)
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		theirs, ours := "theirs_"+codec, "ours_"+codec
		c.Topic(theirs, 1, 1, nil)
		c.Topic(ours, 1, 1, nil)
		realkafka.Kcat(
			t,
			strings.NewReader(strings.Join(values(500), "\n")+"\n"),
			"-b",
			brokers,
			"-P",
			"-t",
			theirs,
			"-z",
			codec,
		)
		if got, err := stream(
			t,
			theirs,
			500,
			with(c, realkafka.PlaintextListener),
		); err != nil ||
			!slices.Equal(got, values(500)) {
			t.Errorf("%s: read %d of 500 values that kcat wrote, %v", codec, len(got), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		p, err := kafka.OpenProducer(ctx, ours, kafka.Params{"bootstrap.servers": brokers, "compression.type": codec},
			kafka.StringSerializer, kafka.StringSerializer)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values(500) {
			if err := p.Send(ctx, kafka.ProducerRecord[string, string]{Key: "k", Value: v}, nil); err != nil {
				t.Fatal(err)
			}
		}
		err = p.Close(ctx)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		out := realkafka.Kcat(t, nil, "-b", brokers, "-C", "-t", ours, "-o", "beginning", "-e", "-q")
		if got := strings.Fields(string(out)); !slices.Equal(got, values(500)) {
			t.Errorf("%s: kcat read %d of 500 values that our sink wrote", codec, len(got))
		}
	}
}

// TestLeaderKilled: three nodes, replication factor three, the leader killed in mid-stream: nothing lost, nothing
// twice.
func TestLeaderKilled(t *testing.T) {
	c := realkafka.Start(t, "4.4.0", realkafka.Nodes(3))
	c.Topic("safe", 3, 3, map[string]string{"min.insync.replicas": "2"})
	const n = 20_000
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	wrote := make(chan error, 1)
	go func() { wrote <- writeSlowly(ctx, c, n) }()
	seen := make(map[string]int, n)
	killed := false
	err := weir.Run(ctx, func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(
			ssc,
			kafka.Subscribe("safe"),
			with(c, realkafka.PlaintextListener, "group.id", "g"),
			kafka.String,
			kafka.String,
		)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(
			kafka.Values(records),
			func(ctx context.Context, r *rdd.RDD[string], _ *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				if err != nil {
					return err
				}
				for _, v := range vs {
					seen[v]++
				}
				if len(seen) > n/4 && !killed {
					killed = true
					c.Kill(leaderOf(ctx, t, c))
				}
				if len(seen) == n {
					cancel()
				}
				return nil
			},
		)
		return nil
	}, weir.Interval(100*time.Millisecond), weir.Conf(conf.New().Set("spark.master", "local[2]")))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	twice := 0
	for _, k := range seen {
		if k > 1 {
			twice++
		}
	}
	if len(seen) != n || twice > 0 || !killed {
		t.Errorf(
			"%d of %d records were seen, %d of them more than once; leader killed: %v",
			len(seen),
			n,
			twice,
			killed,
		)
	}
}

// writeSlowly writes n distinct values within some seconds, each acknowledged by two nodes.
func writeSlowly(ctx context.Context, c *realkafka.Cluster, n int) error {
	cl, err := kgo.NewClient(
		append(c.ClientOpts(realkafka.PlaintextListener, ""), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var first error
	for i := range n {
		if i%50 == 0 {
			<-tick.C
		}
		cl.Produce(
			context.WithoutCancel(ctx),
			&kgo.Record{Topic: "safe", Value: fmt.Appendf(nil, "%05d", i)},
			func(_ *kgo.Record, err error) {
				first = errors.Join(first, err)
			},
		)
	}
	return errors.Join(cl.Flush(context.WithoutCancel(ctx)), first)
}

// leaderOf gives the node that leads the topic's first partition.
func leaderOf(ctx context.Context, t *testing.T, c *realkafka.Cluster) int {
	t.Helper()
	admin, err := kafka.OpenAdmin(ctx, with(c, realkafka.PlaintextListener))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	topics, err := admin.DescribeTopics(ctx, "safe")
	if err != nil {
		t.Fatal(err)
	}
	return int(topics[0].Partitions[0].Leader)
}
