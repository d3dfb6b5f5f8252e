package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/spelling"
)

// An offsetsExporter is the command export.
type offsetsExporter struct {
	connection
	goalFlag
	topics []string
}

func offsetsExport() *cobra.Command {
	e := &offsetsExporter{}
	c := &cobra.Command{
		Use:   "export {GROUP | --checkpoint DIR} [FILE]",
		Short: "Write where a group, or a program's input, goes on, as CSV",
		Long: "Writes the offsets that a group has committed, or that an input of a checkpoint has reached, to a\n" +
			"FILE, which must not be there, or to standard output: a line of names, then\n" +
			"topic,partition,offset. Each is that of the next record to read. It is what import reads, and,\n" +
			"without its first line, kafka-consumer-groups.sh --from-file. A checkpoint may be in use, and\n" +
			"needs no broker.",
		Example: "  weir offsets export wordcount offsets.csv\n" +
			"  weir offsets export --checkpoint ./ckpt | weir offsets import wordcount",
		Args: e.takes(0, 1, "perhaps a FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			_, rest := e.goal(args)
			offsets, err := e.find(c, args)
			if err != nil {
				return err
			}
			return toFile(c.OutOrStdout(), rest, func(out io.Writer) error { return writeCSV(out, offsets) })
		},
	}
	c.Flags().StringArrayVar(&e.topics, "topic", nil, "only this `TOPIC`; may be repeated")
	e.goalFlag.flags(c)
	e.connection.flags(c, localBroker)
	return c
}

func (e *offsetsExporter) find(c *cobra.Command, args []string) (map[kafka.TopicPartition]int64, error) {
	offsets := map[kafka.TopicPartition]int64{}
	if e.dir != "" {
		_, positions, err := e.positions(c.Context(), e.topics)
		for _, p := range positions {
			offsets[p.tp] = p.committed
		}
		return offsets, err
	}
	err := e.withAdmin(func(ctx context.Context, _ *cobra.Command, a *kafka.Admin, args []string) error {
		g, err := describeGroup(ctx, a, args[0], e.topics, c.ErrOrStderr())
		if err != nil {
			return missing(ctx, a, err)
		}
		for _, o := range g.Offsets {
			if o.Committed != nil {
				offsets[kafka.TopicPartition{Topic: o.Topic, Partition: o.Partition}] = *o.Committed
			}
		}
		return nil
	})(c, args)
	return offsets, err
}

func writeCSV(out io.Writer, offsets map[kafka.TopicPartition]int64) error {
	w := csv.NewWriter(out)
	rows := [][]string{{"topic", "partition", "offset"}}
	for _, tp := range slices.SortedFunc(maps.Keys(offsets), byTopicPartition) {
		rows = append(rows, []string{tp.Topic, strconv.Itoa(int(tp.Partition)), strconv.FormatInt(offsets[tp], 10)})
	}
	return w.WriteAll(rows)
}

// A position is where an input is in a partition: up to where batches are committed, and planned.
type position struct {
	tp                 kafka.TopicPartition
	committed, planned int64
}

// positions gives the input that is meant, and where it is: in the topics, all if none is named.
func (g *goalFlag) positions(ctx context.Context, topics []string) (input string, in []position, err error) {
	info, err := readCheckpoint(ctx, g.dir)
	if err != nil {
		return "", nil, err
	}
	if input, err = kafkaInput(info, g.dir, g.input, ""); err != nil {
		return "", nil, err
	}
	known := map[string]bool{}
	for _, p := range positionsOf(info, input) {
		if known[p.tp.Topic] = true; len(topics) == 0 || slices.Contains(topics, p.tp.Topic) {
			in = append(in, p)
		}
	}
	all := slices.Sorted(maps.Keys(known))
	for _, t := range topics {
		if !known[t] {
			return "", nil, fmt.Errorf("the input %q of %s does not read the topic %s, but %s%s", input, g.dir, t,
				cmp.Or(strings.Join(all, ", "), "none yet"), spelling.DidYouMean(t, all))
		}
	}
	return input, in, nil
}

// positionsOf gives the positions of an input. While a batch is open, what is committed ends where the oldest begins.
func positionsOf(info *dstream.CheckpointInfo, input string) (all []position) {
	begins := map[kafka.TopicPartition]int64{}
	for _, b := range info.Batches {
		if b.Status != "planned" {
			continue
		}
		for _, in := range b.Inputs {
			ranges, _ := kafka.ParseRange(in.Range)
			for _, r := range ranges {
				if _, earlier := begins[r.TopicPartition()]; !earlier && in.Input == input {
					begins[r.TopicPartition()] = r.FromOffset
				}
			}
		}
	}
	ranges, _ := kafka.ParseRange(info.Positions[input])
	for _, r := range ranges {
		p := position{r.TopicPartition(), r.UntilOffset, r.UntilOffset}
		if from, open := begins[p.tp]; open {
			p.committed = from
		}
		all = append(all, p)
	}
	return all
}

// inputJSON is an input of a checkpoint for programs.
type inputJSON struct {
	Checkpoint string         `json:"checkpoint"`
	Input      string         `json:"input"`
	Offsets    []positionJSON `json:"offsets"`
}

// positionJSON is a partition's row. The ends are null where no broker was asked, or none could say.
type positionJSON struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed int64  `json:"committed"`
	Planned   int64  `json:"planned"`
	Start     *int64 `json:"start_offset"`
	End       *int64 `json:"end_offset"`
	Lag       *int64 `json:"lag"`
}

// describeInput tells where an input is. The ends are those that a says, if there is one.
func describeInput(ctx context.Context, a *kafka.Admin, g goalFlag, topics []string, notes io.Writer) (
	*inputJSON, error) {
	input, positions, err := g.positions(ctx, topics)
	if err != nil {
		return nil, err
	}
	out := &inputJSON{Checkpoint: g.dir, Input: input, Offsets: []positionJSON{}}
	var tps []kafka.TopicPartition
	for _, p := range positions {
		tps = append(tps, p.tp)
		out.Offsets = append(out.Offsets, positionJSON{Topic: p.tp.Topic, Partition: p.tp.Partition,
			Committed: p.committed, Planned: p.planned})
	}
	if a == nil {
		return out, nil
	}
	firsts, err := a.ListOffsets(ctx, kafka.EarliestOffset, tps...)
	warn(notes, err)
	ends, err := a.ListOffsets(ctx, kafka.LatestOffset, tps...)
	warn(notes, err)
	for i := range out.Offsets {
		o := &out.Offsets[i]
		o.Start, o.End = known(firsts, tps[i]), known(ends, tps[i])
		if o.End != nil {
			lag := max(*o.End-o.Committed, 0)
			o.Lag = &lag
		}
	}
	return out, nil
}

func (i *inputJSON) show(out io.Writer) error {
	w := table(out)
	fmt.Fprintf(w, "input %s of %s\n", i.Input, i.Checkpoint)
	fmt.Fprintln(w, "TOPIC\tPARTITION\tCOMMITTED\tPLANNED\tSTART\tEND\tLAG")
	for _, o := range i.Offsets {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\t%s\n", o.Topic, o.Partition, o.Committed, o.Planned, dash(o.Start),
			dash(o.End), dash(o.Lag))
	}
	return w.Flush()
}
