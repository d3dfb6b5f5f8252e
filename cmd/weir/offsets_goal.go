package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/spelling"
	"github.com/weirstream/weir/rdd"
)

// A goal is whose offsets are meant: those of a group, or of an input of a checkpoint.
type goal interface {
	// before makes sure that it is there, and gives where it goes on in the topics now.
	before(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo) (map[kafka.TopicPartition]int64, error)
	// set has it go on at offsets, and gives where it goes on then, nil if it was left as it was. A dry run changes
	// nothing, and gives what it would be and the error with which that would be refused now.
	set(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo, offsets map[kafka.TopicPartition]int64,
		dryRun bool) (now map[kafka.TopicPartition]int64, err error)
	// partial tells whether partitions may be left out that it has no offsets of.
	partial() bool
	String() string
}

// A goalFlag says by a command line which goal is meant: GROUP, or --checkpoint DIR.
type goalFlag struct {
	dir, input string
	new        bool
}

// goalHelp ends the help of commands that change offsets.
const goalHelp = "\n\n" +
	"With --checkpoint it is an input of a program that keeps a checkpoint there, and does not run. It is\n" +
	"known by the name that the program gives its stream (Named), and need not be named if there is one\n" +
	"only. Its states stay as they are (weir state import changes them). A checkpoint that is not there\n" +
	"is made, for the program's first start. One that a running program holds is refused, with the exit\n" +
	"code 3; --dry-run shows what would be done then, too."

func (g *goalFlag) flags(c *cobra.Command) {
	c.Flags().StringVar(&g.dir, "checkpoint", "", "an input of the program with the checkpoint `DIR`, not a group")
	c.Flags().StringVar(&g.input, "input", "", "`NAME` of the input, with --checkpoint (default the only one)")
}

func (g *goalFlag) flagNew(c *cobra.Command) {
	c.Flags().BoolVar(&g.new, "new", false,
		"go on although the group, or the input of a checkpoint, does not exist yet, or does not read the topic yet")
}

// takes checks the arguments: a GROUP unless there is a checkpoint, and then up to most others, which what names.
func (g *goalFlag) takes(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if g.dir == "" && g.input != "" {
			return usagef("--input needs --checkpoint")
		}
		if g.dir != "" && len(args) > most {
			return usagef("%s takes no GROUP with --checkpoint: %q is one too many", c.CommandPath(), args[0])
		}
		if g.dir != "" {
			return takesUpTo(least, most, what)(c, args)
		}
		if what != "" {
			what = " and " + what
		}
		if len(args) <= least {
			return usagef("%s needs a GROUP%s, or --checkpoint DIR in place of the group", c.CommandPath(), what)
		}
		return takesUpTo(least+1, most+1, "a GROUP"+what)(c, args)
	}
}

// goal gives the goal, and the arguments that are left.
func (g *goalFlag) goal(args []string) (goal, []string) {
	if g.dir != "" {
		return &checkpointGoal{dir: g.dir, input: g.input, new: g.new}, args
	}
	return &groupGoal{group: args[0], new: g.new}, args[1:]
}

type groupGoal struct {
	group string
	new   bool
	was   map[kafka.TopicPartition]int64 // what it had committed when it was looked for
}

func (g *groupGoal) String() string { return "group " + g.group }
func (g *groupGoal) partial() bool  { return true }

func (g *groupGoal) before(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo) (
	map[kafka.TopicPartition]int64, error) {
	info, err := a.DescribeGroup(ctx, g.group)
	if err != nil {
		return nil, err
	}
	if len(info.Members) > 0 {
		var who []string
		for _, m := range info.Members {
			who = append(who, fmt.Sprintf("%s (client %s at %s)", m.ID, m.ClientID, m.Host))
		}
		return nil, fmt.Errorf("group %q has live members, which would commit over it: %s; end them first", g.group,
			strings.Join(who, ", "))
	}
	if g.was, err = g.committed(ctx, a, topics); err != nil {
		return nil, missing(ctx, a, err)
	}
	if !info.Exists() && len(g.was) == 0 && !g.new {
		return nil, noGroup(ctx, a, g.group, "correct its name, or add --new to begin one")
	}
	return g.was, nil
}

func (g *groupGoal) committed(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo) (
	map[kafka.TopicPartition]int64, error) {
	list, err := a.GroupOffsets(ctx, g.group, namesOf(topics)...)
	if err != nil {
		return nil, err
	}
	offsets := map[kafka.TopicPartition]int64{}
	for _, o := range list {
		if o.Offset >= 0 {
			offsets[o.TopicPartition()] = o.Offset
		}
	}
	return offsets, nil
}

func (g *groupGoal) set(ctx context.Context, a *kafka.Admin, topics []kafka.TopicInfo,
	offsets map[kafka.TopicPartition]int64, dryRun bool) (map[kafka.TopicPartition]int64, error) {
	if dryRun {
		return offsets, nil // Members are refused before that.
	}
	err := a.CommitGroupOffsets(ctx, g.group, offsets)
	if err == nil {
		return offsets, nil
	}
	// The broker takes each partition by itself: it may refuse one topic's and take the others.
	now, failed := g.committed(ctx, a, topics)
	switch {
	case failed != nil:
		return nil, errors.Join(err, fmt.Errorf("some may be committed all the same, and the group could not be "+
			"asked: %w; look with weir offsets show %s", failed, g.group))
	case maps.Equal(now, g.was):
		return nil, err
	}
	return now, errors.Join(err, errors.New("the group has moved in part: the table shows where it goes on now; when "+
		"this is mended, the same command does the rest"))
}

func namesOf(topics []kafka.TopicInfo) (names []string) {
	for _, t := range topics {
		names = append(names, t.Name)
	}
	return names
}

type checkpointGoal struct {
	dir, input string
	new        bool
	position   []byte // as it was when it was looked where the input is; nil if there is none yet
}

func (g *checkpointGoal) String() string { return "input " + g.input + " of " + g.dir }
func (g *checkpointGoal) partial() bool  { return false }

func (g *checkpointGoal) before(ctx context.Context, _ *kafka.Admin, topics []kafka.TopicInfo) (
	map[kafka.TopicPartition]int64, error) {
	info, err := readCheckpoint(ctx, g.dir)
	switch {
	case errors.Is(err, dstream.ErrNoCheckpoint) && g.input == "":
		return nil, fmt.Errorf("%w; to have one made here, name the input that it is to have, by --input: the name "+
			"that the program gives its stream (Named)", err)
	case errors.Is(err, dstream.ErrNoCheckpoint):
		return map[kafka.TopicPartition]int64{}, nil
	case err != nil:
		return nil, err
	}
	if _, there := info.Positions[g.input]; there || !g.new || g.input == "" {
		g.input, err = kafkaInput(info, g.dir, g.input, "; add --new if the program is to have it from now on")
	}
	if err != nil {
		return nil, err
	}
	before := map[kafka.TopicPartition]int64{}
	g.position = info.Positions[g.input]
	ranges, _ := kafka.ParseRange(g.position)
	for _, r := range ranges {
		before[r.TopicPartition()] = r.UntilOffset
	}
	return before, g.reads(before, topics)
}

// reads refuses topics that the input does not read: the program would not either, but for one that is changed.
func (g *checkpointGoal) reads(before map[kafka.TopicPartition]int64, topics []kafka.TopicInfo) error {
	if g.new || g.position == nil {
		return nil
	}
	known := map[string]bool{}
	for tp := range before {
		known[tp.Topic] = true
	}
	all := slices.Sorted(maps.Keys(known))
	for _, t := range topics {
		if !known[t.Name] {
			return fmt.Errorf("%v does not read the topic %s, but %s%s; add --new if the program is to read it from "+
				"now on", g, t.Name, cmp.Or(strings.Join(all, ", "), "none"), spelling.DidYouMean(t.Name, all))
		}
	}
	return nil
}

// kafkaInput finds the input that is meant: name, or the only one that reads Kafka. remedy is what else may be done if
// there is none of the name.
func kafkaInput(info *dstream.CheckpointInfo, dir, name, remedy string) (string, error) {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(info.Positions)) {
		if _, ok := kafka.ParseRange(info.Positions[id]); ok {
			all = append(all, id)
		}
	}
	_, there := info.Positions[name]
	list := "none that reads Kafka"
	if len(all) > 0 {
		list = strings.Join(all, ", ")
	}
	switch {
	case slices.Contains(all, name):
		return name, nil
	case there:
		return "", fmt.Errorf("the input %q of %s is no direct stream of Kafka: the inputs are %s", name, dir, list)
	case name != "":
		return "", fmt.Errorf("%s has no input %q, but %s%s%s", dir, name, list, spelling.DidYouMean(name, all), remedy)
	case len(all) == 0:
		return "", fmt.Errorf("%s has no input that is a direct stream of Kafka: the others have no offsets", dir)
	case len(all) != 1:
		return "", fmt.Errorf("%s has the inputs %s: say by --input which one is meant", dir, list)
	}
	return all[0], nil
}

func (g *checkpointGoal) set(ctx context.Context, _ *kafka.Admin, topics []kafka.TopicInfo,
	offsets map[kafka.TopicPartition]int64, dryRun bool) (map[kafka.TopicPartition]int64, error) {
	position, err := kafka.MoveRange(g.position, topics, offsets)
	if err != nil {
		return nil, err
	}
	opts := []dstream.MoveOption{dstream.MoveFrom(map[string][]byte{g.input: g.position})}
	if dryRun {
		opts = append(opts, dstream.MoveDryRun())
	}
	err = inContext(ctx, func(sc *rdd.Context) error {
		return dstream.MoveInputs(ctx, sc, g.dir, map[string][]byte{g.input: position}, opts...)
	})
	if err != nil && !showsAnyway(dryRun, err) {
		return nil, err
	}
	return offsets, err
}
