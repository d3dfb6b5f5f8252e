package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

// A reset commits where a group goes on in the partitions of a topic.
type reset struct {
	connection
	topic       string
	partitions  []int32
	to, at      string
	dryRun, new bool

	start start
}

func offsetsReset() *cobra.Command {
	r := &reset{}
	c := &cobra.Command{
		Use:   "reset GROUP",
		Short: "Commit where a group goes on in a topic",
		Long: "Commits for each partition of a topic where the group goes on, and shows what was committed\n" +
			"before. A job that runs does not notice: end it first. A group with live members is left alone, for\n" +
			"they would commit over it. A partition without a record as young as --at goes on at its end.\n\n" +
			"A TIME is " + timeForms + ".",
		Example: "  weir offsets reset wordcount --topic lines --to earliest --dry-run\n" +
			"  weir offsets reset wordcount --topic lines --partition 2 --to 1200\n" +
			"  weir offsets reset wordcount --topic lines --at 2026-01-31T08:00\n" +
			"  weir offsets reset newcomer --new --topic lines --to latest",
		Args:    takes(1, false, "a GROUP"),
		PreRunE: func(*cobra.Command, []string) error { return r.check() },
		RunE:    r.withAdmin(r.run),
	}
	f := c.Flags()
	f.StringVar(&r.topic, "topic", "", "the `TOPIC`; must be given")
	f.Int32SliceVar(&r.partitions, "partition", nil, "only partition `NUMBER`; may be repeated")
	f.Lookup("partition").DefValue = "" // pflag would show an empty list as the default
	f.StringVar(&r.to, "to", "", "`WHERE` to go on: earliest, latest, an offset, or -N for the last N offsets")
	f.StringVar(&r.at, "at", "", "go on at the first record that is not before this `TIME`")
	f.BoolVar(&r.dryRun, "dry-run", false, "show what would be committed, and do nothing")
	f.BoolVar(&r.new, "new", false, "commit although the group does not exist yet")
	r.flags(c, localBroker)
	return c
}

// check reads the flags.
func (r *reset) check() error {
	switch {
	case r.topic == "":
		return usagef("weir offsets reset needs a topic: --topic NAME")
	case (r.to == "") == (r.at == ""):
		return usagef("weir offsets reset needs either --to earliest, latest or an offset, or --at TIME")
	case r.at != "":
		t, ok := parseTime(r.at, time.Now())
		if !ok {
			return usagef("--at takes a time (%s), not %q", timeForms, r.at)
		}
		r.start = start{kind: atTime, time: t}
		return nil
	}
	var err error
	if r.start, err = parseStart(r.to, time.Now()); err != nil || r.start.kind == atTime {
		return usagef("--to takes earliest, latest, an offset, or -N for the last N offsets, not %q; "+
			"a time is given by --at", r.to)
	}
	return nil
}

// run finds the offsets, and commits them unless it is only to show them.
func (r *reset) run(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
	group := args[0]
	before, err := r.idle(ctx, a, group)
	if err != nil {
		return err
	}
	tps, err := partitionsOf(ctx, a, r.partitions, r.topic)
	if err != nil {
		return err
	}
	edges, err := r.start.find(ctx, a, tps)
	if err != nil {
		return err
	}
	offsets := map[kafka.TopicPartition]int64{}
	for _, tp := range tps {
		e := edges[tp]
		if e.at < e.first || e.at > e.end {
			return fmt.Errorf("%s holds offsets from %d up to %d, so the group cannot go on at %d: choose one of "+
				"them, earliest or latest, or other partitions with --partition", tp, e.first, e.end, e.at)
		}
		offsets[tp] = e.at
	}
	if !r.dryRun {
		if err := a.CommitGroupOffsets(ctx, group, offsets); err != nil {
			return err
		}
	}
	return r.show(c.OutOrStdout(), group, tps, before, offsets)
}

// idle makes sure that the group is there and nobody is in it, and gives what it has committed.
func (r *reset) idle(ctx context.Context, a *kafka.Admin, group string) (map[kafka.TopicPartition]int64, error) {
	info, err := a.DescribeGroup(ctx, group)
	if err != nil {
		return nil, err
	}
	if len(info.Members) > 0 {
		var who []string
		for _, m := range info.Members {
			who = append(who, fmt.Sprintf("%s (client %s at %s)", m.ID, m.ClientID, m.Host))
		}
		return nil, fmt.Errorf("group %q has live members, which would commit over it: %s; end them first", group,
			strings.Join(who, ", "))
	}
	committed, err := a.GroupOffsets(ctx, group, r.topic)
	if err != nil {
		return nil, missing(ctx, a, err)
	}
	before := map[kafka.TopicPartition]int64{}
	for _, o := range committed {
		if o.Offset >= 0 {
			before[o.TopicPartition()] = o.Offset
		}
	}
	if !info.Exists() && len(before) == 0 && !r.new {
		return nil, noGroup(ctx, a, group, "correct its name, or add --new to begin one")
	}
	return before, nil
}

func (r *reset) show(out io.Writer, group string, tps []kafka.TopicPartition,
	before, offsets map[kafka.TopicPartition]int64) error {
	w := table(out)
	what := "group %s goes on there:\n"
	if r.dryRun {
		what = "group %s would go on there; nothing was committed (--dry-run):\n"
	}
	fmt.Fprintf(w, what, group)
	fmt.Fprintln(w, "TOPIC\tPARTITION\tBEFORE\tNOW")
	for _, tp := range tps {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\n", tp.Topic, tp.Partition, dash(known(before, tp)), offsets[tp])
	}
	return w.Flush()
}
