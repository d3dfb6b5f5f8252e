package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
)

// A reset says where a group, or an input, goes on in the partitions of a topic.
type reset struct {
	connection
	goalFlag
	topic      string
	partitions []int32
	to, at     string
	dryRun     bool

	start start
}

func offsetsReset() *cobra.Command {
	r := &reset{}
	c := &cobra.Command{
		Use:   "reset {GROUP | --checkpoint DIR}",
		Short: "Commit where a group, or a program's input, goes on in a topic",
		Long: "Commits for each partition of a topic where the group goes on, and shows what was committed\n" +
			"before. A job that runs does not notice: end it first. A group with live members is left alone, for\n" +
			"they would commit over it. A partition without a record as young as --at goes on at its end.\n\n" +
			"A TIME is " + timeForms + "." + goalHelp,
		Example: "  weir offsets reset wordcount --topic lines --to earliest --dry-run\n" +
			"  weir offsets reset wordcount --topic lines --partition 2 --to 1200\n" +
			"  weir offsets reset wordcount --topic lines --at 2026-01-31T08:00\n" +
			"  weir offsets reset newcomer --new --topic lines --to latest\n" +
			"  weir offsets reset --checkpoint ./ckpt --topic lines --at -15m",
		Args:    r.takes(0, 0, ""),
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
	r.flagNew(c)
	r.goalFlag.flags(c)
	r.connection.flags(c, localBroker)
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
	g, _ := r.goal(args)
	topics, err := a.DescribeTopics(ctx, r.topic)
	if err != nil {
		return missing(ctx, a, err)
	}
	before, err := g.before(ctx, a, topics)
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
			return fmt.Errorf("%s holds offsets from %d up to %d, so %v cannot go on at %d: choose one of them, "+
				"earliest or latest, or other partitions with --partition", tp, e.first, e.end, g, e.at)
		}
		offsets[tp] = e.at
	}
	if err := whole(g, topics, before, offsets); err != nil {
		return fmt.Errorf("%w; reset all partitions of the topic", err)
	}
	now, err := g.set(ctx, a, topics, offsets, r.dryRun)
	return showMoved(c.OutOrStdout(), g, tps, before, now, r.dryRun, err)
}

// whole refuses to leave out partitions of a topic that a goal must have.
func whole(g goal, topics []kafka.TopicInfo, before, offsets map[kafka.TopicPartition]int64) error {
	if g.partial() {
		return nil
	}
	for _, t := range topics {
		for _, tp := range t.TopicPartitions() {
			if known(before, tp) == nil && known(offsets, tp) == nil {
				return fmt.Errorf("%v has no offset of %s, and would read it from its beginning", g, tp)
			}
		}
	}
	return nil
}

// showsAnyway tells that a dry run shows what it would do although that would be refused: the checkpoint is held now.
func showsAnyway(dryRun bool, refused error) bool { return dryRun && is[*dstream.HeldError](refused) }

// showMoved shows where a goal goes on: now and err are what its set gave. It is where it was in partitions that now
// does not have.
func showMoved(out io.Writer, g goal, tps []kafka.TopicPartition, before, now map[kafka.TopicPartition]int64,
	dryRun bool, err error) error {
	if now == nil {
		return err
	}
	w := table(out)
	what := "%v goes on there:\n"
	if dryRun {
		what = "%v would go on there; nothing was committed (--dry-run):\n"
	}
	fmt.Fprintf(w, what, g)
	fmt.Fprintln(w, "TOPIC\tPARTITION\tBEFORE\tNOW")
	for _, tp := range tps {
		was := known(before, tp)
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", tp.Topic, tp.Partition, dash(was), dash(cmp.Or(known(now, tp), was)))
	}
	return errors.Join(w.Flush(), err)
}
