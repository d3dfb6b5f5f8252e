package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

func offsets() *cobra.Command {
	c := &cobra.Command{
		Use:   "offsets",
		Short: "Show and set where groups and programs go on",
		Long: "Lists groups, and shows, exports, imports and resets where they go on: those that Kafka keeps\n" +
			"offsets of, and the inputs of programs that have a checkpoint.",
		Example: "  weir offsets list\n" +
			"  weir offsets show wordcount\n" +
			"  weir offsets reset wordcount --topic lines --to earliest\n" +
			"  weir offsets export wordcount | weir offsets import --checkpoint ./ckpt --input lines",
		Args: knownCommand,
		RunE: oneOf,
	}
	c.AddCommand(offsetsList(), offsetsShow(), offsetsExport(), offsetsImport(), offsetsReset())
	return c
}

// groupJSON is a group's state and offsets for programs.
type groupJSON struct {
	Group   string       `json:"group"`
	State   string       `json:"state"`
	Members []memberJSON `json:"members"`
	Offsets []lagJSON    `json:"offsets"`
}

type memberJSON struct {
	ID       string `json:"id"`
	ClientID string `json:"client_id"`
	Host     string `json:"host"`
}

// lagJSON is a partition's row. What is not known is null: a position that was never committed, the ends of a partition
// whose leader does not answer.
type lagJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed"`
	Start     *int64 `json:"start_offset"`
	End       *int64 `json:"end_offset"`
	Lag       *int64 `json:"lag"`
	Metadata  string `json:"metadata,omitempty"`
}

// An offsetsShower is the command show.
type offsetsShower struct {
	connection
	goalFlag
	topics []string
	asJSON bool
}

func offsetsShow() *cobra.Command {
	s := &offsetsShower{}
	c := &cobra.Command{
		Use:   "show {GROUP | --checkpoint DIR}",
		Short: "Show a group's, or a program's, offsets and how far they lag behind",
		Long: "Shows what a group has committed for each partition, where the partition begins and ends, and the\n" +
			"lag: how many offsets are between. Without --topic these are the topics in which the group has\n" +
			"committed something. With --checkpoint it is an input of a program, which may be running: what its\n" +
			"batches have committed, and planned; ends and lag are shown if brokers are named.",
		Example: "  weir offsets show wordcount\n  weir offsets show wordcount --topic lines --json\n" +
			"  weir offsets show --checkpoint ./ckpt --brokers localhost:9092",
		Args: s.takes(0, 0, ""),
		RunE: s.run,
	}
	c.Flags().StringArrayVar(&s.topics, "topic", nil, "only this `TOPIC`; may be repeated")
	c.Flags().BoolVar(&s.asJSON, "json", false, "write a JSON object")
	s.goalFlag.flags(c)
	s.connection.flags(c, localBroker)
	return c
}

func (s *offsetsShower) run(c *cobra.Command, args []string) error {
	if p, err := s.given(); s.dir != "" && err == nil && !addressed(p) {
		return s.showInput(c, nil)
	}
	return s.withAdmin(func(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
		if s.dir != "" {
			return s.showInput(c, a)
		}
		g, err := describeGroup(ctx, a, args[0], s.topics, c.ErrOrStderr())
		if err != nil {
			return missing(ctx, a, err)
		}
		if s.asJSON {
			return writeJSON(c.OutOrStdout(), g)
		}
		return g.show(c.OutOrStdout())
	})(c, args)
}

func (s *offsetsShower) showInput(c *cobra.Command, a *kafka.Admin) error {
	in, err := describeInput(c.Context(), a, s.goalFlag, s.topics, c.ErrOrStderr())
	if err != nil {
		return err
	}
	if s.asJSON {
		return writeJSON(c.OutOrStdout(), in)
	}
	return in.show(c.OutOrStdout())
}

func describeGroup(ctx context.Context, a *kafka.Admin, group string, topics []string, notes io.Writer) (
	*groupJSON, error) {
	info, err := a.DescribeGroup(ctx, group)
	if err != nil {
		return nil, err
	}
	committed, err := a.GroupOffsets(ctx, group, topics...)
	if err != nil {
		return nil, err
	}
	if !info.Exists() && len(committed) == 0 {
		return nil, noGroup(ctx, a, group, "correct its name")
	}
	out := &groupJSON{Group: group, State: info.State, Members: []memberJSON{}, Offsets: []lagJSON{}}
	for _, m := range info.Members {
		out.Members = append(out.Members, memberJSON(m))
	}
	tps := make([]kafka.TopicPartition, len(committed))
	for i, o := range committed {
		tps[i] = o.TopicPartition()
	}
	firsts, firstErr := a.ListOffsets(ctx, kafka.EarliestOffset, tps...)
	ends, endErr := a.ListOffsets(ctx, kafka.LatestOffset, tps...)
	warn(notes, errors.Join(firstErr, endErr))
	for i, o := range committed {
		row := lagJSON{Topic: o.Topic, Partition: o.Partition, Metadata: o.Metadata,
			Start: known(firsts, tps[i]), End: known(ends, tps[i])}
		if o.Offset >= 0 {
			row.Committed = &o.Offset
			if row.End != nil {
				lag := max(*row.End-o.Offset, 0)
				row.Lag = &lag
			}
		}
		out.Offsets = append(out.Offsets, row)
	}
	return out, nil
}

func (g *groupJSON) show(out io.Writer) error {
	total := int64(0)
	for _, o := range g.Offsets {
		if o.Lag != nil {
			total += *o.Lag
		}
	}
	w := table(out)
	fmt.Fprintf(w, "group %s: state %s, members %d, lag %d\n", g.Group, g.State, len(g.Members), total)
	for _, m := range g.Members {
		fmt.Fprintf(w, "member %s: client %s at %s\n", m.ID, m.ClientID, m.Host)
	}
	if len(g.Offsets) > 0 {
		fmt.Fprintln(w, "TOPIC\tPARTITION\tCOMMITTED\tSTART\tEND\tLAG")
	}
	for _, o := range g.Offsets {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", o.Topic, o.Partition, dash(o.Committed), dash(o.Start), dash(o.End),
			dash(o.Lag))
	}
	return w.Flush()
}
