package client

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Role says for which of Kafka's clients parameters are meant. Roles are bits: a row of the table
// may belong to several.
type Role uint8

// The three kinds of clients that Kafka has parameters for.
const (
	Consumer Role = 1 << iota
	Producer
	Admin

	anyRole = Consumer | Producer | Admin
)

// String is the role's name in error texts.
func (r Role) String() string {
	switch r {
	case Consumer:
		return "consumer"
	case Producer:
		return "producer"
	case Admin:
		return "admin"
	}
	return "client"
}

// ResetKind says where a partition without a position is begun.
type ResetKind uint8

// What auto.offset.reset can say.
const (
	ResetLatest ResetKind = iota
	ResetEarliest
	ResetNone
	// ResetByDuration begins at the first record that is no older than OffsetReset.Back.
	ResetByDuration
)

// OffsetReset is auto.offset.reset. Back is set for ResetByDuration only.
type OffsetReset struct {
	Kind ResetKind
	Back time.Duration
}

// Isolation is isolation.level, with the numbers that Fetch and ListOffsets requests use.
type Isolation int8

// The two isolation levels.
const (
	ReadUncommitted Isolation = 0
	ReadCommitted   Isolation = 1
)

// Fetch is what the parameters say about reading. Sizes are bytes.
type Fetch struct {
	// MaxBytes bounds a response, PartitionMaxBytes one partition's share of it. A single batch that
	// is larger is delivered all the same, so these are no limits on the size of a record.
	MaxBytes          int32
	PartitionMaxBytes int32
	// CheckCRC is check.crcs.
	CheckCRC bool
}

// Produce is what the parameters say about writing. Sizes are bytes.
type Produce struct {
	// Compression is none, gzip, snappy, lz4 or zstd; Level is the codec's level, if HasLevel.
	Compression string
	Level       int
	HasLevel    bool
	// Linger is how long a batch waits for more records.
	Linger time.Duration
	// BatchBytes is after how many bytes records without a key go to another partition; 0 leaves it
	// to the client.
	BatchBytes int32
	// MaxRequestBytes bounds a batch, and so a record.
	MaxRequestBytes int32
	// BufferBytes bounds the records that wait to be sent.
	BufferBytes int64
	// DeliveryTimeout bounds a record's way from being handed over to being acknowledged. Options does not
	// hand it to franz-go: who produces gives his contexts this deadline.
	DeliveryTimeout time.Duration
	// Retries bounds the attempts; -1 leaves it to DeliveryTimeout.
	Retries int32
	// Idempotent is enable.idempotence. Without it InFlight requests go to a broker at a time.
	Idempotent bool
	InFlight   int32
	// TransactionalID and TransactionTimeout are the user's; a sink that makes its own ids uses his as
	// their prefix, because brokers grant rights by prefix.
	TransactionalID    string
	TransactionTimeout time.Duration
	// Partitioner is what partitioner.class and partitioner.ignore.keys come to.
	Partitioner Partitioner
}

// Partitioner says how a record without a partition of its own gets one.
type Partitioner uint8

// The partitioners of Kafka's Java client.
const (
	// PartitionByKey deals keys by murmur2, as Java's default does, and other records in runs.
	PartitionByKey Partitioner = iota
	// PartitionSticky deals all records in runs, whatever their keys.
	PartitionSticky
	// PartitionRoundRobin deals records in turn.
	PartitionRoundRobin
)

// Config is a set of parameters, checked. It is made by Parse and not changed afterwards, but for
// Dial; so it may be shared. It prints itself without secrets. The zero Config is of no use.
type Config struct {
	Role Role
	// Bootstrap are the addresses to begin with, each host:port.
	Bootstrap []string
	ClientID  string
	// GroupID is where offsets are committed to and read from; empty means nowhere.
	GroupID string
	// Reset is where partitions without a position begin.
	Reset OffsetReset
	// AutoCommit is enable.auto.commit: commit after each batch. Java's default is true.
	AutoCommit bool
	Isolation  Isolation
	// ExcludeInternal is exclude.internal.topics: a pattern does not match Kafka's own topics.
	ExcludeInternal bool
	Fetch           Fetch
	Produce         Produce

	// The classes that the parameters name, as they were given, or empty. Decoder tells which of
	// weir's decoders reads what such a class would have read.
	KeyDeserializer, ValueDeserializer string
	KeySerializer, ValueSerializer     string

	// Timeout bounds a call that comes without a deadline: default.api.timeout.ms, or 15 s.
	Timeout time.Duration
	// RequestTimeout bounds one request on one connection.
	RequestTimeout time.Duration
	// DialTimeout bounds making a connection, the TLS handshake included.
	DialTimeout time.Duration
	// IdleTimeout is after how long a connection that nobody uses is closed.
	IdleTimeout time.Duration
	// MetadataMaxAge is how old the client's picture of the cluster may get.
	MetadataMaxAge time.Duration
	// RetryBackoff is the first pause between attempts; pauses double up to RetryBackoffMax.
	RetryBackoff, RetryBackoffMax time.Duration
	// PushMetrics is enable.metrics.push.
	PushMetrics bool

	// Dial, if set, makes the plain connections; TLS is put on top of them here. The caller may set
	// it between Parse and Open. It must return when its context ends.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Warnings are things to be said once in the log: what was accepted but is weaker, or other, than
	// it looks.
	Warnings []string

	receiveBuffer, sendBuffer int
	tls                       tlsSettings
	sasl                      saslSettings
	levels                    map[string]int
	values                    []value
	pending                   []value
	ignored                   []ignored
}

// value is one parameter as the user wrote it, references unresolved.
type value struct {
	name   string
	param  *param
	given  string
	secret bool
}

// show is the value for people.
func (v value) show() string {
	if v.secret {
		return hidden
	}
	return userInfo.ReplaceAllString(v.given, "://"+hidden+"@")
}

// userInfo is the part of an address that may hold a password.
var userInfo = regexp.MustCompile(`://[^/@\s]*@`)

const hidden = "(hidden)"

// secret is a text that no formatting prints. reveal gives it to the code that signs in.
type secret string

func (secret) String() string               { return hidden }
func (secret) GoString() string             { return hidden }
func (secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
func (s secret) reveal() string             { return string(s) }

// ignored is a parameter that was accepted and does nothing, and why.
type ignored struct{ name, why string }

// defaults are what Kafka's Java clients use, but for waiting: a Java client waits a minute where a
// batch engine has to say within seconds that something is wrong.
func defaults(role Role) *Config {
	return &Config{
		Role:            role,
		ClientID:        "weir",
		AutoCommit:      true,
		ExcludeInternal: true,
		Fetch:           Fetch{MaxBytes: 50 << 20, PartitionMaxBytes: 1 << 20, CheckCRC: true},
		Produce: Produce{Compression: "none", Linger: 5 * time.Millisecond, MaxRequestBytes: 1 << 20,
			BufferBytes: 32 << 20, DeliveryTimeout: 2 * time.Minute, Retries: -1, Idempotent: true,
			InFlight: 1, TransactionTimeout: time.Minute},
		Timeout:         startLimit,
		RequestTimeout:  10 * time.Second,
		DialTimeout:     5 * time.Second,
		IdleTimeout:     9 * time.Minute,
		MetadataMaxAge:  5 * time.Minute,
		RetryBackoff:    100 * time.Millisecond,
		RetryBackoffMax: time.Second,
		receiveBuffer:   -1,
		sendBuffer:      -1,
		tls:             tlsSettings{protocol: "PLAINTEXT", hostCheck: "https"},
	}
}

// UsesTLS says whether connections are encrypted.
func (c *Config) UsesTLS() bool { return c.tls.protocol == "SSL" || c.tls.protocol == "SASL_SSL" }

// UsesSASL says whether connections sign in.
func (c *Config) UsesSASL() bool { return strings.HasPrefix(c.tls.protocol, "SASL_") }

// SecurityProtocol is security.protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
func (c *Config) SecurityProtocol() string { return c.tls.protocol }

// Summary is one line about the parameters that do nothing here and why, or "" if there are none.
func (c *Config) Summary() string {
	if len(c.ignored) == 0 {
		return ""
	}
	why := map[string][]string{}
	for _, i := range c.ignored {
		why[i.why] = append(why[i.why], i.name)
	}
	var parts []string
	for _, w := range slices.Sorted(maps.Keys(why)) {
		parts = append(parts, fmt.Sprintf("%s (%s)", strings.Join(why[w], ", "), w))
	}
	noun := "parameters have"
	if len(c.ignored) == 1 {
		noun = "parameter has"
	}
	return fmt.Sprintf("%d Kafka %s no effect here: %s", len(c.ignored), noun, strings.Join(parts, "; "))
}

// String lists the parameters as they were given, in order of their names, secrets hidden. References
// such as ${file:...} are shown as references.
func (c Config) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Kafka %s parameters:", c.Role)
	for _, v := range c.values {
		fmt.Fprintf(&b, " %s=%s", v.name, v.show())
	}
	return b.String()
}

// GoString keeps %#v from printing what String hides.
func (c Config) GoString() string { return c.String() }

// LogValue is String for slog, one attribute a parameter.
func (c Config) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, len(c.values))
	for _, v := range c.values {
		attrs = append(attrs, slog.String(v.name, v.show()))
	}
	return slog.GroupValue(attrs...)
}

func (c *Config) warn(format string, args ...any) {
	c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...))
}
