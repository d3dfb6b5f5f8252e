package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/rdd"
)

// kafkaBench compares reading by ranges with a loop over franz-go's PollFetches that does the same work, on the same
// topic in the same run: four partitions, values of 100 bytes.
type kafkaBench struct {
	brokers string
	records int
	runs    int
	codecs  string
}

const (
	benchPartitions = 4
	benchValue      = 100
	needle          = "needle" // in a hundredth of the values
)

func (k *kafkaBench) run(ctx context.Context) error {
	for name := range strings.SplitSeq(k.codecs, ",") {
		topic := fmt.Sprintf("weir_bench_%s_%d", name, k.records)
		if err := k.fill(ctx, topic, name); err != nil {
			return err
		}
		if err := k.compare(ctx, topic, name); err != nil {
			return err
		}
	}
	return nil
}

// fill writes the topic unless it is there already.
func (k *kafkaBench) fill(ctx context.Context, topic, codec string) error {
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "lz4": kgo.Lz4Compression(),
		"zstd": kgo.ZstdCompression(), "snappy": kgo.SnappyCompression(), "gzip": kgo.GzipCompression()}
	compression, ok := codecs[codec]
	if !ok {
		return fmt.Errorf("no compression is called %q", codec)
	}
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(k.brokers, ",")...),
		kgo.ProducerBatchCompression(compression),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, benchPartitions, 1, nil, topic)
	if err != nil {
		if strings.Contains(err.Error(), kerr.TopicAlreadyExists.Message) {
			return nil
		}
		return err
	}
	// Values repeat every 1024 records, as text does more or less.
	values := make([][]byte, 1024)
	for i := range values {
		v := fmt.Appendf(
			nil,
			"%06d the water of a river falls over a weir and stands still above it in small steps ",
			i,
		)
		if i%100 == 0 {
			v = append(v, needle...)
		}
		for len(v) < benchValue {
			v = append(v, byte('a'+(i*7+len(v)*13)%26))
		}
		values[i] = v[:benchValue]
	}
	var first error
	for i := range k.records {
		cl.Produce(
			ctx,
			&kgo.Record{Topic: topic, Partition: int32(i % benchPartitions), Value: values[i/benchPartitions%1024]},
			func(_ *kgo.Record, err error) {
				if err != nil && first == nil {
					first = err
				}
			},
		)
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return first
}

func (k *kafkaBench) compare(ctx context.Context, topic, codec string) error {
	ranges := make([]kafka.OffsetRange, benchPartitions)
	for p := range ranges {
		ranges[p] = kafka.OffsetRange{
			Topic:       topic,
			Partition:   int32(p),
			UntilOffset: int64(k.records / benchPartitions),
		}
	}
	for _, work := range []struct {
		name string
		keep func([]byte) bool
	}{
		{"count", nil},
		{"grep", func(v []byte) bool { return bytes.Contains(v, []byte(needle)) }},
	} {
		poll, weir := &row{
			name:    "PollFetches loop",
			records: k.records,
		}, &row{
			name:    "weir CreateRDD",
			records: k.records,
		}
		var a, b int64
		for range k.runs {
			err := poll.timed(func() (err error) { a, err = k.poll(ctx, topic, work.keep); return err })
			if err == nil {
				err = weir.timed(func() (err error) { b, err = k.weir(ctx, ranges, work.keep); return err })
			}
			if err != nil {
				return err
			}
			if a != b {
				return fmt.Errorf("%s: the loop found %d records, weir %d", work.name, a, b)
			}
		}
		table(
			fmt.Sprintf("%s, %s, %d records of %d bytes (found %d)", work.name, codec, k.records, benchValue, a),
			[]*row{poll, weir},
		)
	}
	return nil
}

// poll is the hand-written loop.
func (k *kafkaBench) poll(ctx context.Context, topic string, keep func([]byte) bool) (int64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(k.brokers, ",")...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	var seen, found int64
	for seen < int64(k.records) {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			return 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen++
			if keep == nil || keep(r.Value) {
				found++
			}
		})
	}
	return found, nil
}

func (k *kafkaBench) weir(
	ctx context.Context,
	ranges []kafka.OffsetRange,
	keep func([]byte) bool,
) (n int64, err error) {
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[2]"))
	if err != nil {
		return 0, err
	}
	defer sc.Stop(ctx)
	records, err := kafka.CreateRDD(
		sc,
		kafka.Params{"bootstrap.servers": k.brokers},
		ranges,
		kafka.Bytes,
		kafka.Bytes,
	)
	if err != nil {
		return 0, err
	}
	if keep == nil {
		return rdd.Count(ctx, records)
	}
	return rdd.Count(ctx, rdd.Filter(records, func(r kafka.Record[[]byte, []byte]) bool { return keep(r.Value) }))
}
