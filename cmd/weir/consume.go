package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A consumption shows the records of topics. What is there when it begins is an RDD of offset ranges; with --follow it
// is a stream, so that it goes on through everything that a job goes on through.
type consumption struct {
	connection
	recordFormat
	from       string
	partitions []int32
	most       int64
	follow     bool

	start start
}

func consume() *cobra.Command {
	s := &consumption{}
	c := &cobra.Command{
		Use:   "consume TOPIC...",
		Short: "Show the records of topics",
		Long: "Shows the value of each record on a line, from --from up to the end that the log has when the\n" +
			"command starts, partition after partition; with --follow it goes on with what comes until Ctrl-C.\n" +
			"Keys and values are written byte by byte, a null as null; --json tells text, other bytes and nulls\n" +
			"apart. No group is joined and no offset committed.\n\n" +
			"A time is " + timeForms + ".",
		Example: "  weir consume lines --follow\n" +
			"  weir consume lines --from -10 --partitions --offsets --keys\n" +
			"  weir consume lines --partition 2 --from 1200 -n 5 --json\n" +
			"  weir consume lines --from 2026-01-31T08:00 --timestamps",
		Args: takes(1, true, "a TOPIC"),
		RunE: func(c *cobra.Command, args []string) error { return s.run(c, args) },
	}
	c.Flags().StringVar(&s.from, "from", "beginning",
		"`WHERE` to begin in each partition: beginning, end, an offset, -N for the last N offsets, or a time")
	c.Flags().Int32SliceVar(&s.partitions, "partition", nil, "only partition `NUMBER`; may be repeated")
	c.Flags().Lookup("partition").DefValue = "" // pflag would show an empty list as the default
	c.Flags().Int64VarP(&s.most, "count", "n", 0, "end after `N` records")
	c.Flags().BoolVarP(&s.follow, "follow", "f", false, "go on with new records until Ctrl-C")
	s.recordFormat.flags(c)
	s.connection.flags(c, localBroker)
	return c
}

func (s *consumption) run(c *cobra.Command, topics []string) error {
	if c.Flags().Changed("count") && s.most < 1 {
		return usagef("-n must be at least 1")
	}
	var err error
	if s.start, err = parseStart(s.from, time.Now()); err != nil {
		return err
	}
	params, err := s.parameters()
	if err != nil {
		return err
	}
	delete(params, groupID) // A job's file may name its group, which is none of our business.
	ranges, err := s.plan(c, params, topics)
	if err != nil {
		return err
	}
	out := newRecordWriter(c.OutOrStdout(), s.recordFormat, s.most)
	if s.follow {
		err = s.stream(c, params, topics, ranges, out)
	} else {
		err = s.read(c.Context(), params, ranges, out)
	}
	if errors.Is(err, dstream.ErrDrainCut) || err != nil && c.Context().Err() != nil {
		return err // A task that was given up may still be writing, and blocked.
	}
	return errors.Join(err, out.flush())
}

// oneTask runs the partitions one after the other, so that output is in order, and tries none of them again, because
// what was shown would be shown twice.
func oneTask() *conf.Conf {
	return conf.New().Set("spark.master", "local[1,1]").Set("spark.app.name", "weir consume")
}

// readStop bounds the end of reading.
const readStop = 2 * time.Second

// readPatience is how long records that are there are waited for: whoever looks on has less patience than a job. One
// that follows goes on through what a job goes on through.
const readPatience = "15s"

type rawRecord = kafka.Record[[]byte, []byte]

// read shows the records of the ranges.
func (s *consumption) read(ctx context.Context, p kafka.Params, ranges []kafka.OffsetRange, out *recordWriter) error {
	sc, err := rdd.NewContext(oneTask().Set(conf.KafkaPollTimeout.Name(), readPatience))
	if err != nil {
		return err
	}
	stop := func() { // It closes connections; a task that is blocked by the output is left to itself.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), readStop)
		defer cancel()
		_ = sc.Stop(end)
	}
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	ranges = slices.DeleteFunc(ranges, func(r kafka.OffsetRange) bool { return r.Count() == 0 })
	records, err := kafka.CreateRDD(sc, p, ranges, kafka.Bytes, kafka.Bytes)
	if err != nil {
		return err
	}
	err = rdd.ForeachPartition(ctx, records, out.partition)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// followInterval is short enough for whoever looks on and long enough to cost nothing.
const followInterval = 200 * time.Millisecond

// followStop bounds the end, and then what does not end: nothing is lost by cutting it, for nothing is committed.
const followStop = "2s"

// stream shows records batch by batch until ctx ends, the wanted number is shown, or nobody takes the output.
func (s *consumption) stream(c *cobra.Command, p kafka.Params, topics []string, ranges []kafka.OffsetRange,
	out *recordWriter) error {
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	offsets := map[kafka.TopicPartition]int64{}
	for _, r := range ranges {
		offsets[r.TopicPartition()] = r.FromOffset
	}
	var strategy kafka.Strategy = kafka.Subscribe(topics...).From(offsets)
	if len(s.partitions) > 0 {
		strategy = kafka.Assign(slices.Collect(maps.Keys(offsets))...).From(offsets)
	}
	build := func(ssc *dstream.Context) error {
		records, err := kafka.DirectStream(ssc, strategy, p, kafka.Bytes, kafka.Bytes)
		if err != nil {
			return err
		}
		dstream.ForeachRDD(records, func(batch context.Context, r *rdd.RDD[rawRecord], _ *dstream.Batch) error {
			if ctx.Err() != nil {
				return nil // What is planned and not shown yet does not hold up the end.
			}
			if err := rdd.ForeachPartition(batch, r, out.partition); err != nil {
				return err // A task that was given up may still be writing.
			}
			err := out.flush()
			if out.done() {
				cancel()
			}
			return err
		})
		return nil
	}
	logger := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	settings := oneTask().Set(conf.GracefulStopTimeout.Name(), followStop).Set(conf.ShutdownTimeout.Name(), followStop)
	defer tellDrain(ctx, c.ErrOrStderr())()
	return weir.Run(ctx, build, weir.Conf(settings), weir.Interval(followInterval), weir.Logger(logger))
}

// plan finds the range of each partition: from where it is to begin up to its end.
func (s *consumption) plan(c *cobra.Command, params kafka.Params, topics []string) ([]kafka.OffsetRange, error) {
	a, err := openAdmin(c, params)
	if err != nil {
		return nil, err
	}
	defer a.Close()
	tps, err := partitionsOf(c.Context(), a, s.partitions, topics...)
	if err != nil {
		return nil, err
	}
	return s.ranges(c, a, tps)
}

func (s *consumption) ranges(c *cobra.Command, a *kafka.Admin, tps []kafka.TopicPartition) (
	[]kafka.OffsetRange, error) {
	edges, err := s.start.find(c.Context(), a, tps)
	if err != nil {
		return nil, err
	}
	out := make([]kafka.OffsetRange, len(tps))
	beyond := 0
	for i, tp := range tps {
		first, end, from := edges[tp].first, edges[tp].end, edges[tp].at
		switch {
		case from < first:
			warn(c.ErrOrStderr(), fmt.Errorf("%s begins at offset %d, for what was before has been deleted: "+
				"beginning there, not at %d", tp, first, from))
		case from > end:
			beyond++
		}
		from = min(max(from, first), end)
		out[i] = kafka.OffsetRange{Topic: tp.Topic, Partition: tp.Partition, FromOffset: from, UntilOffset: end}
	}
	if beyond > 0 && beyond == len(tps) {
		warn(c.ErrOrStderr(), fmt.Errorf("no partition has offset %d yet: beginning at the end", s.start.n))
	}
	return out, nil
}
