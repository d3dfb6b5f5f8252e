package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

func topicsCreate() *cobra.Command {
	var (
		k       connection
		topic   kafka.NewTopic
		configs []string
	)
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a topic",
		Long: "Creates a topic and waits until all of its partitions have a leader. Numbers that are not given\n" +
			"are the brokers' defaults; brokers before 2.4 want both.",
		Example: "  weir topics create lines --partitions 4\n" +
			"  weir topics create audit --partitions 12 --replication-factor 3 --config retention.ms=604800000",
		Args: takes(1, false, "the NAME of a topic"),
		PreRunE: func(c *cobra.Command, _ []string) (err error) {
			if c.Flags().Changed("partitions") && topic.Partitions < 1 ||
				c.Flags().Changed("replication-factor") && topic.ReplicationFactor < 1 {
				return usagef("--partitions and --replication-factor must be at least 1")
			}
			topic.Configs, err = pairs("--config", configs)
			return err
		},
		RunE: k.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
			topic.Name = args[0]
			t, err := a.CreateTopic(ctx, topic)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "created topic %s: partitions %d, replication factor %d\n",
				t.Name, len(t.Partitions), t.ReplicationFactor())
			return err
		}),
	}
	c.Flags().Int32Var(&topic.Partitions, "partitions", 0, "`NUMBER` of partitions (default the brokers')")
	c.Flags().Int16Var(&topic.ReplicationFactor, "replication-factor", 0,
		"`NUMBER` of replicas of each partition (default the brokers')")
	c.Flags().StringArrayVar(&configs, "config", nil, "a setting of the topic, `NAME=VALUE`; may be repeated")
	k.flags(c, localBroker)
	return c
}

// pairs reads the values of a flag that takes NAME=VALUE.
func pairs(flag string, given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, pair := range given {
		name, value, ok := strings.Cut(pair, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usagef("%s takes NAME=VALUE, not %q", flag, pair)
		}
		out[name] = value
	}
	return out, nil
}
