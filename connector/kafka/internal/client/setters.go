package client

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A setter puts a value, trimmed and with references resolved, into a Config. Its error says what is
// wrong without repeating the value, which may be a secret; the caller adds it where it may.
type setter func(c *Config, text string) error

// setString keeps a text as it is.
func setString(field func(*Config) *string) setter {
	return func(c *Config, text string) error {
		*field(c) = text
		return nil
	}
}

// setSecret keeps a text that must not be printed.
func setSecret(field func(*Config) *secret) setter {
	return func(c *Config, text string) error {
		*field(c) = secret(text)
		return nil
	}
}

func setList(field func(*Config) *[]string) setter {
	return func(c *Config, text string) error {
		*field(c) = splitList(text)
		return nil
	}
}

// setClass keeps the name of a Java class. Scala programs write classOf[X], which prints as "class X".
func setClass(field func(*Config) *string) setter {
	return func(c *Config, text string) error {
		*field(c) = strings.TrimSpace(strings.TrimPrefix(text, "class "))
		return nil
	}
}

func setBool(field func(*Config) *bool) setter {
	return func(c *Config, text string) error {
		b, err := parseBool(text)
		*field(c) = b
		return err
	}
}

// setMillis reads a number of milliseconds that is at least low.
func setMillis(low int64, field func(*Config) *time.Duration) setter {
	return func(c *Config, text string) error {
		n, err := parseRange(text, low, math.MaxInt64)
		// A longer time than a Duration can hold is for ever, and so is the longest Duration.
		*field(c) = time.Duration(min(n, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
		return err
	}
}

func setInt(low int64, field func(*Config) *int) setter {
	return func(c *Config, text string) error {
		n, err := parseRange(text, low, math.MaxInt32)
		*field(c) = int(n)
		return err
	}
}

func setInt32(low int64, field func(*Config) *int32) setter {
	return func(c *Config, text string) error {
		n, err := parseRange(text, low, math.MaxInt32)
		*field(c) = int32(n)
		return err
	}
}

func setInt64(low int64, field func(*Config) *int64) setter {
	return func(c *Config, text string) error {
		n, err := parseRange(text, low, math.MaxInt64)
		*field(c) = n
		return err
	}
}

// setBootstrap reads addresses and says of every one that is wrong which it is. An address that is there twice
// would only be asked twice.
func setBootstrap(c *Config, text string) error {
	var errs []error
	c.Bootstrap = nil
	for i, a := range splitList(text) {
		addr, err := parseAddress(a)
		if err != nil {
			errs = append(errs, fmt.Errorf("address %d: %w", i+1, err))
			continue
		}
		if !slices.Contains(c.Bootstrap, addr) {
			c.Bootstrap = append(c.Bootstrap, addr)
		}
	}
	if len(c.Bootstrap) == 0 && len(errs) == 0 {
		return errors.New("holds no address: write host:port, several separated by commas")
	}
	return errors.Join(errs...)
}

// setIdle reads connections.max.idle.ms, which may be negative.
func setIdle(c *Config, text string) error {
	n, err := parseRange(text, math.MinInt64, math.MaxInt64)
	if n < 0 { // Java: never close
		n = math.MaxInt64
	}
	c.IdleTimeout = time.Duration(min(n, int64(math.MaxInt64/time.Millisecond))) * time.Millisecond
	return err
}

// setReset reads auto.offset.reset with the words of 0.8, too, which the first programs of this kind had.
func setReset(c *Config, text string) error {
	switch low := strings.ToLower(text); {
	case low == "earliest" || low == "smallest":
		c.Reset = OffsetReset{Kind: ResetEarliest}
	case low == "latest" || low == "largest":
		c.Reset = OffsetReset{Kind: ResetLatest}
	case low == "none":
		c.Reset = OffsetReset{Kind: ResetNone}
	case strings.HasPrefix(low, "by_duration:"):
		d, err := parseISODuration(text[len("by_duration:"):])
		if err != nil {
			return err
		}
		c.Reset = OffsetReset{Kind: ResetByDuration, Back: d}
	default:
		return errors.New("must be earliest, latest, none, or by_duration: and a duration such as PT1H " +
			"(smallest and largest of 0.8 are understood)")
	}
	return nil
}

func setIsolation(c *Config, text string) error {
	switch strings.ToLower(text) {
	case "read_uncommitted":
		c.Isolation = ReadUncommitted
	case "read_committed":
		c.Isolation = ReadCommitted
	default:
		return errors.New("must be read_uncommitted or read_committed")
	}
	return nil
}

// setEncoding accepts what UTF-8 covers: strings are bytes here, and nothing translates them.
func setEncoding(_ *Config, text string) error {
	switch strings.ToUpper(strings.ReplaceAll(text, "_", "-")) {
	case "UTF-8", "UTF8", "US-ASCII", "ASCII":
		return nil
	}
	return errors.New("only UTF-8 is read and written as a string: use the Bytes decoder and translate in Map")
}

// setCompression knows the names that 0.8 had for none besides Kafka's own.
func setCompression(c *Config, text string) error {
	switch low := strings.ToLower(text); low {
	case "none", "gzip", "snappy", "lz4", "zstd":
		c.Produce.Compression = low
	case "uncompressed", "nocompressioncodec":
		c.Produce.Compression = "none"
	default:
		return errors.New("must be none, gzip, snappy, lz4 or zstd")
	}
	return nil
}

// setLevel keeps the level of a codec. Which of them counts is known only when compression.type is, so
// they are kept by codec until finish.
func setLevel(codec string, low, high int64) setter {
	return func(c *Config, text string) error {
		n, err := parseRange(text, low, high)
		if err != nil {
			return err
		}
		if c.levels == nil {
			c.levels = map[string]int{}
		}
		c.levels[codec] = int(n)
		return nil
	}
}

// setPartitioner takes the classes that Kafka itself brings, by their last part. Any other would deal records
// in a way that only it knows, so leaving it out would put keys where their readers do not expect them.
func setPartitioner(c *Config, text string) error {
	class := strings.TrimPrefix(text, "class ")
	switch class[strings.LastIndexByte(class, '.')+1:] {
	case "", "DefaultPartitioner", "BuiltInPartitioner":
		c.Produce.Partitioner = PartitionByKey
	case "UniformStickyPartitioner":
		c.Produce.Partitioner = PartitionSticky
	case "RoundRobinPartitioner":
		c.Produce.Partitioner = PartitionRoundRobin
	default:
		return errors.New("a Java class cannot run here: set each record's partition, or name DefaultPartitioner, " +
			"RoundRobinPartitioner or UniformStickyPartitioner")
	}
	return nil
}

// setIgnoreKeys comes after partitioner.class in the order of names, and changes the default one only.
func setIgnoreKeys(c *Config, text string) error {
	ignore, err := parseBool(text)
	if ignore && c.Produce.Partitioner == PartitionByKey {
		c.Produce.Partitioner = PartitionSticky
	}
	return err
}

// setProtocol takes Kafka's names only. People write TLS; guessing what else they got wrong is no kindness.
func setProtocol(c *Config, text string) error {
	switch up := strings.ToUpper(text); up {
	case "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL":
		c.tls.protocol = up
	case "TLS", "SASL_TLS":
		return errors.New("is not one of Kafka's names: write SSL or SASL_SSL")
	default:
		return errors.New("must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
	}
	return nil
}

// setStoreType reads the kind of a store. It is a hint: what counts is the store's content.
func setStoreType(field func(*Config) *string) setter {
	return func(c *Config, text string) error {
		switch up := strings.ToUpper(text); up {
		case storeJKS, storePKCS12, storePEM:
			*field(c) = up
		case "P12", "PFX":
			*field(c) = storePKCS12
		default:
			return errors.New("must be JKS, PKCS12 or PEM: convert the store with keytool -importkeystore " +
				"-deststoretype PKCS12")
		}
		return nil
	}
}

// setHostCheck knows the one algorithm that Kafka documents; in Java, an empty value switches the check off.
func setHostCheck(c *Config, text string) error {
	switch strings.ToLower(text) {
	case "https", "":
		c.tls.hostCheck = strings.ToLower(text)
	default:
		return errors.New("must be https, or empty to switch the check of host names off")
	}
	return nil
}

// parseBool is as strict as Kafka: yes, 1 and on are mistakes that are better found now.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("must be true or false")
}

// parseRange reads a whole number from low to high. On an error it returns a number that is in range.
func parseRange(text string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return low, errors.New("must be a whole number")
	}
	if n >= low && n <= high {
		return n, nil
	}
	return low, fmt.Errorf("must be a whole number from %d to %d", low, high)
}

// splitList cuts a list at its commas, as Kafka does: spaces around items and empty items go.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// checkKind says whether a value is of its type; it is for rows that do nothing with it, because a
// typing error is worth hearing of all the same.
func checkKind(k kind, text string) error {
	switch k {
	case kInt:
		_, err := parseRange(text, math.MinInt32, math.MaxInt32)
		return err
	case kLong:
		_, err := parseRange(text, math.MinInt64, math.MaxInt64)
		return err
	case kShort:
		_, err := parseRange(text, math.MinInt16, math.MaxInt16)
		return err
	case kDouble:
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			return errors.New("must be a number")
		}
	case kBool:
		_, err := parseBool(text)
		return err
	}
	return nil
}
