package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A demonstration is the main job in small: a producer, a topic, and a word count whose batches are shown a line each.
type demonstration struct {
	connection
	last, interval time.Duration
	rate           int
	topic          string // that of the user; "" for one of its own
	report         batchReport
}

func demo() *cobra.Command {
	d := &demonstration{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Count words that stream through Kafka, one line a batch",
		Long: "Starts a Kafka broker in memory (or uses --brokers), a producer of lines, and a job that counts\n" +
			"their words. Each batch is a line: its time, records, total delay, rate of processing, and most\n" +
			"frequent words. Ctrl-C drains the job and ends. The topic is created for the demonstration and\n" +
			"deleted after it; with --topic a topic that exists is written to and kept, and what it held before\n" +
			"is not counted.",
		Example: "  weir demo --for 10s --rate 100000\n" +
			"  weir demo --brokers broker1:9092 --interval 500ms\n" +
			"  weir demo --brokers broker1:9092 --topic scratch",
		Args: nothing,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	c.Flags().DurationVar(&d.last, "for", 20*time.Second, "drain and end after this `TIME`")
	c.Flags().DurationVar(&d.interval, "interval", time.Second, "`TIME` from batch to batch")
	c.Flags().IntVar(&d.rate, "rate", 5000, "`LINES` per second that the producer writes")
	c.Flags().StringVar(&d.topic, "topic", "", "write to the existing topic `NAME`, for who may create none")
	d.flags(c, "a broker in memory")
	return c
}

// demoPartitions is small enough for a cluster of any size and large enough to show that there are several.
const demoPartitions = 4

// demoTimeout bounds what is done after the demonstration has ended.
const demoTimeout = 10 * time.Second

func (d *demonstration) run(c *cobra.Command) (err error) {
	if d.interval < time.Millisecond || d.interval%time.Millisecond != 0 || d.last < d.interval || d.rate < 1 {
		return usagef("--interval must be whole milliseconds, --for at least the interval, and --rate at least 1")
	}
	d.report.out = c.OutOrStdout()
	params, stop, err := d.cluster()
	if err != nil {
		return err
	}
	defer stop()
	admin, err := openAdmin(c, params)
	if err != nil {
		return err
	}
	defer admin.Close()
	topic, drop, err := d.provide(c, admin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	ctx, cancel := context.WithTimeout(c.Context(), d.last)
	defer cancel()
	defer tellDrain(ctx, c.ErrOrStderr())()
	return d.stream(ctx, params, topic)
}

// provide gives the topic, and what is to be done with it in the end.
func (d *demonstration) provide(c *cobra.Command, admin *kafka.Admin) (topic string, drop func() error, err error) {
	if d.topic != "" {
		_, err := admin.DescribeTopics(c.Context(), d.topic)
		return d.topic, func() error { return nil }, missing(c.Context(), admin, err)
	}
	t := kafka.NewTopic{Name: fmt.Sprintf("weir_demo_%d", time.Now().UnixMilli()), Partitions: demoPartitions}
	if !admin.HasTopicDefaults() {
		t.ReplicationFactor = 1
	}
	if _, err := admin.CreateTopic(c.Context(), t); err != nil {
		return "", nil, fmt.Errorf("%w\n--topic NAME takes a topic that exists", err)
	}
	return t.Name, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), demoTimeout)
		defer cancel()
		return admin.DeleteTopic(ctx, t.Name)
	}, nil
}

// cluster gives the parameters of the Kafka to use: the one that flags name, else one in memory.
func (d *demonstration) cluster() (p kafka.Params, stop func(), err error) {
	if p, err = d.given(); err != nil {
		return nil, nil, err
	}
	if d.config != "" || addressed(p) {
		p, err = d.parameters()
		return p, func() {}, err
	}
	if d.topic != "" {
		return nil, nil, usagef("--topic needs --brokers: a broker in memory has no topics yet")
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return nil, nil, fmt.Errorf("start a broker in memory: %w", err)
	}
	p[bootstrap] = broker.ListenAddrs()[0]
	fmt.Fprintf(d.report.out, "a Kafka broker in memory listens on %s\n", p[bootstrap])
	return p, broker.Close, nil
}

// stream runs the producer and the job until ctx ends, or one of them fails, and shows the totals.
func (d *demonstration) stream(ctx context.Context, p kafka.Params, topic string) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	written := make(chan error, 1)
	go func() {
		err := d.write(ctx, p, topic)
		if err != nil {
			fail(err)
		}
		written <- err
	}()
	d.report.begin()
	err := weir.Run(ctx, d.build(p, topic), weir.Interval(d.interval), weir.Listener(d.report.event),
		weir.Conf(conf.New().Set("spark.app.name", "weir demo")))
	fail(nil)
	if err = errors.Join(err, <-written); err != nil {
		return err
	}
	return d.report.end()
}

func (d *demonstration) build(p kafka.Params, topic string) weir.Build {
	p = maps.Clone(p)
	p["auto.offset.reset"] = "earliest"
	if d.topic != "" {
		p["auto.offset.reset"] = "latest"
	}
	delete(p, groupID) // What a demonstration has read is of no interest to a group of the user's.
	return func(ssc *dstream.Context) error {
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe(topic), p, kafka.Ignore, kafka.String)
		if err != nil {
			return err
		}
		words := dstream.FlatMap(kafka.Values(lines), strings.FieldsSeq)
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		counts := dstream.ReduceByKey(ones, func(a, b int) int { return a + b })
		type tally = rdd.RDD[rdd.Pair[string, int]]
		dstream.ForeachRDD(counts, func(ctx context.Context, r *tally, b *dstream.Batch) error {
			all, err := rdd.Collect(ctx, r)
			if err == nil {
				d.report.counted(b.Time, all)
			}
			return err
		})
		return nil
	}
}

// top names the most frequent words.
func top(counts []rdd.Pair[string, int]) string {
	slices.SortFunc(counts, func(a, b rdd.Pair[string, int]) int {
		return cmp.Or(b.Value-a.Value, strings.Compare(a.Key, b.Key))
	})
	var parts []string
	for _, kv := range counts[:min(4, len(counts))] {
		parts = append(parts, fmt.Sprintf("%s %d", kv.Key, kv.Value))
	}
	return strings.Join(parts, ", ")
}
