package registry_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirstream/weir/connector/kafka/registry"
)

const (
	address = "http://registry:8081"
	stores  = "../internal/client/testdata/"
)

func TestSettingsAreChecked(t *testing.T) {
	dir := t.TempDir()
	jks := filepath.Join(dir, "trust.jks")
	if err := os.WriteFile(jks, []byte("\xfe\xed\xfe\xed"), 0o600); err != nil {
		t.Fatal(err)
	}
	url := "schema.registry.url"
	for _, tt := range []struct {
		name   string
		params map[string]string
		want   []string
	}{
		{"none", nil, []string{"schema.registry.url is not set", "http://registry:8081"}},
		{"only commas", map[string]string{url: " , "}, []string{"schema.registry.url is not set"}},
		{"misspelt", map[string]string{"schema.registy.url": address}, []string{"schema.registy.url", "did you mean schema.registry.url"}},
		{"misspelt of ours", map[string]string{url: address, "schema.registry.ssl.trustore.file": "x"},
			[]string{"schema.registry.ssl.trustore.file", "nearest"}},
		{"mock", map[string]string{url: "mock://x"}, []string{"registrytest"}},
		{"scheme", map[string]string{url: "ftp://x"}, []string{"ftp://", "https"}},
		{"malformed", map[string]string{url: "http://u:top secret@[::1"}, []string{"malformed"}},
		{"no host", map[string]string{url: "http://:8081"}, []string{"malformed"}},
		{"query", map[string]string{url: address + "?x=1"}, []string{"remove what follows"}},
		{"two users", map[string]string{url: "http://a:b@h1,http://c:d@h2"}, []string{"different users", "USER_INFO"}},
		{"user info missing", map[string]string{url: address, "basic.auth.credentials.source": "USER_INFO"},
			[]string{"basic.auth.user.info is not set"}},
		{"user info unused", map[string]string{url: address, "basic.auth.user.info": "a:hush"},
			[]string{"basic.auth.credentials.source=USER_INFO"}},
		{"user info without password", map[string]string{url: address, "basic.auth.credentials.source": "USER_INFO",
			"basic.auth.user.info": "hush"}, []string{"write user:password"}},
		{"SASL", map[string]string{url: address, "basic.auth.credentials.source": "SASL_INHERIT"}, []string{"USER_INFO"}},
		{"other source", map[string]string{url: address, "basic.auth.credentials.source": "FILE"}, []string{"URL or USER_INFO"}},
		{"OAuth", map[string]string{url: address, "bearer.auth.credentials.source": "OAUTHBEARER"}, []string{"bearer.auth.token"}},
		{"basic and bearer", map[string]string{url: "http://a:hush@h", "bearer.auth.token": "hush"}, []string{"remove one"}},
		{"number", map[string]string{url: address, "http.read.timeout.ms": "5s"}, []string{"http.read.timeout.ms", "milliseconds"}},
		{"zero", map[string]string{url: address, "schema.registry.request.timeout.ms": "0"}, []string{"from 1"}},
		{"boolean", map[string]string{url: address, "auto.register.schemas": "yes"}, []string{"true or false"}},
		{"strategy", map[string]string{url: address, "value.subject.name.strategy": "com.acme.Mine"}, []string{"TopicNameStrategy"}},
		{"header writer", map[string]string{url: address, "value.schema.id.serializer": "HeaderSchemaIdSerializer"},
			[]string{"PrefixSchemaIdSerializer"}},
		{"ttl", map[string]string{url: address, "latest.cache.ttl.sec": "60"}, []string{"-1"}},
		{"proxy", map[string]string{url: address, "proxy.host": "p"}, []string{"proxy.port"}},
		{"proxy port", map[string]string{url: address, "proxy.host": "p", "proxy.port": "70000"}, []string{"65535"}},
		{"host check", map[string]string{url: address, "schema.registry.ssl.endpoint.identification.algorithm": "LDAPS"},
			[]string{"https, or empty"}},
		{"no variable", map[string]string{url: address, "bearer.auth.token": "${env:WEIR_NO_SUCH}"}, []string{"WEIR_NO_SUCH"}},
		{"no file", map[string]string{url: address, "bearer.auth.token": "${file:" + dir + "/none}"}, []string{"none"}},
		{"other provider", map[string]string{url: address, "bearer.auth.token": "${vault:x}"}, []string{"${file:PATH}"}},
		{"damaged trust store", map[string]string{url: address, "schema.registry.ssl.truststore.location": jks},
			[]string{"schema.registry.ssl.truststore.location", "JKS store"}},
		{"wrong password", map[string]string{url: address, "schema.registry.ssl.keystore.location": stores + "key.p12",
			"schema.registry.ssl.keystore.password": "hush"},
			[]string{"schema.registry.ssl.keystore.location", "cannot be opened with schema.registry.ssl.keystore.password"}},
		{"unknown type", map[string]string{url: address, "schema.registry.ssl.truststore.type": "BKS"},
			[]string{"schema.registry.ssl.truststore.type", "JKS, PKCS12 or PEM"}},
		{"trust store without certificate", map[string]string{url: address,
			"schema.registry.ssl.truststore.certificates": "-----BEGIN NOTHING-----"}, []string{"truststore.certificates", "no PEM block"}},
		{"key that is none", map[string]string{url: address, "schema.registry.ssl.keystore.certificate.chain": "x",
			"schema.registry.ssl.keystore.key": "hush"}, []string{"keystore.key", "no PEM block"}},
		{"missing trust store", map[string]string{url: address, "schema.registry.ssl.truststore.location": dir + "/none",
			"schema.registry.ssl.truststore.type": "pem"}, []string{"truststore.location", "none"}},
		{"key alone", map[string]string{url: address, "schema.registry.ssl.keystore.key": "x"}, []string{"schema.registry.ssl.keystore.key", "keystore.certificate.chain"}},
		{"old TLS", map[string]string{url: address, "schema.registry.ssl.enabled.protocols": "TLSv1.1"}, []string{"TLSv1.3"}},
		{"several", map[string]string{"max.retries": "-1", "proxy.port": "x"}, []string{"max.retries", "proxy.port"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := registry.New(tt.params)
			wantText(t, err, tt.want...)
			for _, secret := range []string{"hush", "top secret"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("%q shows the secret", err)
				}
			}
		})
	}
}

func TestSettingsAreAccepted(t *testing.T) {
	t.Setenv("WEIR_TOKEN", "hush")
	for _, tt := range []struct {
		name   string
		params map[string]string
		url    string
	}{
		{"address", map[string]string{"schema.registry.url": address}, address},
		{"list, without scheme", map[string]string{"schema.registry.url": "a:8081, https://b/"}, "http://a:8081, https://b"},
		{"user in URL", map[string]string{"schema.registry.url": "https://u:p%40@b/contexts/.x"}, "https://b/contexts/.x"},
		{"among a Kafka client's", map[string]string{"schema.registry.url": address, "bootstrap.servers": "k:9092",
			"group.id": "g", "key.deserializer": "StringDeserializer", "max.poll.records": "1", "retries": "3"}, address},
		{"of a Java program", map[string]string{"schema.registry.url": address, "specific.avro.reader": "true",
			"auto.register.schemas": "false", "use.latest.version": "true", "latest.compatibility.strict": "true",
			"value.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicNameStrategy",
			"bearer.auth.token":           "${env:WEIR_TOKEN}", "schema.registry.ssl.truststore.location": ""}, address},
		{"references inside of values", map[string]string{"schema.registry.url": "http://${env:WEIR_TOKEN}:8081",
			"basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": "bob:${env:WEIR_TOKEN}"}, "http://hush:8081"},
		{"JKS stores", map[string]string{"schema.registry.url": address,
			"schema.registry.ssl.truststore.location": stores + "trust.jks", "schema.registry.ssl.truststore.password": "changeit",
			"schema.registry.ssl.keystore.location": stores + "key.jks", "schema.registry.ssl.keystore.password": "changeit",
			"schema.registry.ssl.key.password": "keypass"}, address},
		{"PKCS12 stores", map[string]string{"schema.registry.url": address,
			"schema.registry.ssl.truststore.location": stores + "trust.p12", "schema.registry.ssl.truststore.type": "PKCS12",
			"schema.registry.ssl.truststore.password": "changeit",
			"schema.registry.ssl.keystore.location":   stores + "key.p12", "schema.registry.ssl.keystore.password": "changeit",
		}, address},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := registry.New(tt.params)
			if err != nil {
				t.Fatal(err)
			}
			if c.String() != tt.url {
				t.Errorf("asks %s, want %s", c, tt.url)
			}
		})
	}
}

func TestNewSaysWhatIsWeakOrIdle(t *testing.T) {
	var log bytes.Buffer
	_, err := registry.New(map[string]string{
		"schema.registry.url": "http://user:hush@registry", "use.latest.version": "true", "specific.avro.reader": "true",
		"schema.registry.ssl.endpoint.identification.algorithm": "",
	}, registry.Logger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"clear text", "use.latest.version has no effect", "specific.avro.reader (", "whatever its host"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "hush") {
		t.Errorf("the log shows the password:\n%s", log.String())
	}
}
