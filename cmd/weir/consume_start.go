package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/connector/kafka"
)

// A start is where reading a partition begins.
type start struct {
	kind startKind
	// n is an offset, or how many offsets before the end.
	n    int64
	time time.Time
}

type startKind uint8

const (
	atBeginning startKind = iota
	atEnd
	atOffset
	beforeEnd
	atTime
)

// parseStart reads the value of --from.
func parseStart(text string, now time.Time) (start, error) {
	switch strings.ToLower(text) {
	case "beginning", "earliest":
		return start{kind: atBeginning}, nil
	case "end", "latest":
		return start{kind: atEnd}, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if strings.HasPrefix(text, "-") {
			return start{kind: beforeEnd, n: -max(n, -1<<62)}, nil
		}
		return start{kind: atOffset, n: n}, nil
	}
	if t, ok := parseTime(text, now); ok {
		return start{kind: atTime, time: t}, nil
	}
	return start{}, usagef("--from takes beginning, end, an offset, -N for the last N offsets, or a time (%s), not %q",
		timeForms, text)
}

// offset is where to begin in a partition that holds offsets from first up to end. timed is the offset of the time.
func (s start) offset(first, end, timed int64) int64 {
	switch s.kind {
	case atEnd:
		return end
	case atOffset:
		return s.n
	case beforeEnd:
		return max(end-s.n, first)
	case atTime:
		return timed
	}
	return first
}

// edges are the ends of a partition, and the offset of a start in it, which need not lie between them.
type edges struct{ first, end, at int64 }

// find asks where the partitions begin and end, and what the start is in each.
func (s start) find(ctx context.Context, a *kafka.Admin, tps []kafka.TopicPartition) (
	map[kafka.TopicPartition]edges, error) {
	firsts, err := a.ListOffsets(ctx, kafka.EarliestOffset, tps...)
	if err != nil {
		return nil, err
	}
	timed := map[kafka.TopicPartition]int64{}
	if s.kind == atTime {
		if timed, err = a.ListOffsets(ctx, kafka.OffsetAt(s.time), tps...); err != nil {
			return nil, err
		}
	}
	// The ends come last: a time may be at the end, and records that come meanwhile must not put it beyond.
	ends, err := a.ListOffsets(ctx, kafka.LatestOffset, tps...)
	if err != nil {
		return nil, err
	}
	out := make(map[kafka.TopicPartition]edges, len(tps))
	for _, tp := range tps {
		first, end := firsts[tp], max(ends[tp], firsts[tp])
		out[tp] = edges{first, end, s.offset(first, end, timed[tp])}
	}
	return out, nil
}

// partitionsOf gives the partitions of topics, those with the given numbers if there are any.
func partitionsOf(ctx context.Context, a *kafka.Admin, numbers []int32, topics ...string) (
	[]kafka.TopicPartition, error) {
	infos, err := a.DescribeTopics(ctx, slices.Compact(slices.Sorted(slices.Values(topics)))...)
	if err != nil {
		return nil, missing(ctx, a, err)
	}
	var tps []kafka.TopicPartition
	for _, t := range infos {
		if err := hasPartitions(t, numbers...); err != nil {
			return nil, err
		}
		for _, tp := range t.TopicPartitions() {
			if len(numbers) == 0 || slices.Contains(numbers, tp.Partition) {
				tps = append(tps, tp)
			}
		}
	}
	return tps, nil
}
