package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// demo is the main job in small: a producer, a topic, and a word count whose batches are shown a line each.
func demo() *cobra.Command {
	d := demonstration{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Count words that stream through Kafka, one line a batch",
		Long: "Starts a Kafka broker in memory (or uses --brokers), a producer of lines, and a job that counts their " +
			"words.\nEach batch is a line: its time, records, total delay, rate, and most frequent words. Ctrl-C drains and ends.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d.out = c.OutOrStdout()
			return d.run(c.Context())
		},
	}
	c.Flags().DurationVar(&d.last, "for", 20*time.Second, "end after this time")
	c.Flags().DurationVar(&d.interval, "interval", time.Second, "batch interval")
	c.Flags().StringVar(&d.brokers, "brokers", "", "use this Kafka, HOST:PORT, instead of one in memory")
	c.Flags().IntVar(&d.rate, "rate", 5000, "lines per second that the producer writes")
	return c
}

type demonstration struct {
	last, interval time.Duration
	brokers        string
	rate           int
	out            io.Writer
}

const demoPartitions = 4

func (d *demonstration) run(ctx context.Context) (err error) {
	if d.interval < time.Millisecond || d.last <= 0 || d.rate < 1 {
		return usageError{errors.New("--interval must be at least 1ms, --for more than 0, and --rate at least 1")}
	}
	topic := fmt.Sprintf("weir_demo_%d", time.Now().UnixMilli())
	if d.brokers == "" {
		broker, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return fmt.Errorf("start a broker in memory: %w", err)
		}
		defer broker.Close()
		d.brokers = broker.ListenAddrs()[0]
		fmt.Fprintf(d.out, "a Kafka broker in memory listens on %s\n", d.brokers)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(d.brokers, ",")...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return usageError{err}
	}
	defer client.Close()
	if err := d.createTopic(ctx, client, topic); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoTimeout)
		defer cancel()
		_, gone := kadm.NewClient(client).DeleteTopics(ctx, topic)
		err = errors.Join(err, gone)
	}()
	ctx, cancel := context.WithTimeout(ctx, d.last)
	defer cancel()
	produced := make(chan struct{})
	go func() { defer close(produced); d.produce(ctx, client) }()
	err = weir.Run(ctx, d.build(topic), weir.Interval(d.interval),
		weir.Conf(conf.New().Set("spark.app.name", "weir demo")), weir.Listener(d.show))
	cancel()
	<-produced
	return err
}

// demoTimeout bounds each question to the brokers.
const demoTimeout = 10 * time.Second

func (d *demonstration) createTopic(ctx context.Context, client *kgo.Client, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, demoPartitions, -1, nil, topic); err != nil {
		return fmt.Errorf("create topic %s on %s: %w", topic, d.brokers, err)
	}
	return nil
}

// produce writes lines at the given rate until ctx ends.
func (d *demonstration) produce(ctx context.Context, client *kgo.Client) {
	const ticks = 50 // per second
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for owed := 0.0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for owed += float64(d.rate) / ticks; owed >= 1; owed-- {
			client.Produce(ctx, kgo.StringRecord(line()), nil)
		}
	}
}

// line makes a line of words, the first ones of the list being the most frequent.
func line() string {
	var b strings.Builder
	for i := range 8 {
		if i > 0 {
			b.WriteByte(' ')
		}
		x := rand.Float64()
		b.WriteString(vocabulary[int(x*x*x*float64(len(vocabulary)))])
	}
	return b.String()
}

var vocabulary = strings.Fields(`the water of a river falls over weir and stands still above it in small steps each one
	named measured kept until next has gone through no drop is lost none counted twice stream batch record offset key
	value state window sink source log commit replay order time`)

// counted is what a batch's body leaves for the line that shows the batch.
func (d *demonstration) build(topic string) weir.Build {
	return func(ssc *dstream.Context) error {
		lines, err := kafka.DirectStream(ssc, kafka.Subscribe(topic), kafka.Params{
			"bootstrap.servers": d.brokers, "auto.offset.reset": "earliest", "enable.auto.commit": "false",
		}, kafka.String, kafka.String)
		if err != nil {
			return err
		}
		words := dstream.FlatMap(kafka.Values(lines), strings.FieldsSeq)
		ones := dstream.Map(words, func(w string) rdd.Pair[string, int] { return rdd.KV(w, 1) })
		counts := dstream.ReduceByKey(ones, func(a, b int) int { return a + b })
		dstream.ForeachRDD(counts, func(ctx context.Context, r *rdd.RDD[rdd.Pair[string, int]], b *dstream.Batch) error {
			all, err := rdd.Collect(ctx, r)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(d.out, "%s  %s", b.Time.Std().Format("15:04:05.000"), top(all))
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

// show writes the rest of a batch's line.
func (d *demonstration) show(e dstream.Event) {
	if e, ok := e.(dstream.BatchCompleted); ok && e.Err == nil {
		rate := float64(e.Records()) / max(e.ProcessingDelay().Seconds(), 1e-6)
		fmt.Fprintf(d.out, "  records %d  delay %d ms  rate %.0f/s\n", e.Records(), e.TotalDelay().Milliseconds(), rate)
	}
}
