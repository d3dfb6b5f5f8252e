package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

// A production writes records to one topic.
type production struct {
	connection
	recordForm
	compression string
	partition   int32
	// chosen tells that the partition was given.
	chosen bool
}

func produce() *cobra.Command {
	p := &production{}
	c := &cobra.Command{
		Use:   "produce TOPIC [VALUE]...",
		Short: "Write records to a topic",
		Long: "Writes each VALUE, or without any each line of standard input, as a record. A line is what stands\n" +
			"before a line feed, every other byte counted. Records are written by an idempotent producer and\n" +
			"acknowledged by all replicas in sync (acks=all). The topic must exist. In the end it is said how many\n" +
			"records went where.\n\n" +
			"With --null records are tombstones: each VALUE or line is then a key, or --key is the only one.\n\n" +
			"A TIME is " + timeForms + ".",
		Example: "  weir produce lines 'to be' 'or not to be'\n" +
			"  weir produce lines --compression lz4 < lines.txt\n" +
			"  printf 'user1\\tlogin\\n' | weir produce events --key-separator '\\t' --header source=shell\n" +
			"  weir produce users --key user1 --null",
		Args: takes(1, true, "a TOPIC"),
		RunE: func(c *cobra.Command, args []string) error { return p.run(c, args[0], args[1:]) },
	}
	p.recordForm.flags(c)
	c.Flags().Int32Var(&p.partition, "partition", 0, "write to partition `NUMBER`, whatever the key")
	c.Flags().StringVar(&p.compression, "compression", "", "`CODEC` of batches: none, gzip, snappy, lz4 or zstd")
	p.connection.flags(c, localBroker)
	return c
}

// afterwards is how long acknowledgements are waited for once the command was interrupted.
const afterwards = 5 * time.Second

func (p *production) run(c *cobra.Command, topic string, values []string) error {
	p.chosen = c.Flags().Changed("partition")
	if p.partition < 0 {
		return usagef("--partition is the number of a partition, from 0 on")
	}
	if err := p.check(c, values); err != nil {
		return err
	}
	params, err := p.parameters()
	if err != nil {
		return err
	}
	if p.compression != "" {
		params["compression.type"] = p.compression
	}
	if err := p.checkPartition(c, params, topic); err != nil {
		return err
	}
	ctx := c.Context()
	producer, err := kafka.OpenProducer(ctx, topic, params, kafka.BytesSerializer, kafka.BytesSerializer,
		kafka.WithLogger(warnings(c.ErrOrStderr())))
	if err != nil {
		return err
	}
	end, cancel := later(ctx, afterwards)
	defer cancel()
	var w written
	err = p.send(ctx, end, producer, &w, p.source(values, c.InOrStdin()))
	err = errors.Join(err, producer.Close(end))
	return errors.Join(err, w.show(c.OutOrStdout(), topic))
}

// later gives a context that ends a while after ctx does.
func later(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	end, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d, cancel)
		context.AfterFunc(end, func() { timer.Stop() })
	})
	return end, cancel
}

// checkPartition makes sure that the partition to write to is there.
func (p *production) checkPartition(c *cobra.Command, params kafka.Params, topic string) error {
	if !p.chosen {
		return nil
	}
	a, err := openAdmin(c, params)
	if err != nil {
		return err
	}
	defer a.Close()
	infos, err := a.DescribeTopics(c.Context(), topic)
	if err != nil {
		return missing(c.Context(), a, err)
	}
	return hasPartitions(infos[0], p.partition)
}

// hasPartitions makes sure that a topic has partitions of these numbers.
func hasPartitions(t kafka.TopicInfo, numbers ...int32) error {
	for _, n := range numbers {
		if !slices.ContainsFunc(t.Partitions, func(p kafka.PartitionInfo) bool { return p.Partition == n }) {
			return fmt.Errorf("topic %q has no partition %d, only 0 to %d", t.Name, n, len(t.Partitions)-1)
		}
	}
	return nil
}

// send hands records over until there are no more, one fails, or ctx ends. What was handed over is given up only when
// end ends.
func (p *production) send(ctx, end context.Context, producer *kafka.Producer[[]byte, []byte], w *written,
	source inputs) error {
	going, failed := context.WithCancel(ctx)
	defer failed()
	for in, err := range source(going) {
		if err != nil {
			return err
		}
		record, err := p.record(in)
		if err != nil {
			return err
		}
		record.Partition, record.HasPartition = p.partition, p.chosen
		err = producer.Send(end, record, func(partition int32, offset int64, err error) {
			if err != nil {
				failed() // Close tells why.
				return
			}
			w.add(partition, offset)
		})
		if err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
