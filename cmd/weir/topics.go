package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

func topics() *cobra.Command {
	c := &cobra.Command{
		Use:   "topics",
		Short: "List, create, describe and delete topics",
		Example: "  weir topics list\n" +
			"  weir topics create lines --partitions 4\n" +
			"  weir topics describe lines",
		Args: knownCommand,
		RunE: oneOf,
	}
	c.AddCommand(topicsList(), topicsCreate(), topicsDescribe(), topicsDelete())
	return c
}

// topicJSON is a topic for programs.
type topicJSON struct {
	Name              string            `json:"name"`
	ID                string            `json:"id,omitempty"`
	Internal          bool              `json:"internal"`
	PartitionCount    int               `json:"partition_count"`
	ReplicationFactor int               `json:"replication_factor"`
	Partitions        []partitionJSON   `json:"partitions,omitempty"`
	Configs           map[string]string `json:"configs,omitempty"`
}

func summary(t kafka.TopicInfo) topicJSON {
	out := topicJSON{Name: t.Name, Internal: t.Internal, PartitionCount: len(t.Partitions),
		ReplicationFactor: t.ReplicationFactor()}
	if t.ID != [16]byte{} {
		out.ID = fmt.Sprintf("%x-%x-%x-%x-%x", t.ID[:4], t.ID[4:6], t.ID[6:8], t.ID[8:10], t.ID[10:])
	}
	return out
}

func topicsList() *cobra.Command {
	var (
		k                connection
		internal, asJSON bool
	)
	c := &cobra.Command{
		Use:     "list",
		Short:   "List topics",
		Long:    "Lists the topics that the user may see, with the number of their partitions and replicas.",
		Example: "  weir topics list\n  weir topics list --internal --json",
		Args:    nothing,
		RunE: k.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, _ []string) error {
			infos, err := a.Topics(ctx)
			if err != nil {
				return err
			}
			list := []topicJSON{}
			for _, t := range infos {
				if internal || !t.Internal {
					list = append(list, summary(t))
				}
			}
			if asJSON {
				return writeJSON(c.OutOrStdout(), list)
			}
			w := table(c.OutOrStdout())
			fmt.Fprintln(w, "TOPIC\tPARTITIONS\tREPLICATION")
			for _, t := range list {
				fmt.Fprintf(w, "%s\t%d\t%d\n", t.Name, t.PartitionCount, t.ReplicationFactor)
			}
			return w.Flush()
		}),
	}
	c.Flags().BoolVar(&internal, "internal", false, "list Kafka's own topics, too")
	c.Flags().BoolVar(&asJSON, "json", false, "write a JSON array")
	k.flags(c, localBroker)
	return c
}

// table aligns columns that tabulators separate.
func table(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 0, 2, ' ', 0) }

func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
