package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
)

// An offsetsImporter is the command import.
type offsetsImporter struct {
	connection
	goalFlag
	format, missing  string
	dryRun, lastRead bool
	start            start
}

func offsetsImport() *cobra.Command {
	i := &offsetsImporter{}
	c := &cobra.Command{
		Use:   "import {GROUP | --checkpoint DIR} [FILE]",
		Short: "Have a group, or a program's input, go on at the offsets of a file",
		Long: "Reads offsets from a FILE or standard input and commits them: to a group, or into a checkpoint.\n" +
			"Each is that of the next record to read, as Kafka's groups, ZooKeeper's old ones and Spark's\n" +
			"untilOffset have it. They are compared with what the topics hold before any is committed. A\n" +
			"checkpoint takes all or none; of a group the brokers may refuse some, and what it is then is shown.\n" +
			"Partitions that the file does not have stay where they are, unless --missing is given.\n" +
			"docs/migrating.md goes through it for jobs of Spark Streaming.\n\n" +
			"Formats: csv has lines of topic,partition,offset, or columns of these names in any order under a\n" +
			"line of names (until_offset is good for offset), as weir offsets export, kafka-consumer-groups.sh\n" +
			"--export and a table of one's own give. spark is a checkpoint folder of Structured Streaming, or one\n" +
			"of the files in its offsets folder. zookeeper has lines of paths and offsets, such as\n" +
			"/consumers/GROUP/offsets/TOPIC/PARTITION:OFFSET." + goalHelp,
		Example: "  weir offsets import wordcount offsets.csv --dry-run\n" +
			"  weir offsets import --checkpoint ./ckpt --input lines offsets.csv\n" +
			"  weir offsets export wordcount | weir offsets import --checkpoint ./ckpt --input lines\n" +
			"  weir offsets import --checkpoint ./ckpt --input lines --format spark /data/spark-checkpoint",
		Args:    i.takes(0, 1, "perhaps a FILE"),
		PreRunE: func(*cobra.Command, []string) error { return i.check() },
		RunE:    i.withAdmin(i.run),
	}
	f := c.Flags()
	f.StringVar(&i.format, "format", "csv", "`NAME` of the file's format: csv, spark or zookeeper")
	f.StringVar(&i.missing, "missing", "",
		"`WHERE` partitions of its topics go on that the file does not have: earliest or latest (default as now)")
	f.BoolVar(&i.lastRead, "last-read", false, "the offsets are of the last records that were read: go on one behind")
	f.BoolVar(&i.dryRun, "dry-run", false, "show what would be committed, and do nothing")
	i.flagNew(c)
	i.goalFlag.flags(c)
	i.connection.flags(c, localBroker)
	return c
}

func (i *offsetsImporter) check() error {
	if _, ok := offsetFormats[i.format]; !ok {
		return usagef("--format takes csv, spark or zookeeper, not %q", i.format)
	}
	switch i.missing {
	case "", "earliest":
		i.start = start{kind: atBeginning}
	case "latest":
		i.start = start{kind: atEnd}
	default:
		return usagef("--missing takes earliest or latest, not %q", i.missing)
	}
	return nil
}

// read reads the file that is named, or standard input.
func (i *offsetsImporter) read(c *cobra.Command, args []string) (map[kafka.TopicPartition]int64, error) {
	name, err := "standard input", error(nil)
	var data []byte
	switch {
	case i.format == "spark" && len(args) > 0:
		if name, err = sparkOffsets(args[0], c.ErrOrStderr()); err == nil {
			data, err = os.ReadFile(name)
		}
	case len(args) > 0 && args[0] != "-":
		name = args[0]
		data, err = os.ReadFile(name)
	default:
		data, err = io.ReadAll(c.InOrStdin())
	}
	if err != nil {
		return nil, err
	}
	const byteOrderMark = "\ufeff" // Spreadsheets write one.
	offsets, err := offsetFormats[i.format](bytes.NewReader(bytes.TrimPrefix(data, []byte(byteOrderMark))))
	if err == nil && len(offsets) == 0 {
		err = fmt.Errorf("it has no offsets")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if i.lastRead {
		for tp := range offsets {
			offsets[tp]++
		}
	}
	return offsets, nil
}

func (i *offsetsImporter) run(ctx context.Context, c *cobra.Command, a *kafka.Admin, args []string) error {
	g, rest := i.goal(args)
	offsets, err := i.read(c, rest)
	if err != nil {
		return err
	}
	topics, err := topicsOf(ctx, a, offsets)
	if err != nil {
		return err
	}
	before, err := g.before(ctx, a, topics)
	if err != nil {
		return err
	}
	if err := i.complete(ctx, a, topics, offsets); err != nil {
		return err
	}
	if err := whole(g, topics, before, offsets); err != nil {
		return fmt.Errorf("%w: the file has to have it, or say where to begin by --missing", err)
	}
	now, err := g.set(ctx, a, topics, offsets, i.dryRun)
	tps := slices.Collect(maps.Keys(before)) // What is not in the file is shown, too: it stays where it is.
	for _, t := range topics {
		tps = append(tps, t.TopicPartitions()...)
	}
	slices.SortFunc(tps, byTopicPartition)
	return showMoved(c.OutOrStdout(), g, slices.Compact(tps), before, now, i.dryRun, err)
}

func byTopicPartition(x, y kafka.TopicPartition) int {
	if c := strings.Compare(x.Topic, y.Topic); c != 0 {
		return c
	}
	return int(x.Partition) - int(y.Partition)
}

// topicsOf describes the topics of offsets, and makes sure that they have the partitions.
func topicsOf(ctx context.Context, a *kafka.Admin, offsets map[kafka.TopicPartition]int64) (
	[]kafka.TopicInfo, error) {
	numbers := map[string][]int32{}
	for tp := range offsets {
		numbers[tp.Topic] = append(numbers[tp.Topic], tp.Partition)
	}
	topics, err := a.DescribeTopics(ctx, slices.Sorted(maps.Keys(numbers))...)
	if err != nil {
		return nil, missing(ctx, a, err)
	}
	for _, t := range topics {
		if err := hasPartitions(t, slices.Sorted(slices.Values(numbers[t.Name]))...); err != nil {
			return nil, err
		}
	}
	return topics, nil
}

// complete compares the offsets with what the partitions hold, and adds those that the file does not have: where the
// goal is in them now is of no account, for a trial run may have left it there.
func (i *offsetsImporter) complete(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo,
	offsets map[kafka.TopicPartition]int64) error {
	var tps []kafka.TopicPartition
	for _, t := range topics {
		tps = append(tps, t.TopicPartitions()...)
	}
	edges, err := i.start.find(ctx, a, tps)
	if err != nil {
		return err
	}
	for _, tp := range tps {
		e := edges[tp]
		offset, given := offsets[tp]
		switch {
		case !given && i.missing != "":
			offsets[tp] = e.at
		case !given:
		case offset < e.first:
			return fmt.Errorf("%s begins at offset %d, and the file has %d: the records between are gone; correct the "+
				"file, or leave the partition out of it and say --missing earliest", tp, e.first, offset)
		case offset > e.end:
			return fmt.Errorf("%s ends at offset %d, and the file has %d: is it of another cluster, or was the topic "+
				"created again? Correct the file, or leave the partition out of it and say --missing latest", tp, e.end,
				offset)
		}
	}
	return nil
}
