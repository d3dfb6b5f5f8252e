package client

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// The bounds within which franz-go takes some values. A Java value beyond them means "very long" or
// "at once", and gets the bound.
const (
	requestFloor, requestCeiling   = 100 * time.Millisecond, 15 * time.Minute
	idleFloor, idleCeiling         = 100 * time.Millisecond, 15 * time.Minute
	metadataFloor, metadataCeiling = 10 * time.Millisecond, time.Hour
	responseFloor, responseCeiling = 100 << 20, 1 << 30
)

func clamp[T cmp.Ordered](v, low, high T) T { return max(low, min(v, high)) }

// Options is the configuration for franz-go: what cfg says, then extra, which wins. It reads the files
// that cfg refers to. No option joins a group or begins a transaction, except that a producer with
// transactional.id gets it.
//
// A kgo.Dialer among extra replaces all of ours, TLS included. To change only how the plain
// connections are made, set cfg.Dial.
func Options(cfg *Config, extra ...kgo.Opt) ([]kgo.Opt, error) {
	opts, _, err := cfg.options(extra)
	return opts, err
}

// options is Options, and the warnings from reading the stores.
func (c *Config) options(extra []kgo.Opt) (opts []kgo.Opt, warnings []string, err error) {
	r, err := c.Resolve()
	if err != nil {
		return nil, nil, err
	}
	var errs []error
	var m *tlsMaker
	if r.UsesTLS() {
		if m, warnings, err = r.tls.load(); err != nil {
			errs = append(errs, err)
		}
	}
	opts = r.commonOptions()
	if r.UsesSASL() {
		if mechanism, err := r.sasl.load(); err != nil {
			errs = append(errs, err)
		} else {
			opts = append(opts, kgo.SASL(mechanism))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	calm := &redial{dial: r.dialer(m), pause: max(r.RetryBackoff/2, time.Millisecond)}
	opts = append(opts, kgo.Dialer(calm.connect))
	switch r.Role {
	case Consumer:
		opts = append(opts, r.consumeOptions()...)
	case Producer:
		opts = append(opts, r.produceOptions()...)
	case Admin: // a producer's retries are those of records, an admin client's those of requests
		if r.Produce.Retries >= 0 {
			opts = append(opts, kgo.RequestRetries(int(r.Produce.Retries)))
		}
	}
	opts = append(opts, extra...)
	if err := kgo.ValidateOpts(opts...); err != nil {
		return nil, nil, fmt.Errorf("kafka: the client refuses its options: %w", err)
	}
	return opts, warnings, nil
}

func (c *Config) commonOptions() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Bootstrap...),
		kgo.ClientID(c.ClientID),
		kgo.RequestTimeoutOverhead(clamp(c.RequestTimeout, requestFloor, requestCeiling)),
		kgo.ConnIdleTimeout(clamp(c.IdleTimeout, idleFloor, idleCeiling)),
		kgo.MetadataMaxAge(clamp(c.MetadataMaxAge, metadataFloor, metadataCeiling)),
		kgo.MetadataMinAge(clamp(c.MetadataMaxAge/10, metadataFloor, time.Second)),
		kgo.RetryBackoffFn(c.Backoff),
		kgo.RetryTimeout(c.Timeout),
		// The start tells a configuration that cannot work from one that can; after it, a connection that
		// is closed at once is a broker that restarts.
		kgo.AlwaysRetryEOF(),
	}
	if !c.PushMetrics {
		opts = append(opts, kgo.DisableClientMetrics())
	}
	return opts
}

func (c *Config) consumeOptions() []kgo.Opt {
	level := kgo.ReadUncommitted()
	if c.Isolation == ReadCommitted {
		level = kgo.ReadCommitted()
	}
	// Java's largest value means "no limit"; franz-go wants one that a buffer can have.
	most := clamp(c.Fetch.MaxBytes, 1, responseCeiling/2)
	opts := []kgo.Opt{
		kgo.FetchIsolationLevel(level),
		kgo.FetchMaxBytes(most),
		kgo.FetchMaxPartitionBytes(min(c.Fetch.PartitionMaxBytes, most)),
		// A response may be larger than was asked for by a batch; twice the size leaves room for one.
		kgo.BrokerMaxReadBytes(clamp(2*most, responseFloor, responseCeiling)),
	}
	if !c.Fetch.CheckCRC {
		opts = append(opts, kgo.DisableFetchCRCValidation())
	}
	return opts
}

// produceOptions leaves DeliveryTimeout out: franz-go counts it from a record's timestamp, which a program
// may set, so that every record about the past would be given up at once. Who produces bounds his context.
func (c *Config) produceOptions() []kgo.Opt {
	p := c.Produce
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(p.codec()),
		kgo.ProducerLinger(min(p.Linger, time.Minute)),
		kgo.ProducerBatchMaxBytes(p.MaxRequestBytes),
		kgo.BrokerMaxWriteBytes(clamp(p.MaxRequestBytes, responseFloor, responseCeiling)),
		kgo.MaxBufferedBytes(int(max(p.BufferBytes, 1))),
		kgo.ProduceRequestTimeout(clamp(c.RequestTimeout, requestFloor, requestCeiling)),
		kgo.TransactionTimeout(clamp(p.TransactionTimeout, time.Millisecond, 24*time.Hour)),
		kgo.RecordPartitioner(p.NewPartitioner()),
	}
	if p.Retries >= 0 {
		opts = append(opts, kgo.RecordRetries(int(p.Retries)))
	}
	if !p.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(int(p.InFlight)))
	}
	if p.TransactionalID != "" {
		opts = append(opts, kgo.TransactionalID(p.TransactionalID))
	}
	return opts
}

// codec has no second choice: a broker that does not know the codec (zstd before 2.1) gets plain batches.
func (p Produce) codec() kgo.CompressionCodec {
	codec := kgo.NoCompression()
	switch p.Compression {
	case "gzip":
		codec = kgo.GzipCompression()
	case "snappy":
		codec = kgo.SnappyCompression()
	case "lz4":
		codec = kgo.Lz4Compression()
	case "zstd":
		codec = kgo.ZstdCompression()
	}
	if p.HasLevel {
		codec = codec.WithLevel(p.Level)
	}
	return codec
}

// NewPartitioner makes the partitioner that the parameters ask for. It knows nothing of a partition that a
// record may have of its own. It goes on to another partition after as many bytes as Java's does, if
// batch.size says so: franz-go has no size of batches of its own.
func (p Produce) NewPartitioner() kgo.Partitioner {
	size := int(p.BatchBytes)
	if size <= 0 {
		size = 64 << 10
	}
	switch p.Partitioner {
	case PartitionRoundRobin:
		return kgo.RoundRobinPartitioner()
	case PartitionSticky:
		return kgo.UniformBytesPartitioner(size, true, false, nil)
	}
	return kgo.UniformBytesPartitioner(size, true, true, nil) // nil: Java's murmur2
}

// Backoff is the pause before attempt n, from 1: doubling, and one fifth up or down at random, so that
// many tasks that lost the same broker do not come back at the same time.
func (c *Config) Backoff(n int) time.Duration {
	d := c.RetryBackoff
	for range min(n-1, 30) {
		if d >= c.RetryBackoffMax {
			break
		}
		d *= 2
	}
	d = min(d, c.RetryBackoffMax)
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
