package main

import (
	"strconv"
	"strings"
	"time"
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
