package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Values that Java takes and franz-go would not are brought within its bounds.
func TestOptionsAcceptExtremes(t *testing.T) {
	for _, tt := range []struct {
		role   Role
		params map[string]string
	}{
		{Consumer, with("fetch.max.bytes", "0", "max.partition.fetch.bytes", "0", "check.crcs", "false")},
		{Consumer, with("fetch.max.bytes", "2147483647", "max.partition.fetch.bytes", "2147483647")},
		{Consumer, with("metadata.max.age.ms", "0", "connections.max.idle.ms", "0", "request.timeout.ms", "1",
			"socket.connection.setup.timeout.ms", "1", "retry.backoff.ms", "0", "retry.backoff.max.ms", "0")},
		{Admin, with("metadata.max.age.ms", "9223372036854775807", "connections.max.idle.ms", "-1",
			"request.timeout.ms",
			"2147483647", "retries", "2147483647", "enable.metrics.push", "true")},
		{Producer, with("linger.ms", "9223372036854775807", "delivery.timeout.ms", "2147483647",
			"buffer.memory", "0",
			"batch.size", "0", "retries", "0", "max.request.size", "512", "transaction.timeout.ms",
			"2147483647")},
		{Producer, with("max.request.size", "1073741824", "buffer.memory", "9223372036854775807",
			"compression.type", "zstd",
			"compression.zstd.level", "-131072", "transactional.id", "t")},
		{Producer, with("enable.idempotence", "false", "max.in.flight.requests.per.connection", "2147483647",
			"partitioner.ignore.keys", "true", "compression.type", "lz4", "compression.lz4.level", "17")},
	} {
		cfg, err := Parse(tt.params, tt.role)
		if tt.params["linger.ms"] != "" && tt.role == Producer {
			if err == nil {
				t.Error("a linger.ms longer than delivery.timeout.ms was accepted")
			}
			tt.params["linger.ms"] = "100000"
			cfg, err = Parse(tt.params, tt.role)
		}
		if err != nil {
			t.Errorf("%v: %v", tt.params, err)
			continue
		}
		if _, err := Options(cfg); err != nil {
			t.Errorf("%v: %v", tt.params, err)
		}
	}
}

func TestOptionsCarryValues(t *testing.T) {
	value := func(role Role, opt any, params map[string]string, extra ...kgo.Opt) any {
		t.Helper()
		opts, err := Options(mustParse(t, role, params), extra...)
		if err != nil {
			t.Fatal(err)
		}
		cl, err := kgo.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		return cl.OptValue(opt)
	}
	for _, tt := range []struct {
		role   Role
		opt    any
		params map[string]string
		want   any
	}{
		{Consumer, kgo.ClientID, with(), "weir"},
		{Consumer, kgo.ClientID, with("client.id", "me"), "me"},
		{Consumer, kgo.RequestTimeoutOverhead, with("request.timeout.ms", "7000"), 7 * time.Second},
		{Consumer, kgo.MetadataMaxAge, with("metadata.max.age.ms", "60000"), time.Minute},
		{Consumer, kgo.FetchMaxBytes, with("fetch.max.bytes", "1000"), int32(1000)},
		{Consumer, kgo.FetchMaxPartitionBytes, with("max.partition.fetch.bytes", "12000000"), int32(12000000)},
		{Consumer, kgo.FetchIsolationLevel, with("isolation.level", "read_committed"), int8(1)},
		{Consumer, kgo.ConsumerGroup, with("group.id", "g"), ""},
		{Producer, kgo.RequiredAcks, with(), kgo.AllISRAcks()},
		{Producer, kgo.ProducerLinger, with("linger.ms", "20"), 20 * time.Millisecond},
		{Producer, kgo.MaxBufferedBytes, with("buffer.memory", "4096"), int64(4096)},
		{Producer, kgo.DisableIdempotentWrite, with(), false},
		{Producer, kgo.DisableIdempotentWrite, with("enable.idempotence", "false"), true},
		{Producer, kgo.TransactionalID, with("transactional.id", "t"), "t"},
		// franz-go would count from the record's own timestamp.
		{Producer, kgo.RecordDeliveryTimeout, with("delivery.timeout.ms", "60000"), time.Duration(0)},
	} {
		if got := value(tt.role, tt.opt, tt.params); got != tt.want {
			t.Errorf("%v: got %v (%T), want %v", tt.params, got, got, tt.want)
		}
	}
	if got := value(Consumer, kgo.ClientID, with("client.id", "me"), kgo.ClientID("extra")); got != "extra" {
		t.Errorf("an extra option does not win: %v", got)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	c := mustParse(t, Consumer, with("retry.backoff.ms", "100", "retry.backoff.max.ms", "1000"))
	for n := range 100 {
		want := min(100*time.Millisecond<<min(max(n-1, 0), 10), time.Second)
		if d := c.Backoff(n); d < want*8/10 || d > want*12/10 {
			t.Errorf("attempt %d: %v, want about %v", n, d, want)
		}
	}
}

func TestExplain(t *testing.T) {
	plain := mustParse(t, Consumer, with())
	secured := mustParse(t, Consumer, with("security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN",
		"sasl.jaas.config",
		`x.PlainLoginModule required username="ckafka-ab12cd#alice" password="hunter2";`))
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, tt := range []struct {
		err   error
		cfg   *Config
		kind  Kind
		parts []string
	}{
		{&dialError{addr: "b:1", plain: true, err: refused}, plain, Unreachable, []string{"b:1", "refused"}},
		{fmt.Errorf("unable to dial: %w", refused), plain, Unreachable, []string{"refused"}},
		{&dialError{addr: "b:1", plain: true, err: context.DeadlineExceeded}, plain, Unreachable,
			[]string{"b:1"}},
		{&dialError{addr: "b:1", err: context.DeadlineExceeded}, secured, TimedOut, []string{"b:1"}},
		{&net.DNSError{Err: "no such host", Name: "b.example", IsNotFound: true}, plain, HostUnknown,
			[]string{"b.example"}},
		{context.DeadlineExceeded, plain, TimedOut, nil},
		{io.EOF, plain, Unavailable, []string{"closed", "PLAINTEXT"}},
		{io.EOF, secured, Unavailable, []string{"closed", "password"}},
		{fmt.Errorf("x: %w", syscall.ECONNRESET), plain, Unavailable, []string{"closed"}},
		{kerr.SaslAuthenticationFailed, secured, AuthenticationFailed, []string{`"ckafka-ab12cd#alice"`}},
		{kerr.UnsupportedSaslMechanism, secured, MechanismUnsupported, []string{"PLAIN"}},
		{kerr.GroupAuthorizationFailed, plain, Unauthorized, []string{"anonymous", "group"}},
		{kerr.ClusterAuthorizationFailed, secured, Unauthorized, []string{"IDEMPOTENT_WRITE"}},
		{kerr.TransactionalIDAuthorizationFailed, secured, Unauthorized, []string{"transactional id"}},
		{kerr.InvalidGroupID, plain, Other, []string{"set group.id"}},
		{kerr.UnknownTopicOrPartition, plain, NoTopic, []string{"create it"}},
		{kerr.UnknownMemberID, plain, GroupLive, []string{"group.id"}},
		{kerr.UnsupportedVersion, plain, TooOld, []string{"upgrade"}},
		{kerr.LeaderNotAvailable, plain, Unavailable, []string{"leader"}},
		{kerr.UnknownServerError, plain, Other, []string{"UNKNOWN_SERVER_ERROR"}},
		{errors.New("broker is too old; x"), plain, TooOld, []string{"upgrade"}},
		{errors.New("odd"), plain, Other, []string{"odd"}},
	} {
		err := Explain(tt.err, tt.cfg)
		wantError(t, err, tt.kind, tt.parts...)
		if !errors.Is(err, tt.err) {
			t.Errorf("%v hides its cause", err)
		}
		if again := Explain(err, tt.cfg); again != err {
			t.Errorf("explained twice: %v", again)
		}
	}
	for _, err := range []error{nil, context.Canceled, kgo.ErrClientClosed, &ParamError{"a", "b"}} {
		if got := Explain(err, plain); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}
