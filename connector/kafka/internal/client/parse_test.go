package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/internal/reference"
)

// with returns parameters that are enough for a client, and more.
func with(more ...string) map[string]string {
	m := map[string]string{"bootstrap.servers": "localhost:9092"}
	for i := 0; i+1 < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

func mustParse(t *testing.T, role Role, params map[string]string) *Config {
	t.Helper()
	c, err := Parse(params, role)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c
}

// The parameters of CKafka's documented programs, as they print.
func TestParseReferencePrograms(t *testing.T) {
	c := mustParse(t, Consumer, map[string]string{
		"bootstrap.servers":  "172.16.16.12:9092",
		"key.deserializer":   "class org.apache.kafka.common.serialization.StringDeserializer",
		"value.deserializer": "org.apache.kafka.common.serialization.StringDeserializer",
		"group.id":           "spark_stream_test1",
		"auto.offset.reset":  "earliest",
		"enable.auto.commit": "false",
	})
	if !slices.Equal(c.Bootstrap, []string{"172.16.16.12:9092"}) || c.GroupID != "spark_stream_test1" ||
		c.Reset.Kind != ResetEarliest || c.AutoCommit {
		t.Errorf("got %+v", c)
	}
	for _, class := range []string{c.KeyDeserializer, c.ValueDeserializer} {
		if got, ok := Decoder(class); got != "String" || !ok {
			t.Errorf("Decoder(%q) = %q, %v", class, got, ok)
		}
	}
	if c.Summary() != "" || len(c.Warnings) != 0 {
		t.Errorf("summary %q, warnings %q", c.Summary(), c.Warnings)
	}
	p := mustParse(t, Producer, map[string]string{
		"bootstrap.servers": "172.16.16.12:9092",
		"key.serializer":    "org.apache.kafka.common.serialization.StringSerializer",
		"value.serializer":  "org.apache.kafka.common.serialization.StringSerializer",
	})
	if got, _ := Decoder(p.ValueSerializer); got != "String" {
		t.Errorf("Decoder(%q) = %q", p.ValueSerializer, got)
	}
}

func TestParseValues(t *testing.T) {
	tests := []struct {
		name, value string
		role        Role
		get         func(*Config) any
		want        any
	}{
		{"bootstrap.servers", " a:1 , SSL://b:2,[::1]:3,a:1", Consumer,
			func(c *Config) any { return c.Bootstrap },
			[]string{"a:1", "b:2", "[::1]:3"}},
		{"client.id", " x ", Consumer, func(c *Config) any { return c.ClientID }, "x"},
		{"request.timeout.ms", "40000", Consumer, func(c *Config) any { return c.RequestTimeout },
			40 * time.Second},
		{"socket.timeout.ms", "40000", Consumer, func(c *Config) any { return c.RequestTimeout },
			40 * time.Second},
		{"default.api.timeout.ms", "1", Consumer, func(c *Config) any { return c.Timeout }, time.Millisecond},
		{"socket.connection.setup.timeout.ms", "7", Admin, func(c *Config) any { return c.DialTimeout },
			7 * time.Millisecond},
		{"metadata.max.age.ms", "9223372036854775807", Admin,
			func(c *Config) any { return c.MetadataMaxAge > 1<<60 }, true},
		{"connections.max.idle.ms", "-1", Admin, func(c *Config) any { return c.IdleTimeout > 1<<60 }, true},
		{"retry.backoff.ms", "5000", Admin, func(c *Config) any { return c.RetryBackoffMax }, 5 * time.Second},
		{"auto.offset.reset", "smallest", Consumer, func(c *Config) any { return c.Reset.Kind }, ResetEarliest},
		{"auto.offset.reset", "largest", Consumer, func(c *Config) any { return c.Reset.Kind }, ResetLatest},
		{"auto.offset.reset", "NONE", Consumer, func(c *Config) any { return c.Reset.Kind }, ResetNone},
		{"auto.offset.reset", "by_duration:P1DT2H3M4.5S", Consumer, func(c *Config) any { return c.Reset },
			OffsetReset{ResetByDuration, 26*time.Hour + 3*time.Minute + 4500*time.Millisecond}},
		{"enable.auto.commit", "FALSE", Consumer, func(c *Config) any { return c.AutoCommit }, false},
		{"auto.commit.enable", "false", Consumer, func(c *Config) any { return c.AutoCommit }, false},
		{"isolation.level", "read_committed", Consumer, func(c *Config) any { return c.Isolation },
			ReadCommitted},
		{"exclude.internal.topics", "false", Consumer, func(c *Config) any { return c.ExcludeInternal }, false},
		{"fetch.message.max.bytes", "12", Consumer,
			func(c *Config) any { return c.Fetch.PartitionMaxBytes }, int32(12)},
		{"fetch.max.bytes", "2147483647", Consumer, func(c *Config) any { return c.Fetch.MaxBytes },
			int32(1<<31 - 1)},
		{"check.crcs", "false", Consumer, func(c *Config) any { return c.Fetch.CheckCRC }, false},
		{"compression.codec", "2", Producer, func(c *Config) any { return c.Produce.Compression }, "snappy"},
		{"compression.type", "zstd", Producer, func(c *Config) any { return c.Produce.Compression }, "zstd"},
		{"request.required.acks", "-1", Producer, func(c *Config) any { return c.Produce.Idempotent }, true},
		{"partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner", Producer,
			func(c *Config) any { return c.Produce.Partitioner }, PartitionRoundRobin},
		{"partitioner.ignore.keys", "true", Producer, func(c *Config) any { return c.Produce.Partitioner },
			PartitionSticky},
		{"transactional.id", "tx", Producer, func(c *Config) any { return c.Produce.TransactionalID }, "tx"},
		{"ssl.truststore.type", "p12", Consumer, func(c *Config) any { return c.tls.trust.kind }, "PKCS12"},
		{"security.protocol", "ssl", Consumer, func(c *Config) any { return c.UsesTLS() && !c.UsesSASL() },
			true},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			params := with(tt.name, tt.value)
			if got := tt.get(mustParse(t, tt.role, params)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, value string
		role        Role
		want        []string // parts of the error
	}{
		{"bootstrap.servers", "", Consumer, []string{"holds no address"}},
		{"bootstrap.servers", "host", Consumer, []string{`"host"`, "host:port"}},
		{"bootstrap.servers", "ok:1,h:x", Consumer, []string{"address 2", "port"}},
		{"bootstrap.servers", "h:70000", Consumer, []string{"65535"}},
		{"group.ip", "x", Consumer, []string{"group.ip", "not known", "group.id"}},
		{"bootstrapServers", "x", Consumer, []string{"did you mean bootstrap.servers?"}},
		{"kafka.group.id", "x", Consumer, []string{"did you mean group.id?", "Structured Streaming"}},
		{"spark.master", "x", Consumer, []string{"settings of the engine"}},
		{"wholly.different", "x", Consumer, []string{"not known", "Java"}},
		{"auto.offset.reset", "first", Consumer, []string{`"first"`, "earliest, latest, none"}},
		{"auto.offset.reset", "by_duration:-PT1S", Consumer, []string{"ISO 8601"}},
		{"auto.offset.reset", "by_duration:PT", Consumer, []string{"ISO 8601"}},
		{"auto.offset.reset", "by_duration:P99999999999999999999D", Consumer, []string{"ISO 8601"}},
		{"isolation.level", "committed", Consumer, []string{`"committed"`, "read_committed"}},
		{"enable.auto.commit", "yes", Consumer, []string{"true or false"}},
		{"session.timeout.ms", "30s", Consumer, []string{"whole number"}},
		{"fetch.max.bytes", "-1", Consumer, []string{"from 0"}},
		{"schema.registry.urls", "x", Consumer, []string{"not known", "did you mean schema.registry.url?"}},
		{"basic.auth.userinfo", "x", Consumer, []string{"did you mean basic.auth.user.info?"}},
		{"request.header.", "x", Consumer, []string{"not known"}},
		{"fetch.min.bytes", "3000000000", Consumer, []string{"fetch.min.bytes", "whole number", "2147483647"}},
		{"zookeeper.connect", "zk:2181", Consumer, []string{"ZooKeeper", "bootstrap.servers"}},
		{"offsets.storage", "zookeeper", Consumer, []string{"ZooKeeper"}},
		{"interceptor.classes", "com.x.Y", Consumer, []string{"Java class", "Map"}},
		{"metadata.broker.list", "b:1", Consumer, []string{"bootstrap.servers", "keep one"}},
		{"client.dns.lookup", "resolve_canonical_bootstrap_servers_only", Consumer,
			[]string{"use_all_dns_ips"}},
		{"value.deserializer.encoding", "UTF-16", Consumer, []string{"UTF-8"}},
		{"acks", "1", Producer, []string{"in-sync", "all"}},
		{"acks", "0", Producer, []string{"in-sync", "all"}},
		{"request.required.acks", "1", Producer, []string{"request.required.acks", "all"}},
		{"compression.type", "brotli", Producer, []string{"zstd"}},
		{"compression.gzip.level", "12", Producer, []string{"from -1 to 9"}},
		{"partitioner.class", "com.x.Mine", Producer, []string{"partition"}},
		{"max.in.flight.requests.per.connection", "6", Producer, []string{"at most 5"}},
		{"transaction.two.phase.commit.enable", "true", Producer, []string{"two-phase"}},
		{"producer.type", "lazy", Producer, []string{"sync, async"}},
		{"delivery.timeout.ms", "5000", Producer, []string{"request.timeout.ms"}},
		{"security.protocol", "TLS", Consumer, []string{"SSL"}},
		{"ssl.truststore.type", "BKS", Consumer, []string{"keytool"}},
		{"ssl.endpoint.identification.algorithm", "LDAPS", Consumer, []string{"https"}},
		{"ssl.enabled.protocols", "SSLv3", Consumer, []string{"SSLv3", "TLSv1.2"}},
		{"ssl.cipher.suites", "TLS_NOPE", Consumer, []string{"TLS_NOPE"}},
		{"ssl.keystore.key", "k", Consumer, []string{"certificate.chain"}},
		{"ssl.engine.factory.class", "X", Consumer, []string{"Java class"}},
		{"client.id", "${vault:a:b}", Consumer, []string{"${vault:a:b}", "${file:PATH}"}},
		{"client.id", "${env:WEIR_TEST_UNSET}", Consumer, []string{"WEIR_TEST_UNSET"}},
	}
	for _, tt := range tests {
		t.Run(tt.name+"="+tt.value, func(t *testing.T) {
			_, err := Parse(with(tt.name, tt.value), tt.role)
			if err == nil {
				t.Fatal("no error")
			}
			if !isError[*ParamError](err) {
				t.Errorf("%T is no *ParamError", err)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
}

func TestParseJoinsAllErrors(t *testing.T) {
	_, err := Parse(map[string]string{"group.idd": "x", "isolation.level": "x", "max.poll.records": "x"},
		Consumer)
	want := []string{"group.idd", "isolation.level", "max.poll.records", "bootstrap.servers"}
	if got := strings.Split(err.Error(), "\n"); len(got) != len(want) {
		t.Fatalf("got %d errors: %v", len(got), err)
	} else {
		for i := range want {
			if !strings.Contains(got[i], want[i]) {
				t.Errorf("error %d is %q, want %s", i, got[i], want[i])
			}
		}
	}
}

// Every name that Kafka's clients print is known, and with Kafka's type.
func TestTableHoldsEveryName(t *testing.T) {
	data, err := os.ReadFile("testdata/configdef.tsv")
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]Role{"consumer": Consumer, "producer": Producer, "admin": Admin}
	kinds := map[string]kind{"string": kString, "int": kInt, "long": kLong, "short": kShort, "double": kDouble,
		"boolean": kBool, "list": kList, "class": kClass, "password": kPassword}
	n := 0
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		n++
		p := row(f[0])
		if p == nil {
			t.Errorf("%s is not in the table", f[0])
			continue
		}
		if p.now != "" {
			continue
		}
		if p.roles&roles[f[1]] == 0 {
			t.Errorf("%s is not for a %s", f[0], f[1])
		}
		if p.kind != kinds[f[2]] {
			t.Errorf("%s has kind %d, Kafka says %s", f[0], p.kind, f[2])
		}
	}
	if n < 300 {
		t.Errorf("only %d rows read", n)
	}
}

func TestTableIsConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range params {
		for _, p := range group {
			if seen[p.name] {
				t.Errorf("%s is there twice", p.name)
			}
			seen[p.name] = true
			ways := 0
			for _, is := range []bool{p.set != nil, p.why != "", p.refuse != "", p.now != ""} {
				if is {
					ways++
				}
			}
			if ways != 1 {
				t.Errorf("%s has %d ways to be treated", p.name, ways)
			}
			if p.now != "" && row(p.now) == nil {
				t.Errorf("%s is the old name of %s, which does not exist", p.name, p.now)
			}
			if p.roles == 0 {
				t.Errorf("%s is for nobody", p.name)
			}
		}
	}
}

// A program may have one set of parameters for reading and writing; Java only warns.
func TestOtherRolesParametersDoNothing(t *testing.T) {
	c := mustParse(t, Consumer, with("key.serializer", "x.StringSerializer", "acks", "0"))
	want := "2 Kafka parameters have no effect here: acks, key.serializer (only a producer reads it)"
	if c.Summary() != want {
		t.Errorf("got %q, want %q", c.Summary(), want)
	}
}

func TestSummary(t *testing.T) {
	c := mustParse(t, Consumer, with("session.timeout.ms", "1", "heartbeat.interval.ms", "1",
		"max.poll.records", "5"))
	want := "3 Kafka parameters have no effect here: max.poll.records (" + byBatch +
		"); heartbeat.interval.ms, session.timeout.ms (" + noGroup + ")"
	if got := c.Summary(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What cannot act is said, and why, whatever its value.
func TestIdleParameters(t *testing.T) {
	for name, why := range map[string]string{
		"client.rack": fromLeader, "fetch.min.bytes": byRange, "fetch.max.wait.ms": byRange, "fetch.wait.max.ms": byRange,
		"schema.registry.url": forRegistry, "max.retries": forRegistry, "request.header.Authorization": forRegistry,
		"json.fail.invalid.schema": jsonType,
	} {
		c := mustParse(t, Consumer, with(name, "7"))
		if want := "1 Kafka parameter has no effect here: " + name + " (" + why + ")"; c.Summary() != want {
			t.Errorf("got %q, want %q", c.Summary(), want)
		}
	}
}

// Of a parameter that is wrong nothing more is said, such as that it is not set.
func TestOneErrorAParameter(t *testing.T) {
	for _, bad := range []string{`x.PlainLoginModule required username="a`, "${env:WEIR_TEST_UNSET}", "${file:/nonesuch}"} {
		c, err := Parse(with("security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN", "sasl.jaas.config", bad), Consumer)
		if err == nil {
			_, err = c.Resolve()
		}
		if err == nil || strings.Count(err.Error(), "sasl.jaas.config") != 1 {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct {
		role   Role
		params map[string]string
		want   string
	}{
		{Consumer, with("security.protocol", "SSL", "ssl.endpoint.identification.algorithm", ""),
			"any certificate"},
		{Consumer, with("ssl.truststore.location", "/x"), "no effect, because security.protocol is PLAINTEXT"},
		{Consumer, with("sasl.mechanism", "PLAIN"), "no effect, because security.protocol is PLAINTEXT"},
		{Consumer, with("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="a" password="b";`), "password readable"},
		{Producer, with("enable.idempotence", "false"), "written twice"},
		{Consumer, with("security.protocol", "SASL_PLAINTEXT", "sasl.mechanism", "OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url", "https://x"), "sends the token readable"},
		{Consumer, with("security.protocol", "SASL_SSL", "sasl.mechanism", "OAUTHBEARER",
			"sasl.oauthbearer.token.endpoint.url", "HTTP://x"), "the client's secret and the token go readable"},
	}
	for _, tt := range tests {
		c := mustParse(t, tt.role, tt.params)
		if len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], tt.want) {
			t.Errorf("warnings %q, want one with %q", c.Warnings, tt.want)
		}
	}
}

func TestIdempotenceAndTransactionsExclude(t *testing.T) {
	_, err := Parse(with("enable.idempotence", "false", "transactional.id", "t"), Producer)
	if err == nil || !strings.Contains(err.Error(), "transactional.id") {
		t.Errorf("got %v", err)
	}
}

func TestDecoderTable(t *testing.T) {
	for class, want := range map[string]string{
		"org.apache.kafka.common.serialization.ByteArrayDeserializer":       "Bytes",
		"class org.apache.kafka.common.serialization.IntegerSerializer":     "Int32",
		"io.confluent.kafka.serializers.KafkaAvroDeserializer":              "Avro",
		"io.confluent.kafka.serializers.protobuf.KafkaProtobufDeserializer": "Protobuf",
		"kafka.serializer.StringDecoder":                                    "String",
		"UUIDDeserializer":                                                  "UUID",
		"com.acme.OrderDeserializer":                                        "",
		"":                                                                  "",
	} {
		if got, ok := Decoder(class); got != want || ok != (want != "") {
			t.Errorf("Decoder(%q) = %q, %v, want %q", class, got, ok, want)
		}
	}
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	whole := write("whole", "  the-group\n")
	props := write("x.properties", "# c\n! c\na.b = one\\\n   two\nk\\:ey: v\\u0041l\\tx \nlast=1\nlast 2\nempty\n")
	t.Setenv("WEIR_TEST_CLIENT", "from-env")
	tests := []struct{ value, want, problem string }{
		{"plain", "plain", ""},
		{"${file:" + whole + "}", "the-group", ""},
		{"a-${file:" + whole + "}-b", "a-the-group-b", ""},
		{"${file:" + props + ":a.b}", "onetwo", ""},
		{"${file:" + props + ":last}", "2", ""},
		{"${file:" + props + ":empty}", "", ""},
		{"${env:WEIR_TEST_CLIENT}", "from-env", ""},
		{"$ {} ${} ${x}", "$ {} ${} ${x}", ""},
		{"${file:" + props + ":nope}", "", "no key nope"},
		{"${file:" + dir + "/absent}", "", "no such file"},
		{"${file:" + dir + "}", "", "directory"},
	}
	for _, tt := range tests {
		c := mustParse(t, Consumer, with("group.id", tt.value))
		r, err := c.Resolve()
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(),
				"group.id") {
				t.Errorf("%q: got %v, want %q", tt.value, err, tt.problem)
			}
			continue
		}
		if err != nil || r.GroupID != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.value, r.GroupID, err, tt.want)
		}
		if strings.Contains(tt.value, "${file") && c.GroupID != "" {
			t.Errorf("%q: Parse has read a file", tt.value)
		}
	}
	if v, ok := reference.Property("k\\:ey: v\\u0041l\\tx ", "k:ey"); v != "vAl\tx " || !ok {
		t.Errorf("property = %q, %v", v, ok)
	}
}

// What a file holds is checked like any other value, and an error does not show it.
func TestResolveChecksAndHides(t *testing.T) {
	p := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(p, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, Consumer, with("isolation.level", "${file:"+p+"}"))
	_, err := c.Resolve()
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), p) {
		t.Errorf("got %v", err)
	}
	c = mustParse(t, Consumer, map[string]string{"bootstrap.servers": "${file:" + p + "}"})
	if _, err = c.Resolve(); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

// No way of printing a Config, and no error about its values, shows a secret.
func TestSecretsStayInside(t *testing.T) {
	const word = "s3cr3t"
	params := with(
		"security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN",
		"sasl.jaas.config", `x.PlainLoginModule required username="u" password="`+word+`";`,
		"ssl.truststore.password", word, "ssl.keystore.password", word, "ssl.key.password", word,
		"ssl.keystore.key", word, "ssl.keystore.certificate.chain", word,
		"sasl.oauthbearer.client.credentials.client.secret", word,
		"basic.auth.user.info", "u:"+word, "schema.registry.basic.auth.user.info", "u:"+word,
		"bearer.auth.token", word, "schema.registry.ssl.keystore.password", word,
		"schema.registry.url", "http://u:"+word+"@host",
	)
	c := mustParse(t, Consumer, params)
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "config", c, "value", *c)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "value", *c)
	texts := []string{c.String(), c.Summary(), strings.Join(c.Warnings, " "), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c))
	}
	if b, err := json.Marshal(map[string]any{"secret": secret(word)}); err == nil {
		texts = append(texts, string(b))
	}
	texts = append(texts, fmt.Sprintf("%v %+v %#v", secret(word), secret(word), map[string]secret{"a": word}))
	for _, bad := range []map[string]string{
		with("security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN", "sasl.jaas.config", word),
		with("security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN", "sasl.jaas.config",
			`x.PlainLoginModule required username="u" password=`+word+` `+word+`;`),
		with("sasl.jaas.config", `x.Y required password="`+word),
		with("sasl.oauthbearer.assertion.private.key.passphrase", word),
		with("passwort", word),
	} {
		if _, err := Parse(bad, Consumer); err != nil {
			texts = append(texts, err.Error())
		} else {
			t.Errorf("%v was accepted", slices.Sorted(maps.Keys(bad)))
		}
	}
	for _, text := range texts {
		if strings.Contains(text, word) {
			t.Errorf("the secret shows in %s", text)
		}
	}
}

func TestParamErrorsAreJoined(t *testing.T) {
	_, err := Parse(with("nonesuch", "1"), Consumer)
	if e, ok := errors.AsType[*ParamError](err); !ok || e.Name != "nonesuch" {
		t.Errorf("got %#v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("bootstrap.servers", "a:1", "auto.offset.reset", "by_duration:P1D")
	f.Add("sasl.jaas.config", `x y z="\1234`, "client.id", "${env:PATH}")
	f.Add("group.id", "${file::}", "max.poll.records", "-")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		c, err := Parse(map[string]string{n1: v1, n2: v2}, Consumer)
		if err == nil {
			_, _ = c.String(), c.Summary()
		} else if c != nil {
			t.Error("a Config and an error")
		}
	})
}

func FuzzProperty(f *testing.F) {
	f.Add("a=b\\\n c\n", "a")
	f.Add("\\u12", "\\")
	f.Fuzz(func(t *testing.T, text, key string) { reference.Property(text, key) })
}
