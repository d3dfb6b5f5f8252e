package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

// partitionJSON is a partition for programs. Start and End are null where no leader could say.
type partitionJSON struct {
	Partition int32   `json:"partition"`
	Leader    int32   `json:"leader"`
	Address   string  `json:"address,omitempty"`
	Replicas  []int32 `json:"replicas"`
	ISR       []int32 `json:"isr"`
	Start     *int64  `json:"start_offset"`
	End       *int64  `json:"end_offset"`
}

func topicsDescribe() *cobra.Command {
	var (
		k      connection
		asJSON bool
	)
	c := &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show partitions, leaders, offsets and settings of topics",
		Long: "Shows for each partition its leader, replicas, replicas in sync, and the offsets at which it\n" +
			"begins and ends, and of the settings those that were given to the topic.",
		Example: "  weir topics describe lines\n  weir topics describe lines audit --json",
		Args:    takes(1, true, "the NAME of a topic"),
		RunE: k.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
			infos, err := a.DescribeTopics(ctx, args...)
			if err != nil {
				return missing(ctx, a, err)
			}
			list := make([]topicJSON, len(infos))
			for i, t := range infos {
				list[i] = describe(ctx, a, t, c.ErrOrStderr())
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), list)
			}
			return showTopics(c.OutOrStdout(), list)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON array")
	k.flags(c, localBroker)
	return c
}

// describe asks for offsets and settings. What the cluster does not say is left out, with the reason on notes: the rest
// is of use, most of all when a broker is away.
func describe(ctx context.Context, a *kafka.Admin, t kafka.TopicInfo, notes io.Writer) topicJSON {
	out := summary(t)
	// A partition without a leader would be asked for until the deadline.
	var led []kafka.TopicPartition
	for _, p := range t.Partitions {
		if p.Leader >= 0 {
			led = append(led, kafka.TopicPartition{Topic: t.Name, Partition: p.Partition})
		}
	}
	firsts, err := a.ListOffsets(ctx, kafka.EarliestOffset, led...)
	warn(notes, err)
	ends, err := a.ListOffsets(ctx, kafka.LatestOffset, led...)
	warn(notes, err)
	for _, p := range t.Partitions {
		tp := kafka.TopicPartition{Topic: t.Name, Partition: p.Partition}
		out.Partitions = append(out.Partitions, partitionJSON{Partition: p.Partition, Leader: p.Leader,
			Address: p.Address, Replicas: p.Replicas, ISR: p.ISR, Start: known(firsts, tp), End: known(ends, tp)})
	}
	configs, err := a.TopicConfigs(ctx, t.Name)
	warn(notes, err)
	out.Configs = map[string]string{}
	for _, c := range configs {
		if c.Set {
			out.Configs[c.Name] = c.Value
		}
	}
	return out
}

// known gives an offset, or nil if the map has none.
func known(offsets map[kafka.TopicPartition]int64, tp kafka.TopicPartition) *int64 {
	if n, ok := offsets[tp]; ok {
		return &n
	}
	return nil
}

// dash shows a number, and what is not known as a hyphen.
func dash(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

func showTopics(out io.Writer, list []topicJSON) error {
	w := table(out)
	for i, t := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "topic %s: partitions %d, replication factor %d", t.Name, t.PartitionCount, t.ReplicationFactor)
		if t.ID != "" {
			fmt.Fprintf(w, ", id %s", t.ID)
		}
		fmt.Fprintln(w)
		for _, name := range slices.Sorted(maps.Keys(t.Configs)) {
			fmt.Fprintf(w, "%s=%s\n", name, t.Configs[name])
		}
		fmt.Fprintln(w, "PARTITION\tLEADER\tADDRESS\tREPLICAS\tISR\tSTART\tEND")
		for _, p := range t.Partitions {
			leader, address := fmt.Sprint(p.Leader), p.Address
			if p.Leader < 0 {
				leader, address = "-", "-"
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", p.Partition, leader, address,
				nodes(p.Replicas), nodes(p.ISR), dash(p.Start), dash(p.End))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func nodes(ids []int32) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
}
